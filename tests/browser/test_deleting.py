"""Deleting chats: they go at once, can be brought back for a while, and then are gone for good."""

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import ask, chat_row, finished, stop_time
from tests.browser.conftest import OpenPage
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e


def made(server: Server, title: str) -> str:
    """Make a chat; gives its address."""
    with server.client() as client:
        return f"/api/chats/{client.post('/api/chats', json={'title': title}).json()['id']}"


def gone(server: Server, address: str) -> bool:
    with server.client() as client:
        return bool(client.get(address).status_code == httpx2.codes.NOT_FOUND)


def delete(page: Page, title: str) -> None:
    row = chat_row(page, title)
    row.hover()
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_a_deleted_chat_can_be_brought_back(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    ask(page, "Where do the pelicans sleep?")
    finished(page)
    address = page.url
    stop_time(page)
    delete(page, "pelicans")
    expect(page.get_by_role("heading", name="Ask the knowledge base")).to_be_visible()
    note = page.get_by_role("status").filter(has_text="pelicans")
    expect(note).to_contain_text("Deleted “Where do the pelicans sleep?”")
    note.get_by_role("button", name="Undo").click()
    expect(chat_row(page, "pelicans")).to_be_visible()
    expect(page.locator(".answer")).to_have_count(1)
    assert page.url == address
    assert not gone(reader, f"/api/chats/{address.rpartition('/')[2]}")


def test_the_last_of_several_is_brought_back_by_keyboard(reader: Server, open_page: OpenPage) -> None:
    kept, other = made(reader, "Otters"), made(reader, "Badgers")
    page = open_page(reader)
    stop_time(page)
    link = chat_row(page, "Badgers").get_by_role("link")
    link.focus()
    page.keyboard.press("Delete")
    expect(chat_row(page, "Badgers")).to_have_count(0)
    expect(chat_row(page, "Otters").get_by_role("link")).to_be_focused()
    page.keyboard.press("Delete")
    expect(chat_row(page, "Otters")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(chat_row(page, "Otters")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    eventually(lambda: gone(reader, other), what="deleting what was not brought back")
    assert not gone(reader, kept)


def test_when_the_time_is_over_the_chat_is_gone_in_every_tab(reader: Server, open_page: OpenPage) -> None:
    address = made(reader, "Herons")
    page = open_page(reader)
    other = open_page(reader)
    stop_time(page)
    delete(page, "Herons")
    expect(chat_row(other, "Herons")).to_be_visible()
    page.clock.run_for(5_000)
    assert not gone(reader, address)
    page.locator(".notice").hover()  # who is at the message has time
    page.clock.run_for(20_000)
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.mouse.move(0, 0)
    page.clock.run_for(9_000)
    expect(chat_row(other, "Herons")).to_have_count(0)
    eventually(lambda: gone(reader, address), what="deleting when the time is over")
    expect(chat_row(page, "Herons")).to_have_count(0)


def test_leaving_the_page_deletes_what_was_not_brought_back(reader: Server, open_page: OpenPage) -> None:
    address = made(reader, "Storks")
    page = open_page(reader)
    delete(page, "Storks")
    assert not gone(reader, address)
    page.close()
    eventually(lambda: gone(reader, address), what="deleting at the end of the page")


def test_a_chat_that_could_not_be_deleted_comes_back(reader: Server, open_page: OpenPage) -> None:
    address = made(reader, "Cranes")
    page = open_page(reader, expected="503")
    stop_time(page)
    page.route(f"**{address}", lambda route: route.fulfill(status=503), times=1)
    delete(page, "Cranes")
    page.get_by_role("button", name="Dismiss").click()
    expect(chat_row(page, "Cranes")).to_be_visible()
    page.get_by_role("alert").get_by_role("button", name="Try again").click()
    expect(chat_row(page, "Cranes")).to_have_count(0)
    page.get_by_role("button", name="Dismiss").click()
    eventually(lambda: gone(reader, address), what="deleting at the second attempt")
