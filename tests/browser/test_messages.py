"""How the page folds events into messages: what comes twice changes nothing, what is missing is noticed."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.server import Server

pytestmark = pytest.mark.e2e

SMILE = "\N{GRINNING FACE}"  # one character of the server, two units in JavaScript
FOLD = """async ([loaded, events]) => {
    const { Messages } = await import("/static/messages.js");
    const messages = new Messages();
    for (const message of loaded) messages.put(message);
    const told = events.map(([type, data]) => messages.apply(type, data));
    return [messages.get("m"), told];
}"""
Told = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def page(reader: Server, browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(reader.base_url)
    yield page
    page.context.close()


def message(status: str = "running", content: str = "") -> dict[str, Any]:
    return {"id": "m", "role": "assistant", "status": status, "content": content, "steps": [], "model": None}


def delta(offset: int, text: str) -> Told:
    return "answer.delta", {"message_id": "m", "offset": offset, "text": text}


def step(kind: str, number: int, took: float | None) -> Told:
    data = {
        "number": number,
        "name": "search_kb",
        "arguments": {},
        "hits": None,
        "error": None,
        "duration_ms": took,
    }
    return f"step.{kind}", {"message_id": "m", "step": data}


def fold(page: Page, loaded: dict[str, Any], events: Sequence[Told]) -> tuple[dict[str, Any], list[Any]]:
    state, told = page.evaluate(FOLD, [[loaded], list(events)])
    return state, told


def test_text_is_joined_by_characters_as_the_server_counts_them(page: Page) -> None:
    state, _ = fold(page, message(), [delta(0, f"{SMILE} one "), delta(6, f"two {SMILE}"), delta(11, ".")])
    assert state["content"] == f"{SMILE} one two {SMILE}."


def test_text_that_comes_again_changes_nothing(page: Page) -> None:
    state, told = fold(
        page, message(content=f"{SMILE} one two"), [delta(0, f"{SMILE} one"), delta(2, "one two three")]
    )
    assert state["content"] == f"{SMILE} one two three"
    assert told[0] is None


def test_missing_text_is_noticed(page: Page) -> None:
    state, told = fold(page, message(content="one"), [delta(10, "three")])
    assert state["content"] == "one"
    assert told[0]["gap"] is True


def test_a_new_attempt_begins_with_an_empty_text(page: Page) -> None:
    reset = ("answer.reset", {"message_id": "m", "reason": "retry"})
    state, _ = fold(page, message(content="one two"), [reset, delta(0, "new")])
    assert state["content"] == "new"


def test_steps_are_kept_by_number_and_never_become_unfinished_again(page: Page) -> None:
    events = [
        step("started", 1, None),
        step("completed", 1, 3.0),
        step("started", 1, None),
        step("started", 2, None),
    ]
    state, _ = fold(page, message(), events)
    assert [(kept["number"], kept["duration_ms"]) for kept in state["steps"]] == [(1, 3.0), (2, None)]


def test_a_finished_answer_is_not_begun_again_by_a_replay(page: Page) -> None:
    started = ("turn.started", {"message_id": "m", "model": "x", "attempt": 1})
    created = ("message.created", {"message": message("queued")})
    state, told = fold(
        page, message("completed", "done"), [created, started, delta(0, "do"), step("started", 1, None)]
    )
    assert (state["status"], state["content"], state["steps"]) == ("completed", "done", [])
    assert told == [None] * 4


def test_a_rating_is_noted_without_ending_the_answer_again(page: Page) -> None:
    rating = {"rating": "down", "comment": "Which port?"}
    events = [("message.rated", {"message_id": each, "feedback": rating}) for each in ("m", "unknown")]
    state, (told, other) = fold(page, message("completed", "done"), events)
    assert (state["feedback"], told, other) == (rating, {"message": state}, None)


def test_an_end_that_is_told_again_takes_no_rating_back(page: Page) -> None:
    rated = message("completed", "done") | {"feedback": {"rating": "up", "comment": None}}
    state, told = fold(page, rated, [("answer.completed", {"message": message("completed", "done")})])
    assert state == rated
    assert told == [None]
