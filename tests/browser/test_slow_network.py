"""Requests that are slow, refused or lost while the reader goes on: nothing is lost, nothing is left over."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.actions import answered, ask, chat_row, finished, go_to, half_answered, messages
from tests.browser.conftest import OpenPage
from tests.browser.held import Held
from tests.browser.pacing import Pause
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e

REFUSED = "Failed to load resource"


def on_its_way(page: Page, url: str, method: str = "POST") -> list[Route]:
    """Keep the next request from reaching the service; it stands in the list once it was made."""
    kept: list[Route] = []

    def keep(route: Route) -> None:
        if kept or route.request.method != method:
            route.fallback()
        else:
            kept.append(route)

    page.route(url, keep)
    return kept


def test_a_question_that_was_asked_before_is_not_taken_for_the_one_that_is_lost(
    scripted: Server, open_page: OpenPage
) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, expected=REFUSED)
    opening = Held(page, f"**/api/chats/{chat_id}")
    page.route("**/messages", lambda route: route.abort(), times=1)
    go_to(page, f"#/chat/{chat_id}")
    opening.wait()
    page.get_by_label("Your question").fill("the lighthouse")
    page.get_by_label("Your question").press("Enter")
    opening.pass_on().let_go()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect(page.get_by_label("Your question")).to_have_value("the lighthouse")
    expect(page.locator(".question")).to_have_count(1)


def test_a_question_that_comes_too_late_is_given_back(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, f"#/chat/{chat_id}", expected=REFUSED)
    asking = on_its_way(page, "**/messages")
    with page.expect_request("**/messages"):
        ask(page, "and its port")
    pause = Pause("Half of it.", "The rest.")
    model.call("search_kb", {"query": "lighthouse port"})
    model.reply(pause.script)
    with scripted.client() as client:  # another window is faster
        former = f"/api/chats/{chat_id}/messages/{messages(scripted, chat_id)[-1]['id']}"
        client.post(f"{former}/regenerate", headers={"Prefer": "respond-async"}).raise_for_status()
    expect(page.locator(".answer")).to_have_count(2)
    asking[0].continue_()
    expect(page.get_by_label("Your question")).to_have_value("and its port")
    expect(page.locator(".question")).to_have_text(["the lighthouse"])
    pause.end()
    finished(page)


def test_an_answer_that_the_page_has_not_heard_of_yet_can_be_stopped_and_again(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, f"#/chat/{chat_id}", expected=REFUSED)
    page.route("**/api/events*", lambda route: route.abort())
    page.reload()
    expect(page.locator(".outcome")).to_be_visible()
    pause = Pause("Half of it.", "The rest.")
    model.call("search_kb", {"query": "lighthouse port"})
    model.reply(pause.script)
    asking = Held(page, "**/messages", "POST")
    ask(page, "and its port")
    asking.wait()
    stop = page.get_by_role("button", name="Stop the answer")
    stop.click()
    page.route("**/cancel", lambda route: route.fulfill(status=503), times=1)
    asking.let_go()
    expect(page.get_by_role("alert")).to_contain_text("503")
    expect(page.get_by_label("Your question")).to_have_value("")  # it was taken
    with page.expect_response("**/cancel") as stopped:
        stop.click()
    assert stopped.value.ok
    page.unroute("**/api/events*")
    expect(page.locator(".outcome").last).to_have_text("Stopped")
    finished(page)
    pause.end()


def test_a_chat_that_cannot_be_opened_does_not_go_on_with_the_one_before(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    other = answered(scripted, "the lighthouse")
    page = open_page(scripted, expected=REFUSED)
    pause = half_answered(page, model, "What is left running?")
    page.route(f"**/{other}/messages?*", lambda route: route.fulfill(status=503), times=1)
    go_to(page, f"#/chat/{other}")
    expect(page.locator("#conversation .failure")).to_contain_text("503")
    expect(page.get_by_role("button", name="Stop the answer")).to_be_hidden()
    pause.end()
    ask(page, "and its port")
    expect(page.locator(".question")).to_have_text(["the lighthouse", "and its port"])
    finished(page)


@pytest.mark.parametrize(("status", "end"), [(503, "/chat/{}"), (404, "#/")])
def test_a_chat_that_cannot_be_opened_says_so_also_when_its_address_changed_meanwhile(
    scripted: Server, open_page: OpenPage, status: int, end: str
) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, expected=REFUSED)
    opening = Held(page, f"**/api/chats/{chat_id}")
    go_to(page, f"#/chat/{chat_id}")
    opening.wait()
    go_to(page, f"#/chat/{chat_id}?doc=ports.md")
    expect(page.locator("body")).to_have_attribute("data-panel", "open")
    page.keyboard.press("Escape")
    opening.let_go(status=status)
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    assert page.url.endswith(end.format(chat_id))


def test_who_waits_for_one_chat_can_ask_in_another(scripted: Server, open_page: OpenPage) -> None:
    first, second = answered(scripted, "the first lighthouse"), answered(scripted, "the second lighthouse")
    page = open_page(scripted, f"#/chat/{first}")
    asking = Held(page, f"**/{first}/messages", "POST")
    ask(page, "and its port")
    asking.wait()
    go_to(page, f"#/chat/{second}")
    expect(page.locator(".question")).to_have_text(["the second lighthouse"])
    ask(page, "and its age")
    expect(page.locator(".question")).to_have_text(["the second lighthouse", "and its age"])
    expect(page.locator(".outcome")).to_have_count(2)
    asking.let_go()
    assert [each["content"] for each in messages(scripted, first)][2] == "and its port"
    expect(page.get_by_label("Your question")).to_have_value("")


def test_the_list_of_chats_comes_once_the_service_gives_it(scripted: Server, open_page: OpenPage) -> None:
    answered(scripted, "the patient lighthouse")
    page = open_page(scripted, expected=REFUSED)
    page.route("**/api/chats?*", lambda route: route.fulfill(status=503), times=1)
    page.reload()
    expect(page.get_by_role("alert").first).to_contain_text("503")
    expect(chat_row(page, "patient")).to_be_visible()


def test_why_an_answer_failed_still_stands_when_the_next_question_is_asked(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted)
    model.reply(FAULTS["400"])
    ask(page, "What fails?")
    failure = page.locator(".answer .failure")
    expect(failure).to_be_visible()
    ask(page, "What does not?")
    expect(page.locator(".outcome")).to_have_count(2)
    expect(failure).to_be_visible()
