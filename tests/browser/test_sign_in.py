"""Where the service wants a key: the page asks for it, keeps to it, and asks again when it has ended."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import ask, chat_row, finished
from tests.browser.conftest import OpenPage, clean, shot
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

ADMIN = {"Authorization": "Bearer the-key-of-the-operator-1"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with keys."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "knowledge").mkdir()
    (folder / "knowledge" / "ports.md").write_text("# Ports\n\nThe lighthouse listens on port 8123.\n")
    with Server(folder, {"ADMIN_KEY": "the-key-of-the-operator-1"}) as server:
        yield server


def key(server: Server, name: str) -> str:
    with server.client() as client:
        made: dict[str, Any] = client.post("/api/keys", json={"name": name}, headers=ADMIN).json()
        return str(made["key"])


def revoke(server: Server, name: str) -> None:
    with server.client() as client:
        client.delete(f"/api/keys/{name}", headers=ADMIN).raise_for_status()


def offer(page: Page, shown: str) -> None:
    page.get_by_label("API key").fill(shown)
    page.get_by_label("API key").press("Enter")


def sign_in(page: Page, shown: str) -> None:
    offer(page, shown)
    expect(page.locator("body")).to_have_attribute("data-state", "ready")


def test_who_is_signed_in_is_shown_also_when_the_first_reply_is_lost(closed: Server, open_page: OpenPage) -> None:
    page = open_page(closed, expected="Failed to load resource")
    sign_in(page, key(closed, "clara"))
    page.route("**/api/session", lambda route: route.abort(), times=1)
    page.reload()
    expect(page.locator("#who-name")).to_have_text("clara")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.locator("#connection")).to_be_hidden()


def test_a_key_opens_the_page_until_it_is_signed_out(closed: Server, open_page: OpenPage) -> None:
    page = open_page(closed, "#/knowledge", expected="status of 40")
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_contain_text("kb-agent keys create")
    clean(page)
    shot(page, "sign-in")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    offer(page, "kba_wrong")
    expect(dialog.get_by_role("alert")).to_contain_text("not known here")
    sign_in(page, key(closed, "anna"))
    expect(page.locator(".document")).to_have_count(1)
    expect(page.locator("#who-name")).to_have_text("anna")
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.locator(".document")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(dialog).to_be_visible()


def test_the_end_of_a_key_is_noticed_at_once_and_nothing_typed_is_lost(
    closed: Server, open_page: OpenPage
) -> None:
    page = open_page(closed, expected="status of 40")
    sign_in(page, key(closed, "bert"))
    ask(page, "On which port?")
    finished(page)
    address = page.url
    page.get_by_label("Your question").fill("half a question")
    revoke(closed, "bert")
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_contain_text("has ended")
    assert page.url == address
    sign_in(page, key(closed, "someone-else"))
    expect(page.get_by_role("alert").get_by_text("does not exist any more")).to_be_visible()
    expect(page.locator(".answer")).to_have_count(0)
    expect(page.get_by_label("Your question")).to_have_value("half a question")


def test_a_key_for_chats_only_shows_no_knowledge(closed: Server, open_page: OpenPage) -> None:
    with closed.client() as client:
        made = client.post("/api/keys", json={"name": "carl", "scopes": ["chat"]}, headers=ADMIN).json()
    page = open_page(closed, expected="status of 40")
    sign_in(page, made["key"])
    expect(page.locator("#open-knowledge")).to_be_hidden()
    expect(page.locator("#index-badge")).to_be_hidden()
    expect(page.locator(".welcome-about")).to_contain_text("Ask in your own words")
    clean(page)
    shot(page, "chats-only")
    page.locator("#conversation").press("/")
    expect(page.locator("#chat-view")).to_be_visible()
    page.get_by_role("group", name="Example questions").get_by_role("button").first.click()
    finished(page)
    expect(page.locator(".answer")).to_contain_text("ports.md")
    ask(page, "On which port does the lighthouse listen?")
    finished(page)
    page.locator(".answer button.cite").last.click()
    expect(page.locator("#panel")).to_contain_text("Your key opens chats only")
    expect(page.locator("#panel blockquote")).to_contain_text("port 8123")


def test_what_was_deleted_before_a_sign_out_is_gone(closed: Server, open_page: OpenPage) -> None:
    mine = {"Authorization": f"Bearer {key(closed, 'dora')}"}
    page = open_page(closed, expected="status of 40")
    sign_in(page, mine["Authorization"].removeprefix("Bearer "))
    with closed.client() as client:
        made = client.post("/api/chats", json={"title": "Plover"}, headers=mine).json()
        row = chat_row(page, "Plover")
        row.hover()
        row.get_by_role("button", name="Delete").click()
        expect(row).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
        address = f"/api/chats/{made['id']}"
        eventually(lambda: client.get(address, headers=mine).status_code == 404, what="the deletion")
