"""search_kb, list_kb_topics, read_kb_doc: schemas, validation, budgets, and the passages a turn may cite.

Results are JSON text between marks of the turn's own, which a document cannot forge. Bad input and nothing found
go back to the model as text; a dead database is raised.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.agent.enclosure import enclose
from service.agent.model import Message, Tool, ToolCall
from service.agent.sources import Source, sources_of
from service.errors import InvalidInput, NotFound, ReadDeadlineExceeded
from service.kb.search import DocumentText, Hit, KnowledgeBase, SearchResult, TopicInfo

_NAMES_PER_TOPIC: Final = 20
_TELL: Final = "Where the passages do not answer, tell plainly what `state` says."
LISTING: Final = "list_kb_topics"  # tells what there is, and is no search for an answer


class SearchArguments(BaseModel):
    """Arguments of search_kb."""

    model_config = ConfigDict(extra="forbid")
    query: str = Field(
        min_length=1, max_length=2000, description="Words to look for: key terms, names, error codes."
    )
    topic: str = Field("", max_length=200, description="Only this topic; empty for all of them.")
    limit: int = Field(6, ge=1, le=20, description="How many passages to return.")


class TopicsArguments(BaseModel):
    """Arguments of list_kb_topics: none."""

    model_config = ConfigDict(extra="forbid")


class ReadArguments(BaseModel):
    """Arguments of read_kb_doc."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(
        min_length=1, max_length=1000, description="A document's name as search_kb or list_kb_topics gave it."
    )
    start_line: int = Field(1, ge=1, le=10_000_000, description="First line to read.")
    end_line: int = Field(0, ge=0, le=10_000_000, description="Last line to read; 0 reads as much as fits.")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What goes back to the model. `hits` counts passages or topics; `error` is what was wrong with the call."""

    message: Message
    hits: int | None = None
    error: str | None = None
    sources: tuple[Source, ...] = ()


class _Refused(Exception):
    """The call cannot be carried out; the model is told why."""

    def __init__(self, detail: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.suggestions = tuple(suggestions)


FolderNote = Callable[[], Awaitable[str]]


class Toolbox:
    """The tools for one turn: runs calls, remembers what they returned, numbers the passages from 1.

    `folder_note` tells why something may not be found because of the folder's state; '' when all is well.
    """

    def __init__(self, kb: KnowledgeBase, *, result_chars: int, folder_note: FolderNote) -> None:
        self.kb = kb
        self._result_chars = result_chars
        self._folder_note = folder_note
        self._results: dict[tuple[str, str], tuple[str, int | None]] = {}
        self._ids: dict[tuple[str, str, int, str], int] = {}
        self.nonce = secrets.token_hex(4)
        self.sources: dict[int, Source] = {}
        self.kb_revision: int | None = None
        self.near_terms: dict[str, None] = {}
        self._run: Mapping[str, Callable[[str], Awaitable[tuple[dict[str, Any], int]]]] = {
            "search_kb": self._search,
            LISTING: self._topics,
            "read_kb_doc": self._read,
        }

    async def run(self, call: ToolCall) -> ToolResult:
        """Carry out one call. Raises StorageError when the database fails."""
        key = (call.name, call.arguments)
        if key in self._results:
            content, hits = self._results[key]
            repeated = json.loads(content) | {
                "note": "This is the same call as before. Use what you have, or ask differently."
            }
            return ToolResult(self._message(call, repeated), hits)
        try:
            result, hits = await self._runner(call.name)(call.arguments)
        except ReadDeadlineExceeded:
            detail = "this took too long; ask for fewer and rarer words, or fewer lines"
            return ToolResult(self._message(call, {"error": detail}), error=detail)
        except _Refused as refusal:
            body: dict[str, Any] = {"error": refusal.detail}
            if refusal.suggestions:
                body["did_you_mean"] = list(refusal.suggestions)
            return ToolResult(self._message(call, body), error=refusal.detail)
        message = self._message(call, result)
        self._results[key] = (message.content, hits)
        returned = tuple(self.sources[passage["id"]] for passage in result.get("passages", ()))
        return ToolResult(message, hits, sources=returned)

    def restore(self, written: str) -> None:
        """Know again what `sources_json` wrote down in an earlier attempt at the turn."""
        sources, kb_revision = sources_of(written)
        self.kb_revision = kb_revision if kb_revision is not None else self.kb_revision
        for source in sources:
            self.sources[source.id] = source
            self._ids[source.document, source.revision, source.start_line, source.text] = source.id

    def _message(self, call: ToolCall, body: Mapping[str, Any]) -> Message:
        return Message("tool", enclose(body, self.nonce), call_id=call.id)

    def _runner(self, name: str) -> Callable[[str], Awaitable[tuple[dict[str, Any], int]]]:
        runner = self._run.get(name)
        if runner is None:
            raise _Refused(f"there is no tool {name!r}; the tools are {', '.join(self._run)}", tuple(self._run))
        return runner

    async def _search(self, arguments: str) -> tuple[dict[str, Any], int]:
        given = _parsed(SearchArguments, arguments)
        result = await self.kb.search(given.query, topic=given.topic or None, limit=given.limit, cut=False)
        self.kb_revision = result.revision
        self.near_terms |= dict.fromkeys(result.near_terms)
        if not result.hits:
            return await self._nothing_found(given, result), 0
        passages = self._fitting([self._hit(hit) for hit in result.hits])
        body: dict[str, Any] = {"query": given.query, "matched_by": result.step, "passages": passages}
        state = await self._folder_note()
        return body | ({"state": state, "note": _TELL} if state else {}), len(passages)

    async def _nothing_found(self, given: SearchArguments, result: SearchResult) -> dict[str, Any]:
        topics, state = await self.kb.topics(), await self._folder_note()
        note = _TELL if state else "Nothing found. Try other words, or tell that the knowledge base does not say."
        if given.topic and given.topic not in {topic.name for topic in topics}:
            note = f"There is no topic {given.topic!r}. Search without a topic, or with one of those listed."
        return {
            "query": given.query,
            "passages": [],
            "near_terms": list(result.near_terms),
            "topics": [topic.name for topic in topics],
            "state": state,
            "note": note,
        }

    async def _topics(self, arguments: str) -> tuple[dict[str, Any], int]:
        _parsed(TopicsArguments, arguments)
        self.kb_revision = await self.kb.revision()
        topics = await self.kb.topics()
        body: dict[str, Any] = {"topics": [await self._topic(topic) for topic in topics]}
        if not topics:
            body["state"] = await self._folder_note() or "The knowledge base is empty."
        return body, len(topics)

    async def _topic(self, topic: TopicInfo) -> dict[str, Any]:
        documents = await self.kb.documents(topic=topic.name, limit=_NAMES_PER_TOPIC)
        return {
            "topic": topic.name,
            "title": topic.title,
            "description": topic.description,
            "documents": topic.documents,
            "names": [document.name for document in documents],
        }

    async def _read(self, arguments: str) -> tuple[dict[str, Any], int]:
        given = _parsed(ReadArguments, arguments)
        end_line = given.end_line or None
        if end_line is not None and end_line < given.start_line:
            raise _Refused("end_line is before start_line")
        try:
            text = await self.kb.read(given.name, given.start_line, end_line, max_chars=self._result_chars)
        except NotFound as missing:
            raise _Refused(f"there is no document {given.name!r}", missing.suggestions) from missing
        except InvalidInput as bad:
            raise _Refused(bad.detail) from bad
        self.kb_revision = text.kb_revision
        body: dict[str, Any] = {"document": text.name, "title": text.title, "passages": []}
        if text.text:
            body["passages"] = [self._document_text(text)]
        if text.next_line is not None:
            body["next_line"] = text.next_line
            body["note"] = f"The document has {text.lines} lines. Read on with start_line={text.next_line}."
        return body, len(body["passages"])

    def _hit(self, hit: Hit) -> dict[str, Any]:
        place = (hit.document, hit.title, hit.topic, hit.heading, hit.start_line, hit.end_line)
        return self._passage(self._register(place, hit.text, hit.revision))

    def _document_text(self, text: DocumentText) -> dict[str, Any]:
        place = (text.name, text.title, text.topic, "", text.start_line, text.end_line)
        return self._passage(self._register(place, text.text, text.revision, text.headings))

    def _register(
        self,
        place: tuple[str, str, str, str, int, int],
        text: str,
        revision: str,
        headings: tuple[tuple[int, str], ...] = (),
    ) -> Source:
        document, title, topic, heading, start_line, end_line = place
        key = (document, revision, start_line, text)  # a line that is too long for a passage is cut into several
        number = self._ids.setdefault(key, len(self._ids) + 1)
        source = Source(number, document, title, topic, heading, start_line, end_line, text, revision, headings)
        return self.sources.setdefault(number, source)

    def _passage(self, source: Source) -> dict[str, Any]:
        return {
            "id": source.id,
            "document": source.document,
            "title": source.title,
            "heading": source.heading,
            "lines": f"{source.start_line}-{source.end_line}",
            "text": source.text,
        }

    def _fitting(self, passages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Keep the best passages that fit the budget, at least one."""
        kept: list[dict[str, Any]] = []
        left = self._result_chars
        for passage in passages:
            left -= len(passage["text"]) + len(passage["title"]) + len(passage["heading"]) + 100
            if left < 0 and kept:
                break
            kept.append(passage)
        return kept


