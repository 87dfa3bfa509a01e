"""Replies that have left the service and reach the page when a test lets them, in the order it wants."""

from threading import Event
from typing import Self

from playwright.sync_api import APIResponse, Page, Route

from tests.server import eventually


class Held:
    """Holds back the replies to requests of a page that match `url` and `method`."""

    def __init__(self, page: Page, url: str, method: str = "GET") -> None:
        self._page = page
        self._url = url
        self._method = method
        self._passing = Event()
        self._replies: list[tuple[Route, APIResponse]] = []
        page.route(url, self._hold)

    def _hold(self, route: Route) -> None:
        if route.request.method != self._method or self._passing.is_set():
            route.fallback()
            return
        reply = route.fetch()
        if self._passing.is_set():  # by now
            route.fulfill(response=reply)
        else:
            self._replies.append((route, reply))

    def wait(self, count: int = 1) -> Self:
        """Wait until so many replies have left the service."""
        eventually(lambda: self._seen() >= count, 20, f"the replies to {self._method} {self._url}")
        return self

    def _seen(self) -> int:
        self._page.evaluate("0")  # what has come in is handled meanwhile
        return len(self._replies)

    @property
    def waiting(self) -> int:
        """How many are held back."""
        return self._seen()

    def pass_on(self) -> Self:
        """Hold back no further replies."""
        self._passing.set()
        return self

    def let_go(self, number: int = 0, *, status: int | None = None) -> None:
        """Let one of them arrive, and wait until the page has worked with it; `status` makes it another one."""
        route, reply = self._replies.pop(number)
        if status is None:
            route.fulfill(response=reply)
        else:
            route.fulfill(status=status)
        came = route.request.response()
        assert came is not None
        came.finished()
        self._page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done)))")
