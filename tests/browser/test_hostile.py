"""Answers, titles and documents that attack the page: no script runs, no request leaves, nothing is hidden."""

import pytest
from playwright.sync_api import expect

from tests.browser.actions import ask, finished, panel_opened
from tests.browser.conftest import OpenPage
from tests.fake_llm import FakeLLM
from tests.hostile import PAYLOADS
from tests.server import Server

pytestmark = pytest.mark.e2e

SHARE = 30  # payloads an answer


def test_hostile_answers_stay_text(scripted: Server, model: FakeLLM, open_page: OpenPage) -> None:
    page = open_page(scripted)
    for first in range(0, len(PAYLOADS), SHARE):
        model.say("\n\n".join(PAYLOADS[first : first + SHARE]) + "\n\nThe end.")
        ask(page, PAYLOADS[first].replace("\x00", ""))
        finished(page)
    page.reload()
    finished(page)
    expect(page.locator(".answer")).to_have_count(-(-len(PAYLOADS) // SHARE))
    expect(page.get_by_label("Your question")).to_be_visible()
    assert page.title() != "owned"
    assert page.locator(".prose").locator("img, script, iframe, svg, style, form, object, [onerror]").count() == 0


def test_hostile_titles_and_documents_stay_text(scripted: Server, open_page: OpenPage) -> None:
    attack = "<img src=x onerror=alert(1)>"
    with scripted.client() as client:
        for payload in PAYLOADS[:40]:
            title = payload.replace("\x00", "")[:200]
            assert client.post("/api/chats", json={"title": title}).status_code == 201
    document = scripted.knowledge / f"{attack}.md"
    document.write_text(f"---\ntitle: '{attack}'\ntopic: '{attack}'\n---\n\n# {attack}\n\nThe zeppelin {attack}\n")
    page = open_page(scripted, "#/knowledge")
    expect(page.locator(".chat-title").filter(has_text="<script>").first).to_be_visible()
    page.locator(".document").filter(has_text=attack).click()
    expect(panel_opened(page)).to_contain_text(f"The zeppelin {attack}")
    page.get_by_label("Search the knowledge base").fill("zeppelin")
    expect(page.locator(".hit")).to_contain_text(f"The zeppelin {attack}")
    document.unlink()
    expect(page.locator(".hit")).to_have_count(0)
