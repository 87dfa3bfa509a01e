"""What people do on the page."""

from playwright.sync_api import Locator, Page, expect


def ask(page: Page, question: str) -> Locator:
    """Ask a question by keyboard; gives the answer that begins."""
    count = page.locator(".answer").count()
    page.get_by_label("Your question").fill(question)
    page.get_by_label("Your question").press("Enter")
    return page.locator(".answer").nth(count)


def finished(page: Page) -> None:
    """Wait until nothing is being answered."""
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    expect(page.locator(".answer .outcome").last).to_be_visible()


def panel_opened(page: Page) -> Locator:
    """Wait until the side panel shows its document; gives the panel."""
    expect(page.locator("body")).to_have_attribute("data-panel", "open")
    return page.get_by_role("complementary", name="Document")


def chat_row(page: Page, title: str) -> Locator:
    """The row of a chat in the list."""
    return page.locator(".chat-row").filter(has_text=title)
