"""Topics, documents and line ranges, read from the index."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidInput, NotFound
from tests.kb.shelf import INDEXED_AT, shelf

TEXTS = {
    "index.md": "# Start here\n",
    "ops/README.md": "---\ntitle: Operations\ndescription: How to run it\n---\n",
    "ops/backup-plan.md": "one\ntwo\r\nthree\n\nfive",
    "ops/restore.md": "---\ntags: [a, b]\n---\ntext\n",
    "guides/restore.md": "text\n",
    "a name\nwith a break.md": "x",
}


async def test_topics_are_counted_and_introduced_by_their_index_page() -> None:
    async with shelf(TEXTS) as kb:
        topics = {topic.name: topic for topic in await kb.topics()}

    assert {name: topic.documents for name, topic in topics.items()} == {"general": 2, "guides": 1, "ops": 3}
    assert (topics["ops"].title, topics["ops"].description) == ("Operations", "How to run it")
    assert topics["general"].title == "Start here"
    assert (topics["guides"].title, topics["guides"].description) == ("guides", "")


@pytest.mark.parametrize(
    ("name", "text", "title", "description"),
    [
        (
            "ops/index.md",
            "# Running it\n\nHow to run\nthe service.\n\nMore.\n",
            "Running it",
            "How to run the service.",
        ),
        ("ops/readme.md", "Only a line.\n", "Readme", "Only a line."),
        ("ops/index.rst", "Running it\n==========\n\nHow to run it.\n", "Running it", "How to run it."),
        ("ops/README.adoc", "= Running it\n\nHow to run it.\n", "Running it", "How to run it."),
        ("ops/README.txt", "word " * 100, "README", ("word " * 60).strip() + "…"),
        ("README.md", "---\ntopic: ops\ndescription: Said here\n---\n\nNot this.\n", "README", "Said here"),
    ],
)
async def test_a_topic_is_introduced_by_its_first_paragraph_where_nothing_else_does(
    name: str, text: str, title: str, description: str
) -> None:
    async with shelf({"ops/backup.md": "# Backup\n\nOther text.\n", name: text}) as kb:
        topics = {topic.name: topic for topic in await kb.topics()}
    assert (topics["ops"].title, topics["ops"].description) == (title, description)


async def test_documents_are_listed_by_name_page_by_page() -> None:
    async with shelf(TEXTS) as kb:
        everything = [document.name for document in await kb.documents()]
        pages: list[str] = []
        while page := await kb.documents(after=pages[-1] if pages else None, limit=2):
            pages += [document.name for document in page]
        ops = await kb.documents(topic="ops", after="ops/backup-plan.md")

    assert pages == everything == sorted(TEXTS)
    assert [document.name for document in ops] == ["ops/restore.md"]
    assert (ops[0].tags, ops[0].lines, ops[0].bytes, ops[0].indexed_at) == (("a", "b"), 4, 26, INDEXED_AT)


@pytest.mark.parametrize(
    ("first", "last", "most", "text", "end", "following"),
    [
        (1, None, None, "one\ntwo\r\nthree\n\nfive", 5, None),
        (2, 3, None, "two\r\nthree", 3, 4),
        (2, 99, None, "two\r\nthree\n\nfive", 5, None),
        (4, 4, None, "", 4, 5),
        (1, None, 8, "one\ntwo", 2, 3),
        (1, None, 7, "one\ntwo", 2, 3),
        (1, None, 6, "one", 1, 2),
        (1, None, 2, "on", 1, 2),
        (5, None, 2, "fi", 5, None),
    ],
)
async def test_lines_are_read_verbatim(
    first: int, last: int | None, most: int | None, text: str, end: int, following: int | None
) -> None:
    async with shelf(TEXTS) as kb:
        read = await kb.read("ops/backup-plan.md", first, last, max_chars=most)

    assert (read.start_line, read.end_line, read.text, read.next_line, read.lines) == (
        first,
        end,
        text,
        following,
        5,
    )


async def test_an_empty_document_reads_as_no_lines() -> None:
    async with shelf({"a.md": ""}) as kb:
        read = await kb.read("a.md")

    assert (read.start_line, read.end_line, read.text, read.next_line, read.lines) == (1, 0, "", None, 0)


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [(6, None, "query.start_line"), (0, None, "query.start_line"), (3, 2, "query.end_line")],
)
async def test_lines_that_are_not_there_are_refused(first: int, last: int | None, field: str) -> None:
    async with shelf(TEXTS) as kb:
        with pytest.raises(InvalidInput) as refusal:
            await kb.read("ops/backup-plan.md", first, last)

    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("restore.md", {"ops/restore.md", "guides/restore.md"}),
        ("ops/restore", {"ops/restore.md", "guides/restore.md"}),
        ("ops/backup_plan.md", {"ops/backup-plan.md"}),
        ("ops/bakcup-plan.md", {"ops/backup-plan.md"}),
        ("../../etc/passwd", set()),
        ("ops/../index.md", {"index.md"}),
        ("", set()),
        ("\0", set()),
        ("%", set()),
    ],
)
async def test_an_unknown_name_is_answered_with_names_like_it(name: str, suggestions: set[str]) -> None:
    async with shelf(TEXTS) as kb:
        with pytest.raises(NotFound) as missing:
            await kb.read(name)

    assert missing.value.kind == "document"
    assert set(missing.value.suggestions) == suggestions


async def test_a_name_with_a_line_break_is_read_like_any_other() -> None:
    async with shelf(TEXTS) as kb:
        assert (await kb.read("a name\nwith a break.md")).text == "x"


async def test_a_long_document_is_read_from_its_middle() -> None:
    text = "".join(f"line {n} {'x' * (n % 100)}\n" for n in range(1, 5001))
    async with shelf({"long.md": text}) as kb:
        read = await kb.read("long.md", 3000, 3001)
        parts = [await kb.read("long.md", max_chars=5000)]
        while parts[-1].next_line is not None:
            parts.append(await kb.read("long.md", parts[-1].next_line, max_chars=5000))

    assert read.text == "\n".join(text.split("\n")[2999:3001])
    assert "\n".join(part.text for part in parts) + "\n" == text


@settings(max_examples=40)
@given(st.text(st.sampled_from("ab\r\n漢"), max_size=200), st.data())
async def test_any_lines_of_any_text_are_read_as_they_are(text: str, data: st.DataObject) -> None:
    async with shelf({"a.txt": text}) as kb:
        whole = await kb.read("a.txt")
        if not whole.lines:
            return
        first = data.draw(st.integers(1, whole.lines))
        last = data.draw(st.integers(first, whole.lines))
        before, read, after = (
            await kb.read("a.txt", 1, first - 1) if first > 1 else None,
            await kb.read("a.txt", first, last),
            await kb.read("a.txt", last + 1) if last < whole.lines else None,
        )

    assert read.text in text
    assert whole.text.startswith(before.text if before else read.text)
    assert whole.text.endswith(after.text if after else read.text)
    assert (read.next_line is None) == (last == whole.lines)


async def test_the_revision_counts_changes() -> None:
    async with shelf({}) as kb:
        assert await kb.revision() == 1
