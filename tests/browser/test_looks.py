"""The page on narrow and wide screens, light and dark: axe finds nothing, and people can look at the pictures."""

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import ask, finished, panel_opened
from tests.browser.conftest import OpenPage, clean, shot
from tests.browser.pacing import Pause
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1920, "height": 1080}
SMALLEST = {"width": 320, "height": 568}  # also 1280 pixels at four times the size
RICH = """The lighthouse listens on port 8123 [1].

```python
def light(lamp, mirror, clockwork, colour="white", flashes=3, pause_seconds=15.0):
    return [lamp] * flashes
```

| Setting | Default | What it is for, in a sentence | Since |
|---|---|---|---|
| `LIGHTHOUSE_PORT` | 8123 | where it listens, on every interface that there is | 1 |

Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft.
"""


def check_widths(page: Page) -> None:
    """Nothing is wider than the box it stands in; code and tables scroll in boxes of their own."""
    for box in page.locator("html, #scroller, #knowledge-view, #chat-list, .panel-body").all():
        assert box.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0


def check_look(page: Page, name: str) -> None:
    """Keep a picture of a state of the page, and check what a program can: widths, and what axe looks at."""
    shot(page, name)
    check_widths(page)
    if name.startswith(("light", "phone")):
        clean(page)


def check_tour(page: Page, name: str) -> None:
    """Go through the main states; each looks right."""
    expect(page.locator(".example")).to_have_count(4)
    check_look(page, f"{name}-welcome")
    answer = ask(page, "How does a client resume a stream after a disconnect?")
    finished(page)
    answer.locator(".steps summary").click()
    answer.get_by_role("button", name="Bad answer").click()
    check_look(page, f"{name}-answer")
    answer.locator("button.cite").first.click()
    panel_opened(page)
    check_look(page, f"{name}-citation")
    page.keyboard.press("Escape")
    page.locator("#index-badge").click()
    expect(page.locator(".document").first).to_be_visible()
    check_look(page, f"{name}-knowledge")
    page.get_by_label("Search the knowledge base").fill("resume stream")
    expect(page.locator(".hit").first).to_be_visible()
    check_look(page, f"{name}-search")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_desk(reader: Server, open_page: OpenPage, scheme: Literal["light", "dark"]) -> None:
    check_tour(open_page(reader, color_scheme=scheme), scheme)


def test_on_a_wide_screen(reader: Server, open_page: OpenPage) -> None:
    check_tour(open_page(reader, viewport=WIDE), "wide")


