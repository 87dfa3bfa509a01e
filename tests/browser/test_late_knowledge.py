"""Knowledge, panel and state of the index while the folder changes and replies are on their way."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from tests.browser.actions import panel_opened, stop_time
from tests.browser.conftest import OpenPage
from tests.browser.held import Held
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of this module's own: its folder changes."""
    path = tmp_path_factory.mktemp("folder")
    (path / "knowledge").mkdir()
    (path / "knowledge" / "ports.md").write_text("# Ports\n\nThe lighthouse listens on port 8123.\n")
    lines = "\n\n".join(f"Line {number} of the log." for number in range(400))
    (path / "knowledge" / "log.md").write_text(f"# Log\n\n{lines}\n")
    with Server(path) as server:
        indexed(server, 2)
        yield server


def indexed(server: Server, documents: int) -> None:
    with server.client() as client:
        client.post("/api/kb/reindex")
        eventually(lambda: bool(client.get("/api/kb/status").json()["indexed"] == documents), what="the index")


def revision(server: Server) -> int:
    with server.client() as client:
        return int(client.get("/api/kb/status").json()["revision"])


def write(server: Server, name: str, text: str) -> None:
    (server.knowledge / name).write_text(text)
    with server.client() as client:
        client.post("/api/kb/reindex").raise_for_status()


def test_an_older_state_of_the_index_does_not_replace_a_newer_one(folder: Server, open_page: OpenPage) -> None:
    page = open_page(folder, "#/knowledge")
    badge = page.locator("#index-badge")
    before = revision(folder)
    held = Held(page, "**/api/kb/status")
    write(folder, "ports.md", "# Ports\n\nThe lighthouse listens on port 8124.\n")
    eventually(lambda: revision(folder) > before)
    held.wait()
    write(folder, "ports.md", "# Harbours\n\nThe lighthouse listens on port 8125.\n")
    expect(page.locator(".document[data-document='ports.md']")).to_contain_text("Harbours")
    while held.waiting:
        held.let_go(-1)
    held.pass_on()
    expect(badge).to_have_attribute("data-revision", str(revision(folder)))


def test_who_comes_back_to_the_documents_sees_those_of_now(folder: Server, open_page: OpenPage) -> None:
    page = open_page(folder, "#/knowledge")
    stop_time(page)
    expect(page.locator(".document")).to_have_count(2)
    page.get_by_role("link", name="New chat", exact=True).click()
    expect(page.get_by_role("heading", name="Ask the knowledge base")).to_be_visible()
    write(folder, "tides.md", "# Tides\n\nThe spring tide rises.\n")
    while "3 documents" not in (page.locator("#index-badge").text_content() or ""):
        page.clock.run_for(1000)  # what waits for the end of several changes, waits no longer
    page.clock.resume()
    page.locator("#open-knowledge").click()
    expect(page.locator(".document")).to_have_count(3)
    (folder.knowledge / "tides.md").unlink()
    indexed(folder, 2)
    expect(page.locator(".document")).to_have_count(2)


def test_a_change_of_the_folder_takes_neither_place_nor_focus(folder: Server, open_page: OpenPage) -> None:
    page = open_page(folder, "#/knowledge")
    link = page.locator(".document[data-document='ports.md']")
    link.focus()
    write(folder, "moon.md", "# Moon\n\nIt has phases.\n")
    expect(page.locator(".document")).to_have_count(3)
    expect(link).to_be_focused()
    (folder.knowledge / "moon.md").unlink()
    indexed(folder, 2)


def test_a_long_list_of_documents_comes_page_by_page_and_stays(folder: Server, open_page: OpenPage) -> None:
    write(folder, "ports.md", "# Ports\n\nThe lighthouse listens on port 8123.\n")
    for name in ("atlas", "birds"):
        write(folder, f"{name}.md", f"# About {name}\n\nThere are some.\n")
    page = open_page(folder)
    page.route("**/api/kb/documents?*", lambda route: route.continue_(url=route.request.url.replace("=200", "=2")))
    page.locator("#open-knowledge").click()
    documents = page.locator(".document-title")
    expect(documents).to_have_text(["About atlas", "About birds"])
    expect(page.locator(".topic h2 .count")).to_have_text("4 documents")
    page.get_by_role("button", name="Show more of 4 documents").click()
    expect(documents).to_have_text(["About atlas", "About birds", "Log", "Ports"])
    expect(page.locator(".document[data-document='log.md']")).to_be_focused()
    write(folder, "birds.md", "# About gulls\n\nThere are some.\n")
    expect(documents).to_have_text(["About atlas", "About gulls", "Log", "Ports"])
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    for name in ("atlas", "birds"):
        (folder.knowledge / f"{name}.md").unlink()
    indexed(folder, 2)


def test_lines_are_added_once_and_are_of_one_revision(folder: Server, open_page: OpenPage) -> None:
    page = open_page(folder, "#/knowledge?doc=log.md", expected="404")
    panel = panel_opened(page)
    expect(panel.locator(".line")).to_have_count(200)
    more = panel.get_by_role("button", name="Show the lines after")
    more.dblclick()
    expect(panel.locator(".line")).to_have_count(400)
    expect(panel.locator(".line").last).to_have_attribute("value", "400")
    text = (folder.knowledge / "log.md").read_text()

    def change_first(route: Route) -> None:
        write(folder, "log.md", text.replace("Line", "Entry"))
        route.continue_()

    page.route("**/api/kb/documents/log.md?*start_line=401*", change_first, times=1)
    more.click()
    expect(panel.locator(".lines")).to_contain_text("Entry 0 of the log.")
    expect(panel.locator(".lines")).not_to_contain_text("Line")
    write(folder, "log.md", text)
    expect(panel.locator(".lines")).to_contain_text("Line 0 of the log.")
