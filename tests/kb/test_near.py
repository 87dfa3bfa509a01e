"""Mistakes in words are counted as a reader counts them, and undone only where they tell."""

import pytest

from service.kb import near
from service.kb.words import word


@pytest.mark.parametrize(
    ("one", "other", "mistakes"),
    [
        ("metrics", "metrics", 0),
        ("metircs", "metrics", 1),
        ("metrcs", "metrics", 1),
        ("mettrics", "metrics", 1),
        ("matrics", "metrics", 1),
        ("matrisc", "metrics", 2),
        ("", "abc", 3),
    ],
)
def test_a_swap_a_missing_a_further_and_another_letter_are_one_mistake(
    one: str, other: str, mistakes: int
) -> None:
    assert near.mistakes(one, other) == near.mistakes(other, one) == mistakes


@pytest.mark.parametrize("text", ["metircs", "metrcs", "mettrics", "matrics"])
def test_every_word_with_one_mistake_is_among_the_neighbours(text: str) -> None:
    assert word("metrics").key in near.neighbours(word(text))


@pytest.mark.parametrize(
    ("asked", "written", "meant"),
    [
        ("disconect", ["disconnect", "disconnected"], "disconnect"),
        ("recieve", ["receiv", "receives"], "receives"),
        ("cofigure", ["configur", "configured"], "configured"),
        ("plant", ["plan", "planning", "planned"], None),
        ("planet", ["plan"], None),
        ("xetrics", ["metrics"], None),
        ("cats", ["cots"], None),
    ],
)
def test_a_word_is_meant_where_one_mistake_is_between_them_or_their_stems(
    asked: str, written: list[str], meant: str | None
) -> None:
    assert near.mistaken(word(asked), written) == meant


@pytest.mark.parametrize(
    ("asked", "hint"), [("authentikazion", "authentication"), ("recipe", None), ("quantum", None)]
)
def test_two_mistakes_are_a_hint_in_a_long_word_only(asked: str, hint: str | None) -> None:
    assert near.alike(word(asked), ["authentication", "receive", "quantile"]) == hint


@pytest.mark.parametrize("text", ["cats", "v1.2.3", "größe", "kubeapiserverkubeapiserver", "дом"])
def test_mistakes_are_not_looked_for_in_short_words_codes_and_other_alphabets(text: str) -> None:
    assert not near.usable(word(text))
