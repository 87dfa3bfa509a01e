"""The agent as a model for any client of OpenAI: models, chat completions, responses. Nothing is stored."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from service.agent.unstored import Answered, UnstoredTurn
from service.api.compat_answers import ModelListOut, ModelOut
from service.api.compat_chat import ChatCompletionOut, ChatReply
from service.api.compat_errors import PREFIX, documented_errors
from service.api.compat_responses import ResponseOut, ResponseReply
from service.api.compat_schemas import ChatCompletionIn, ResponseIn, said_in_chat, said_in_response
from service.api.deps import ASKS, CHAT, Caller, Services, ServicesDep
from service.api.sse import ByteStream, left
from service.errors import NotFound

router = APIRouter(prefix=PREFIX, tags=["openai"], dependencies=[CHAT])

_ERRORS: Final = documented_errors(400, 401, 403, 404, 413, 415, 422, 429, 502, 503, 504)

_CHUNK: Final = {
    "type": "object",
    "description": "A chunk of the answer, as OpenAI sends it.",
    "properties": {"event": {"type": "string"}, "data": {"type": "string", "description": "JSON, or `[DONE]`."}},
    "required": ["data"],
}


def _streamed(example: str) -> dict[int | str, dict[str, Any]]:
    content = {"text/event-stream": {"itemSchema": _CHUNK, "example": example}}
    return {200: {"description": "The answer; with `stream` as it is written.", "content": content}}


@router.get("/models", responses=documented_errors(401, 403, 422, 429))
async def list_models(services: ServicesDep) -> ModelListOut:
    """List the models: the agent over this knowledge base is one."""
    return ModelListOut(data=[_model(services, name) for name in services.compat_models])


@router.get("/models/{model:path}", responses=documented_errors(401, 403, 404, 422, 429))
async def get_model(
    services: ServicesDep, model: Annotated[str, Path(max_length=200, description="The model's id.")]
) -> ModelOut:
    """Read a model."""
    return _model(services, _known(services, model))


@router.post(
    "/chat/completions",
    response_model=ChatCompletionOut,
    dependencies=[ASKS],
    responses=_ERRORS | _streamed('data: {"object":"chat.completion.chunk","choices":[]}\n\ndata: [DONE]\n\n'),
)
async def complete_chat(
    services: ServicesDep, caller: Caller, request: Request, body: ChatCompletionIn
) -> Response:
    """Answer the last message of a conversation, as OpenAI's chat completions do.

    The conversation is the client's: nothing is stored, and a client that leaves ends the answer. Citations are
    the message's `annotations`. Parameters that are not listed here are ignored.
    """
    reply = ChatReply(_known(services, body.model))
    turn = services.unstored.start(caller, said_in_chat(body, services.max_message_chars), body.most_tokens)
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        return ByteStream(reply.frames(turn.pieces(services.heartbeat), usage=usage), services.metrics)
    return _json(reply.whole(await _awaited(turn, request)))


@router.post(
    "/responses",
    response_model=ResponseOut,
    dependencies=[ASKS],
    responses=_ERRORS | _streamed('event: response.completed\ndata: {"type":"response.completed"}\n\n'),
)
async def create_response(services: ServicesDep, caller: Caller, request: Request, body: ResponseIn) -> Response:
    """Answer a question, as OpenAI's responses do.

    Text in, text out. Nothing is stored: the conversation comes in `input`. Citations are annotations of the text.
    """
    reply = ResponseReply(_known(services, body.model))
    said = said_in_response(body, services.max_message_chars)
    turn = services.unstored.start(caller, said, body.max_output_tokens)
    if body.stream:
        return ByteStream(reply.frames(turn.pieces(services.heartbeat)), services.metrics)
    return _json(reply.whole(await _awaited(turn, request)))


async def _awaited(turn: UnstoredTurn, request: Request) -> Answered:
    """Wait for the answer; nothing is kept of it, so a client that leaves meanwhile ends it."""
    leaving = asyncio.create_task(left(request.receive))
    leaving.add_done_callback(lambda _: turn.cancel())
    try:
        return await turn.answered()
    finally:
        leaving.cancel()


def _known(services: Services, model: str) -> str:
    if model not in services.compat_models:
        raise NotFound("model", model, services.compat_models)
    return model


def _model(services: Services, name: str) -> ModelOut:
    return ModelOut(id=name, created=services.unstored.since, answered_by=services.unstored.model_name)


def _json(body: BaseModel) -> JSONResponse:
    return JSONResponse(body.model_dump(mode="json"))
