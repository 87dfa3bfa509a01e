"""The model client's tests: how they ask, and all that they hear."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from service.agent.attempts import Retries, Timeouts
from service.agent.llm import Endpoint, SdkChatModel
from service.agent.model import ChatModel, Message, Reply, Request, TextPiece, Tool
from service.errors import ModelError
from tests.fake_faults import ECHOED_KEY
from tests.fake_llm import FakeLLM

QUESTION = [Message("system", "Answer from the knowledge base."), Message("user", "How do I resume?")]
_QUERY = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
TOOLS = (Tool("search_kb", "Search.", _QUERY), Tool("list_kb_topics", "List.", {"type": "object"}))
REQUEST = Request(QUESTION, TOOLS)
PATIENT = Timeouts(connect=60, first_byte=60, gap=60, attempt=60)
QUICK = Retries(limit=2, base=0.001, longest=0.002, patience=20)


def client(
    fake: FakeLLM, model: str = "m", timeouts: Timeouts = PATIENT, retries: Retries = QUICK
) -> SdkChatModel:
    """A client of the fake; `model` may name a fault or a dialect."""
    return SdkChatModel(Endpoint(fake.base_url, model, ECHOED_KEY), timeouts, retries)


@dataclass
class Heard:
    """All that one call brought: pieces in order, then a reply or an error."""

    pieces: list[str] = field(default_factory=list)
    reply: Reply | None = None
    error: ModelError | None = None

    @property
    def text(self) -> str:
        """What was shown."""
        return "".join(self.pieces)


async def hear(model: ChatModel, messages: Sequence[Message] = QUESTION, tools: Sequence[Tool] = TOOLS) -> Heard:
    """Make one call and listen to its end."""
    heard = Heard()
    try:
        async for piece in model.stream(Request(messages, tuple(tools))):
            assert heard.reply is None, "nothing comes after the reply"
            if isinstance(piece, TextPiece):
                assert piece.text
                heard.pieces.append(piece.text)
            else:
                heard.reply = piece
    except ModelError as error:
        heard.error = error
    return heard


async def ask(fake: FakeLLM, model: str, timeouts: Timeouts = PATIENT) -> Heard:
    """One call of the fake's `model`."""
    async with client(fake, model, timeouts) as chat_model:
        return await hear(chat_model)


async def hear_at(base_url: str, timeouts: Timeouts = PATIENT) -> Heard:
    """One call, without retries, of whatever is at `base_url`."""
    async with SdkChatModel(Endpoint(base_url, "m"), timeouts, replace(QUICK, limit=0)) as model:
        return await hear(model)
