"""The regressions that fit the reader's weights find the weights behind made-up data."""

import math
import random

import pytest

from scripts.benchmarks.regression import conditional_logit, logistic, softmax

WEIGHTS = (2.0, -1.0, 0.5)


def points(count: int) -> list[tuple[float, ...]]:
    chance = random.Random(7)
    return [tuple(chance.gauss(0, 1) for _ in WEIGHTS) for _ in range(count)]


def test_logistic_regression_finds_weights_and_bias() -> None:
    chance = random.Random(8)
    rows = []
    for point in points(3000):
        logit = sum(w * v for w, v in zip(WEIGHTS, point, strict=True)) - 1
        rows.append((point, chance.random() < 1 / (1 + math.exp(-logit)), 1.0))
    assert logistic(rows, 0.01) == pytest.approx([*WEIGHTS, -1], abs=0.25)


def test_conditional_logit_finds_what_makes_an_alternative_right() -> None:
    chance = random.Random(9)
    alternatives = points(6000)
    choices = []
    for at in range(0, len(alternatives), 6):
        group = alternatives[at : at + 6]
        odds = softmax([sum(w * v for w, v in zip(WEIGHTS, point, strict=True)) for point in group])
        right = chance.choices(range(6), odds)[0]
        choices.append([(point, place == right) for place, point in enumerate(group)])
    assert conditional_logit(choices, 0.01) == pytest.approx(WEIGHTS, abs=0.25)


def test_a_heavy_row_counts_more() -> None:
    rows = [((1.0,), True, 1.0), ((1.0,), False, 1.0), ((-1.0,), False, 1.0)]
    heavier = [(values, label, 5.0 if label else weight) for values, label, weight in rows]
    assert logistic(heavier, 0.1)[0] > logistic(rows, 0.1)[0]
