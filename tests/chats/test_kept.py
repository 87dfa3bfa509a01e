"""Texts that answers cite: stored with the answer, shared, gone with the last answer that cites them."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest

from service.chats.kept import KeptText, KeptTexts
from service.chats.records import Citation, Outcome, Status
from service.chats.turns import Ending, Turn
from service.errors import Conflict
from tests.chats.conftest import Chats

TEXT = "# Ports\n\nThe lighthouse listens on port 8123.\n"
WHOLE = KeptText("guide/ports.md", "Ports", "guide", "a" * 64, 1, 3, TEXT, whole=True)


@dataclass
class Shelf:
    """Where the texts come from; knows how many it was asked for."""

    texts: tuple[KeptText, ...]
    asked: int = 0

    async def read(self, citations: Sequence[Citation]) -> tuple[KeptText, ...]:
        """Give the texts of these revisions."""
        self.asked += len(citations)
        wanted = {citation.revision for citation in citations}
        return tuple(text for text in self.texts if text.revision in wanted)


def ending(texts: Iterable[KeptText]) -> Ending:
    """An answer that cites the first line of each of these."""
    citations = tuple(
        Citation("[1]", t.document, t.title, t.topic, "", t.start_line, t.start_line, "# Ports", t.revision, "/")
        for t in texts
    )
    return Ending(Status.COMPLETED, Outcome.GROUNDED, "8123 [1]", citations)


async def cite(chats: Chats, *texts: KeptText) -> Turn:
    """A chat of its own with an answer that cites these."""
    turn = await chats.begun()
    await chats.turns.finish(turn, ending(texts), Shelf(texts).read)
    return turn


async def rows(chats: Chats) -> tuple[int, int]:
    """How many texts are kept, and how often they are cited."""

    def count(connection: sqlite3.Connection) -> tuple[int, int]:
        found = connection.execute("SELECT (SELECT count(*) FROM kept_texts), (SELECT count(*) FROM cited_texts)")
        kept, cited = found.fetchone()
        return kept, cited

    return await chats.db.read(count)


async def test_a_text_is_read_back_as_it_was(chats: Chats) -> None:
    await cite(chats, WHOLE)
    assert await KeptTexts(chats.db).find("ann", WHOLE.document, WHOLE.revision, 3, 3) == WHOLE


async def test_answers_that_cite_the_same_revision_share_its_text(chats: Chats) -> None:
    await cite(chats, WHOLE)
    await cite(chats, WHOLE, replace(WHOLE, document="copy/ports.md"))
    assert await rows(chats) == (1, 3)


async def test_a_text_is_gone_with_the_last_chat_that_cites_it(chats: Chats) -> None:
    first, second = await cite(chats, WHOLE), await cite(chats, WHOLE)
    await chats.store.delete("ann", first.chat_id)
    assert await rows(chats) == (1, 1)
    await chats.store.delete("ann", second.chat_id)
    assert await rows(chats) == (0, 0)


async def test_what_anothers_answer_keeps_does_not_exist_for_others(chats: Chats) -> None:
    await cite(chats, WHOLE)
    kept = KeptTexts(chats.db)
    assert await kept.find("bob", WHOLE.document, WHOLE.revision, 1) is None
    assert await kept.find("ann", "other.md", WHOLE.revision, 1) is None
    assert await kept.find("ann", WHOLE.document, "b" * 64, 1) is None


async def test_of_several_parts_the_one_with_most_of_the_lines_is_found(chats: Chats) -> None:
    early = replace(WHOLE, whole=False)
    late = replace(WHOLE, start_line=90, end_line=92, whole=False)
    await cite(chats, early, late)
    kept = KeptTexts(chats.db)
    assert await kept.find("ann", WHOLE.document, WHOLE.revision, 2, 91) == early
    assert await kept.find("ann", WHOLE.document, WHOLE.revision, 80, 100) == late
    assert await kept.find("ann", WHOLE.document, WHOLE.revision, 40, 50) is None


async def test_a_stale_attempt_keeps_nothing(chats: Chats) -> None:
    turn = await chats.begun()
    await chats.store.delete("ann", turn.chat_id)
    with pytest.raises(Conflict):
        await chats.turns.finish(turn, ending([WHOLE]), Shelf((WHOLE,)).read)
    assert await rows(chats) == (0, 0)


async def test_what_is_kept_whole_is_not_read_again(chats: Chats) -> None:
    other = replace(WHOLE, document="guide/gates.md", revision="b" * 64, text="# Gates\n")
    shelf = Shelf((WHOLE, other))
    first, second, third = await chats.begun(), await chats.begun(), await chats.begun()
    await chats.turns.finish(first, ending([WHOLE]), shelf.read)
    assert shelf.asked == 1
    await chats.turns.finish(second, ending([WHOLE, other]), shelf.read)
    await chats.turns.finish(third, ending([WHOLE, other, WHOLE]), shelf.read)
    assert shelf.asked == 2
    assert await rows(chats) == (2, 5)
    await chats.store.delete("ann", first.chat_id)
    await chats.store.delete("ann", second.chat_id)
    assert await KeptTexts(chats.db).find("ann", WHOLE.document, WHOLE.revision, 1) == WHOLE
    assert await KeptTexts(chats.db).find("ann", other.document, other.revision, 1) == other


async def test_a_copy_cites_the_text_that_is_kept_of_the_first(chats: Chats) -> None:
    copy = replace(WHOLE, document="copy/ports.md", title="Copied", topic="copy")
    await cite(chats, WHOLE)
    await cite(chats, copy)
    assert await rows(chats) == (1, 2)
    assert await KeptTexts(chats.db).find("ann", copy.document, copy.revision, 1) == copy


async def test_of_what_is_kept_in_part_the_cited_lines_are_read(chats: Chats) -> None:
    early = replace(WHOLE, whole=False)
    late = replace(WHOLE, start_line=90, end_line=92, whole=False)
    await cite(chats, early)
    await cite(chats, late)
    assert await KeptTexts(chats.db).find("ann", WHOLE.document, WHOLE.revision, 91, 91) == late
