"""Streams that break or are refused come back by themselves, and the service may be started again in an answer."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.actions import ask, chat_row, finished
from tests.browser.conftest import OpenPage, shot
from tests.browser.pacing import Pause
from tests.cutting import CuttingProxy
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e

FIRST = "The lighthouse listens on port 8123 [1]. It has done so since"
REST = "the day it was built, and keeps to it."


def refused_once(page: Page, url: str, status: int) -> Callable[[], None]:
    """Refuse the next stream; the one after it waits for what is given to be called, or the loss passes unseen."""
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route(url, hold)
    page.route(url, lambda route: route.fulfill(status=status), times=1)

    def admit() -> None:
        page.unroute(url)
        for route in waiting:
            route.continue_()

    return admit


@pytest.mark.parametrize("status", [204, 401, 503])
def test_a_refused_stream_is_opened_again(
    scripted: Server, model: FakeLLM, open_page: OpenPage, status: int
) -> None:
    page = open_page(scripted, expected="Failed to load resource")
    admit = refused_once(page, "**/api/events*text_of=*", status)
    model.call("search_kb", {"query": "lighthouse port"})
    model.say(f"{FIRST} {REST}")
    ask(page, "On which port?")
    expect(page.locator("#connection")).to_be_visible()
    admit()
    finished(page)
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.locator(".prose")).to_contain_text(REST)


def test_the_list_of_chats_comes_back_too(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted, expected="503")
    page.goto("about:blank")  # the first page, whose stream may have yet to begin, opens none any more
    admit = refused_once(page, "**/api/events*", 503)
    page.goto(scripted.base_url)
    expect(page.locator("#connection")).to_be_visible()
    admit()
    expect(page.locator("#connection")).to_be_hidden()
    with scripted.client() as client:
        client.post("/api/chats", json={"title": "After the refusal"})
    expect(chat_row(page, "After the refusal")).to_be_visible()


def test_an_answer_goes_on_after_a_restart_of_the_service(
    model: FakeLLM, open_page: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "ports.md").write_text("# Ports\n\nThe lighthouse listens on port 8123.\n")
    settings = {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "scripted"}
    with Server(tmp_path, settings) as server, CuttingProxy(port_of(server)) as proxy:
        page = open_page(server, base_url=proxy.base_url, expected="Failed to load resource")
        pause = Pause(FIRST, REST)
        model.call("search_kb", {"query": "lighthouse port"})
        model.reply(pause.script)
        answer = ask(page, "On which port?")
        expect(answer.locator(".prose")).to_contain_text("since")
        server.kill()
        expect(page.locator("#connection")).to_be_visible()
        expect(answer.locator(".prose")).to_contain_text("since")
        shot(page, "connection-lost")
        pause.end()
        model.call("search_kb", {"query": "lighthouse port"})
        model.say(f"{FIRST} {REST}")
        proxy.port = port_of(server.start())
        finished(page)
        expect(page.locator("#connection")).to_be_hidden()
        expect(page.locator(".answer")).to_have_count(1)
        expect(answer.locator(".outcome")).to_have_text("Grounded")
        shown = answer.locator(".prose").inner_text()
        assert shown.count("The lighthouse") == 1
        assert shown.endswith(REST)


def port_of(server: Server) -> int:
    return int(server.base_url.rpartition(":")[2])
