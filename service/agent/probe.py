"""What a model can do, found out in the background by one small request; asked for again until it answers."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal

from service.agent.model import ChatModel, Message, Reply, Request, Tool
from service.errors import ModelError

_LOG: Final = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 30.0
_LONGEST_PAUSE: Final = 600.0
_QUESTION: Final = (
    Message("system", "You test a connection. Answer with a tool call and nothing else."),
    Message("user", 'Call the tool `ping` twice at once: with the text "one" and with the text "two".'),
)
_TEXT: Final = {"type": "string", "maxLength": 20, "description": "What to send."}
_PING: Final = Tool(
    "ping",
    "Send a short text to test the connection.",
    {"type": "object", "properties": {"text": _TEXT}, "required": ["text"], "additionalProperties": False},
)

Known = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Whether a model answers, calls tools when told to, several at once, and counts tokens in its streams."""

    answers: Known = "unknown"
    tools: Known = "unknown"
    parallel: Known = "unknown"
    usage: Known = "unknown"


async def examined(model: ChatModel) -> Capabilities:
    """Ask a model for two tool calls at once, and see what comes. Raises ModelError when no answer does."""
    reply: Reply | None = None
    async with aclosing(model.stream(Request(_QUESTION, (_PING,)))) as pieces:
        async for piece in pieces:
            reply = piece if isinstance(piece, Reply) else reply
    if reply is None:
        return Capabilities()
    missing: Known = "unknown" if reply.finish_reason == "length" else "no"
    return Capabilities(
        answers="yes",
        tools="yes" if reply.calls else missing,
        parallel="yes" if len(reply.calls) > 1 else missing,
        usage="yes" if reply.usage.prompt_tokens else "no",
    )


async def probed(model: ChatModel) -> Capabilities:
    """Find out what a model can do; that it does not answer is logged."""
    try:
        return await examined(model)
    except ModelError as error:
        told = {"model": model.name, "code": error.code, "detail": error.detail}
        _LOG.warning("the model did not answer a probe", extra=told)
        # vLLM refuses tools unless its server was told how to parse them.
        refused = error.code == "bad_request" and "the field tool" in error.detail
        tools: Known = "no" if refused else "unknown"
        return Capabilities("no", tools, tools)


class Probe:
    """What is known of each model by now, by its name."""

    def __init__(self, models: Sequence[ChatModel]) -> None:
        self.found = {model.name: Capabilities() for model in models}

    def details(self) -> Mapping[str, str]:
        """What is known, in words: the first model's under plain names, another's under names with its own."""
        told: dict[str, str] = {}
        for number, (name, found) in enumerate(self.found.items()):
            suffix = f" ({name})" if number else ""
            told |= {
                f"llm_answers{suffix}": found.answers,
                f"llm_tools{suffix}": found.tools,
                f"llm_parallel_calls{suffix}": found.parallel,
                f"llm_usage{suffix}": found.usage,
            }
        return told

    async def run(self, model: ChatModel) -> None:
        """Find out about one model; return when it has answered."""
        pause = _FIRST_PAUSE
        while True:
            self.found[model.name] = await probed(model)
            if self.found[model.name].answers == "yes":
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


@contextlib.asynccontextmanager
async def probing(models: Sequence[ChatModel], *, wanted: bool) -> AsyncIterator[Probe]:
    """Probe each model in the background while the block lasts; not `wanted`: nothing gets known."""
    probe = Probe(models)
    tasks = [asyncio.create_task(probe.run(model), name="llm-probe") for model in models if wanted]
    try:
        yield probe
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
