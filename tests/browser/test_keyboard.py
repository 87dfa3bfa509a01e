"""The page by keyboard alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import chat_row, finished, half_answered, panel_opened
from tests.browser.conftest import OpenPage, clean, shot
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e


def away(page: Page) -> None:
    """Leave the question box, where letters are text."""
    page.locator("#scroller").focus()


def test_the_keyboard_is_enough(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    box = page.get_by_label("Your question")
    expect(box).to_be_focused()
    page.keyboard.type("first line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line /?n")
    expect(box).to_have_value("first line\nsecond line /?n")
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    expect(box).to_have_value("first line\nsecond line /?n")
    box.fill("")
    away(page)
    page.keyboard.press("/")
    expect(page.get_by_label("Search the knowledge base")).to_be_focused()
    page.keyboard.type("resume")
    expect(page).to_have_url(re.compile("q=resume$"))  # by then the last of the searches has begun
    expect(page.locator("#knowledge-view")).to_have_attribute("data-search", "done")
    hit = page.locator(".hit").first
    hit.focus()
    page.keyboard.press("Enter")
    panel = panel_opened(page)
    expect(panel.get_by_role("button", name="Close the document")).to_be_focused()
    page.keyboard.press("Escape")
    expect(hit).to_be_focused()
    page.keyboard.press("q")
    expect(box).to_be_focused()


def test_the_shortcuts_are_listed_and_can_be_switched_off(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.keyboard.press("Control+/")
    expect(dialog.get_by_text("Answer again")).to_be_visible()
    shot(page, "shortcuts")
    clean(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    away(page)
    page.keyboard.press("?")
    dialog.get_by_label("Use shortcuts of a single key").uncheck()
    page.keyboard.press("Escape")
    away(page)
    page.keyboard.press("/")
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    expect(page.locator("#knowledge-view")).to_be_hidden()
    page.get_by_role("button", name="Shortcuts").click()
    expect(dialog).to_be_visible()


def test_chats_are_walked_renamed_and_searched_by_keyboard(reader: Server, open_page: OpenPage) -> None:
    with reader.client() as client:
        for title in ("Quokka", "Numbat"):
            client.post("/api/chats", json={"title": title})
    page = open_page(reader)
    expect(chat_row(page, "Numbat")).to_be_visible()
    away(page)
    page.keyboard.press("f")
    expect(page.get_by_label("Search chats")).to_be_focused()
    chat_row(page, "Numbat").get_by_role("link").focus()
    page.keyboard.press("ArrowDown")
    expect(chat_row(page, "Quokka").get_by_role("link")).to_be_focused()
    page.keyboard.press("F2")
    page.keyboard.type("Wombat")
    page.keyboard.press("Enter")
    expect(chat_row(page, "Wombat").get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Wombat")
    away(page)
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_have_text("New chat")


def test_an_answer_is_stopped_repeated_and_copied_by_keyboard(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted, permissions=["clipboard-read", "clipboard-write"])
    pause = half_answered(page, model, "What stops?")
    away(page)
    page.keyboard.press("s")
    finished(page)
    pause.end()
    expect(page.locator(".outcome")).to_have_text("Stopped")
    model.call("search_kb", {"query": "lighthouse port"})
    model.say("All of it.")
    page.keyboard.press("r")
    expect(page.locator(".answer")).to_have_count(2)
    finished(page)
    page.keyboard.press("c")
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "All of it."
