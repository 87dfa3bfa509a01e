"""Text becomes search terms: one spelling, light stems, identifiers whole and in parts, pieces of runs."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kb import stemming
from service.kb.analysis import analyse, fold
from service.kb.words import MAX_TERM, Term


def keys(text: str) -> list[str]:
    return [key for token in analyse(text) for key in token.keys]


def weak(text: str) -> list[str]:
    return [key for token in analyse(text) for key in token.weak]


def terms(text: str) -> list[Term]:
    return [term for token in analyse(text) for term in token.terms()]


def identifiers(text: str) -> set[str]:
    return {term.form for term in terms(text) if term.identifier}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Übung", "UBUNG"),
        ("café", "cafe\u0301"),
        ("ＡＢＣ１２", "abc12"),
        ("ﬁle", "file"),
        ("Łódź", "lodz"),
        ("straße", "STRASSE"),
        ("Ёлка", "елка"),
        ("ΟΔΟΣ", "οδός"),
        ("إسلام", "اسلام"),
        ("مدرسة", "مدرسه"),
        ("ﾃﾞｰﾀ", "データ"),
        ("한국", unicodedata.normalize("NFD", "한국")),
        ("İstanbul", "istanbul"),
        ("æther", "aether"),
        ("co\u00adoperate", "cooperate"),
        ("non‑breaking", "non-breaking"),
        ("user’s guide", "users guide"),
    ],
)
def test_what_reads_alike_is_found_alike(one: str, other: str) -> None:
    assert keys(one) == keys(other) != []


@pytest.mark.parametrize(
    "forms",
    [
        "stream streams streaming streamed",
        "study studies studied studying",
        "fly flies",
        "box boxes",
        "class classes",
        "plan plans planned planning",
        "use uses used using",
        "apply applies applied applying",
        "quick quickly",
        "age ages aged aging",
        "API APIs api",
        "index indexes indexed indexing",
    ],
)
def test_forms_of_an_english_word_share_a_term(forms: str) -> None:
    assert len({word.key for form in forms.split() for token in analyse(form) for word in token.words}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("string", "str"), ("thing", "th"), ("speed", "spe"), ("bus", "bu"), ("analysis", "analysi")],
)
def test_endings_that_belong_to_the_word_stay(one: str, other: str) -> None:
    assert stemming.english(one) == one != other


def test_words_that_share_their_beginning_meet_but_are_told_apart() -> None:
    [organised], [organisation] = terms("organised"), terms("organisation")

    assert organised.key == organisation.key
    assert organised.stem != organisation.stem


def test_words_of_grammar_are_kept_apart() -> None:
    assert weak("How do I use the tool? Don't!") == ["how", "do", "i", "the", "don"]
    assert keys("How do I use the tool?") == ["use", "tool"]
    assert keys("the US and IT and WHO") == ["us", "it", "who"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kubeApiServer", {"kubeapiserver"}),
        ("max_surge", {"maxsurge"}),
        ("ERR_CONN_RESET", {"errconnreset"}),
        ("E0425", {"e0425"}),
        ("v1.29.3", {"1.29.3"}),
        ("v2.1", {"2.1"}),
        ("10.0.0.1", {"10.0.0.1"}),
        ("node.js", {"nodejs"}),
        ("C++ and C#", {"c++", "c#"}),
        ("JSONDecodeError", {"jsondecodeerror"}),
        ("__init__", set()),
        ("boundary-layer", set()),
        ("JavaScript", set()),
        ("3.5", set()),
        ("1990-94", set()),
        ("plain words", set()),
    ],
)
def test_identifiers_are_known_by_how_they_are_written(text: str, expected: set[str]) -> None:
    assert identifiers(text) == expected


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("kube api server", "kubeApiServer"),
        ("kubeapiserver", "kube_api_server"),
        ("javascript", "JavaScript"),
        ("configmap", "ConfigMap"),
        ("max surge", "max_surge"),
        ("maxsurge", "maxSurge"),
        ("email", "e-mail"),
        ("1.29", "v1.29.3"),
        ("1.29.3", "v1.29.3"),
        ("1994", "1990-1994"),
        ("1000", "1,000"),
        ("usa", "U.S.A."),
        ("homme", "l'homme"),
        ("last event id", "Last-Event-ID"),
        ("python", "python3"),
        ("sha 256", "sha-256"),
        ("sha256", "sha-256"),
        ("poolsize", "db.pool_size"),
        ("pool_size", "db.pool_size"),
        ("25 MB", "25MB"),
        ("1.5 GiB", "1.5GiB"),
        ("2026-5-3", "2026-05-03"),
        ("3.5.2026", "2026-05-03"),
        ("20260503", "03.05.2026"),
        ("5/3/2026", "2026-05-03T10:00:01Z"),
    ],
)
def test_a_compound_is_found_whole_and_by_its_parts(asked: str, written: str) -> None:
    assert set(keys(asked)) <= set(keys(written))


def test_the_same_numbers_in_another_order_are_another_date() -> None:
    assert keys("2026-05-03")[0] != keys("2026-03-05")[0]
    assert keys("2026-13-05") == ["2026", "13", "05"]
    assert keys("2024.10.1") == ["2024.10.1", "2024.10"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("黑豹队", ["黑豹", "豹队", "黑", "豹", "队"]),
        ("水", ["水"]),
        ("データベース", ["デー", "ータ", "タベ", "ベー", "ース", "データベース"]),
        ("한국어", ["한국", "국어"]),
        ("ที่นี่", ["ที่", "ี่น", "่นี", "นี่"]),
        ("защиты", ["защиты"]),
        ("защитников", ["защитн"]),
        ("والمدرسة", ["مدرس"]),
        ("हिन्दी", ["हिन्दी"]),
    ],
)
def test_other_scripts_are_cut_by_their_own_rules(text: str, expected: list[str]) -> None:
    assert keys(text) == expected


def test_runs_of_hiragana_are_grammar() -> None:
    assert (keys("使うと"), weak("使うと")) == (["使"], ["うと"])


def test_scripts_may_mix_within_a_word() -> None:
    assert {"fastapi", "fast", "api", "使"} <= set(keys("FastAPIを使う"))


def test_very_long_words_are_cut() -> None:
    assert max(map(len, keys("x" * 5000 + " " + "1" * 5000 + " " + "a_" * 5000 + " " + "ァ" * 5000))) <= 40
    assert all(len(term.form) <= MAX_TERM + 8 for term in terms("x" * 5000 + " " + "a.1" * 3000))


@given(st.text(max_size=300))
def test_any_text_gives_terms_that_the_index_keeps_in_one_piece(text: str) -> None:
    for token in analyse(text):
        for key in (*token.keys, *token.weak):
            assert key
            assert not any(letter.isspace() or letter in "\0\"'(),*" for letter in key)


@given(st.text(max_size=100))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(categories=["Ll", "Lu", "Lo", "Nd"]), min_size=1, max_size=12), st.text(max_size=20))
def test_a_word_is_analysed_the_same_wherever_it_stands(word: str, around: str) -> None:
    alone = keys(word) + weak(word)

    assert (
        keys(f"{around} {word}")[-len(keys(word)) or 999 :] + weak(f"{around} {word}")[-len(weak(word)) or 999 :]
        == alone
    )