def _tool(name: str, description: str, arguments: type[BaseModel]) -> Tool:
    schema = arguments.model_json_schema()
    properties = {
        key: {word: value for word, value in entry.items() if word != "title"}
        for key, entry in schema.get("properties", {}).items()
    }
    closed = {"type": "object", "properties": properties, "additionalProperties": False}
    return Tool(name, description, closed | {"required": schema.get("required", [])})


TOOLS: Final = (
    _tool(
        "search_kb",
        "Search the knowledge base. Returns the passages that match best, each with an id to cite, its document "
        "and its lines. Use key terms, not whole sentences; search again with other words when nothing fits.",
        SearchArguments,
    ),
    _tool(
        LISTING,
        "List the topics of the knowledge base with their documents. Use it when asked what there is.",
        TopicsArguments,
    ),
    _tool(
        "read_kb_doc",
        "Read a document of the knowledge base, or some of its lines. Use it when a passage is cut off or more of "
        "its surroundings is needed. The name must be one that search_kb or list_kb_topics returned.",
        ReadArguments,
    ),
)


def _parsed(model: type[Any], arguments: str) -> Any:
    try:
        given = json.loads(arguments or "{}")
        if not isinstance(given, dict):
            raise _Refused("bad arguments: send one JSON object")
        return model.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors())
        raise _Refused(f"bad arguments: {faults}") from error
    except (ValueError, RecursionError) as error:
        raise _Refused("the arguments are not valid JSON; send one JSON object") from error
