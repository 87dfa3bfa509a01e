"""What people do on the page."""

from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.pacing import Pause
from tests.fake_llm import FakeLLM
from tests.server import Server


def ask(page: Page, question: str) -> Locator:
    """Ask a question by keyboard; gives the answer that begins."""
    count = page.locator(".answer").count()
    page.get_by_label("Your question").fill(question)
    page.get_by_label("Your question").press("Enter")
    return page.locator(".answer").nth(count)


def half_answered(page: Page, model: FakeLLM, question: str) -> Pause:
    """Ask, and wait until the model pauses in the middle of its answer: "Half of it. The rest."."""
    pause = Pause("Half of it.", "The rest.")
    model.call("search_kb", {"query": "lighthouse port"})
    model.reply(pause.script)
    expect(ask(page, question).locator(".prose")).to_contain_text("Half of it")
    return pause


def finished(page: Page) -> None:
    """Wait until nothing is being answered."""
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    expect(page.locator(".answer .outcome").last).to_be_visible()


def stop_time(page: Page) -> None:
    """Load the page anew; from then on its time passes only as `page.clock.run_for` lets it."""
    now = datetime.now(UTC)
    page.clock.install(time=now)
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    page.clock.pause_at(now + timedelta(minutes=2))


def panel_opened(page: Page) -> Locator:
    """Wait until the side panel shows its document; gives the panel."""
    expect(page.locator("body")).to_have_attribute("data-panel", "open")
    return page.get_by_role("complementary", name="Document")


def chat_row(page: Page, title: str) -> Locator:
    """The row of a chat in the list."""
    return page.locator(".chat-row").filter(has_text=title)


def answered(server: Server, *questions: str) -> str:
    """Make a chat with answers; gives its id. It is called like its first question."""
    with server.client() as client:
        chat_id = str(client.post("/api/chats", json={}).json()["id"])
        for question in questions:
            client.post(f"/api/chats/{chat_id}/messages", json={"content": question}).raise_for_status()
    return chat_id


def messages(server: Server, chat_id: str) -> list[dict[str, Any]]:
    """The messages of a chat as the service has them."""
    with server.client() as client:
        found: list[dict[str, Any]] = client.get(f"/api/chats/{chat_id}/messages").json()["items"]
        return found


def go_to(page: Page, where: str) -> None:
    """Go to a place by its address, as a link does."""
    page.evaluate("(where) => { location.hash = where; }", where)
