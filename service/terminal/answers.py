"""A question and its answer: followed as it is written, stopped when that is wanted, shown with its sources."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.text import Text

from service.answer_events import Received
from service.client import Client
from service.errors import RequestRefused
from service.terminal.invocation import Invocation

_OUTCOMES: Final = {
    "grounded": "every citation stands",
    "partial": "in part: citations were removed, or it was cut short",
    "not_in_kb": "the knowledge base does not tell",
    "conversational": "no search was needed",
    "stopped": "stopped",
    "limit": "a limit was reached",
    "error": "failed",
}


class Asked:
    """A question on its way to an answer, in `chat` or in one made for it, which is not left behind empty."""

    def __init__(self, client: Client, chat: str | None, question: str) -> None:
        self._client = client
        self.chat = chat
        self._question = question
        self._answer_id = ""
        self._heard = False
        self._unwanted = False

    async def follow(self, show: Callable[[Received], None]) -> Mapping[str, Any]:
        """Ask; `show` is given each event as it comes. Give the message that the answer became."""
        message: Mapping[str, Any] = {}
        made = self.chat is None
        chat = self.chat = self.chat or await self._client.create_chat()
        try:
            async for event in self._client.ask(chat, self._question):
                self._heard = True
                message = event.data.get("message", message)
                await self._note(event)
                show(event)
        except asyncio.CancelledError:
            await self.stop()
            raise
        except RequestRefused:
            if made and not self._heard:
                self.chat = None
                await self._client.delete(chat)
            raise
        return message

    async def stop(self) -> None:
        """Stop the answer; the events go on to their end."""
        self._unwanted = True
        if self.chat and self._answer_id:
            await self._client.cancel(self.chat, self._answer_id)

    async def _note(self, event: Received) -> None:
        if not self._answer_id and "message_id" in event.data:
            self._answer_id = str(event.data["message_id"])
            if self._unwanted:
                await self.stop()


async def ask(call: Invocation, question: str, chat: str | None) -> int:
    """Print the answer to a question; 0 when there is one. Steps, outcome and the chat go to standard error."""
    async with call.connected() as client:
        asked = Asked(client, chat, question)
        message = await asked.follow(shower(call))
    if call.as_json:
        call.out.json(message)
    else:
        show_answer(call, message, so_far=call.out.is_terminal)
        call.err.print(Text(f"kb-agent ask --chat {asked.chat} goes on from here", style="dim"))
    return 0 if message.get("status") == "completed" else 1


def shower(call: Invocation) -> Callable[[Received], None]:
    """What prints an answer while it is written; nothing of it where JSON is wanted.

    Elsewhere than at a terminal the text waits for the end: what was withdrawn could not be told from it.
    """

    def show(event: Received) -> None:
        match event.type:
            case "answer.delta" if call.out.is_terminal:
                call.out.out(event.data["text"], end="")
            case "answer.reset" if call.out.is_terminal:
                call.out.print(Text("\n(withdrawn; the answer begins anew)\n", style="dim"))
            case "step.completed":
                step = event.data["step"]
                given = ", ".join(str(value) for value in step["arguments"].values())
                result = step["error"] or f"{step['hits']} found"
                duration = f"{step['duration_ms']:.0f} ms"
                call.err.print(Text(f"  {step['name']}({given}): {result}, {duration}", style="dim"))

    return (lambda _: None) if call.as_json else show


def show_answer(call: Invocation, message: Mapping[str, Any], *, so_far: bool) -> None:
    """Print an answer, or what follows its text where that was printed `so_far`: failure, sources, outcome."""
    call.out.out("" if so_far else message.get("content", ""))
    if message.get("error"):
        call.err.print(Text(f"{message['error']['code']}: {message['error']['detail']}", style="red"))
    show_sources(call, message, quoted=False)
    outcome = _OUTCOMES.get(message.get("outcome") or "", "no answer")
    call.err.print(Text(f"{outcome} · {message.get('model')}", style="dim"))


def show_sources(call: Invocation, message: Mapping[str, Any], *, quoted: bool) -> None:
    """Print where an answer's statements stand, perhaps with the lines themselves."""
    for number, citation in enumerate(message.get("citations", ())):
        lines = f"{citation['document']}:{citation['start_line']}-{citation['end_line']}"
        call.out.print(Text.assemble("" if number else "\n", citation["marker"], " ", (lines, "cyan")))
        if quoted:
            call.out.print(Text("\n".join(f"    {line}" for line in citation["quote"].splitlines())))
