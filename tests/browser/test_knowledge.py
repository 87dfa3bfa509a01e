"""The knowledge view and the state of the index."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import ask, finished, panel_opened
from tests.browser.conftest import OpenPage, clean, shot
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e


def revision(page: Page) -> int:
    badge = page.locator("#index-badge")
    expect(badge).to_have_attribute("data-index", "ready")
    return int(badge.get_attribute("data-revision") or 0)


def listed(page: Page) -> int:
    """Wait for the list of documents; gives how many there are."""
    expect(page.locator("#knowledge-view")).to_have_attribute("data-search", "done")
    return page.locator(".document").count()


def test_a_dropped_file_is_counted_listed_and_found_without_reload(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader, "#/knowledge")
    before = revision(page)
    documents = listed(page)
    (reader.knowledge / "zoology").mkdir()
    (reader.knowledge / "zoology" / "axolotl.md").write_text("# The axolotl\n\nAn axolotl regrows lost legs.\n")
    (reader.knowledge / "zoology" / "broken.md").write_bytes(b"\xff\xfe\x00\xd8\x00\xd8 no text\x00\x01")
    link = page.locator(".document").filter(has_text="The axolotl")
    expect(link).to_be_visible()
    expect(page.locator(".document")).to_have_count(documents + 1)
    expect(page.locator("#index-badge")).not_to_have_attribute("data-revision", str(before))
    expect(page.locator(".skipped")).to_contain_text("broken.md")
    page.get_by_label("Search the knowledge base").fill("axolotl legs")
    hit = page.locator(".hit")
    expect(hit).to_have_count(1)
    expect(hit.locator("mark").first).to_have_text("axolotl")
    (reader.knowledge / "zoology" / "axolotl.md").unlink()
    (reader.knowledge / "zoology" / "broken.md").unlink()
    expect(hit.filter(has_text="The axolotl")).to_have_count(0)


def test_a_search_tells_how_it_found_and_what_occurs_instead(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader, "#/knowledge")
    box = page.get_by_label("Search the knowledge base")
    results = page.locator(".results")
    box.fill("EVENT_RETENTION_DAYS")
    expect(results).to_have_attribute("data-step", "identifier")
    expect(
        page.locator(".hit").first.locator("mark").filter(has_text="EVENT_RETENTION_DAYS").first
    ).to_be_visible()
    box.fill("resume a stream")
    expect(results).to_have_attribute("data-step", "terms")
    box.fill("streeming")
    expect(results).to_have_attribute("data-step", "near")
    expect(results.locator(".result-note")).to_contain_text("stream")
    box.fill("qwertzuiopqwertz")
    expect(page.locator(".nothing")).to_contain_text("Nothing was found")
    assert "q=qwertzuiopqwertz" in page.url
    page.reload()
    expect(box).to_have_value("qwertzuiopqwertz")
    expect(page.locator(".nothing")).to_be_visible()


def test_documents_are_listed_by_topic_and_open_beside(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader, "#/knowledge")
    everything = listed(page)
    page.locator("#knowledge-view").get_by_role("group", name="Topics").get_by_role(
        "button", name="Streaming"
    ).click()
    expect(page.locator(".topic")).to_have_count(1)
    assert 0 < listed(page) < everything
    page.locator(".document[data-document='streaming/resume.md']").click()
    panel = panel_opened(page)
    expect(panel.locator(".line").first).to_be_visible()
    expect(panel.locator("[data-cited]")).to_have_count(0)


def test_questions_without_an_answer_stand_in_a_table(
    scripted: Server, open_page: OpenPage, model: FakeLLM
) -> None:
    page = open_page(scripted)
    model.call("search_kb", {"query": "walrus"})
    model.say("I do not know.")
    ask(page, "What does the walrus eat?")
    finished(page)
    page.locator("#open-knowledge").click()
    gaps = page.locator("details.gaps")
    expect(gaps.locator("summary")).to_contain_text("without an answer")
    gaps.locator("summary").click()
    row = gaps.locator("tbody tr").filter(has_text="walrus")
    expect(row).to_contain_text("1 time")
    shot(page, "gaps")
    clean(page)
    row.get_by_role("link").first.click()
    expect(page.get_by_label("Search the knowledge base")).to_have_value("What does the walrus eat?")
