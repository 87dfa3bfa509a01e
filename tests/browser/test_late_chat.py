"""Replies about a chat that arrive late, twice or in another order: what was newer stays, nothing goes astray."""

import pytest
from playwright.sync_api import expect

from tests.browser.actions import answered, ask, chat_row, finished, go_to, messages
from tests.browser.conftest import OpenPage
from tests.browser.held import Held
from tests.browser.pacing import Pause
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e


def test_a_rating_that_is_confirmed_late_does_not_appear_in_another_chat(
    scripted: Server, open_page: OpenPage
) -> None:
    first, second = answered(scripted, "the first lighthouse"), answered(scripted, "the second lighthouse")
    page = open_page(scripted, f"#/chat/{first}")
    held = Held(page, "**/feedback", "PUT")
    page.get_by_role("button", name="Good answer").click()
    held.wait()
    go_to(page, f"#/chat/{second}")
    expect(page.locator(".question")).to_have_text(["the second lighthouse"])
    held.let_go()
    expect(page.locator(".answer")).to_have_count(1)
    go_to(page, f"#/chat/{first}")
    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")


def test_the_rating_given_last_is_the_one_that_stays(scripted: Server, open_page: OpenPage) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, f"#/chat/{chat_id}")
    held = Held(page, "**/feedback", "PUT")
    good, bad = (page.get_by_role("button", name=f"{name} answer") for name in ("Good", "Bad"))
    good.click()
    bad.click()
    page.get_by_label("Comment").fill("It is wrong.")
    page.get_by_role("button", name="Send", exact=True).click()
    held.wait()
    held.pass_on().let_go()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".comment-note")).to_have_text("Your comment: It is wrong.")
    assert messages(scripted, chat_id)[-1]["feedback"] == {"rating": "down", "comment": "It is wrong."}


def test_what_is_loaded_late_does_not_get_into_the_chat_that_is_open_by_then(
    scripted: Server, open_page: OpenPage
) -> None:
    long = answered(scripted, *(f"question {number} of many" for number in range(30)))
    other = answered(scripted, "the only question")
    page = open_page(scripted, f"#/chat/{long}")
    expect(page.locator(".question")).to_have_count(25)
    earlier = Held(page, "**/messages?*cursor=*")
    page.get_by_role("button", name="Show earlier messages").click()
    earlier.wait()
    go_to(page, f"#/chat/{other}")
    expect(page.locator(".question")).to_have_text(["the only question"])
    earlier.pass_on().let_go()
    expect(page.locator(".question")).to_have_count(1)
    go_to(page, f"#/chat/{long}")
    page.get_by_role("button", name="Show earlier messages").click()
    expect(page.locator(".question")).to_have_count(30)
    expect(page.locator(".question").first).to_have_text("question 0 of many")


def test_a_chat_that_opens_late_changes_nothing_where_the_reader_has_gone(
    reader: Server, open_page: OpenPage
) -> None:
    slow, other = answered(reader, "How does a client resume a stream?"), answered(reader, "hello there")
    page = open_page(reader, expected="Failed to load resource")
    opening = Held(page, f"**/api/chats/{slow}")
    go_to(page, f"#/chat/{slow}?doc=streaming/resume.md&lines=3-4")
    opening.wait()
    go_to(page, "#/knowledge")
    page.get_by_label("Search the knowledge base").fill("resume")
    expect(page.locator(".hit").first).to_be_visible()
    opening.let_go()
    expect(page.get_by_label("Search the knowledge base")).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("Knowledge")
    expect(page.locator("#panel")).to_be_hidden()
    go_to(page, "#/")
    go_to(page, f"#/chat/{slow}")
    opening.wait()
    go_to(page, f"#/chat/{other}")
    expect(page.locator(".question")).to_have_text(["hello there"])
    opening.let_go(status=404)
    assert page.url.endswith(other)
    expect(page.locator(".question")).to_have_text(["hello there"])
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_question_asked_while_its_chat_opens_is_answered_there(scripted: Server, open_page: OpenPage) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted)
    opening = Held(page, f"**/api/chats/{chat_id}")
    go_to(page, f"#/chat/{chat_id}")
    opening.wait()
    page.get_by_label("Your question").fill("and its port")
    page.get_by_label("Your question").press("Enter")
    opening.pass_on().let_go()
    expect(page.locator(".question")).to_have_text(["the lighthouse", "and its port"])
    expect(page.locator(".outcome")).to_have_count(2)
    finished(page)


def test_a_question_stays_in_its_chat_when_the_reader_goes_elsewhere_meanwhile(
    scripted: Server, open_page: OpenPage
) -> None:
    other = answered(scripted, "the lighthouse")
    page = open_page(scripted)
    making = Held(page, "**/api/chats", "POST")
    ask(page, "Where do gulls nest?")
    expect(page.locator(".question")).to_have_text(["Where do gulls nest?"])  # before anything has come back
    making.wait()
    go_to(page, f"#/chat/{other}")
    expect(page.locator(".question")).to_have_text(["the lighthouse"])
    making.let_go()
    expect(chat_row(page, "Where do gulls nest?")).to_be_visible()
    assert page.url.endswith(other)
    finished(page)
    expect(page.locator(".question")).to_have_text(["the lighthouse"])
    chat_row(page, "Where do gulls nest?").get_by_role("link").click()
    expect(page.locator(".question")).to_have_text(["Where do gulls nest?"])
    finished(page)


def test_an_answer_can_be_stopped_before_it_has_begun(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted, expected="Failed to load resource")
    asking = Held(page, "**/messages", "POST")
    page.route("**/api/events*text_of=*", lambda route: route.abort(), times=1)
    pause = Pause("Half of it.", "The rest.")
    requests = len(model.requests)
    model.call("search_kb", {"query": "lighthouse port"})
    model.reply(pause.script)
    page.get_by_label("Your question").fill("What stops?")
    page.get_by_label("Your question").press("Enter")
    asking.wait()
    assert model.wait(lambda: len(model.requests) == requests + 2)  # or the next test would be answered so
    page.get_by_role("button", name="Stop the answer").click()
    asking.let_go()
    finished(page)
    expect(page.locator(".outcome")).to_have_text("Stopped")
    pause.end()


def test_pressing_twice_asks_again_once(scripted: Server, open_page: OpenPage) -> None:
    chat_id = answered(scripted, "the lighthouse")
    page = open_page(scripted, f"#/chat/{chat_id}")
    page.get_by_role("button", name="Answer again").dblclick()
    expect(page.locator(".answer")).to_have_count(2)
    finished(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert len(messages(scripted, chat_id)) == 3


def test_a_chat_deleted_elsewhere_is_left_without_leaving_the_view(scripted: Server, open_page: OpenPage) -> None:
    chat_id = answered(scripted, "the sunken lighthouse")
    page = open_page(scripted, f"#/chat/{chat_id}")
    page.locator("#open-knowledge").click()
    expect(page.locator(".document").first).to_be_visible()
    with scripted.client() as client:
        client.delete(f"/api/chats/{chat_id}")
    expect(chat_row(page, "sunken")).to_have_count(0)
    expect(page.locator("#knowledge-view")).to_be_visible()
    page.get_by_role("link", name="New chat", exact=True).click()
    expect(page.get_by_role("heading", name="Ask the knowledge base")).to_be_visible()
