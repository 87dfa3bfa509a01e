"""The list of chats while replies are on their way and others change the same chats."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.actions import ask, chat_row, finished, half_answered, stop_time
from tests.browser.conftest import OpenPage
from tests.browser.held import Held
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e


def made(server: Server, *titles: str) -> list[str]:
    """Make chats; gives their addresses."""
    with server.client() as client:
        return [f"/api/chats/{client.post('/api/chats', json={'title': each}).json()['id']}" for each in titles]


def retitled(server: Server, address: str, title: str) -> None:
    with server.client() as client:
        client.patch(address, json={"title": title}).raise_for_status()


def rename(page: Page, title: str) -> None:
    row = chat_row(page, title)
    row.hover()
    row.get_by_role("button", name="Rename").click()


def test_a_question_that_is_asked_before_the_chats_are_listed_is_answered(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted)
    page.goto("about:blank")  # the first page asks for no list any more
    listing: list[Route] = []

    def hold(route: Route) -> None:
        listing.append(route)

    page.route("**/api/chats?*", hold, times=1)
    page.goto(scripted.base_url)
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    model.call("search_kb", {"query": "lighthouse port"})
    model.say("The lighthouse listens on port 8123 [1].")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    ask(page, "On which port?")
    expect(page).to_have_url(re.compile("chat_"))
    page.evaluate("() => new Promise((done) => setTimeout(done))")  # what comes next has begun
    assert not any(url.endswith("/messages") for url in requests), "what is asked now may be answered unseen"
    listing[0].continue_()
    finished(page)
    expect(page.locator(".prose")).to_contain_text("port 8123")


def test_the_title_given_last_stays_whoever_is_told_first(scripted: Server, open_page: OpenPage) -> None:
    (address,) = made(scripted, "Alder")
    page = open_page(scripted, expected="503")
    held = Held(page, f"**{address}", "PATCH")
    rename(page, "Alder")
    page.keyboard.type("Birch")
    page.keyboard.press("Enter")
    expect(chat_row(page, "Birch")).to_be_visible()  # at once
    held.wait()
    retitled(scripted, address, "Cedar")
    expect(chat_row(page, "Cedar")).to_be_visible()
    held.let_go()
    expect(chat_row(page, "Cedar")).to_be_visible()
    rename(page, "Cedar")
    retitled(scripted, address, "Dogwood")
    with page.expect_response("**/api/chats?*"):
        page.get_by_label("Search chats").evaluate("(box) => box.dispatchEvent(new Event('input'))")
    page.keyboard.press("Escape")
    expect(chat_row(page, "Dogwood").get_by_role("link")).to_be_focused()
    rename(page, "Dogwood")
    page.keyboard.type("Elm")
    page.keyboard.press("Enter")
    held.wait().let_go(status=503)
    expect(page.get_by_role("alert")).to_contain_text("503")


def test_who_goes_elsewhere_while_renaming_gets_there(scripted: Server, open_page: OpenPage) -> None:
    made(scripted, "Fennel", "Garlic")
    page = open_page(scripted)
    rename(page, "Fennel")
    page.keyboard.type("Ginger")
    page.get_by_label("Your question").click()
    expect(chat_row(page, "Ginger")).to_be_visible()
    expect(page.get_by_label("Your question")).to_be_focused()
    rename(page, "Ginger")
    page.keyboard.type("Hyssop")
    chat_row(page, "Garlic").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Garlic")
    expect(chat_row(page, "Hyssop")).to_be_visible()


def test_older_chats_that_come_late_are_as_they_are_by_then(scripted: Server, open_page: OpenPage) -> None:
    gone, changed = made(scripted, "Ibis", "Jackdaw")
    made(scripted, *(f"Kestrel {number}" for number in range(50)))
    page = open_page(scripted)
    expect(page.locator(".chat-row")).to_have_count(50)
    held = Held(page, "**/api/chats?*cursor=*")
    page.get_by_role("button", name="Show older chats").click()
    held.wait()
    with scripted.client() as client:
        client.delete(gone)
    retitled(scripted, changed, "Jay")
    made(scripted, "Last of all")
    expect(chat_row(page, "Last of all")).to_be_visible()
    held.let_go()
    expect(chat_row(page, "Jay")).to_be_visible()
    expect(chat_row(page, "Ibis")).to_have_count(0)
    page.reload()
    expect(page.locator(".chat-row")).to_have_count(50)
    page.get_by_role("button", name="Show older chats").click()
    held.wait()
    page.get_by_label("Search chats").fill("Kestrel 7")
    expect(page.locator(".chat-row")).to_have_count(1)
    held.let_go()
    expect(page.locator(".chat-row")).to_have_count(1)


def test_a_chat_is_shown_as_working_also_after_a_search(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted)
    pause = half_answered(page, model, "Where do lorikeets work?")
    row = chat_row(page, "lorikeets")
    expect(row).to_have_attribute("data-activity", "working")
    page.get_by_label("Search chats").fill("lorikeets")
    expect(page.locator(".chat-row")).to_have_count(1)
    expect(row).to_have_attribute("data-activity", "working")
    page.get_by_label("Search chats").fill("")
    pause.end()
    finished(page)
    expect(row).to_have_attribute("data-activity", "")
    pause = half_answered(page, model, "And when do they sleep?")
    page.locator("#open-knowledge").click()
    pause.end()
    expect(row).to_have_attribute("data-activity", "news")
    row.get_by_role("link").click()
    expect(row).to_have_attribute("data-activity", "")


def test_a_chat_that_is_brought_back_is_not_forced_on_who_reads_another(
    scripted: Server, open_page: OpenPage
) -> None:
    made(scripted, "Magpie", "Nuthatch")
    page = open_page(scripted)
    stop_time(page)
    chat_row(page, "Magpie").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Magpie")
    chat_row(page, "Magpie").get_by_role("button", name="Delete").click()
    chat_row(page, "Nuthatch").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nuthatch")
    page.get_by_role("button", name="Undo").click()
    expect(chat_row(page, "Magpie")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nuthatch")


def test_a_chat_that_is_brought_back_is_called_as_it_is_by_then(scripted: Server, open_page: OpenPage) -> None:
    (address,) = made(scripted, "Petrel")
    page = open_page(scripted)
    stop_time(page)
    row = chat_row(page, "Petrel")
    row.hover()
    row.get_by_role("button", name="Delete").click()
    retitled(scripted, address, "Quail")
    made(scripted, "Redstart")
    expect(chat_row(page, "Redstart")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(chat_row(page, "Quail")).to_be_visible()


def test_a_tab_that_nobody_has_looked_at_holds_no_connection(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.goto("about:blank")  # the first page, which is looked at, opens none any more
    streams: list[str] = []

    def opened(route: Route) -> None:
        streams.append(route.request.url)
        route.continue_()

    page.route("**/events*", opened)
    page.add_init_script(
        """let hidden = true;
        Object.defineProperty(document, "hidden", { get: () => hidden });
        window.look = () => { hidden = false; document.dispatchEvent(new Event("visibilitychange")); };"""
    )
    page.goto(scripted.base_url)
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    expect(page.locator(".chat-row").first).to_be_visible()
    assert streams == []
    page.evaluate("look()")
    made(scripted, "Osprey")
    expect(chat_row(page, "Osprey")).to_be_visible()
