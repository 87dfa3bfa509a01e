"""Gaps of the knowledge base: which turns leave one, and whether an edit of a document has closed it since."""

import asyncio
import contextlib
import hashlib
import time
from contextlib import aclosing
from typing import Final

from service.agent.draft import Draft
from service.agent.evidence import Situation
from service.agent.first_search import query_of
from service.agent.loop import Limits, answer
from service.agent.model import Message
from service.agent.reader import NAME, BuiltInReader
from service.agent.tools import Toolbox
from service.chats.gaps import Finding, GapStore, OpenGap
from service.chats.records import Citation, Outcome
from service.kb.query import parse
from service.kb.search import KnowledgeBase

_CHECKED: Final = 500  # open gaps that are looked at again after a change, those asked last
_TOGETHER: Final = 25
_LOOK: Final = 60.0  # seconds; a question may end after the change that answers it was looked at
_REST: Final = 1.0  # seconds in which changes are gathered
_SHARE: Final = 4  # times as long as a look took, nothing is looked at
_LIMITS: Final = Limits(llm_calls=8, tool_calls=8, seconds=10, window=1_000_000)
_RESULT_CHARS: Final = 16_000
_SEEN: Final = 64
_REVISION_CHARS: Final = 16  # of a revision's 64; enough to tell two apart


def finding(asked: Situation, draft: Draft, toolbox: Toolbox, outcome: Outcome) -> Finding | None:
    """What a completed turn says of its question; None where it neither answered nor missed anything."""
    fruitless = draft.searched and not toolbox.sources
    if not draft.citations and outcome is not Outcome.NOT_IN_KB and not fruitless:
        return None
    query = query_of(asked)
    gap_id, terms = _identity(query)
    return Finding(
        gap_id,
        query,
        terms,
        tuple(toolbox.near_terms),
        tuple(dict.fromkeys(_short(source.revision) for source in toolbox.sources.values()))[:_SEEN],
        toolbox.kb_revision or 0,
        draft.citations[0].document if draft.citations else None,
    )


class GapWatch:
    """Looks at open gaps again after the index has changed, with the eyes of the built-in reader.

    A gap is closed when the reader now answers from a document that the question's turn was not given in that
    revision. Takes at most a fifth of one core's time.
    """

    def __init__(self, store: GapStore, kb: KnowledgeBase) -> None:
        self._store = store
        self._kb = kb
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """The index has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Look now, and again after each change and now and then, for ever."""
        while True:
            self._changed.clear()
            await self.check()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._changed.wait()
            await asyncio.sleep(_REST)

    async def check(self) -> int:
        """Look once at the newest open gaps; give how many were closed."""
        revision = await self._kb.revision()
        closed = looked = 0
        while looked < _CHECKED and (gaps := await self._store.unchecked(revision, _TOGETHER)):
            for gap in gaps:
                began = time.perf_counter()
                document = await self._answered_by(gap)
                await self._store.note_checked(gap.id, revision, document)
                closed += document is not None
                await asyncio.sleep(_SHARE * (time.perf_counter() - began))
            looked += len(gaps)
        return closed

    async def _answered_by(self, gap: OpenGap) -> str | None:
        """The document that answers a gap, when the reader cites one that is new to it."""
        fresh = [c for c in await self._read(gap.query) if _short(c.revision) not in gap.seen]
        return fresh[0].document if fresh else None

    async def _read(self, query: str) -> tuple[Citation, ...]:
        draft = Draft(NAME)
        toolbox = Toolbox(self._kb, result_chars=_RESULT_CHARS, folder_note=_no_note)
        async with aclosing(answer(BuiltInReader(), toolbox, [Message("user", query)], _LIMITS, draft)) as events:
            async for _ in events:
                pass
        return draft.citations


async def _no_note() -> str:
    return ""


def _identity(query: str) -> tuple[str, tuple[str, ...]]:
    """A stable id of what is asked, the same for any order and inflection of its words, and these words."""
    asked = parse(query)
    keys = sorted({term.term.key for term in asked.terms}) or [query.casefold()]
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()
    return f"gap_{digest[:24]}", tuple(dict.fromkeys(term.term.form for term in asked.terms))


def _short(revision: str) -> str:
    return revision[:_REVISION_CHARS]
