"""Files become documents: encodings, front matter, titles, headings, passages with exact line ranges."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kb.documents import Document, NotText, parse
from service.kb.lines import Lines
from service.kb.passages import HARD_LIMIT, LARGEST
from tests.kb.shelf import document


def ranges(found: Document) -> list[tuple[str, int, int]]:
    return [(p.heading, p.start_line, p.end_line) for p in found.passages]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"),
        (b"\xef\xbb\xbfwith a mark", "with a mark"),
        ("größer".encode("utf-16"), "größer"),
        (b"\xfe\xff" + "größer".encode("utf-16-be"), "größer"),
        ("ไทย 中文 \U0001f600".encode(), "ไทย 中文 \U0001f600"),
        (b"", ""),
    ],
)
def test_utf8_and_marked_utf16_are_text(data: bytes, text: str) -> None:
    assert document("a.md", data).text == text


@pytest.mark.parametrize(
    ("data", "detail", "line"),
    [
        (b"caf\xe9", "byte 3 is not UTF-8", 1),
        (b"one\ntwo\ncaf\xe9", "byte 11 is not UTF-8", 3),
        (b"a\0b", "NUL at character 1", 1),
        (b"a\r\n\0b", "NUL at character 3", 2),
        ("no mark".encode("utf-16-le"), "NUL at character 1", 1),
        (b"\x89PNG\r\n\x1a\n\0\0", "byte 0 is not UTF-8", 1),
        (b"\xff\xfe\x00\xd8", "is not UTF-16", 1),
        (b"\xff\xfe\0\0a\0\0\0", "NUL", 1),
        (b"\xed\xa0\x80", "byte 0 is not UTF-8", 1),
    ],
)
def test_anything_else_is_not_text_and_the_place_is_told(data: bytes, detail: str, line: int) -> None:
    found = parse("a.md", data)

    assert isinstance(found, NotText)
    assert found.line == line
    assert detail in found.detail


@pytest.mark.parametrize("text", ["", " \n\t\n", "\n\n\n", "---\ntitle: T\n---\n", "---\n---\n"])
def test_a_file_without_words_is_a_document_without_passages(text: str) -> None:
    assert document("a.md", text).passages == ()


def test_a_document_carries_its_hash_its_size_and_its_number_of_lines() -> None:
    found = document("a.md", "one\ntwo\n")

    assert found.revision == hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert (found.lines, found.size) == (2, 8)


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.md", "intro\n\n## Second level `code` [link](x) {#anchor}\n", "Second level code link"),
        ("a.md", "Title\n=====\n", "Title"),
        ("a.md", "```\n# not this\n```\n# **This**\n", "This"),
        ("a.rst", "=====\nOver\n=====\n\ntext\n", "Over"),
        ("a.adoc", "= The manual\n\n== Part\n", "The manual"),
        ("notes", "A note\n======\n\ntext\n", "A note"),
        ("notes.txt", "# a comment\ntext\n", "Notes"),
        ("sub/sse-and_events.md", "text", "Sse and events"),
        ("sub/2024 plan.md", "#\n\ntext", "2024 plan"),
        ("...", "text", "..."),
        ("a.md", "#hash is no heading\n", "A"),
    ],
)
def test_the_title_is_the_first_heading_else_the_file_name(name: str, text: str, title: str) -> None:
    assert document(name, text).title == title


@pytest.mark.parametrize(
    ("name", "topic"), [("a.md", "general"), ("ops/a.md", "ops"), ("ops/deep/a.md", "ops"), ("O ps/ä.md", "O ps")]
)
def test_the_topic_is_the_first_folder(name: str, topic: str) -> None:
    assert document(name, "x").topic == topic


class TestHeadings:
    def test_markdown_headings_make_a_path_and_cut_passages(self) -> None:
        text = "lead\n# A\none\n## B\ntwo\n### C\nthree\n## D #\nfour\nE\n===\nfive\n"

        assert ranges(document("a.md", text)) == [
            ("", 1, 1),
            ("A", 2, 3),
            ("A > B", 4, 5),
            ("A > B > C", 6, 7),
            ("A > D", 8, 9),
            ("E", 10, 12),
        ]

    def test_code_fences_hold_no_headings(self) -> None:
        text = (
            "# A\n```sh\n# no\n~~~\n# still\n```\n# B\n~~~~\n# x\n~~~\n# y\n~~~~\n\n# C\n```\n# open to the end\n"
        )

        assert [p.heading for p in document("a.md", text).passages] == ["A", "B", "C"]

    def test_comments_and_preformatted_html_hold_no_headings(self) -> None:
        text = (
            "<!-- # no\n\n# no\n-->\n# A\n<pre>\n# no\n\nno\n---\n</pre> x\n# B\n<!-- one line -->\n# C\n"
            "text <!-- inside\n# D\n<script>\n# no"
        )
        found = document("a.md", text)

        assert [p.heading for p in found.passages] == ["", "A", "B", "C", "D"]
        assert found.title == "A"

    @pytest.mark.parametrize("above", ["- item", "> quote", "| a | b |", "    code", "1. item", ""])
    def test_a_rule_below_something_else_is_no_heading(self, above: str) -> None:
        assert {p.heading for p in document("a.md", f"# A\n\n{above}\n---\ntext\n").passages} == {"A"}

    def test_rst_levels_follow_the_order_of_styles(self) -> None:
        table = "===  ===\na    b\n===  ===\n"
        text = f"====\nTop\n====\n\ntext\n\nOne\n---\ntext\n\nDeep\n....\ntext\n\nTwo\n---\ntext\n\n{table}"

        assert [p.heading for p in document("a.rst", text).passages] == [
            "Top",
            "Top > One",
            "Top > One > Deep",
            "Top > Two",
        ]

    def test_asciidoc_blocks_hold_no_headings(self) -> None:
        text = "= Doc\n\ntext\n\n== A\n----\n== no\n----\n=== B\ntext\n....\n== open\n"

        assert [p.heading for p in document("a.adoc", text).passages] == ["Doc", "Doc > A", "Doc > A > B"]

    def test_plain_text_has_only_headings_underlined_in_full(self) -> None:
        text = "Title\n-----\ntext\n\nnot a title\n---\n\n| a |\n\ntext\n"

        assert [p.heading for p in document("a.txt", text).passages] == ["Title"]

    @pytest.mark.parametrize(
        ("ending", "line", "title"),
        [
            ("md", f"# Salt{' ' * 500_000}mines", "Salt"),
            ("md", f"# Salt{' ' * 500_000}{{", "Salt"),
            ("md", "# " + "[" * 500_000, "[" * 300),
            ("adoc", f"= Salt{' ' * 500_000}mines", "Salt"),
            ("adoc", f"{'-' * 500_000}{' ' * 500_000}!", "A"),
        ],
    )
    def test_no_line_however_long_is_looked_at_for_days(self, ending: str, line: str, title: str) -> None:
        assert document(f"a.{ending}", line).title == title

    def test_a_file_of_headings_alone_does_not_become_a_passage_a_line(self) -> None:
        found = document("a.md", "# h\n" * 50_000)

        assert len(found.passages) < 500


class TestPassages:
    def test_long_sections_are_cut_between_paragraphs(self) -> None:
        paragraph = "word " * 60
        found = document("a.md", "# A\n\n" + "\n\n".join([paragraph] * 8))

        assert len(found.passages) > 1
        assert {p.heading for p in found.passages} == {"A"}
        assert all(len(p.text) <= LARGEST for p in found.passages)

    def test_a_small_rest_joins_the_passage_before_it(self) -> None:
        found = document("a.md", "word " * 200 + "\n\n" + "rest")

        assert ranges(found) == [("", 1, 3)]

    @pytest.mark.parametrize("block", ["```\n{}\n```", "{}"])
    def test_code_and_tables_stay_whole_while_they_fit(self, block: str) -> None:
        lines = "\n".join(f"| line {n} | what it holds, at some length |" for n in range(34))
        found = document("a.md", "word " * 100 + "\n\n" + block.format(lines) + "\n\n" + "word " * 100)

        assert LARGEST < len(lines) < HARD_LIMIT
        assert any("| line 0 " in p.text and "| line 33 " in p.text for p in found.passages)

    def test_code_that_does_not_fit_is_cut_between_lines(self) -> None:
        code = "\n".join(f"line_{n} = {n}" for n in range(500))
        found = document("a.md", f"```\n{code}\n```\n")

        assert len(found.passages) > 5
        assert all(len(p.text) <= LARGEST for p in found.passages)

    def test_a_heading_goes_with_the_text_below_it(self) -> None:
        text = (
            f"# Refunds\n\n## How\n\n### By post\n\n{'word ' * 220}\n\n## Empty\n\n## Exceptions\n\nNone.\n# End\n"
        )
        found = document("a.md", text)

        assert ranges(found) == [
            ("Refunds > How > By post", 1, 7),
            ("Refunds > Empty", 9, 9),
            ("Refunds > Exceptions", 11, 13),
            ("End", 14, 14),
        ]

    def test_blank_lines_between_long_ones_are_no_passage(self) -> None:
        found = document("a.md", "```\n" + "x" * 1300 + "\n\n\n" + "y" * 1300 + "\n\n")

        assert [p.text.strip("`\n")[:1] for p in found.passages] == ["x", "y"]

    def test_every_one_of_many_sections_becomes_a_passage(self) -> None:
        section = "## Heading\n\n```\ncode\n```\n\nSome more words after it.\n\n"
        found = document("a.md", section * 20_000)

        assert len(found.passages) == 20_000

    def test_a_line_of_400_kilobytes_is_cut_into_slices_of_that_line(self) -> None:
        line = "One sentence of some words. " * 15_000
        found = document("a.txt", f"first\n{line}\nlast")
        slices = [p for p in found.passages if p.start_line == p.end_line == 2]

        assert len(slices) > 300
        assert all(p.text in line and len(p.text) <= LARGEST for p in slices)
        assert all(p.text.endswith(".") for p in slices)
        assert "".join(p.text for p in slices).replace(" ", "") == line.replace(" ", "")

    @pytest.mark.parametrize("character", ["x", "ก", "漢", "한", "é", "\U00020000"])
    def test_a_line_without_spaces_is_cut_anywhere(self, character: str) -> None:
        found = document("a.txt", character * 20_000)

        assert "".join(p.text for p in found.passages) == character * 20_000
        assert all(len(p.text) <= LARGEST for p in found.passages)

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_line_ends_of_any_kind_count_the_same(self, end: str) -> None:
        text = end.join(["# A", "", "one", "two", "", "## B", "three", ""])
        found = document("a.md", text)

        assert ranges(found) == [("A", 1, 4), ("A > B", 6, 7)]
        assert found.passages[0].text == end.join(["# A", "", "one", "two"])
        assert found.lines == 7

    def test_mixed_line_ends_do_not_shift_numbers(self) -> None:
        found = document("a.md", "one\r\n\r\ntwo\rthree\n\n# A\x0b\x0c\u2028still A\r")

        assert found.lines == 6
        assert ranges(found) == [("", 1, 4), ("A still A", 6, 6)]

    @given(
        st.text(st.sampled_from("ab #=-`~|\n\r\t.。漢ก*>"), max_size=400),
        st.sampled_from(["md", "rst", "adoc", "txt"]),
    )
    def test_passages_are_their_lines_verbatim_and_cover_every_word(self, text: str, ending: str) -> None:
        found = document(f"a.{ending}", text)
        lines = Lines.of(found.text)
        covered: set[int] = set()
        for passage in found.passages:
            assert passage.text.strip()
            assert passage.text == lines.cut(passage.start_line - 1, passage.end_line - 1)
            assert not covered & set(range(passage.start_line, passage.end_line + 1))
            covered |= set(range(passage.start_line, passage.end_line + 1))

        assert all(number in covered for number in range(1, len(lines) + 1) if lines[number - 1].strip())

    @given(st.text(max_size=3000))
    def test_no_text_makes_a_passage_too_long_or_one_that_does_not_stand_in_it(self, text: str) -> None:
        found = parse("a.md", text.encode("utf-8", "ignore"))
        if isinstance(found, Document):
            assert all(p.text in found.text and len(p.text) <= HARD_LIMIT for p in found.passages)

    @given(st.binary(max_size=300), st.text(max_size=40))
    def test_no_bytes_and_no_name_make_parsing_fail(self, data: bytes, name: str) -> None:
        assert isinstance(parse(name, data), Document | NotText)


@given(st.text(st.sampled_from("ab\n\r"), max_size=60))
def test_lines_are_those_of_an_editor(text: str) -> None:
    expected = re.split(r"\r\n|\n|\r", text)
    lines = Lines.of(text)
    assert [lines[i] for i in range(len(lines))] == (expected[:-1] if expected[-1] == "" else expected)
