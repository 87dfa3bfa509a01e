"""The page on narrow and wide screens, light and dark; the pictures are kept for people to look at."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import ask, finished, panel_opened
from tests.browser.conftest import OpenPage, shot
from tests.server import Server

pytestmark = pytest.mark.e2e

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1920, "height": 1080}


def nothing_hangs_over(page: Page) -> None:
    """Nothing is wider than the box it stands in; code and tables scroll in boxes of their own."""
    for box in page.locator("html, #scroller, #knowledge-view, #chat-list, .panel-body").all():
        assert box.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0


def tour(page: Page, name: str) -> None:
    """Go through the main states and keep a picture of each."""
    expect(page.locator(".example")).to_have_count(4)
    shot(page, f"{name}-welcome")
    answer = ask(page, "How does a client resume a stream after a disconnect?")
    finished(page)
    shot(page, f"{name}-answer")
    nothing_hangs_over(page)
    answer.locator("button.cite").first.click()
    panel_opened(page)
    shot(page, f"{name}-citation")
    nothing_hangs_over(page)
    page.keyboard.press("Escape")
    page.locator("#index-badge").click()
    expect(page.locator(".document").first).to_be_visible()
    shot(page, f"{name}-knowledge")
    nothing_hangs_over(page)
    page.get_by_label("Search the knowledge base").fill("resume stream")
    expect(page.locator(".hit").first).to_be_visible()
    shot(page, f"{name}-search")
    nothing_hangs_over(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_desk(reader: Server, open_page: OpenPage, scheme: str) -> None:
    tour(open_page(reader, color_scheme=scheme), scheme)


def test_on_a_wide_screen(reader: Server, open_page: OpenPage) -> None:
    tour(open_page(reader, viewport=WIDE), "wide")


def test_on_a_phone(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader, viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    tour(page, "phone")
    page.get_by_role("button", name="Open the list of chats").click()
    expect(page.get_by_role("button", name="Close the list of chats")).to_be_focused()
    row = page.locator(".chat-row").first
    expect(row.get_by_role("button", name="Rename")).to_be_visible()
    shot(page, "phone-chats")
    page.get_by_role("link", name="New chat", exact=True).click()
    expect(page.locator(".sidebar")).not_to_be_in_viewport()
    expect(page.get_by_role("heading", name="Ask the knowledge base")).to_be_visible()
