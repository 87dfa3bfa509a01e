"""Rows of the chat tables as frozen values, and back."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json

from service.chats.records import Chat, Citation, Failure, Feedback, Message, Outcome, Status, Step, TokenUsage

Row = tuple[Any, ...]


def chat(row: Row) -> Chat:
    """Read a row of `chats`."""
    seq, chat_id, title, metadata, created_at, updated_at = row
    return Chat(seq, chat_id, title, json.loads(metadata), created_at, updated_at)


def message(row: Row, steps: tuple[Step, ...] = ()) -> Message:
    """Read a row of `messages`, with the tool calls that belong to it."""
    seq, message_id, chat_id, role, status, outcome, content, citations, dropped, *rest = row
    prompt_tokens, completion_tokens, llm_calls, model, error, kb_revision, *rest = rest
    supersedes, superseded_by, rating, comment, created_at, completed_at = rest
    return Message(
        seq=seq,
        id=message_id,
        chat_id=chat_id,
        role=role,
        status=Status(status),
        outcome=Outcome(outcome) if outcome else None,
        content=content,
        citations=tuple(Citation(**fields) for fields in json.loads(citations)),
        citations_dropped=dropped,
        usage=TokenUsage(prompt_tokens, completion_tokens, llm_calls),
        model=model,
        error=Failure(**json.loads(error)) if error else None,
        kb_revision=kb_revision,
        supersedes=supersedes,
        superseded_by=superseded_by,
        feedback=Feedback(rating, comment) if rating else None,
        created_at=created_at,
        completed_at=completed_at,
        steps=steps,
    )


def steps(rows: Iterable[Row]) -> Mapping[str, tuple[Step, ...]]:
    """Read rows of `steps`: turn id -> its tool calls in order."""
    found: dict[str, list[Step]] = {}
    for turn_id, *values in rows:
        found.setdefault(turn_id, []).append(Step(*values))
    return {turn_id: tuple(entries) for turn_id, entries in found.items()}


def citations(values: Iterable[Citation]) -> str:
    """Write citations as the column keeps them."""
    return to_json(list(values)).decode()


def failure(value: Failure | None) -> str | None:
    """Write a failure as the column keeps it."""
    return to_json(value).decode() if value else None
