"""The knowledge base at the command line: passages, documents, gaps, the index."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from service.client import Client
from service.errors import ServerUnreachable
from service.terminal.invocation import Invocation
from service.terminal.screen import Screen

_STEPS: Final = {
    "identifier": "an identifier or a file name",
    "terms": "words",
    "near": "words that are like those asked",
    "none": "nothing",
}
_POLL: Final = 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to search for."""

    query: str
    topic: str | None
    limit: int


async def search(call: Invocation, wanted: Wanted, *, explain: bool) -> int:
    """Print the passages that match, explained perhaps; 0 when there are any."""
    async with call.connected() as client:
        found = await client.search(wanted.query, wanted.topic, wanted.limit, explain=explain)
    if call.as_json:
        call.out.json(found)
        return 0 if found["hits"] else 1
    if explain:
        call.out.print(Text(f"matched by: {_STEPS[found['step']]}", style="dim"))
    for hit in found["hits"]:
        place = f"{hit['document']}:{hit['start_line']}-{hit['end_line']}"
        call.out.print(Text.assemble((place, "bold cyan"), f"  {hit['heading'] or hit['title']}"))
        call.out.print(_highlighted(hit["excerpt"], hit["highlights"]))
        if explain:
            call.out.print(Text("\n".join(_explained(hit)), style="dim"))
        call.out.print()
    if not found["hits"]:
        call.out.print(_nothing(wanted, found["near_terms"]))
    elif found["near_terms"]:
        call.out.print(f"Searched instead: {', '.join(found['near_terms'])}")
    return 0 if found["hits"] else 1


def _nothing(wanted: Wanted, near_terms: Sequence[str]) -> str:
    if wanted.topic:
        return f"Nothing in the topic {wanted.topic} matches; without --topic all of them are searched."
    meant = f" Did you mean: {', '.join(near_terms)}" if near_terms else ""
    return f"Nothing matches.{meant}"


def _explained(hit: dict[str, Any]) -> Iterator[str]:
    """The score and its parts, one on a line."""
    yield f"score {hit['score']:.3f} ="
    for part in hit["score_parts"]:
        bonuses = 1 + part["stem_bonus"] + part["form_bonus"] + part["identifier_bonus"]
        yield (
            f"  {part['score']:7.3f}  {part['word']}: weight {part['weight']:.3f} (in {part['passages']} passages)"
            f" * {part['saturation']:.3f} ({part['occurrences']} times) * {bonuses:.1f}"
        )


async def read(call: Invocation, name: str, lines: tuple[int, int | None], revision: str | None) -> int:
    """Print lines of a document as they are; which they are goes to standard error."""
    async with call.connected() as client:
        parts = [await client.document(name, lines, revision)]
        while parts[-1]["next_line"] and parts[-1]["end_line"] < (lines[1] or parts[-1]["lines"]):
            parts.append(await client.document(name, (parts[-1]["next_line"], lines[1]), revision))
    whole = parts[-1] | {"start_line": parts[0]["start_line"], "text": "\n".join(part["text"] for part in parts)}
    if call.as_json:
        call.out.json(whole)
        return 0
    call.out.out(whole["text"])
    if call.err.is_terminal:
        place = f"{name}:{whole['start_line']}-{whole['end_line']} of {whole['lines']} lines"
        changed = ", changed since" if whole["changed"] else ""
        call.err.print(Text(f"{place}, revision {whole['revision'][:12]}{changed}", style="dim"))
    return 0


async def gaps(call: Invocation, state: str, limit: int) -> int:
    """Print what the knowledge base could not answer, most often asked first."""
    async with call.connected() as client:
        found = await client.gaps(state, limit)
    if call.as_json:
        call.out.json(found)
        return 0
    for gap in found["items"]:
        answered = f", answered by {gap['resolved_by']}" if gap["resolved_by"] else ""
        times = "once" if gap["count"] == 1 else f"{gap['count']} times"
        call.out.print(Text.assemble((" ".join(gap["question"].split()), "bold")))
        call.out.print(Text(f"  asked {times}, last on {gap['last_seen'][:10]}{answered}", style="dim"))
        if gap["near_terms"]:
            call.out.print(Text(f"  there is: {', '.join(gap['near_terms'])}", style="dim"))
    if not found["items"]:
        call.out.print("No gaps." if state == "all" else f"No {state} gaps.")
    return 0


async def index(call: Invocation, awaited: Sequence[str]) -> int:
    """Bring the index up to date, with progress; print a summary and every skipped file with its reason.

    1 when something of what is `awaited` cannot be searched.
    """
    async with call.connected(indexed=False) as client:
        scan = asyncio.create_task(client.reindex())
        await _watch(client, scan, call.err)
        changes = await scan
        missing = [text for name in awaited if (text := await _missing(client, name))]
        status = await client.status()
    for text in missing:
        call.err.print(Text(text, style="red"))
    if call.as_json:
        call.out.json({"changes": changes, "status": status})
        return 1 if missing else 0
    counts = f"{changes['added']} added, {changes['changed']} changed, {changes['removed']} removed"
    call.out.print(
        f"{status['indexed']} documents indexed from {status['folder']} ({counts}), revision {status['revision']}"
    )
    for skipped in status["skipped"]:
        call.out.print(
            Text.assemble(("skipped ", "yellow"), f"{skipped['name']}: {skipped['reason']}, {skipped['detail']}")
        )
    return 1 if missing else 0


async def _missing(client: Client, name: str) -> str:
    """Wait until a document is searchable; '' when it is, else why it is not."""
    try:
        await client.status(wait_for=name)
    except ServerUnreachable as refused:
        return f"{name}: {refused}"
    return ""


def _highlighted(excerpt: str, spans: list[list[int]]) -> Text:
    text = Text(excerpt)
    for start, end in spans:
        text.stylize("bold", start, end)
    return text


async def _watch(client: Client, scan: asyncio.Task[Any], err: Screen) -> None:
    columns = (TextColumn("indexing"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("indexing", total=None)
        while not scan.done():
            found = (await client.status())["progress"]
            if found:
                progress.update(bar, completed=found[0], total=found[1])
            await asyncio.wait({scan}, timeout=_POLL)
