"""What is kept for an answer: the whole document, what surrounds the lines, or what the tool returned."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest

from service.agent.citations import CitationFilter
from service.agent.keeping import WHOLE_CHARS, read_revision, texts_cited
from service.agent.model import ToolCall
from service.agent.tools import Toolbox
from service.chats.events import EventLog
from service.chats.kept import KeptText, KeptTexts
from service.chats.questions import QuestionStore
from service.chats.records import Citation, Outcome, Status
from service.chats.store import ChatStore
from service.chats.turns import Ending, TurnStore
from service.database import Database
from service.errors import InvalidInput, NotFound
from service.kb.search import KnowledgeBase
from tests.kb.shelf import add, opened

NAME = "guide/lantern.md"
NEEDLE = "The lantern of the lighthouse burns forty litres a night."
TEXT = f"# Lantern\n\nIt is lit at dusk.\n\n{NEEDLE}\n\nIt is cleaned on Mondays.\n"


@pytest.fixture
async def db() -> AsyncIterator[Database]:
    async with opened() as database:
        yield database


async def no_note() -> str:
    return ""


async def cited(db: Database) -> tuple[Toolbox, tuple[Citation, ...]]:
    """Search for the lantern and cite the passage found."""
    toolbox = Toolbox(KnowledgeBase(db, search_timeout=60), result_chars=8_000, folder_note=no_note)
    await toolbox.run(ToolCall("c", "search_kb", '{"query": "lantern litres"}'))
    markers = CitationFilter(toolbox.sources)
    markers.feed(f"{NEEDLE} [1]")
    return toolbox, markers.citations


async def kept(toolbox: Toolbox, citations: tuple[Citation, ...]) -> tuple[KeptText, ...]:
    return await texts_cited(toolbox.kb, tuple(toolbox.sources.values()), citations)


async def answered(db: Database, toolbox: Toolbox, citations: tuple[Citation, ...]) -> KeptTexts:
    """Store an answer of ann's that cites these."""
    log = EventLog(db)
    turns = TurnStore(db, log)
    chat = await ChatStore(db, log).create("ann", None, {})
    posted = await QuestionStore(db, log).post("ann", chat.id, "How much?", "m")
    turn = await turns.begin(posted.answer.id, "m")
    assert turn is not None
    read = partial(texts_cited, toolbox.kb, tuple(toolbox.sources.values()))
    await turns.finish(turn, Ending(Status.COMPLETED, Outcome.GROUNDED, "Forty.", citations), read)
    return KeptTexts(db)


async def test_a_document_is_kept_whole_and_once(db: Database) -> None:
    await add(db, NAME, TEXT)
    toolbox, citations = await cited(db)
    texts = await kept(toolbox, citations * 2)
    assert [(text.start_line, text.end_line, text.whole) for text in texts] == [(1, 7, True)]
    assert texts[0].text + "\n" == TEXT


async def test_of_a_very_large_document_the_surroundings_are_kept(db: Database) -> None:
    filler = "Nothing is told in this line of the long log.\n" * (WHOLE_CHARS // 45)
    await add(db, NAME, f"{filler}\n# Lantern\n\n{NEEDLE}\n\n{filler}")
    toolbox, citations = await cited(db)
    (text,) = await kept(toolbox, citations)
    assert not text.whole
    assert text.start_line == citations[0].start_line - 200
    assert NEEDLE in text.text
    assert len(text.text) < 100_000


@pytest.mark.parametrize("now", ["# Lantern\n\nIt is electric now.\n", None])
async def test_a_file_that_changed_before_the_answer_keeps_the_passage(db: Database, now: str | None) -> None:
    await add(db, NAME, TEXT)
    toolbox, citations = await cited(db)
    if now is None:
        await db.write(lambda tx: tx.execute("UPDATE documents SET live = 0"))
    else:
        await add(db, NAME, now)
    (text,) = await kept(toolbox, citations)
    assert (text.revision, text.whole) == (citations[0].revision, False)
    assert citations[0].quote in text.text


async def test_a_single_endless_line_keeps_the_passage(db: Database) -> None:
    await add(db, NAME, "word " * (WHOLE_CHARS // 5) + NEEDLE)
    toolbox, citations = await cited(db)
    (text,) = await kept(toolbox, citations)
    assert not text.whole
    assert citations[0].quote in text.text


async def test_the_quote_is_kept_where_all_else_is_lost(db: Database) -> None:
    await add(db, NAME, TEXT)
    toolbox, citations = await cited(db)
    (text,) = await texts_cited(toolbox.kb, (), [replace(citations[0], document="gone.md")])
    assert text.text == citations[0].quote


async def test_an_old_revision_is_read_after_the_file_changed_and_after_it_vanished(db: Database) -> None:
    await add(db, NAME, TEXT)
    toolbox, citations = await cited(db)
    old = citations[0].revision
    texts = await answered(db, toolbox, citations)

    before = await read_revision(toolbox.kb, texts, "ann", NAME, old, (1, None))
    assert (before.changed, before.current_revision, before.text + "\n") == (False, old, TEXT)
    await add(db, NAME, "# Lantern\n\nIt is electric now.\n")
    after = await read_revision(toolbox.kb, texts, "ann", NAME, old, (5, 5))
    assert (after.changed, after.text, after.start_line, after.next_line, after.lines) == (True, NEEDLE, 5, 6, 7)
    assert after.current_revision not in {None, old}
    await db.write(lambda tx: tx.execute("UPDATE documents SET live = 0"))
    gone = await read_revision(toolbox.kb, texts, "ann", NAME, old, (5, None))
    assert (gone.changed, gone.current_revision, gone.end_line, gone.next_line) == (True, None, 7, None)


async def test_a_revision_that_nobody_kept_is_not_found(db: Database) -> None:
    await add(db, NAME, TEXT)
    toolbox, citations = await cited(db)
    texts = await answered(db, toolbox, citations)
    await add(db, NAME, "other")
    old = citations[0].revision
    for owner, revision, lines in (("ann", "0" * 64, (1, None)), ("bob", old, (1, None)), ("ann", old, (99, 100))):
        with pytest.raises(NotFound) as refused:
            await read_revision(toolbox.kb, texts, owner, NAME, revision, lines)
        assert refused.value.kind == "revision"
    with pytest.raises(InvalidInput):
        await read_revision(toolbox.kb, texts, "ann", NAME, old, (5, 4))
