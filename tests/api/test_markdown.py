"""What becomes of an answer's Markdown: formatting and markers stay, nothing hostile does."""

import re
from html.parser import HTMLParser

import pytest

from service.api.markdown import AnswerRenderer, closed
from tests.hostile import PAYLOADS

RENDERER = AnswerRenderer()
BLOCKS = {"p", "li", "ul", "ol", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "hr", "div"}
TABLES = {"table", "thead", "tbody", "tr", "th", "td"}
TAGS = BLOCKS | TABLES | {"a", "em", "strong", "s", "code", "br", "span", "button"}
ATTRIBUTES = {"dir", "href", "rel", "target", "start", "tabindex", "type", "class", "data-marker", "aria-label"}
CLASSES = {"cite", "link-host", "together", "table-scroll"}


class Inspector(HTMLParser):
    """Collects every tag and attribute of a fragment, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def render(text: str, markers: str | None = "12") -> str:
    return RENDERER.render(text, None if markers is None else frozenset(markers))


def inspect(html: str) -> Inspector:
    inspector = Inspector()
    inspector.feed(html)
    inspector.close()
    return inspector


def chips(html: str) -> list[str]:
    return [attributes["data-marker"] for tag, attributes in inspect(html).tags if tag == "button"]


def links(html: str) -> list[str | None]:
    return [attributes.get("href") for tag, attributes in inspect(html).tags if tag == "a"]


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_hostile_survives(payload: str, finished: bool) -> None:
    for text in (payload, f"Before {payload} after", f"- {payload}\n\n> {payload}", payload[: len(payload) // 2]):
        html = render(text, "1" if finished else None)
        for tag, attributes in inspect(html).tags:
            assert tag in TAGS
            assert set(attributes) <= ATTRIBUTES
            assert set(attributes.get("class", "").split()) <= CLASSES
            href = attributes.get("href", "")
            assert re.match(r"https?://[^/]", href) or not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|[/\\]{2}", href)
            assert not re.search(r"[\x00-\x20\\]", href)


def test_images_are_links_that_nobody_follows_unasked() -> None:
    html = render("![a chart](https://example.org/chart.png)")
    assert "<img" not in html
    assert links(html) == ["https://example.org/chart.png"]


def test_links_open_elsewhere_and_say_where_they_lead() -> None:
    html = render("[the standard](https://www.example.org/sse)")
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html
    assert "(example.org)" in inspect(html).text


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("[bank.example](http://bank.example@evil.example/)", "evil.example"),
        ("[https://bank.example/login](https://evil.example)", "evil.example"),
        ("[evil.example.bank.example](https://evil.example)", "evil.example"),
        ("[bänk.example](https://bänk.example)", "xn--bnk-qla.example"),
    ],
)
def test_a_text_that_names_another_host_does_not_hide_the_real_one(text: str, host: str) -> None:
    assert f"({host})" in inspect(render(text)).text


@pytest.mark.parametrize("text", ["<https://example.org/a>", "[example.org/a](https://www.example.org/a)"])
def test_an_address_that_is_shown_is_not_repeated(text: str) -> None:
    assert "(" not in inspect(render(text)).text


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "mailto:a@b.example", "ftp://x.example"])
def test_a_link_stays_within_the_page_or_goes_to_the_web(target: str) -> None:
    assert all(href is None or href.startswith("/%5C") for href in links(render(f"[x]({target})")))


def test_a_relative_link_to_a_document_is_kept() -> None:
    assert links(render("[resume](streaming/resume.md)")) == ["streaming/resume.md"]


def test_markers_become_chips() -> None:
    html = render("One [1], two [2][1], **three [2]**.\n\n| a |\n|-|\n| [1] |")
    assert chips(html) == ["1", "2", "1", "2", "1"]


def test_a_number_in_brackets_that_is_no_citation_stays_text() -> None:
    html = render("Array [3] and [1].", "1")
    assert chips(html) == ["1"]
    assert "[3]" in html


def test_while_the_answer_is_written_every_marker_is_a_chip() -> None:
    assert chips(render("One [1], two [7].", None)) == ["1", "7"]


@pytest.mark.parametrize("text", ["`[1]`", "```\nx[1]\n```", "    x[1]", "``a [1] b``", "\\[1]"])
def test_markers_in_code_are_left_alone(text: str) -> None:
    html = render(text)
    assert chips(html) == []
    assert "[1]" in html


def test_a_definition_cannot_turn_a_marker_into_a_link() -> None:
    html = render("See [1].\n\n[1]: https://evil.example")
    assert chips(html) == ["1"]
    assert links(html) == []


def test_headings_go_below_that_of_the_page_without_a_gap() -> None:
    html = render("## Two\n\n###### Six\n\n## Two\n\n# One")
    assert [tag for tag, _ in inspect(html).tags] == ["h3", "h4", "h3", "h2"]


def test_formatting_survives() -> None:
    html = render(
        "**b** *i* ~~s~~ `c`\n\n1. one\n   - two\n\n> quote\n\n| a |\n|-|\n| b |\n\n```sh\nls\n```\n\n---"
    )
    others = {"a", "br", "span", "button", "h2", "h3", "h4", "h5", "h6"}
    assert {tag for tag, _ in inspect(html).tags} == TAGS - others


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a **bold", "a **bold**"),
        ("a **bold ", "a **bold**"),
        ("a `code", "a `code`"),
        ("```\ncode `x", "```\ncode `x"),
        ("done **b** `c`", "done **b** `c`"),
        ("one `open\n\ntwo **b", "one `open\n\ntwo **b**"),
        ("starts **", "starts **"),
    ],
)
def test_what_is_still_being_written_is_shown_as_it_will_be(text: str, shown: str) -> None:
    assert closed(text) == shown


@pytest.mark.parametrize("marker", ["> ", "- ", "1. ", "- > "])
def test_what_is_nested_too_deep_is_shown_as_plain_text(marker: str) -> None:
    shown = inspect(render("before\n\n" + marker * 40 + "deep <b>words</b>\n\nafter"))
    assert "deep <b>words</b>" in shown.text
    assert shown.text.startswith("before")
    assert shown.text.rstrip().endswith("after")


def test_text_of_any_size_and_depth_renders() -> None:
    for text in ("[" * 5000, "> " * 2000 + "x", "*" * 5000, "[x](" * 2000, "`" * 4001, "- " * 1000, "|" * 3000):
        shown = inspect(render(text)).text
        assert set(shown) <= {*text, "\n"}, "nothing is made up"
        assert "x" in shown or "x" not in text, "no word is lost"
