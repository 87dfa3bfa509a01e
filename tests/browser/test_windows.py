"""Several windows of one browser, which has six connections for all of them together."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import answered, ask, chat_row, finished
from tests.browser.conftest import OpenPage
from tests.browser.held import Held
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

PLACES = 5


def another(page: Page, address: str) -> Page:
    """Open a window beside this one."""
    other = page.context.new_page()
    other.goto(address)
    expect(other.locator("body")).to_have_attribute("data-state", "ready")
    return other


def paused(windows: list[Page]) -> list[Page]:
    return [window for window in windows if window.locator("#connection").filter(has_text="Paused").is_visible()]


def test_many_windows_side_by_side_work_and_the_one_left_alone_longest_pauses(
    scripted: Server, open_page: OpenPage
) -> None:
    first = open_page(scripted)
    windows = [first, *(another(first, scripted.base_url) for _ in range(PLACES - 1))]
    ask(windows[0], "the puffin's lighthouse")
    finished(windows[0])
    for window in windows:
        expect(chat_row(window, "puffin")).to_be_visible()
        expect(window.locator("#connection")).to_be_hidden()
    windows.append(another(first, windows[0].url))
    expect(windows[-1].locator(".outcome")).to_be_visible()
    ask(windows[-1], "and its port")
    finished(windows[-1])
    eventually(lambda: len(paused(windows)) == 1, 20, "one of them to pause")
    (resting,) = paused(windows)
    resting.evaluate("dispatchEvent(new Event('focus'))")  # somebody comes back to it
    expect(resting.locator("#connection")).to_be_hidden()
    eventually(lambda: len(paused(windows)) == 1, 20, "another one to pause")
    (next_one,) = paused(windows)
    assert next_one not in (resting, windows[-1])
    windows[-1].goto("about:blank")
    expect(next_one.locator("#connection")).to_be_hidden()


def test_a_rating_is_seen_in_every_window(scripted: Server, open_page: OpenPage) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, f"#/chat/{chat_id}")
    other = another(page, page.url)
    expect(other.locator(".outcome")).to_be_visible()
    held = Held(page, "**/feedback", "PUT")
    page.get_by_role("button", name="Good answer").click()
    held.wait()
    expect(other.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    other.get_by_role("button", name="Bad answer").click()
    other.get_by_label("Comment").fill("It is dark.")
    other.get_by_role("button", name="Send", exact=True).click()
    note = page.locator(".comment-note")
    expect(note).to_have_text("Your comment: It is dark.")
    held.pass_on().let_go()
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    expect(note).to_have_text("Your comment: It is dark.")
