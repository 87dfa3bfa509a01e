"""Take the README's pictures of the page: a chat beside a cited document, and the knowledge view."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from tests.browser.actions import ask, finished, panel_opened
from tests.server import Server, eventually

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs/images"
SIZE: Final = ViewportSize(width=1440, height=860)
LARGEST: Final = 300_000  # bytes, so that the README stays light
QUESTIONS: Final = ("How does a client resume a stream?", "And how long are events kept?")


def take(page: Page) -> None:
    """Go through the page and keep both pictures."""
    for question in QUESTIONS:
        ask(page, question)
        finished(page)
    page.locator(".answer button.cite").first.click()
    panel_opened(page)
    page.locator(".question").first.scroll_into_view_if_needed()
    shot(page, "chat")
    page.keyboard.press("Escape")
    page.locator("#index-badge").click()
    expect(page.locator(".document").first).to_be_visible()
    shot(page, "knowledge")


def shot(page: Page, name: str) -> None:
    """Keep a picture; fails when it is too large for the README."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size // 1000} kB")
    if size > LARGEST:
        sys.exit(f"{path.name} is larger than {LARGEST // 1000} kB")


def main() -> None:
    """Start the service over the sample knowledge, and a browser."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("no chromium: scripts/test installs it where it may, else apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(ROOT / "knowledge", Path(folder) / "knowledge")
        with Server(Path(folder)) as server, server.client() as client:
            eventually(lambda: client.get("/api/kb/status").json()["state"] == "ready", what="the first scan")
            arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
            browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
            page = browser.new_page(viewport=SIZE, color_scheme="light")
            page.goto(server.base_url)
            page.wait_for_selector("body[data-state=ready]")
            take(page)
            browser.close()


if __name__ == "__main__":
    main()
