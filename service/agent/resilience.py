"""When a model endpoint is spared: a budget of retries for the process, a circuit breaker for each model.

No clock is read here: `now` is always an argument, a monotonic time in seconds.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from service.agent.failures import failure

BreakerState = Literal["closed", "half_open", "open"]

# What says that the provider itself is down, and what only a provider that is up can say. The rest says neither.
_OUTAGES: Final = frozenset({"provider_unreachable", "provider_timeout", "provider_error", "stalled"})
_REFUSALS: Final = frozenset(
    {
        "provider_rate_limited",
        "provider_quota",
        "provider_auth",
        "unknown_model",
        "context_too_long",
        "bad_request",
    }
)


class RetryBudget:
    """A token bucket: retries are at most `share` of the calls, and `reserve` more at once.

    It starts full and never holds more than `reserve`, so that good times do not pay for a storm later.
    """

    def __init__(self, share: float = 0.2, reserve: int = 10) -> None:
        self._share = share
        self._reserve = reserve
        self._tokens = float(reserve)

    def called(self) -> None:
        """A call begins."""
        self._tokens = min(self._reserve, self._tokens + self._share)

    def take(self) -> bool:
        """Pay for one retry; False when there is nothing left to pay with."""
        # A fifth is no binary fraction: five of them sum up to a little less than one.
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """Opens after `failures` within `window` seconds without a success; 0 never. Then a probe each `pause`."""

    failures: int = 5
    window: float = 30.0
    pause: float = 15.0


class Breaker:
    """Leaves one model of one endpoint alone while it is down."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._failures: deque[float] = deque(maxlen=limits.failures or 1)
        self._next_probe = 0.0
        self.state: BreakerState = "closed"

    def admit(self, now: float) -> float | None:
        """Let a call go ahead (None), or give the seconds until one may: each `pause` there is one probe."""
        if self.state == "closed":
            return None
        if now < self._next_probe:
            return self._next_probe - now
        self.state = "half_open"
        self._next_probe = now + self._limits.pause
        return None

    def succeeded(self) -> None:
        """An attempt brought a whole reply."""
        self.state = "closed"
        self._failures.clear()

    def failed(self, code: str, now: float) -> None:
        """An attempt failed with `code`; only some codes say whether the provider is there."""
        if code in _REFUSALS:
            self.succeeded()
        if code not in _OUTAGES or self.state == "open" or not self._limits.failures:
            return
        self._failures.append(now)
        if self.state == "half_open" or self._filled(now):
            self.state = "open"
            self._next_probe = now + self._limits.pause

    def _filled(self, now: float) -> bool:
        return len(self._failures) == self._limits.failures and now - self._failures[0] <= self._limits.window


class GuardObserver(Protocol):
    """Hears of what the guards of the models do, for metrics."""

    def retry_refused(self, reason: Literal["budget", "breaker"]) -> None:
        """A retry that would have followed was left out."""
        ...

    def breaker_moved(self, model: str, state: BreakerState) -> None:
        """The breaker of `model` is in this state now."""
        ...


class Guard:
    """Asked before each call and retry of one model: its breaker, and the budget it shares with the others."""

    def __init__(self, model: str, budget: RetryBudget, breaker: Breaker, observer: GuardObserver) -> None:
        self._model = model
        self._budget = budget
        self._breaker = breaker
        self._observer = observer
        self._told: BreakerState = breaker.state
        observer.breaker_moved(model, breaker.state)

    def enter(self, now: float) -> None:
        """Let a call begin. Raises ModelError provider_unavailable, with the wait, while the breaker is open."""
        wait = self._breaker.admit(now)
        if wait is not None:
            seconds = max(1, math.ceil(wait))
            raise failure("provider_unavailable", f"it is tried again in {seconds} s", retry_after=seconds)
        self._budget.called()
        self._tell()

    def succeeded(self) -> None:
        """An attempt brought a whole reply."""
        self._breaker.succeeded()
        self._tell()

    def failed(self, code: str, now: float) -> None:
        """An attempt failed with `code`."""
        self._breaker.failed(code, now)
        self._tell()

    def may_retry(self) -> bool:
        """Pay for a retry; False when the provider is to be spared."""
        reason: Literal["budget", "breaker"] = "budget" if self._breaker.state == "closed" else "breaker"
        if reason == "budget" and self._budget.take():
            return True
        self._observer.retry_refused(reason)
        return False

    def _tell(self) -> None:
        if self._told != self._breaker.state:
            self._told = self._breaker.state
            self._observer.breaker_moved(self._model, self._told)
