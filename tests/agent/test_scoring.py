"""How sentences and passages are weighed: what makes a sentence the answer, and a question answerable."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.assessment import Assessment
from service.agent.evidence import Passage
from service.agent.matching import AskedTerms, PassageTerms
from service.agent.questions import understand
from service.agent.quoting import choose
from service.agent.words import alike, asked, measure, terms
from service.chats.turns import Exchange

OXYGEN = (
    "Oxygen was discovered by Carl Wilhelm Scheele in Uppsala in 1773. Its name was coined in 1777 by Antoine "
    "Lavoisier. It is the most abundant element in the crust of the Earth."
)
STEAM = "A steam engine burns coal. The valve of a steam engine opens when the pressure is high."
GLOSSARY = "- A **passage** is a piece of a document.\n- A **turn** begins with a question about a passage."
RESTORE = "## How to restore a backup\n\nStop the service first. Then copy the file into the data directory."


def passage(text: str, *, document: str = "a.md", heading: str = "", title: str = "") -> Passage:
    return Passage(1, document, title, heading, 1, 1 + text.count("\n"), text)


def assess(question: str, *passages: Passage) -> Assessment:
    return Assessment(understand(question), passages)


def best(question: str, *passages: Passage) -> str:
    return assess(question, *passages).candidates[0].text


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Who discovered oxygen?", "Oxygen was discovered by Carl Wilhelm Scheele in Uppsala in 1773."),
        ("In what year was the name of oxygen coined?", "Its name was coined in 1777 by Antoine Lavoisier."),
        (
            "What is the most abundant element in the Earth's crust?",
            "It is the most abundant element in the crust of the Earth.",
        ),
        ("When does the valve open?", "The valve of a steam engine opens when the pressure is high."),
    ],
)
def test_the_sentence_with_the_words_of_the_question_is_best(question: str, sentence: str) -> None:
    assert best(question, passage(OXYGEN), passage(STEAM, document="b.md")) == sentence


def test_a_definition_is_preferred_where_one_is_asked_for() -> None:
    assert best("What is a passage?", passage(GLOSSARY)) == "A **passage** is a piece of a document."


def test_a_heading_that_asks_the_question_lends_its_words_to_the_sentences_below() -> None:
    other = passage("A backup is restored seldom. The service is busy.", document="b.md")
    assert best("how do I restore a backup", passage(RESTORE), other) == "Stop the service first."


def test_a_heading_is_never_quoted() -> None:
    assert all(c.sentence.kind != "heading" for c in assess("restore a backup", passage(RESTORE)).candidates)


def test_the_sentence_after_a_match_gains_from_it() -> None:
    after, later = "He moved to a new town.", "It rained for days."
    ranked = [
        c.text for c in assess("Tesla patents", passage(f"Tesla held many patents. {after} {later}")).candidates
    ]
    assert ranked.index(after) < ranked.index(later)


def test_code_is_held_back_where_no_procedure_is_asked_for() -> None:
    text = "The service is started with a script.\n\n```sh\nservice start script\n```"
    assert best("Who starts the service?", passage(text)).startswith("The service")


def test_a_long_block_of_code_gains_little_from_the_words_in_it() -> None:
    code = "```\n" + "\n".join(f"line {n} connects a slot" for n in range(40)) + "\n```"
    assert best("How do I connect a slot?", passage(f"Use the wizard to connect a slot.\n\n{code}")).startswith(
        "Use"
    )


def test_a_follow_up_stays_with_the_document_that_was_quoted() -> None:
    said = "The lamp of the tower is lit at dusk by a sensor."
    tower = passage(f"{said} It can be switched off by hand.", document="tower.md")
    car = passage(
        "The radio of the car plays music at dusk. It can be switched off by hand too.", document="car.md"
    )
    question = understand("how is it switched off?", (Exchange("When is the lamp lit?", said),))
    first = Assessment(question, [car, tower]).candidates[0]
    assert first.passage.document == "tower.md"
    assert first.text == "It can be switched off by hand."


def test_asked_for_more_nothing_is_said_twice() -> None:
    question = understand("tell me more", (Exchange("Who discovered oxygen?", OXYGEN.partition(" Its")[0]),))
    quotes = choose(Assessment(question, [passage(OXYGEN)]).candidates)
    assert quotes
    assert all("Scheele" not in quote.text for quote in quotes)


@pytest.mark.parametrize(
    "question",
    ["Who discovered oxygen?", "When was the name oxygen coined?", "When does the valve of a steam engine open?"],
)
def test_a_question_whose_words_stand_together_in_a_passage_is_answerable(question: str) -> None:
    assert assess(question, passage(OXYGEN), passage(STEAM, document="b.md")).answerable


@pytest.mark.parametrize(
    "question",
    [
        "Who won the football match in Madrid?",
        "How many seats does the Sydney opera house have?",
        "Which Norman castle was built by Henry?",
        "What does error E1042 of the printer mean?",
    ],
)
def test_a_question_whose_names_and_rare_words_are_missing_is_not(question: str) -> None:
    assert not assess(question, passage(OXYGEN), passage(STEAM, document="b.md")).answerable


def test_without_passages_nothing_is_answerable() -> None:
    nothing = assess("Who discovered oxygen?")
    assert nothing.confidence == -math.inf
    assert (nothing.candidates, nothing.grounds, nothing.near_documents) == ([], None, ())
    assert not nothing.answerable


def test_documents_with_telling_words_of_the_question_are_near() -> None:
    near = assess(
        "the valve of a trumpet in an orchestra", passage(OXYGEN), passage(STEAM, document="b.md")
    ).near_documents
    assert near == ("b.md",)


def test_sentences_are_chosen_until_an_answer_is_likely_and_at_most_three() -> None:
    clear = choose(assess("Who discovered oxygen in Uppsala in 1773?", passage(OXYGEN)).candidates)
    assert len(clear) == 1
    alike_sentences = " ".join(f"The tower number {n} is tall." for n in range(9))
    assert len(choose(assess("Which tower is tall?", passage(alike_sentences)).candidates)) == 3


def test_chosen_sentences_come_in_reading_order_passage_by_passage() -> None:
    text = "The tower is tall. The tower is old. The tower is red."
    quotes = choose(assess("What is the tower like?", passage(text)).candidates)
    assert [q.sentence.start for q in quotes] == sorted(q.sentence.start for q in quotes)


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("execut", "execut", 1.0),
        ("execut", "execution", 0.7),
        ("discover", "discoveri", 0.7),
        ("container", "continent", 0.0),
        ("port", "portal", 0.0),
        ("2023a", "2023b", 0.0),
    ],
)
def test_words_that_share_most_of_their_beginning_are_alike(one: str, other: str, likeness: float) -> None:
    assert alike(one, other) == likeness
    assert alike(other, one) == likeness


def test_a_compound_counts_as_one_word_with_its_parts() -> None:
    found = asked("kb-agent LLM_CONTEXT_TOKENS")
    assert sum(term.share for term in found) == pytest.approx(2)
    assert [term.term for term in found if term.step] == ["kbagent", "llmcontexttoken"]


def test_terms_of_scripts_without_spaces_stand_for_parts_of_words() -> None:
    assert 1 < measure(terms("服务器怎么启动")) < 4
    assert measure(terms("three plain words")) == 3


def test_rare_terms_weigh_more_than_common_ones() -> None:
    passages = [PassageTerms(passage(text)) for text in ("tower red", "tower blue", "tower old", "castle")]
    weights = AskedTerms(understand("the tower and the castle"), passages).weights
    assert weights["castl"] > weights["tower"]


@given(st.text(max_size=200), st.text(max_size=300), st.text(max_size=40))
def test_any_question_can_be_weighed_against_any_text(question: str, text: str, heading: str) -> None:
    assessment = assess(question, passage(text, heading=heading), passage(OXYGEN))
    assert all(math.isfinite(candidate.score) for candidate in assessment.candidates)
    assert math.isfinite(assessment.confidence)
    assert 0 <= (assessment.grounds.strength if assessment.grounds else 0) <= 1