def test_on_a_phone(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader, viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    check_tour(page, "phone")
    page.get_by_role("button", name="Open the list of chats").click()
    expect(page.get_by_role("button", name="Close the list of chats")).to_be_focused()
    row = page.locator(".chat-row").first
    expect(row.get_by_role("button", name="Rename")).to_be_visible()
    check_look(page, "phone-chats")
    page.get_by_role("link", name="New chat", exact=True).click()
    expect(page.locator(".sidebar")).not_to_be_in_viewport()
    expect(page.get_by_role("heading", name="Ask the knowledge base")).to_be_visible()


def test_on_the_smallest_screen(scripted: Server, model: FakeLLM, open_page: OpenPage) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    page = open_page(scripted, viewport=SMALLEST, has_touch=True, permissions=permissions)
    model.call("search_kb", {"query": "lighthouse port"})
    model.say(RICH)
    answer = ask(page, "Where does the lighthouse listen?")
    finished(page)
    answer.get_by_role("button", name="Copy the code").click()
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("def light(lamp")
    table = answer.locator(".table-scroll")
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(box) => box.scrollLeft > 0", arg=table.element_handle())
    check_look(page, "phone-smallest")
    answer.locator("button.cite").first.click()
    panel_opened(page)
    check_look(page, "phone-smallest-panel")
    page.get_by_role("button", name="Close the document").click()
    page.get_by_role("button", name="Open the list of chats").click()
    page.locator(".chat-row").first.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").focus()  # who is at the message has time
    expect(page.get_by_role("heading", name="Ask the knowledge base")).to_be_in_viewport(ratio=1)
    check_look(page, "phone-smallest-undo")
    page.get_by_role("button", name="Undo").click()
    finished(page)


def style_of(page: Page, of: str) -> Callable[[str], str]:
    """Read computed styles of an element by the name of the property."""
    return lambda name: str(
        page.locator(of).first.evaluate("(element, name) => getComputedStyle(element)[name]", name)
    )


def test_what_colours_tell_is_told_where_the_system_chooses_them(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader, forced_colors="active")
    ask(page, "How does a client resume a stream after a disconnect?")
    finished(page)
    shot(page, "forced-colours")
    for marked in (".chat-link[aria-current='page']", ".send", ".bubble"):
        style = style_of(page, marked)
        assert "solid" in {style("outlineStyle"), style("borderTopStyle")}, marked
    plain = page.locator(".bubble").evaluate("(element) => getComputedStyle(element).backgroundColor")
    assert style_of(page, "#index-badge .dot")("backgroundColor") != plain


def test_text_stands_in_its_own_direction(scripted: Server, model: FakeLLM, open_page: OpenPage) -> None:
    question, words = "أين تقع المنارة؟", "تقع المنارة على المنفذ 8123"
    page = open_page(scripted)
    model.call("search_kb", {"query": "lighthouse port"})
    model.say(f"{words}. [1]\n\nThe lighthouse listens on port 8123.")
    answer = ask(page, question)
    finished(page)
    shot(page, "right-to-left")
    places = [
        page.locator(".bubble"),
        page.locator(".chat-title").filter(has_text=question),
        answer.get_by_text(words),
    ]
    places.append(page.get_by_role("heading", level=1))
    for place in places:
        assert place.evaluate("(element) => getComputedStyle(element).direction") == "rtl"
    english = answer.get_by_text("The lighthouse listens on").first
    assert english.evaluate("(element) => getComputedStyle(element).direction") == "ltr"


def test_who_wants_less_motion_gets_none(scripted: Server, model: FakeLLM, open_page: OpenPage) -> None:
    page = open_page(scripted, reduced_motion="reduce", viewport=PHONE)
    pause = Pause("", "Done.")
    model.call("search_kb", {"query": "lighthouse port"})
    model.reply(pause.script)
    answer = ask(page, "On which port?")
    expect(answer.locator(".steps-summary")).to_have_text("Reading what was found…")
    page.get_by_role("button", name="Open the list of chats").click()
    assert page.evaluate("document.getAnimations().length") == 0
    pause.end()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")


def test_nothing_shifts_while_the_page_loads(reader: Server, open_page: OpenPage) -> None:
    page = open_page(reader)
    ask(page, "How does a client resume a stream after a disconnect?")
    finished(page)
    address = page.url.rpartition("/")[2]
    page.add_init_script(
        """window.shifts = [];
        new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
            .observe({ type: "layout-shift", buffered: true });"""
    )
    for where, there in (("#/", ".example"), (f"#/chat/{address}", ".source"), ("#/knowledge", ".document")):
        page.goto("about:blank")
        page.goto(f"{reader.base_url}/{where}")
        expect(page.locator(there).first).to_be_visible()
        expect(page.locator("#index-badge")).to_have_attribute("data-index", "ready")
        assert sum(page.evaluate("window.shifts")) == 0, where


def test_many_chats_come_page_by_page(reader: Server, open_page: OpenPage) -> None:
    with reader.client() as client:
        for number in range(60):
            client.post("/api/chats", json={"title": f"Chat of the series {number}"})
    page = open_page(reader)
    expect(page.locator(".chat-row")).to_have_count(50)
    page.get_by_role("button", name="Show older chats").click()
    expect(page.locator(".chat-row").nth(59)).to_be_attached()
    check_widths(page)
