"""Answers, titles, file names and documents that attack: no script runs, no request leaves, nothing is hidden."""

import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.actions import ask, finished, panel_opened
from tests.browser.conftest import OpenPage
from tests.fake_llm import FakeLLM
from tests.hostile import PAYLOADS
from tests.server import Server

pytestmark = pytest.mark.e2e

SHARE = 30  # payloads an answer
LONGEST = 120  # characters of a part of a file name; 255 bytes are allowed
NOT_OURS = "img:not([src^='/static/']), script:not([src]), form:not(.composer, .comment, dialog *)"
FOREIGN = f"{NOT_OURS}, iframe, object, embed, [onerror]"


def test_there_are_two_hundred_different_attacks() -> None:
    assert len(set(PAYLOADS)) >= 200


def harmless(page: Page) -> None:
    """The page is the one it was, with no element that an attack has made."""
    assert page.title() != "owned"
    assert page.locator(FOREIGN).count() == 0


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
    assert page.locator(".prose").locator("img, script, iframe, svg, style, form, object, [onerror]").count() == 0
    harmless(page)


def test_hostile_titles_stay_text(scripted: Server, open_page: OpenPage) -> None:
    titles = {" ".join(payload.replace("\x00", "").split())[:200] for payload in PAYLOADS}
    with scripted.client() as client:
        for title in titles:
            assert client.post("/api/chats", json={"title": title}).status_code == 201
    page = open_page(scripted)
    older = page.get_by_role("button", name="Show older chats")
    for rows in range(50, len(titles), 50):
        expect(page.locator(".chat-row")).to_have_count(rows)
        older.click()
    expect(page.locator(".chat-row").nth(len(titles) - 1)).to_be_attached()
    shown = {" ".join(title.split()) for title in page.locator(".chat-title").all_text_contents()}
    assert titles <= shown
    for row in range(0, len(titles), 40):
        link = page.locator(".chat-link").nth(row)
        link.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(link.locator(".chat-title").text_content() or "")
    harmless(page)


def written(folder: Path, payload: str) -> str:
    """Write a document that attacks by its name, its title, its topic and its text; gives its name."""
    parts = [part[:LONGEST] for part in payload.replace("\x00", "").split("/") if part.strip(". \t\n")]
    path = folder.joinpath(*parts).with_name(f"{parts[-1]}.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    line = " ".join(payload.replace("\x00", "").split())
    path.write_text(f"# {line}\n\nThe zeppelin {line}\n")
    return path.relative_to(folder.parent).as_posix()


def test_hostile_file_names_and_documents_stay_text(scripted: Server, open_page: OpenPage) -> None:
    folder = scripted.knowledge / "hostile"
    names = {written(folder, payload) for payload in PAYLOADS}
    assert len(names) >= 200
    page = open_page(scripted, "#/knowledge")
    with scripted.client() as client:
        client.post("/api/kb/reindex")
        known = {
            name
            for topic in client.get("/api/kb/topics").json()["items"]
            for name in listed(page, scripted, topic["name"])
        }
        skipped = {file["name"] for file in client.get("/api/kb/status").json()["skipped"]}
    assert len(known & names) >= 200, (names - known, skipped)
    listed(page, scripted, "")
    broken = page.locator(".document[data-document*='\\A ']").first  # its name has a line break
    for document in (broken, *(page.locator(".document").nth(number) for number in range(0, 200, 40))):
        title = document.locator(".document-title").text_content() or ""
        document.click()
        expect(panel_opened(page).get_by_role("heading", level=2)).to_have_text(title)
        page.keyboard.press("Escape")
    page.get_by_label("Search the knowledge base").fill("zeppelin")
    expect(page.locator(".hit").first).to_contain_text("The zeppelin")
    harmless(page)
    shutil.rmtree(folder)
    expect(page.locator(".hit")).to_have_count(0)


def listed(page: Page, server: Server, topic: str) -> set[str]:
    """Show the documents of a topic, or those of all; gives their names."""

    def answers(reply: Response) -> bool:
        """Whether it is about this topic: one about the topic before may be on its way."""
        asked = urlsplit(reply.url)
        return asked.path == "/api/kb/documents" and parse_qs(asked.query).get("topic", [""]) == [topic]

    with page.expect_response(answers):
        page.goto(f"{server.base_url}/#/knowledge" + (f"?{urlencode({'topic': topic})}" if topic else ""))
    expect(page.locator("#knowledge-view")).to_have_attribute("data-search", "done")
    return {str(link.get_attribute("data-document")) for link in page.locator(".document").all()}
