"""An answer's Markdown as HTML that is safe to show: rendered, then sanitised last by a closed allow-list.

Raw HTML and images do not exist, links go to http(s) or stay within the page's origin, and citation markers
become buttons while they are still Markdown tokens, so that a marker in code stays text.
"""

import re
from collections.abc import Set as AbstractSet
from typing import Final
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_MARKER: Final = re.compile(r"\[(\d{1,3})\]")
_LAST_WORD: Final = re.compile(r"[^\s]{0,24}[^\S\n]*$")
_LOCAL: Final = re.compile(r"(?![/\\]{2})[^\x00-\x20\\]+")  # what a browser cannot take for //host
_SCHEME: Final = re.compile(r"(?:https?://)?(?:www\.)?")
_HOST_END: Final = re.compile(r"[/?#:]")
_TOP_HEADING: Final = 2  # h1 is the page's
_DEEPEST_STEP: Final = 2  # levels that one block adds at most: a list and its item
_BLOCKS: Final = ("p", "li", "h2", "h3", "h4", "h5", "h6", "blockquote", "th", "td")
_INLINE: Final = ("a", "em", "strong", "s", "code", "br", "span", "button")
_TAGS: Final = frozenset({*_BLOCKS, *_INLINE, "ul", "ol", "pre", "hr", "div", "table", "thead", "tbody", "tr"})


class AnswerRenderer:
    """Renders answers. Without state between calls; make one and keep it."""

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
        self._markdown.disable("image")  # its alternative text remains, as a link
        self._markdown.block.ruler.before("table", "too_deep", _too_deep)
        self._markdown.inline.ruler.before("link", "citation", _citation)
        self._markdown.core.ruler.push("outline", _outline)
        self._markdown.core.ruler.push("link_hosts", _link_hosts)
        self._sanitizer = nh3.Cleaner(
            tags=_TAGS,
            attributes={"*": set(), "a": {"href"}, "ol": {"start"}, "button": {"data-marker", "aria-label"}},
            tag_attribute_values={"button": {"type": {"button"}}},
            allowed_classes={"button": {"cite"}, "span": {"link-host", "together"}, "div": {"table-scroll"}},
            set_tag_attribute_values={
                **{tag: {"dir": "auto"} for tag in _BLOCKS},
                "a": {"target": "_blank"},
                "pre": {"tabindex": "0", "dir": "ltr"},
                "div": {"tabindex": "0"},  # the boxes in which wide tables scroll, also by keyboard
            },
            link_rel="noopener noreferrer nofollow",
            url_schemes={"http", "https"},
            url_relative=lambda url: url if _LOCAL.fullmatch(url) else None,
        )

    def render(self, text: str, markers: AbstractSet[str] | None) -> str:
        """Render an answer. `markers` are the citations that exist; None while the answer is being written."""
        rendered = self._markdown.render(text if markers is not None else closed(text), {"markers": markers})
        return self._sanitizer.clean(rendered)


def closed(text: str) -> str:
    """Close the emphasis or the code span that the last paragraph of unfinished Markdown leaves open."""
    fences = text.count("\n```") + text.startswith("```")
    last = text[text.rfind("\n\n") + 1 :]
    if fences % 2 == 1:  # an open code block needs no end
        return text
    if last.count("`") % 2 == 1:
        return text + "`"
    if last.count("**") % 2 == 1 and not last.endswith("**"):
        return text.rstrip() + "**"
    return text


def _too_deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Block rule: where quotes and lists are nested too deep, what follows is a paragraph; it would be dropped."""
    if state.level < state.md.options["maxNesting"] - _DEEPEST_STEP:
        return False
    if not silent:
        state.push("paragraph_open", "p", 1).map = [start, end]
        text = state.push("inline", "", 0)
        text.content = state.getLines(start, end, state.blkIndent, False).strip()
        text.map, text.children = [start, end], []
        state.push("paragraph_close", "p", -1)
        state.line = end
    return True


def _citation(state: StateInline, silent: bool) -> bool:
    """Inline rule: `[3]` is a button that opens its source; not within a link, which is one already."""
    match = _MARKER.match(state.src, state.pos, state.posMax)
    if match is None or state.linkLevel > 0:
        return False
    known: AbstractSet[str] | None = state.env["markers"]
    if known is not None and match[1] not in known:
        return False
    if not silent:
        attributes: dict[str, str | int | float] = {
            "type": "button",
            "class": "cite",
            "data-marker": match[1],
            "aria-label": f"Source {match[1]}",
        }
        word = _LAST_WORD.search(state.pending)
        state.pending = state.pending[: word.start()] if word else state.pending
        state.push("together_open", "span", 1).attrs = {"class": "together"}  # no line begins with a marker
        state.push("text", "", 0).content = word[0] if word else ""
        state.push("citation_open", "button", 1).attrs = attributes
        state.push("text", "", 0).content = match[1]
        state.push("citation_close", "button", -1)
        state.push("together_close", "span", -1)
    state.pos = match.end()
    return True


def _outline(state: StateCore) -> None:
    """Core rule: headings go below the page's own without a gap, tables get a box to scroll in."""
    levels = sorted({token.tag for token in state.tokens if token.type == "heading_open"})
    tokens = []
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, levels.index(token.tag) + _TOP_HEADING)}"
        if token.type == "table_open":
            tokens.append(Token("box_open", "div", 1, attrs={"class": "table-scroll"}, block=True))
        tokens.append(token)
        if token.type == "table_close":
            tokens.append(Token("box_close", "div", -1, block=True))
    state.tokens = tokens


def _link_hosts(state: StateCore) -> None:
    """Core rule: a link whose text does not say where it leads is followed by its host."""
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = _with_hosts(token.children)


def _with_hosts(children: list[Token]) -> list[Token]:
    shown: list[Token] = []
    host, label = "", ""
    for child in children:
        shown.append(child)
        if child.type == "link_open":
            host, label = _host(str(child.attrGet("href") or "")), ""
        elif child.type == "link_close":
            if host and host != _shown_host(label):
                shown.append(Token("host_open", "span", 1, attrs={"class": "link-host"}))
                shown.append(Token("text", "", 0, content=f" ({host})"))
                shown.append(Token("host_close", "span", -1))
        else:
            label += child.content
    return shown


def _host(href: str) -> str:
    try:
        return (urlsplit(href).hostname or "").removeprefix("www.")
    except ValueError:  # an IPv6 address that is none
        return href


def _shown_host(label: str) -> str:
    """Read the host that a link's text names; text that is no address names none."""
    address = _SCHEME.sub("", label.strip().casefold())
    return _HOST_END.split(address, maxsplit=1)[0]
