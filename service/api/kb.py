"""The knowledge base: search, topics, documents, reading, status, a scan now."""

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field

from service.agent.keeping import RevisionText, as_current, read_revision
from service.api.deps import KB, Caller, NameKey, PageLimit, ServicesDep, cursor_of
from service.api.problems import documented, with_headers
from service.api.schemas import WORDED, Out, Pair
from service.api.search_results import SearchOut
from service.api.sse import left

router = APIRouter(prefix="/api/kb", tags=["knowledge base"], dependencies=[KB])


class TopicOut(Out):
    """A topic."""

    name: str = Field(description="Its name.", examples=["streaming"])
    title: str = Field(description="For people.", examples=["Streaming"])
    description: str = Field(description="What it is about.", examples=["Events, resume, proxies."])
    documents: int = Field(description="How many documents it has.", examples=[4])


class TopicList(BaseModel):
    """All topics."""

    items: list[TopicOut] = Field(description="By name.")


class DocumentOut(Out):
    """A document of the index."""

    name: str = Field(description="Its name, the path in the folder.", examples=["streaming/resume.md"])
    title: str = Field(description="Its title.", examples=["Resuming a stream"])
    topic: str = Field(description="Its topic.", examples=["streaming"])
    description: str = Field(description="What it is about.", examples=["How clients resume."])
    tags: list[str] = Field(description="Its tags.", examples=[["sse"]])
    lines: int = Field(description="How many lines it has.", examples=[80])
    bytes: int = Field(description="Its size.", examples=[3100])
    revision: str = Field(description="SHA-256 of its bytes.", examples=["9f86d081884c7d65"])
    indexed_at: str = Field(
        description="When this revision became searchable.", examples=["2026-11-22T09:30:00.000Z"]
    )


class DocumentPage(BaseModel):
    """Documents by name."""

    items: list[DocumentOut] = Field(description="The documents.")
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last.", examples=[None])


class DocumentTextOut(Out):
    """Lines of a document, from the indexed text."""

    name: str = Field(description="Its name.", examples=["streaming/resume.md"])
    title: str = Field(description="Its title.", examples=["Resuming a stream"])
    topic: str = Field(description="Its topic.", examples=["streaming"])
    start_line: int = Field(description="First line given.", examples=[1])
    end_line: int = Field(description="Last line given.", examples=[80])
    text: str = Field(description="The lines, verbatim.", examples=["# Resuming a stream"])
    next_line: int | None = Field(description="Where to read on; null at the end.", examples=[None])
    lines: int = Field(description="How many lines it has.", examples=[80])
    revision: str = Field(description="SHA-256 of its bytes.", examples=["9f86d081884c7d65"])
    current_revision: str | None = Field(
        description="The revision that is served now; null when the document is gone.",
        examples=["9f86d081884c7d65"],
    )
    changed: bool = Field(description="Whether that is another one, or none.", examples=[False])
    complete: bool = Field(
        description="False when only what surrounds the cited lines is kept of the revision; `lines` then counts "
        "to its end.",
        examples=[True],
    )
    kb_revision: int | None = Field(
        description="Revision of the index it was read from; null for a revision that only answers keep.",
        examples=[3],
    )


class SkippedOut(Out):
    """A file that is not indexed."""

    name: str = Field(description="Its name, escaped where it is not text.", examples=["notes/photo.md"])
    reason: str = Field(description="Stable name of the reason.", examples=["not_text"])
    detail: str = Field(description="What to do about it.", examples=["not UTF-8; save it as UTF-8"])


class StatusOut(Out):
    """Where the index stands."""

    state: str = Field(
        description="starting, ready, missing, unreadable, rebuilding or failed.", examples=["ready"]
    )
    folder: str = Field(description="The folder that KNOWLEDGE_DIR names.", examples=["/srv/kb/knowledge"])
    real_folder: str | None = Field(
        description="The same with every link resolved, as of the last scan; null where there is none.",
        examples=["/srv/kb/trees/9f86d081"],
    )
    files_on_disk: int = Field(description="Files seen by the last scan.", examples=[28])
    indexed: int = Field(description="Documents that are searchable.", examples=[28])
    skipped: list[SkippedOut] = Field(description="Files that are not, with the reason for each.")
    ignored: int = Field(description="Files with an ending that is not indexed.", examples=[0])
    pending: int = Field(description="Changes that are seen but not searchable yet.", examples=[0])
    lag: float = Field(description="Seconds since the oldest of them was seen.", examples=[0.0])
    revision: int = Field(description="Revision of the index; grows with every change.", examples=[3])
    last_scan: str | None = Field(
        description="When the folder was last compared.", examples=["2026-11-22T09:30:00.000Z"]
    )
    last_change: str | None = Field(
        description="When the index last changed.", examples=["2026-11-22T09:30:00.000Z"]
    )
    scan_seconds: float = Field(description="How long the last scan took.", examples=[0.02])
    failures: int = Field(description="Passes that failed since the start.", examples=[0])
    last_error: str | None = Field(
        description="Why the last pass failed; null once one succeeds.", examples=[None]
    )
    watcher_mode: str = Field(description="events, poll, scan or off.", examples=["events"])
    heartbeat_age: float | None = Field(
        description="Seconds since the watcher last looked; null while it is dead.", examples=[1.2]
    )
    progress: Pair | None = Field(description="Files done and to do, while it works.", examples=[[40, 120]])


