"""The retry budget and the circuit breaker: by themselves on a clock of the test's, and in the model client."""

import pytest

from service.agent.llm import Endpoint, SdkChatModel
from service.agent.resilience import Breaker, BreakerLimits, Guard, RetryBudget
from service.errors import ModelError
from tests.agent.asking import PATIENT, QUICK, hear
from tests.fake_llm import FakeLLM


class Notes:
    """A `GuardObserver` that writes down what it hears."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.states: list[tuple[str, str]] = []

    def retry_refused(self, reason: str) -> None:
        self.refused.append(reason)

    def breaker_moved(self, model: str, state: str) -> None:
        if not self.states or self.states[-1] != (model, state):
            self.states.append((model, state))


@pytest.fixture
def notes() -> Notes:
    return Notes()


def guard(notes: Notes, failures: int = 5, budget: RetryBudget | None = None) -> Guard:
    return Guard("m", budget or RetryBudget(), Breaker(BreakerLimits(failures)), notes)


def opened(failures: int = 5) -> Breaker:
    """A breaker that opened at second 4."""
    breaker = Breaker(BreakerLimits(failures))
    for second in range(5):
        breaker.failed("provider_error", second)
    assert breaker.state == "open"
    return breaker


def test_retries_are_a_fifth_of_the_calls_and_ten_more() -> None:
    budget = RetryBudget()
    paid = 0
    for _ in range(1000):
        budget.called()
        paid += sum(budget.take() for _ in range(2))
    assert 200 <= paid <= 210


def test_good_times_do_not_pay_for_a_storm() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.called()
    assert sum(budget.take() for _ in range(100)) == 10


def test_no_share_leaves_the_reserve_alone() -> None:
    budget = RetryBudget(share=0, reserve=2)
    budget.called()
    assert [budget.take() for _ in range(3)] == [True, True, False]


def test_five_failures_within_thirty_seconds_open_the_breaker() -> None:
    breaker = Breaker(BreakerLimits())
    for second in (0, 8, 16, 24):
        breaker.failed("provider_error", second)
    assert breaker.admit(25) is None
    breaker.failed("provider_unreachable", 30)
    assert (breaker.state, breaker.admit(31)) == ("open", 14)


def test_failures_further_apart_do_not_open_it() -> None:
    breaker = Breaker(BreakerLimits())
    for second in range(0, 100, 8):
        breaker.failed("provider_timeout", second)
    assert breaker.state == "closed"


def test_a_success_between_begins_the_count_anew() -> None:
    breaker = Breaker(BreakerLimits())
    for second in range(12):
        breaker.failed("stalled", second)
        if second % 4 == 3:
            breaker.succeeded()
    assert breaker.state == "closed"


@pytest.mark.parametrize(
    "code", ["provider_auth", "provider_quota", "bad_request", "unknown_model", "empty_answer"]
)
def test_what_says_nothing_of_an_outage_never_opens_it(code: str) -> None:
    breaker = Breaker(BreakerLimits())
    for second in range(20):
        breaker.failed(code, second)
    assert breaker.state == "closed"


def test_while_open_one_probe_goes_ahead_each_fifteen_seconds() -> None:
    breaker = opened()
    assert [breaker.admit(second) for second in (5, 18.5)] == [14, 0.5]
    assert [breaker.admit(second) for second in (19, 19, 30)] == [None, 15, 4]
    assert breaker.state == "half_open"
    assert breaker.admit(34) is None, "a probe that never ends does not keep it open for ever"


def test_a_probe_that_succeeds_closes_it_and_one_that_fails_opens_it_again() -> None:
    breaker = opened()
    assert breaker.admit(20) is None
    breaker.failed("provider_error", 22)
    assert (breaker.state, breaker.admit(23)) == ("open", 14)
    assert breaker.admit(37) is None
    breaker.succeeded()
    assert (breaker.state, breaker.admit(38)) == ("closed", None)


def test_a_probe_long_after_the_outage_began_opens_it_again_by_itself() -> None:
    breaker = opened()
    assert breaker.admit(100) is None
    breaker.failed("provider_error", 101)
    assert (breaker.state, breaker.admit(102)) == ("open", 14)


def test_a_probe_that_is_refused_shows_that_the_provider_is_there() -> None:
    breaker = opened()
    assert breaker.admit(20) is None
    breaker.failed("provider_rate_limited", 21)
    assert breaker.state == "closed"


def test_calls_that_were_under_way_when_it_opened_do_not_put_the_probe_off() -> None:
    breaker = opened()
    breaker.failed("provider_error", 15)
    assert breaker.admit(19) is None


def test_without_a_number_of_failures_it_never_opens() -> None:
    breaker = Breaker(BreakerLimits(failures=0))
    for second in range(50):
        breaker.failed("provider_error", second)
    assert breaker.state == "closed"


async def test_an_open_breaker_answers_in_place_of_the_provider(fake: FakeLLM, notes: Notes) -> None:
    endpoint = Endpoint(fake.base_url, "500")
    async with SdkChatModel(endpoint, PATIENT, QUICK, guard=guard(notes)) as model:
        codes = []
        for _ in range(4):
            heard = await hear(model)
            assert heard.error is not None
            codes.append(heard.error.code)
            last = heard.error

    assert codes == ["provider_error", "provider_error", "provider_unavailable", "provider_unavailable"]
    assert len(fake.requests) == 5
    assert notes.refused == ["breaker"]
    assert notes.states == [("m", "closed"), ("m", "open")]
    assert last.retryable
    assert last.retry_after is not None
    assert 0 < last.retry_after <= 15
    assert f"tried again in {last.retry_after:.0f} s" in last.detail


async def test_a_dead_provider_gets_a_fifth_more_requests_than_calls_and_ten(fake: FakeLLM, notes: Notes) -> None:
    endpoint = Endpoint(fake.base_url, "500")
    async with SdkChatModel(endpoint, PATIENT, QUICK, guard=guard(notes, failures=0)) as model:
        for _ in range(50):
            assert isinstance((await hear(model)).error, ModelError)

    assert 60 <= len(fake.requests) <= 1.2 * 50 + 10
    assert set(notes.refused) == {"budget"}


async def test_the_budget_is_one_for_all_models(fake: FakeLLM, notes: Notes) -> None:
    budget = RetryBudget(share=0, reserve=3)
    made = []
    for _ in range(2):
        async with SdkChatModel(
            Endpoint(fake.base_url, "500"), PATIENT, QUICK, guard=guard(notes, 0, budget)
        ) as model:
            before = len(fake.requests)
            await hear(model)
            made.append(len(fake.requests) - before)
    assert made == [3, 2]
