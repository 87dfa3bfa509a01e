"""Chatting with the built-in reader over the sample knowledge."""

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser.actions import ask, chat_row, finished, panel_opened
from tests.browser.conftest import OpenPage, shot
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e

QUESTION = "How does a client resume a stream after a disconnect?"


def text_of(answer: Locator) -> str:
    return answer.locator(".prose").inner_text()


def test_an_example_question_gets_an_answer_that_leads_to_its_lines(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    page.get_by_role("button", name=QUESTION).click()
    finished(page)
    answer = page.locator(".answer")
    expect(answer.locator(".outcome")).to_have_text("Grounded")
    expect(answer.locator(".steps-summary")).to_contain_text("Searched")
    expect(answer.locator(".model")).to_have_text("built-in-reader")
    chip = answer.locator("button.cite").first
    chip.click()
    panel = panel_opened(page)
    cited = panel.locator(".line[data-cited]")
    expect(cited.first).to_be_in_viewport()
    assert panel.locator("mark").first.inner_text() in cited.first.inner_text()
    expect(panel.locator(".path")).to_contain_text(".md")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(chip).to_be_focused()


def test_a_reload_and_the_back_button_show_the_same(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    answer = ask(page, QUESTION)
    finished(page)
    shown, address = text_of(answer), page.url
    answer.locator(".source").first.click()
    panel_opened(page)
    page.reload()
    finished(page)
    assert text_of(page.locator(".answer")) == shown
    panel = panel_opened(page)
    expect(panel.locator("mark").first).to_be_visible()
    page.go_back()
    assert page.url == address
    expect(panel).to_be_hidden()
    page.get_by_role("link", name="New chat", exact=True).click()
    expect(page.get_by_role("heading", name="Ask the knowledge base")).to_be_visible()
    page.go_back()
    finished(page)
    assert text_of(page.locator(".answer")) == shown


def test_a_question_of_another_tab_appears_without_reload(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    ask(page, "How soon is a saved file searchable?")
    finished(page)
    other = open_page(reader, page.url.removeprefix(reader.base_url).lstrip("/"))
    expect(other.locator(".answer")).to_have_count(1)
    answer = ask(other, "hello")
    finished(other)
    expect(answer.locator(".outcome")).to_have_text("Conversation")
    expect(page.locator(".answer")).to_have_count(2)
    finished(page)
    assert text_of(page.locator(".answer").last) == text_of(other.locator(".answer").last)


def test_a_chat_is_renamed_in_place(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    ask(page, "Which port does the service listen on?")
    finished(page)
    other = open_page(reader)
    row = chat_row(page, "Which port")
    row.hover()
    row.get_by_role("button", name="Rename").click()
    box = page.get_by_label("Title of the chat")
    box.fill("Harbour ")
    box.press("Enter")
    expect(chat_row(page, "Harbour")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Harbour")
    expect(chat_row(other, "Harbour")).to_be_visible()


def test_what_changes_while_the_list_is_on_its_way_is_not_undone_by_it(
    reader: Server, open_page: OpenPage
) -> None:
    with reader.client() as client:
        renamed, deleted = (client.post("/api/chats", json={"title": title}).json() for title in ("Pier", "Buoy"))
        page = open_page(reader)
        expect(chat_row(page, "Pier")).to_be_visible()

        def late(route: Route) -> None:
            answer = route.fetch()
            client.patch(f"/api/chats/{renamed['id']}", json={"title": "Quay"})
            client.delete(f"/api/chats/{deleted['id']}")
            client.post("/api/chats", json={"title": "Mole"})
            expect(chat_row(page, "Mole")).to_be_visible()
            listed = answer.json()
            listed["items"].append(renamed | {"id": "chat_00", "title": "The list has come"})
            route.fulfill(response=answer, json=listed)

        page.route("**/api/chats?*", late, times=1)
        page.get_by_label("Search chats").evaluate("(box) => box.dispatchEvent(new Event('input'))")
        expect(chat_row(page, "The list has come")).to_be_visible()
        expect(chat_row(page, "Quay")).to_be_visible()
        expect(chat_row(page, "Mole")).to_be_visible()
        expect(chat_row(page, "Buoy")).to_have_count(0)


def test_an_answer_is_rated_and_written_anew(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    answer = ask(page, QUESTION)
    finished(page)
    good = answer.get_by_role("button", name="Good answer")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    comment = answer.get_by_label("Comment")
    expect(comment).to_be_focused()
    comment.fill("It names the header.\nIn full.")
    answer.get_by_role("button", name="Send", exact=True).click()
    expect(answer.locator(".comment-note")).to_have_text("Your comment: It names the header. In full.")
    expect(good).to_be_focused()
    answer.get_by_role("button", name="Answer again").click()
    expect(page.locator(".answer")).to_have_count(2)
    finished(page)
    expect(answer.locator(".prose")).to_be_hidden()
    page.reload()
    finished(page)
    expect(answer.locator(".prose")).to_be_hidden()
    answer.get_by_role("button", name="Earlier answer").click()
    expect(answer.locator(".prose")).to_be_visible()
    expect(good).to_have_attribute("aria-pressed", "true")
    expect(answer.locator(".comment-note")).to_contain_text("It names the header.")
    expect(page.get_by_role("button", name="Answer again")).to_have_count(1)
    answer.get_by_role("button", name="Bad answer").click()
    expect(good).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    expect(comment).to_be_hidden()
    expect(answer.locator(".comment-note")).to_be_hidden()


def test_an_answer_is_copied_with_its_sources(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader, permissions=["clipboard-read", "clipboard-write"])
    answer = ask(page, QUESTION)
    finished(page)
    answer.get_by_role("button", name="Copy the answer").click()
    expect(page.locator("#announcer")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "[1]" in copied
    assert "(streaming/resume.md, line" in copied


def test_chats_are_searched_and_exported(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    expect(page.get_by_role("link", name="Export")).to_be_hidden()
    ask(page, "Where are the zanzibar lanterns?")
    finished(page)
    ask(page, "hello")
    finished(page)
    box = page.get_by_label("Search chats")
    box.fill("zanzibar")
    expect(page.locator(".chat-row")).to_have_count(1)
    box.fill("qwertzuiop")
    expect(page.locator(".chat-row")).to_have_count(0)
    expect(page.locator(".empty-list")).to_be_visible()
    box.fill("")
    expect(chat_row(page, "zanzibar")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    assert "zanzibar lanterns" in download.value.path().read_text()


def test_a_chat_that_is_gone_says_so(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader, expected="404")
    with page.expect_response("**/api/chats/chat_none"):
        page.evaluate("location.hash = '#/chat/chat_none'")
    expect(page.get_by_role("alert").get_by_text("does not exist any more")).to_be_visible()
    expect(page.get_by_role("heading", name="Ask the knowledge base")).to_be_visible()


def test_a_source_that_changed_or_vanished_is_shown_as_the_answer_saw_it(
    scripted: Server, open_page: OpenPage, model: FakeLLM
) -> None:
    path = scripted.knowledge / "tides.md"
    path.write_text("# Tides\n\nThe spring tide rises nine metres.\n")
    page = open_page(scripted)
    with scripted.client() as client:
        client.post("/api/kb/reindex")
        model.call("search_kb", {"query": "spring tide"})
        model.say("The spring tide rises nine metres. [1]")
        ask(page, "How high is the spring tide?")
        finished(page)
        path.write_text("# Tides\n\nThe neap tide is low.\n")
        client.post("/api/kb/reindex")
        page.locator(".answer button.cite").click()
        panel = panel_opened(page)
        expect(panel.locator("mark")).to_have_text("The spring tide rises nine metres.")
        expect(panel.locator(".changed")).to_contain_text("changed since")
        shot(page, "changed-since")
        panel.get_by_role("link", name="Show the current text").click()
        expect(panel.locator(".lines")).to_contain_text("The neap tide is low.")
        expect(panel.locator(".changed")).to_have_count(0)
        page.go_back()
        path.unlink()
        client.post("/api/kb/reindex")
        page.reload()
        panel = panel_opened(page)
        expect(panel.locator("mark")).to_have_text("The spring tide rises nine metres.")
        expect(panel.locator(".changed")).to_contain_text("not in the knowledge base any more")
