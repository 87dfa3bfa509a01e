"""What the command line shows: answers as they stream, passages, the index. Plain when not a terminal."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from service.client import Client, Received, connected
from service.errors import ServerUnreachable
from service.settings import Settings

_OUTCOMES: Final = {
    "grounded": "every statement is cited",
    "partial": "not every statement is cited",
    "not_in_kb": "the knowledge base does not tell",
    "conversational": "no search was needed",
    "stopped": "stopped",
    "limit": "a limit was reached",
    "error": "failed",
}
_STEPS: Final = {
    "identifier": "an identifier or a file name",
    "terms": "words",
    "near": "words that are like those asked",
    "none": "nothing",
}
_POLL: Final = 0.2


async def ask(settings: Settings, server: str | None, question: str, chat: str | None, *, as_json: bool) -> int:
    """Print the answer to a question as it comes; 0 when there is one. Steps and sources go to standard error."""
    out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
    async with connected(settings, server) as client:
        chat_id = chat or await client.create_chat()
        message: dict[str, Any] = {}
        async for event in client.ask(chat_id, question):
            message = event.data.get("message", message)
            if not as_json:
                _show(event, out, err)
    if as_json:
        out.out(json.dumps(message, ensure_ascii=False, indent=2))
    else:
        _show_end(message, chat_id, out, err)
    return 0 if message.get("status") == "completed" else 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to search for."""

    query: str
    topic: str | None
    limit: int


async def search(
    settings: Settings, server: str | None, wanted: Wanted, *, as_json: bool, explain: bool = False
) -> int:
    """Print the passages that match, explained perhaps; 0 when there are any."""
    out = Console(highlight=False, soft_wrap=True)
    async with connected(settings, server) as client:
        found = await client.search(wanted.query, wanted.topic, wanted.limit, explain=explain)
    if as_json:
        out.out(json.dumps(found, ensure_ascii=False, indent=2))
        return 0 if found["hits"] else 1
    if explain:
        out.print(Text(f"matched by: {_STEPS[found['step']]}", style="dim"))
    for hit in found["hits"]:
        place = f"{hit['document']}:{hit['start_line']}-{hit['end_line']}"
        out.print(Text.assemble((place, "bold cyan"), f"  {hit['heading'] or hit['title']}"))
        out.print(_highlighted(hit["excerpt"], hit["highlights"]))
        if explain:
            out.print(Text("\n".join(_explained(hit)), style="dim"))
        out.print()
    if not found["hits"]:
        near = ", ".join(found["near_terms"])
        out.print(f"Nothing matches.{f' Did you mean: {near}' if near else ''}")
    elif found["near_terms"]:
        out.print(f"Searched instead: {', '.join(found['near_terms'])}")
    return 0 if found["hits"] else 1


def _explained(hit: dict[str, Any]) -> Iterator[str]:
    """The score and its parts, one on a line."""
    yield f"score {hit['score']:.3f} ="
    for part in hit["score_parts"]:
        bonuses = 1 + part["stem_bonus"] + part["form_bonus"] + part["identifier_bonus"]
        yield (
            f"  {part['score']:7.3f}  {part['word']}: weight {part['weight']:.3f} (in {part['passages']} passages)"
            f" * {part['saturation']:.3f} ({part['occurrences']} times) * {bonuses:.1f}"
        )


async def gaps(settings: Settings, server: str | None, state: str, limit: int, *, as_json: bool) -> int:
    """Print what the knowledge base could not answer, most often asked first."""
    out = Console(highlight=False, soft_wrap=True)
    async with connected(settings, server) as client:
        found = await client.gaps(state, limit)
    if as_json:
        out.out(json.dumps(found, ensure_ascii=False, indent=2))
        return 0
    for gap in found["items"]:
        answered = f", answered by {gap['resolved_by']}" if gap["resolved_by"] else ""
        times = "once" if gap["count"] == 1 else f"{gap['count']} times"
        out.print(Text.assemble((" ".join(gap["question"].split()), "bold")))
        out.print(Text(f"  asked {times}, last on {gap['last_seen'][:10]}{answered}", style="dim"))
        if gap["near_terms"]:
            out.print(Text(f"  there is: {', '.join(gap['near_terms'])}", style="dim"))
    if not found["items"]:
        out.print("No gaps." if state == "all" else f"No {state} gaps.")
    return 0


async def index(settings: Settings, server: str | None, awaited: Sequence[str], *, as_json: bool) -> int:
    """Bring the index up to date, with progress; print a summary and every skipped file with its reason.

    1 when something of what is `awaited` cannot be searched.
    """
    out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False)
    async with connected(settings, server, indexed=False) as client:
        scan = asyncio.create_task(client.reindex())
        await _watch(client, scan, err)
        changes = await scan
        missing = [text for name in awaited if (text := await _missing(client, name))]
        status = await client.status()
    for text in missing:
        err.print(Text(text, style="red"))
    if as_json:
        out.out(json.dumps({"changes": changes, "status": status}, ensure_ascii=False, indent=2))
        return 1 if missing else 0
    counts = f"{changes['added']} added, {changes['changed']} changed, {changes['removed']} removed"
    out.print(
        f"{status['indexed']} documents indexed from {status['folder']} ({counts}), revision {status['revision']}"
    )
    for skipped in status["skipped"]:
        out.print(
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


def _show(event: Received, out: Console, err: Console) -> None:
    match event.type:
        case "answer.delta":
            out.out(event.data["text"], end="")
        case "answer.reset":
            out.out("\n")
        case "step.completed":
            step = event.data["step"]
            given = ", ".join(str(value) for value in step["arguments"].values())
            result = step["error"] or f"{step['hits']} found"
            err.print(Text(f"  {step['name']}({given}): {result}, {step['duration_ms']:.0f} ms", style="dim"))


def _show_end(message: dict[str, Any], chat_id: str, out: Console, err: Console) -> None:
    out.out("")
    if message.get("error"):
        err.print(Text(f"{message['error']['code']}: {message['error']['detail']}", style="red"))
    for citation in message.get("citations", ()):
        lines = f"{citation['document']}:{citation['start_line']}-{citation['end_line']}"
        out.print(
            Text.assemble(("\n" if citation is message["citations"][0] else "") + citation["marker"], f" {lines}")
        )
    outcome = _OUTCOMES.get(message.get("outcome") or "", "no answer")
    err.print(Text(f"{outcome} · {message.get('model')} · --chat {chat_id}", style="dim"))


def _highlighted(excerpt: str, spans: list[list[int]]) -> Text:
    text = Text(excerpt)
    for start, end in spans:
        text.stylize("bold", start, end)
    return text


async def _watch(client: Client, scan: asyncio.Task[Any], err: Console) -> None:
    columns = (TextColumn("indexing"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("indexing", total=None)
        while not scan.done():
            found = (await client.status())["progress"]
            if found:
                progress.update(bar, completed=found[0], total=found[1])
            await asyncio.wait({scan}, timeout=_POLL)
