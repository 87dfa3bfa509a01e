"""A browser, two running services, and pages that complain about errors and about requests that leave."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.fake_llm import FakeLLM
from tests.server import Server, eventually

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / "artefacts"
DESK = {"width": 1280, "height": 800}
WAIT = 20_000.0  # milliseconds; the gate may run on a slow machine
SETTLED = ("ready", "answering", "signed-out")
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}

OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=WAIT)
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service as it comes: the built-in reader over the sample knowledge."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "knowledge", folder / "knowledge")
    with Server(folder) as server:
        _wait_for_index(server, len(list((ROOT / "knowledge").rglob("*.md"))))
        yield server


@pytest.fixture(scope="package")
def model() -> Iterator[FakeLLM]:
    with FakeLLM() as model:
        yield model


@pytest.fixture(scope="package")
def scripted(tmp_path_factory: pytest.TempPathFactory, model: FakeLLM) -> Iterator[Server]:
    """The service with a language model that says what a test tells it to."""
    folder = tmp_path_factory.mktemp("scripted")
    (folder / "knowledge").mkdir()
    (folder / "knowledge" / "ports.md").write_text("# Ports\n\nThe lighthouse listens on port 8123.\n")
    # A model that pauses is not given up as long as its test looks at the page.
    patient = {"LLM_FIRST_BYTE_TIMEOUT": "100", "LLM_GAP_TIMEOUT": "100"}
    with Server(folder, {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "scripted", **patient}) as server:
        _wait_for_index(server, 1)
        yield server


def _wait_for_index(server: Server, documents: int) -> None:
    with server.client() as client:
        eventually(
            lambda: bool(client.get("/api/kb/status").json()["indexed"] == documents), what="the first scan"
        )


class Watch:
    """What must not happen on a page: errors on the console, exceptions, dialogs, requests to elsewhere."""

    def __init__(self, context: BrowserContext, base_url: str, expected: str) -> None:
        self.complaints: list[str] = []
        self._base_url = base_url
        self._expected = expected
        context.on("request", self._requested)
        context.on("console", lambda said: self._said(said.type, said.text))
        context.on("weberror", lambda error: self.complaints.append(f"exception: {error.error}"))
        context.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((self._base_url, "data:")):
            self.complaints.append(f"request: {request.url}")

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not (self._expected and self._expected in text):
            self.complaints.append(f"console: {text}")


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a page of a server, each in a context of its own.

    The browser itself notes failed requests on the console; `expected` is a part of such a note.
    """
    contexts: list[BrowserContext] = []
    watches: list[Watch] = []

    def opened(server: Server, where: str = "", *, base_url: str = "", expected: str = "", **options: Any) -> Page:
        address = base_url or server.base_url
        context = browser.new_context(**({"viewport": DESK} | options))
        context.set_default_timeout(WAIT)
        contexts.append(context)
        watches.append(Watch(context, address, expected))
        page = context.new_page()
        page.goto(f"{address}/{where}")
        page.wait_for_selector(", ".join(f"body[data-state={state}]" for state in SETTLED))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [complaint for watch in watches for complaint in watch.complaints] == []


def shot(page: Page, name: str) -> None:
    """Keep a picture of the page for people to look at."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"page-{name}.png", animations="disabled")


def clean(page: Page) -> None:
    """Let axe look at the page once nothing moves; what depends on colours it looks at in light and in dark."""
    page.wait_for_function(
        """() => document.getAnimations().every((each) =>
            each.playState !== "running" || each.effect.getComputedTiming().endTime === Infinity)"""
    )
    page.emulate_media(color_scheme="dark")
    dark = Axe().run(page, options=CONTRAST)
    page.emulate_media(color_scheme="light")
    light = Axe().run(page)
    for results in (dark, light):
        assert results.violations_count == 0, results.generate_report()
