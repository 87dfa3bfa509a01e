"""An answer while it is written: seen live, in two tabs, after a reload; stopped, failed, asked again."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.actions import ask, finished
from tests.browser.conftest import OpenPage
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
    expect(answer.locator(".progress")).to_have_text("Writing…")
    expect(answer.locator(".steps-summary")).to_contain_text("lighthouse port")
    expect(page.locator("body")).to_have_attribute("data-state", "answering")
    pause.end()
    finished(page)
    expect(answer.locator(".prose li").last).to_have_text("the end")
    answer.locator(".steps summary").click()
    expect(answer.locator(".step")).to_contain_text("Searching “lighthouse port” — 1 passage,")
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
    assert sum(page.evaluate("window.shifts")) < 0.02


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
    at_once(model)
    failure.get_by_role("button", name="Ask again").click()
    expect(page.locator(".answer")).to_have_count(2)
    finished(page)
    expect(page.locator(".outcome").last).to_have_text("Grounded")
    expect(page.locator(".question")).to_have_count(1)
    expect(failure).to_be_hidden()
    page.get_by_role("button", name="Earlier answer").click()
    expect(failure).to_be_visible()


def test_a_refused_stream_is_opened_again(scripted: Server, model: FakeLLM, open_page: OpenPage) -> None:
    page = open_page(scripted)
    refusals: list[str] = []

    def refuse_once(route: Route) -> None:
        if refusals:
            route.continue_()
        else:
            refusals.append(route.request.url)
            route.fulfill(status=204)

    page.route("**/api/chats/*/events*", refuse_once)
    at_once(model)
    ask(page, "On which port?")
    expect(page.locator("#offline")).to_be_visible()
    finished(page)
    assert len(refusals) == 1
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator(".prose li").last).to_have_text("the end")


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
