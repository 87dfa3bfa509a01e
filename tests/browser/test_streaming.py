"""An answer while it is written: seen live, in two tabs, after a reload; stopped, failed, asked again."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import ask, finished
from tests.browser.conftest import OpenPage, clean, shot
from tests.browser.pacing import Pause
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e

WORDS = " ".join(f"word{number}" for number in range(60))
FIRST = f"The lighthouse **listens** on port 8123 [1]. \N{GRINNING FACE}\n\n1. {WORDS}"
REST = f"{WORDS.replace('word', 'last')}\n2. the end"


def paused(model: FakeLLM) -> Pause:
    """Queue a search and an answer that pauses in the middle."""
    pause = Pause(FIRST, REST)
    model.call("search_kb", {"query": "lighthouse port"})
    model.call("read_kb_doc", {"name": "ports.md", "start_line": 1, "end_line": 3})
    model.reply(pause.script)
    return pause


def at_once(model: FakeLLM) -> None:
    """Queue a search and an answer without a pause."""
    paused(model).end()


def shown(page: Page) -> str:
    return page.locator(".answer .prose").last.inner_text()


def test_text_and_steps_appear_while_the_answer_is_written(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted)
    pause = paused(model)
    answer = ask(page, "On which port?")
    expect(answer.locator(".prose")).to_contain_text("word59")
    expect(answer.locator(".prose strong")).to_have_text("listens")
    expect(answer.locator("button.cite")).to_have_text("1")
    expect(answer.locator(".steps-summary")).to_contain_text("“lighthouse port”, read 1 document · writing…")
    expect(page.locator("body")).to_have_attribute("data-state", "answering")
    clean(page)
    pause.end()
    finished(page)
    expect(answer.locator(".prose li").last).to_have_text("the end")
    answer.locator(".steps summary").click()
    expect(answer.locator(".step").first).to_contain_text("Searching “lighthouse port” — 1 passage,")
    expect(answer.locator(".step").last).to_contain_text("Reading ports.md, lines 1–3 — 1 passage,")
    expect(answer.locator(".model")).to_have_text("fake")


def test_a_second_tab_and_a_reload_go_on_with_the_same_answer(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted)
    pause = paused(model)
    ask(page, "On which port?")
    expect(page.locator(".prose")).to_contain_text("word59")
    other = open_page(scripted, page.url.removeprefix(scripted.base_url).lstrip("/"))
    page.reload()
    for each in (page, other):
        expect(each.locator(".prose")).to_contain_text("word59")
        expect(each.locator("body")).to_have_attribute("data-state", "answering")
        expect(each.locator(".chat-row[data-open]")).to_have_attribute("data-activity", "working")
    pause.end()
    for each in (page, other):
        finished(each)
        expect(each.locator(".prose li")).to_have_count(2)
    assert shown(page) == shown(other)
    assert WORDS in shown(page)


@pytest.mark.parametrize("pausing", [True, False])
def test_nothing_jumps_while_an_answer_is_written(
    scripted: Server, model: FakeLLM, open_page: OpenPage, pausing: bool
) -> None:
    page = open_page(scripted)
    ask(page, "hello")
    finished(page)
    page.evaluate(
        """() => {
            window.shifts = [];
            new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
                .observe({ type: "layout-shift" });
        }"""
    )
    pause = paused(model)
    if not pausing:
        pause.end()
    answer = ask(page, "On which port?")
    expect(answer.locator(".prose")).to_contain_text("word59")
    top = page.locator(".question").last.bounding_box()
    pause.end()
    finished(page)
    assert page.locator(".question").last.bounding_box() == top
    assert sum(page.evaluate("window.shifts")) == 0


def test_a_stopped_answer_keeps_its_text(scripted: Server, model: FakeLLM, open_page: OpenPage) -> None:
    page = open_page(scripted)
    pause = paused(model)
    answer = ask(page, "On which port?")
    expect(answer.locator(".prose")).to_contain_text("8123")
    page.get_by_role("button", name="Stop the answer").click()
    finished(page)
    expect(answer.locator(".outcome")).to_have_text("Stopped")
    expect(answer.locator(".prose")).to_contain_text("8123")
    expect(page.get_by_role("button", name="Stop the answer")).to_be_hidden()
    clean(page)
    pause.end()


def test_a_failure_says_what_to_check_and_can_be_asked_again(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted)
    model.reply(FAULTS["401-echo"])
    ask(page, "On which port?")
    finished(page)
    failure = page.locator(".failure")
    expect(failure).to_contain_text("LLM_API_KEY")
    expect(page.locator(".outcome")).to_have_text("Failed")
    clean(page)
    at_once(model)
    failure.get_by_role("button", name="Ask again").click()
    expect(page.locator(".answer")).to_have_count(2)
    finished(page)
    expect(page.locator(".outcome").last).to_have_text("Grounded")
    expect(page.locator(".question")).to_have_count(1)
    expect(failure).to_be_hidden()
    page.get_by_role("button", name="Earlier answer").click()
    expect(failure).to_be_visible()


def test_a_question_that_was_not_taken_returns_to_the_box(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted, expected="422")
    ask(page, "hello")
    finished(page)
    long = "x" * 33_000
    with page.expect_response("**/messages") as refused:
        page.get_by_label("Your question").fill(long)
        page.get_by_label("Your question").press("Enter")
    assert refused.value.status == 422
    expect(page.get_by_role("alert").get_by_text("at most")).to_be_visible()
    expect(page.get_by_label("Your question")).to_have_value(long)
    expect(page.locator(".question")).to_have_count(1)


def test_a_question_is_kept_and_sent_again_when_the_service_did_not_answer(
    scripted: Server, model: FakeLLM, open_page: OpenPage
) -> None:
    page = open_page(scripted, expected="ERR_FAILED")
    page.route(
        "**/api/chats", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    page.get_by_label("Your question").fill("On which port?")
    page.get_by_label("Your question").press("Enter")
    alert = page.get_by_role("alert").filter(has_text="The service does not answer")
    expect(page.get_by_label("Your question")).to_have_value("On which port?")
    page.unroute("**/api/chats")
    at_once(model)
    alert.get_by_role("button", name="Try again").click()
    finished(page)
    expect(page.locator(".question")).to_have_text("On which port?")
    expect(page.get_by_label("Your question")).to_have_value("")


def test_each_step_is_shown_while_it_happens(scripted: Server, model: FakeLLM, open_page: OpenPage) -> None:
    page = open_page(scripted)
    pause = Pause("", FIRST)
    model.call("search_kb", {"query": "lighthouse port"})
    model.reply(pause.script)
    answer = ask(page, "On which port?")
    expect(answer.locator(".step")).to_contain_text("Searching “lighthouse port” — 1 passage,")
    expect(answer.locator(".step")).to_be_visible()
    expect(answer.locator(".steps-summary")).to_have_text("Reading what was found…")
    expect(answer.locator(".steps")).to_have_attribute("open", "")
    shot(page, "steps")
    pause.end()
    finished(page)
    expect(answer.locator(".steps")).not_to_have_attribute("open", "")
