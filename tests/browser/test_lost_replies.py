"""Replies about a chat that are lost, and requests that are refused: nothing is asked twice, nothing is lost."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.actions import answered, ask, finished, go_to, half_answered, messages
from tests.browser.conftest import OpenPage
from tests.browser.held import Held
from tests.fake_llm import FakeLLM
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e


def at_the_lighthouse(server: Server, open_page: OpenPage) -> tuple[Page, str]:
    """Open a chat with one answer; gives the page and the chat's id."""
    chat_id = answered(server, "the lighthouse")
    return open_page(server, f"#/chat/{chat_id}", expected="Failed to load resource"), chat_id


def sent(*events: tuple[str, str, str]) -> str:
    return "".join(f"id: {number}\nevent: {kind}\ndata: {data}\n\n" for number, kind, data in events)


def test_a_question_whose_confirmation_was_lost_is_not_asked_twice(scripted: Server, open_page: OpenPage) -> None:
    page, chat_id = at_the_lighthouse(scripted, open_page)
    page.route("**/api/events*", lambda route: route.abort())
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    page.route("**/messages", lambda route: (route.fetch(), route.abort()), times=1)
    ask(page, "and its port")
    alert = page.get_by_role("alert").filter(has_text="The service does not answer")
    expect(alert).to_be_visible()
    expect(page.get_by_label("Your question")).to_have_value("and its port")
    page.unroute("**/api/events*")
    alert.get_by_role("button", name="Try again").click()
    finished(page)
    expect(page.get_by_label("Your question")).to_have_value("")
    expect(page.locator(".question")).to_have_text(["the lighthouse", "and its port"])
    assert len(messages(scripted, chat_id)) == 4


def test_a_question_that_the_stream_has_told_of_needs_no_confirmation(
    scripted: Server, open_page: OpenPage
) -> None:
    page, chat_id = at_the_lighthouse(scripted, open_page)

    def lose(route: Route) -> None:
        route.fetch()
        expect(page.locator(".question:not([data-pending])")).to_have_count(2)
        route.abort()

    page.route("**/messages", lose, times=1)
    with page.expect_event("requestfailed"):
        ask(page, "and its port")
    finished(page)
    expect(page.locator(".question")).to_have_text(["the lighthouse", "and its port"])
    expect(page.locator(".answer")).to_have_count(2)
    expect(page.get_by_label("Your question")).to_have_value("")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert len(messages(scripted, chat_id)) == 4


def test_a_message_read_anew_does_not_undo_the_end_of_its_answer(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted)
    pause = half_answered(page, model, "What is missing?")
    with scripted.client() as client:
        chat_id = page.url.rpartition("/")[2]
        at = client.get(f"/api/chats/{chat_id}").json()["last_event_id"]
    running = messages(scripted, chat_id)[-1]["id"]
    hole = sent((at, "answer.delta", f'{{"message_id": "{running}", "offset": 9999, "text": "late"}}'))
    page.route("**/api/events*", lambda route: route.fulfill(content_type="text/event-stream", body=hole), times=1)
    reading = Held(page, f"**/api/chats/*/messages/{running}")
    page.reload()
    reading.wait()
    pause.end()
    finished(page)
    reading.let_go()
    expect(page.locator(".prose")).to_contain_text("The rest.")
    ask(page, "and its port")
    finished(page)


def test_a_stream_that_begins_anew_while_the_service_is_away_loses_nothing(
    scripted: Server, open_page: OpenPage
) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, expected="Failed to load resource")
    reset = sent(("1", "stream.reset", '{"snapshot": {}}'))
    page.route(
        "**/api/events*text_of=*",
        lambda route: route.fulfill(content_type="text/event-stream", body=reset),
        times=1,
    )
    again: list[str] = []

    def away_once(route: Route) -> None:
        again.append(route.request.url)
        if len(again) == 2:
            route.fulfill(status=503)
        else:
            route.continue_()

    page.route("**/api/chats/*/messages?*", away_once)
    go_to(page, f"#/chat/{chat_id}")
    eventually(lambda: bool(page.evaluate("0") == 0 and len(again) == 3), 20, "reading the chat anew")
    expect(page.locator("#connection")).to_be_hidden()
    assert page.url.endswith(chat_id)
    expect(page.locator(".question")).to_have_text(["the lighthouse"])
    ask(page, "and its port")
    finished(page)
    expect(page.locator(".question")).to_have_text(["the lighthouse", "and its port"])


def test_a_chat_that_could_not_be_opened_offers_to_and_keeps_what_is_asked(
    scripted: Server, open_page: OpenPage
) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, expected="Failed to load resource")
    page.route("**/api/chats/*/messages?*", lambda route: route.fulfill(status=503), times=2)
    go_to(page, f"#/chat/{chat_id}")
    failure = page.locator("#conversation .failure")
    expect(failure).to_contain_text("503")
    failure.get_by_role("button", name="Try again").click()
    expect(failure).to_contain_text("503")
    ask(page, "and its port")
    expect(page.locator(".question")).to_have_text(["the lighthouse", "and its port"])
    finished(page)
    assert len(messages(scripted, chat_id)) == 4


def test_a_reply_that_breaks_off_is_as_good_as_none(scripted: Server, open_page: OpenPage) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted)
    page.route("**/api/chats/*/messages?*", lambda route: route.fulfill(body='{"items": ['), times=1)
    go_to(page, f"#/chat/{chat_id}")
    failure = page.locator("#conversation .failure")
    expect(failure).to_contain_text("does not answer")
    failure.get_by_role("button", name="Try again").click()
    expect(page.locator(".question")).to_have_text("the lighthouse")
    page.route("**/api/chats?*", lambda route: route.fulfill(body='{"items": ['), times=1)
    page.reload()
    ask(page, "and its port")
    finished(page)
    expect(page.locator(".chat-row").first).to_be_visible()


def test_what_is_typed_after_a_question_that_fails_is_kept_beside_it(
    scripted: Server, open_page: OpenPage
) -> None:
    page, _ = at_the_lighthouse(scripted, open_page)
    box = page.get_by_label("Your question")
    asking = Held(page, "**/messages", "POST")
    box.fill("x" * 33_000)
    box.press("Enter")
    asking.wait()
    box.fill("The next one")
    asking.pass_on().let_go(status=503)
    expect(box).to_have_value(f"{'x' * 33_000}\n\nThe next one")
    box.fill("The next one")
    page.get_by_role("alert").get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert").get_by_text("at most")).to_be_visible()
    expect(box).to_have_value(f"{'x' * 33_000}\n\nThe next one")
