"""The reader's place while an answer is written: nothing moves under the eyes, the newest is one step away."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.actions import ask, finished
from tests.browser.conftest import OpenPage, shot
from tests.browser.pacing import Pause
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e

FIRST = "\n\n".join(f"Paragraph {number} of the beginning." for number in range(30))
REST = "\n\n".join(f"Paragraph {number} of the end." for number in range(30))


def begun(page: Page, model: FakeLLM) -> tuple[Locator, Pause]:
    """Ask, and wait until the first half of a long answer stands."""
    pause = Pause(FIRST, f"\n\n{REST}")
    model.call("search_kb", {"query": "lighthouse port"})
    model.reply(pause.script)
    answer = ask(page, "Tell me everything.")
    expect(answer.locator(".prose")).to_contain_text("Paragraph 29 of the beginning.")
    return answer, pause


def place(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box is not None
    return box["y"]


def test_what_is_read_stays_in_place_while_text_comes(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted)
    answer, pause = begun(page, model)
    assert place(page.locator(".question")) > 0  # a new turn is read from its beginning
    paragraph = answer.get_by_text("Paragraph 9 of the beginning.")
    paragraph.evaluate("(element) => element.scrollIntoView()")
    before = place(paragraph)
    newest = page.get_by_role("button", name="Jump to the newest text")
    expect(newest).to_be_visible()
    shot(page, "reading-while-writing")
    pause.end()
    finished(page)
    assert abs(place(paragraph) - before) < 1
    expect(newest).to_be_visible()


def test_who_is_at_the_newest_text_stays_there(scripted: Server, model: FakeLLM, open_page: OpenPage) -> None:
    page = open_page(scripted)
    answer, pause = begun(page, model)
    newest = page.get_by_role("button", name="Jump to the newest text")
    newest.click()
    expect(newest).to_be_hidden()
    pause.end()
    finished(page)
    expect(answer.get_by_text("Paragraph 29 of the end.")).to_be_in_viewport()
    expect(newest).to_be_hidden()
    page.mouse.move(600, 400)
    page.mouse.wheel(0, -2000)
    expect(newest).to_be_visible()
    page.locator("#scroller").focus()
    page.keyboard.press("g")
    expect(answer.get_by_text("Paragraph 29 of the end.")).to_be_in_viewport()
