"""Somebody who has used up the day's tokens is told so, and loses nothing that was typed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.actions import ask, finished
from tests.browser.conftest import OpenPage, shot
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture
def scarce(tmp_path_factory: pytest.TempPathFactory, model: FakeLLM) -> Iterator[Server]:
    """The service with a model of which one question takes all that there is for a day."""
    folder = tmp_path_factory.mktemp("scarce")
    (folder / "knowledge").mkdir()
    (folder / "knowledge" / "ports.md").write_text("# Ports\n\nThe lighthouse listens on port 8123.\n")
    settings = {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "scripted", "TOKENS_A_DAY": "1"}
    with Server(folder, settings) as server:
        yield server


def test_a_question_past_the_quota_is_refused_with_the_time_and_stays_in_its_box(
    scarce: Server, open_page: OpenPage
) -> None:
    page = open_page(scarce, expected="status of 429")
    ask(page, "On which port does the lighthouse listen?")
    finished(page)
    ask(page, "And who keeps it?")
    notice = page.get_by_role("alert").filter(has_text="tokens a day is used up")
    expect(notice).to_contain_text("midnight UTC")
    expect(notice.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.get_by_label("Your question")).to_have_value("And who keeps it?")
    expect(page.locator(".answer")).to_have_count(1)
    shot(page, "quota")
