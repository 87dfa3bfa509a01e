"""What is shown of an answer to clients from which nothing can be taken back."""

from service.agent.shown import Piece, Placed, Shown
from service.chats.records import Citation

LONG = "word " * 40


def citation(number: int) -> Citation:
    return Citation(f"[{number}]", "a.md", "A", "", "", 1, 1, "quote", "0" * 64, "/api/kb/documents/a.md")


def test_a_beginning_is_held_back_until_it_is_cited() -> None:
    shown = Shown()
    first = citation(1)

    assert shown.add("The port ", ()) is None
    assert shown.add("is 80 [1]", (first,)) == Piece("The port is 80 [1]", (Placed(first, 15, 18),))
    assert shown.add(".", (first,)) == Piece(".")
    assert shown.rest((first,)) is None


def test_a_long_beginning_is_shown_without_a_citation() -> None:
    assert Shown().add(LONG, ()) == Piece(LONG)


def test_a_short_answer_is_shown_at_its_end() -> None:
    shown = Shown()

    assert shown.add("Hello.", ()) is None
    assert shown.rest(()) == Piece("Hello.")


def test_a_short_beginning_that_is_withdrawn_was_never_shown() -> None:
    shown = Shown()
    shown.add("Let me look.", ())

    assert shown.withdraw() is None
    assert shown.add("It is 80 [1]", (citation(1),)) == Piece("It is 80 [1]", (Placed(citation(1), 9, 12),))


def test_what_was_shown_and_withdrawn_stands_before_the_answer_and_moves_its_places() -> None:
    shown = Shown()
    shown.add(LONG, ())

    assert shown.withdraw() == Piece("\n\n")
    piece = shown.add("It is 80 [1]", (citation(1),))

    start = len(LONG) + 2 + 9
    assert piece == Piece("It is 80 [1]", (Placed(citation(1), start, start + 3),))
    assert shown.citations == (Placed(citation(1), 9, 12),)


def test_a_citation_that_is_known_only_at_the_end_is_placed_in_the_text_that_has_it() -> None:
    shown = Shown()
    shown.add(f"{LONG}[1] and [2]", (citation(1),))

    assert shown.rest((citation(1), citation(2))) == Piece("", (Placed(citation(2), 208, 211),))


def test_brackets_in_code_are_no_markers() -> None:
    shown = Shown()
    shown.add("`list[1]` is code. ", ())

    piece = shown.add("It is so [1]", (citation(1),))

    assert piece is not None
    assert piece.citations == (Placed(citation(1), 28, 31),)