class ReindexOut(BaseModel):
    """What a scan changed."""

    added: int = Field(description="New documents.", examples=[0])
    changed: int = Field(description="Documents with new content.", examples=[1])
    removed: int = Field(description="Documents that are gone.", examples=[0])
    revision: int = Field(description="Revision of the index now.", examples=[4])


Query_ = Annotated[
    str,
    Query(
        min_length=1,
        max_length=2000,
        description="What to look for.",
        examples=["resume stream"],
        json_schema_extra={"pattern": r"\S"},
    ),
    WORDED,
]
Topic = Annotated[str | None, Query(max_length=200, description="Only this topic.", examples=[None])]
Name = Annotated[str, Path(max_length=4096, description="The document's name.", examples=["streaming/resume.md"])]
Line = Annotated[int, Query(ge=1, le=10_000_000, description="First line, from 1.")]
EndLine = Annotated[
    int | None, Query(ge=1, le=10_000_000, description="Last line, included; the end when left out.")
]
Revision = Annotated[
    str | None,
    Query(max_length=64, description="The revision a citation names; the one that is served when left out."),
]


async def _lines(start_line: Line = 1, end_line: EndLine = None) -> tuple[int, int | None]:
    return start_line, end_line


Lines = Annotated[tuple[int, int | None], Depends(_lines)]
IfNoneMatch = Annotated[
    str,
    Header(alias="If-None-Match", max_length=2000, description="`ETag` of what you have."),
]
_TAGGED: Final = with_headers(ETag="For `If-None-Match`.")
_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    200: _TAGGED,
    304: {**_TAGGED, "description": "What you have is current."},
}
WaitFor = Annotated[
    str | None,
    Query(
        max_length=4200,
        description=(
            "Answer once this is searchable: a document's name (as it is on disk now), the SHA-256 of a content, "
            "`NAME@SHA256`, `NAME@gone` (no longer found), or `*` (all that is in the folder now)."
        ),
        examples=["streaming/resume.md"],
    ),
]
WaitSeconds = Annotated[float, Query(alias="timeout", gt=0, le=300, description="Seconds to wait at most.")]
Hits = Annotated[int, Query(ge=1, le=50, description="Most passages.")]
Explain = Annotated[bool, Query(description="Tell what each score is the sum of.")]


@router.get("/search", responses=documented(422, 503))
async def search(
    services: ServicesDep, q: Query_, topic: Topic = None, limit: Hits = 10, explain: Explain = False
) -> SearchOut:
    """Search the knowledge base: any text is a query, none is syntax."""
    found = await services.kb.search(q, topic=topic or None, limit=limit, explain=explain)
    return SearchOut.model_validate(found)


@router.get("/topics", responses=documented(503))
async def topics(services: ServicesDep) -> TopicList:
    """List the topics."""
    return TopicList(items=[TopicOut.model_validate(topic) for topic in await services.kb.topics()])


@router.get("/documents", responses=documented(422, 503))
async def documents(
    services: ServicesDep, key: NameKey, topic: Topic = None, limit: PageLimit = 100
) -> DocumentPage:
    """List documents by name."""
    found = await services.kb.documents(topic=topic or None, after=key, limit=limit + 1)
    more = len(found) > limit
    items = [DocumentOut.model_validate(document) for document in found[:limit]]
    return DocumentPage(items=items, next_cursor=cursor_of(items[-1].name) if more else None)


@router.get(
    "/documents/{name:path}", response_model=DocumentTextOut, responses=_UNCHANGED | documented(404, 422, 503)
)
async def read_document(
    services: ServicesDep,
    caller: Caller,
    name: Name,
    lines: Lines,
    revision: Revision = None,
    known: IfNoneMatch = "",
) -> Response:
    """Read a document, or some of its lines, from the indexed text; a revision as your answers cite it.

    The `ETag` holds while neither these lines nor the served revision change: send it as `If-None-Match`.
    """
    if not revision:
        text = as_current(await services.kb.read(name, *lines))
    else:
        text = await read_revision(services.kb, services.kept, caller, name, revision, lines)
    return _unless_known(text, known)


def _unless_known(text: RevisionText, known: str) -> Response:
    """Give the lines, or 304 to a client that has them. The tag is weak: `kb_revision` may differ."""
    current = text.current_revision or "gone"
    tag = f'W/"{text.revision[:16]}-{current[:16]}-{text.start_line}-{text.end_line}"'
    if known.strip() == "*" or tag in {each.strip() for each in known.split(",")}:
        return Response(status_code=304, headers={"ETag": tag})
    body = DocumentTextOut.model_validate(text).model_dump_json()
    return Response(body, media_type="application/json", headers={"ETag": tag})


@router.get("/status", responses=documented(409, 422, 429, 503))
async def status(
    services: ServicesDep, request: Request, wait_for: WaitFor = None, seconds: WaitSeconds = 30
) -> StatusOut:
    """Tell where the index stands, and why each file that is not in it is not.

    With `wait_for` it answers once that is searchable: what you wrote is what you find. A file that cannot be
    indexed gets 409 `file_skipped` with the reason at once, and what is not searchable in time 409 `not_live`.
    """
    if wait_for:
        await services.arrivals.wait(wait_for, seconds, partial(left, request.receive))
    return StatusOut.model_validate(await services.watcher.status())


@router.post("/reindex", responses=documented(503))
async def reindex(services: ServicesDep) -> ReindexOut:
    """Compare the folder with the index now, content included."""
    changes = await services.index.reconcile(full=True)
    return ReindexOut(
        added=len(changes.added),
        changed=len(changes.changed),
        removed=len(changes.removed),
        revision=changes.revision,
    )
