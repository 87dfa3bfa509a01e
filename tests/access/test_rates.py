"""What a caller may send in a minute slides with the clock."""

import random

import pytest

from service.access.rates import Rates
from service.access.records import Principal
from service.errors import Overloaded


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def caller(name: str) -> Principal:
    return Principal(name=name, owner=name, scopes=frozenset(), limited=name)


def sent(rates: Rates, who: Principal, times: int) -> int:
    """Send so many requests; give how many were let in."""
    let_in = 0
    for _ in range(times):
        try:
            rates.take("requests", who)
        except Overloaded:
            continue
        let_in += 1
    return let_in


def test_a_full_minute_stays_full_over_the_change_of_the_clock() -> None:
    clock = Clock(59.0)
    rates = Rates(10, 10, clock)
    assert sent(rates, caller("a"), 30) == 10

    clock.seconds = 60.5

    assert sent(rates, caller("a"), 30) == 1
    clock.seconds = 90.0
    assert sent(rates, caller("a"), 30) == 4
    clock.seconds = 180.0
    assert sent(rates, caller("a"), 30) == 10


def test_who_waits_as_long_as_told_is_let_in() -> None:
    chance = random.Random(3)
    clock = Clock(0.0)
    rates = Rates(7, 7, clock)
    refused = 0
    for _ in range(500):
        clock.seconds += chance.random() * 8
        try:
            rates.take("requests", caller("a"))
        except Overloaded as error:
            refused += 1
            clock.seconds += error.retry_after
            assert rates.take("requests", caller("a")) is not None
    assert refused > 20


def test_what_is_left_is_what_is_let_in() -> None:
    clock = Clock(100.0)
    rates = Rates(12, 12, clock)
    allowance = rates.take("requests", caller("a"))
    assert allowance is not None
    assert allowance.headers() == {"RateLimit-Policy": '"requests";q=12;w=60', "RateLimit": '"requests";r=11;t=20'}

    assert sent(rates, caller("a"), 30) == allowance.left


def test_callers_and_kinds_are_counted_apart() -> None:
    rates = Rates(2, 1, Clock(0.0))
    assert sent(rates, caller("a"), 5) == 2

    assert sent(rates, caller("b"), 5) == 2
    assert rates.take("questions", caller("a")) is not None
    with pytest.raises(Overloaded, match="more than 1 questions in a minute"):
        rates.take("questions", caller("a"))


def test_a_limit_of_zero_and_a_caller_without_limits_are_never_refused() -> None:
    free = Principal(name="a", owner="a", scopes=frozenset(), limited=None)

    assert Rates(0, 0, Clock(0.0)).take("requests", caller("a")) is None
    assert sent(Rates(1, 1, Clock(0.0)), free, 50) == 50
