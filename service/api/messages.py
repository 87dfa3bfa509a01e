"""Messages: ask in three ways, read the history, read one."""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from service.api.deps import (
    ASKS,
    CHAT,
    Caller,
    ChatId,
    MessageId,
    NumberKey,
    PageLimit,
    Services,
    ServicesDep,
    cursor_of,
    hold_stream,
    scope_of,
)
from service.api.event_schemas import STREAM_ITEM
from service.api.problems import documented, with_headers
from service.api.schemas import FeedbackIn, MessageOut, MessagePage, Question
from service.api.sse import EventStream
from service.chats.questions import Posted, Ticket
from service.chats.records import Feedback, Message, public
from service.chats.stream import follow_turn
from service.errors import InvalidInput

router = APIRouter(prefix="/api/chats/{chat_id}/messages", tags=["messages"], dependencies=[CHAT])

_WAIT: Final = 60.0
_WAIT_PREFERENCE: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,4})\"?(?=$|[,;\s])")
_ASYNC_PREFERENCE: Final = re.compile(r"(?:^|[,;\s])respond-async(?=$|[,;\s])")
_STREAM_ACCEPTED: Final = re.compile(r"text/event-stream\s*(?!\s*;\s*q=0(?:\.0*)?\s*(?:$|[,;]))(?=$|[,;])")
_PLACED: Final = with_headers(Location="Address of the answer.")
_ANSWERED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        **_PLACED,
        "description": "With `Accept: text/event-stream`: the turn's events until its last one.",
        "content": {
            "text/event-stream": {
                "itemSchema": STREAM_ITEM,
                "example": (
                    "id: 7\nevent: turn.started\n"
                    'data: {"message_id":"msg_7b21d4","model":"built-in-reader","attempt":1}\n\n'
                ),
            }
        },
    },
    201: _PLACED,
    202: {**_PLACED, "description": "The answer is still being written; read it there.", "model": MessageOut},
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Makes a repeat safe, whose reply has `Idempotent-Replayed: true`; kept 24 hours at least.",
    ),
]


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """How the answer comes back: as a stream, or as JSON after at most `wait` seconds."""

    stream: bool
    wait: float


async def _reply_form(
    request: Request,
    accept: Annotated[str, Header(description="`text/event-stream` to follow the answer, else JSON.")] = "",
    prefer: Annotated[
        str, Header(description="`wait=N` waits at most N seconds for the answer, `respond-async` not at all.")
    ] = "",
) -> ReplyForm:
    stream = _STREAM_ACCEPTED.search(accept.lower()) is not None
    if stream:
        await hold_stream(request)
    if _ASYNC_PREFERENCE.search(prefer.lower()):
        return ReplyForm(stream, 0.0)
    wait = _WAIT_PREFERENCE.search(prefer.lower())
    return ReplyForm(stream, float(wait[1]) if wait else _WAIT)


Reply = Annotated[ReplyForm, Depends(_reply_form)]
Order = Annotated[Literal["asc", "desc"], Query(description="Oldest or newest first.")]


@router.post(
    "",
    status_code=201,
    response_model=MessageOut,
    dependencies=[ASKS],
    responses=_ANSWERED | documented(400, 404, 409, 413, 422, 429, 503),
)
async def post_message(
    services: ServicesDep,
    caller: Caller,
    chat_id: ChatId,
    body: Question,
    reply: Reply,
    key: IdempotencyKey = None,
) -> Response:
    """Ask a question. It is stored before this answers; a client that leaves does not stop the answer."""
    _check_length(body.content, services.max_message_chars)
    ticket = _ticket(key, body.content)
    posted = await services.questions.replay(caller, chat_id, ticket) if ticket else None
    if posted is None:
        posted = await _accept(services, caller, chat_id, body.content, ticket)
    return await _respond(services, caller, posted, reply)


@router.get("", responses=documented(404, 422, 503))
async def list_messages(
    services: ServicesDep,
    caller: Caller,
    chat_id: ChatId,
    key: NumberKey,
    limit: PageLimit = 50,
    order: Order = "asc",
) -> MessagePage:
    """Read the history, tool calls and citations included."""
    page = await services.store.messages(caller, chat_id, limit, key, order)
    return MessagePage(items=[_shown(services, m) for m in page.items], next_cursor=cursor_of(page.next_key))


