"""Excerpts are verbatim, short, around the words that match, and marked where these stand."""

from hypothesis import given
from hypothesis import strategies as st

from service.kb.excerpts import EXCERPT_CHARS, Excerpts
from service.kb.query import parse


def marked(text: str, question: str) -> list[str]:
    piece, spans = Excerpts(frozenset(parse(question).keys)).cut(text)
    assert piece in text
    return [piece[a:b] for a, b in spans]


def test_words_are_marked_in_whatever_form_they_stand() -> None:
    assert marked("Streams, a stream, STREAMING: restream.", "streams") == ["Streams", "stream", "STREAMING"]
    assert marked("max_surge and kubeApiServer", "surge server") == ["max_surge", "kubeApiServer"]
    assert marked("Die Überprüfungen, überprüft", "Überprüfung") == ["Überprüfungen", "überprüft"]
    assert marked("Защитники и защита", "защитника") == ["Защитники"]
    assert marked("Don't use the user’s tool", "users") == ["user’s"]
    assert marked("C++ and C# and C", "C++") == ["C++"]


def test_runs_without_spaces_are_marked_by_their_pieces() -> None:
    assert marked("黑豹队的防守", "黑豹防守") == ["黑豹", "防守"]
    assert marked("データベースを使う", "データベース") == ["データベース"]
    assert marked("한국어를 배우다", "한국어") == ["한국어"]


def test_letters_that_fold_to_more_letters_do_not_shift_marks() -> None:
    assert all(mark in "ทำได้" for mark in marked("ไทยทำได้ ดี", "ทำได้"))
    assert marked("½ ½ lantern ½", "lantern") == ["lantern"]


def test_the_excerpt_is_where_most_different_words_stand() -> None:
    text = "lantern " * 60 + "x " * 200 + "the lantern keeper lights" + " y" * 200
    piece, _ = Excerpts(frozenset(parse("lantern keeper light").keys)).cut(text)

    assert "keeper lights" in piece
    assert len(piece) <= EXCERPT_CHARS


def test_texts_are_marked_alike_whatever_was_cut_before_them() -> None:
    texts = ["İstanbul Streams", "STREAMING:\tstream", "streams\nupstream re-stream ǅ"]
    excerpts = Excerpts(frozenset(parse("streams").keys))

    assert [excerpts.cut(text) for text in texts * 2] == [
        Excerpts(frozenset(parse("streams").keys)).cut(text) for text in texts * 2
    ]
    assert [len(excerpts.matches(text)) for text in texts] == [1, 2, 2]


def test_a_text_without_matches_is_shown_from_its_beginning() -> None:
    assert Excerpts(frozenset()).cut("word " * 200) == (("word " * 200)[:319].rstrip(), ())


def test_a_long_word_does_not_make_a_long_excerpt() -> None:
    piece, spans = Excerpts(frozenset({"other"})).cut("x" * 5000)

    assert (len(piece), spans) == (EXCERPT_CHARS, ())


@given(st.text(max_size=900), st.text(max_size=60))
def test_marks_are_in_order_and_within_the_excerpt(text: str, question: str) -> None:
    excerpts = Excerpts(frozenset(parse(question).keys))
    piece, spans = excerpts.cut(text)
    edges = [edge for span in spans for edge in span]

    assert piece in text
    assert len(piece) <= EXCERPT_CHARS
    assert edges == sorted(edges)
    assert all(0 <= a < b <= len(piece) for a, b in spans)
    assert len(spans) <= len(excerpts.matches(text))
