"""A passage is indexed by the terms that a question with its words has."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from service.kb.analysis import analyse
from service.kb.documents import Document
from service.kb.passages import Passage
from service.kb.postings import Posting, postings

_WORDS = (
    "Don't",
    "the",
    "wing,",
    "1,000",
    "a.b",
    "e.g.",
    "C++",
    "naïve",
    "max_surge.",
    "Straße",
    "漢字かな",
    "ระบบ",
)


def posting(text: str) -> Posting:
    nameless = Document("", "", "", "", (), (), revision="", lines=1, size=0, text=text, passages=())
    (found,) = postings(replace(nameless, passages=(Passage("", 1, 1, text),)))
    return found


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(_WORDS)).map(" ".join), st.text("ab',. 1-\n+#")))
def test_any_text_is_indexed_by_the_terms_it_is_asked_by(text: str) -> None:
    tokens = analyse(text)
    found = posting(text)
    terms = found.terms.split()
    assert terms[: found.length] == [key for token in tokens for key in token.keys]
    assert {key for token in tokens for key in token.weak} <= set(terms[found.length :])
    assert set(found.forms.split()) == {form for token in tokens for form in token.forms}