@router.get("/{message_id}", responses=documented(404, 422, 503))
async def get_message(services: ServicesDep, caller: Caller, chat_id: ChatId, message_id: MessageId) -> MessageOut:
    """Read one message, also while it is being written."""
    return _shown(services, await services.store.message(caller, chat_id, message_id))


@router.post("/{message_id}/cancel", responses=documented(404, 422, 503))
async def cancel_message(
    services: ServicesDep, caller: Caller, chat_id: ChatId, message_id: MessageId
) -> MessageOut:
    """Stop an answer; its text so far is kept. Repeatable: an answer that has ended stays as it is."""
    await services.store.message(caller, chat_id, message_id)
    await services.runner.cancel(message_id)
    return _shown(services, await services.store.message(caller, chat_id, message_id))


@router.post(
    "/{message_id}/regenerate",
    status_code=201,
    response_model=MessageOut,
    dependencies=[ASKS],
    responses=_ANSWERED | documented(404, 409, 422, 429, 503),
)
async def regenerate_message(
    services: ServicesDep, caller: Caller, chat_id: ChatId, message_id: MessageId, reply: Reply
) -> Response:
    """Answer the same question again; the former answer stays in the history as superseded."""
    runner = services.runner
    with runner.place(caller) as at_once:
        posted = await services.questions.regenerate(caller, chat_id, message_id, runner.model_name, begin=at_once)
        runner.start(posted.answer.id, caller, posted.turn)
    return await _respond(services, caller, posted, reply)


@router.put("/{message_id}/feedback", responses=documented(400, 404, 409, 413, 422, 503))
async def rate_message(
    services: ServicesDep, caller: Caller, chat_id: ChatId, message_id: MessageId, body: FeedbackIn
) -> MessageOut:
    """Rate an answer; one rating a message, the last one counts."""
    rated = await services.questions.rate(caller, chat_id, message_id, Feedback(body.rating, body.comment))
    services.metrics.ratings.labels(body.rating).inc()
    return _shown(services, rated)


def _shown(services: Services, message: Message) -> MessageOut:
    """Give the message as it stands now: what is still being written has its text so far."""
    fields = public(message)
    live = services.log.live(message.chat_id)
    if live is not None and live.turn_id == message.id and not message.final:
        fields["content"] = live.text
    return MessageOut.model_validate(fields)


async def _accept(services: Services, caller: str, chat_id: str, content: str, ticket: Ticket | None) -> Posted:
    """Store the question and start its turn; a place is needed for that, and not for a repeat."""
    runner = services.runner
    with runner.place(caller, f"{chat_id} {ticket.key}" if ticket else None) as at_once:
        posted = await services.questions.post(caller, chat_id, content, runner.model_name, ticket, begin=at_once)
        if not posted.replayed:
            runner.start(posted.answer.id, caller, posted.turn)
    return posted


async def _respond(services: Services, caller: str, posted: Posted, reply: ReplyForm) -> Response:
    chat_id, answer_id = posted.answer.chat_id, posted.answer.id
    headers = {"Location": f"/api/chats/{chat_id}/messages/{answer_id}"}
    if posted.replayed:
        headers["Idempotent-Replayed"] = "true"
    if reply.stream:
        frames = follow_turn(services.log, scope_of(caller, chat_id), posted.answer, idle=services.heartbeat)
        return EventStream(frames, services.metrics, headers)
    await services.runner.wait(answer_id, reply.wait)
    message = await services.store.message(caller, chat_id, answer_id)
    body = _shown(services, message).model_dump(mode="json")
    return JSONResponse(body, 201 if message.final else 202, headers)


def _ticket(key: str | None, content: str) -> Ticket | None:
    return Ticket(key, hashlib.sha256(content.encode()).hexdigest()) if key is not None else None


def _check_length(content: str, most: int) -> None:
    if len(content) > most:
        raise InvalidInput(
            f"the message has {len(content)} characters; it takes at most {most}",
            field="body.content",
            code="message_too_long",
        )
