"""What most people would write: FastAPI's events, the SDK's stream, aiosqlite, FTS5. As a program it serves.

The same two model calls a turn as the service makes, history and answer kept in SQLite; no citations, no resume.
"""

import json
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from openai import AsyncOpenAI
from pydantic import BaseModel

TOOL = {
    "type": "function",
    "function": {
        "name": "search_kb",
        "description": "Search the knowledge base.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}


class Question(BaseModel):
    """What is asked."""

    content: str


def make_app(base_url: str, knowledge: Path, folder: Path) -> FastAPI:
    state: dict[str, Any] = {}
    documents = [(path.name, path.read_text()) for path in sorted(knowledge.rglob("*.md"))]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with aiosqlite.connect(folder / "naive.db") as db:
            await db.execute("CREATE TABLE messages (chat TEXT, role TEXT, content TEXT)")
            await db.execute("CREATE VIRTUAL TABLE kb USING fts5(name, body, tokenize='porter unicode61')")
            await db.executemany("INSERT INTO kb VALUES (?, ?)", documents)
            await db.commit()
            state["db"] = db
            state["llm"] = AsyncOpenAI(base_url=base_url, api_key="none")
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/api/chats", status_code=201)
    async def create() -> dict[str, str]:
        return {"id": uuid.uuid4().hex}

    @app.post("/api/chats/{chat}/messages", response_class=EventSourceResponse)
    async def ask(chat: str, question: Question) -> AsyncIterator[ServerSentEvent]:
        db, llm = state["db"], state["llm"]
        await db.execute("INSERT INTO messages VALUES (?, 'user', ?)", (chat, question.content))
        await db.commit()
        rows = await db.execute_fetchall("SELECT role, content FROM messages WHERE chat = ?", (chat,))
        messages: list[dict[str, Any]] = [{"role": role, "content": content} for role, content in rows]
        text = ""
        while True:
            stream = await llm.chat.completions.create(model="m", messages=messages, tools=[TOOL], stream=True)
            arguments = ""
            async for piece in stream:
                delta = piece.choices[0].delta
                if delta.tool_calls:
                    function = delta.tool_calls[0].function
                    arguments += (function.arguments if function else None) or ""
                if delta.content:
                    text += delta.content
                    yield ServerSentEvent(event="answer.delta", data={"text": delta.content})
            if not arguments:
                break
            words = " OR ".join(json.loads(arguments)["query"].split())
            found = await db.execute_fetchall(
                "SELECT name, body FROM kb WHERE kb MATCH ? ORDER BY rank LIMIT 6", (words,)
            )
            call = {"id": "c", "type": "function", "function": {"name": "search_kb", "arguments": arguments}}
            messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
            result = json.dumps([{"name": name, "text": body[:1000]} for name, body in found])
            messages.append({"role": "tool", "tool_call_id": "c", "content": result})
        await db.execute("INSERT INTO messages VALUES (?, 'assistant', ?)", (chat, text))
        await db.commit()
        yield ServerSentEvent(event="answer.completed", data={"text": text})

    return app


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"ready: http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        application = make_app(sys.argv[1], Path(sys.argv[2]), Path(place))
        _Server(uvicorn.Config(application, port=0, log_level="error")).run()
