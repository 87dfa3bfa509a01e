"""More questions than the service takes: some are answered, the rest are told to come back, and nothing breaks."""

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.test_service import QUESTION, ask, indexed, new_chat
from tests.fake_llm import FakeLLM, Request
from tests.fake_wire import Script, Wire, text_script
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

CHATS = 40
PER_CALLER = 6


def test_a_flood_gets_2xx_and_429_only_and_the_process_keeps_answering(folder: Path) -> None:
    settings = {"LLM_MODEL": "slow", "MAX_RUNNING_TURNS": "2", "MAX_TURNS_PER_CALLER": str(PER_CALLER)}
    too_many = threading.Event()

    def slow(_: Request) -> Script:
        async def run(wire: Wire) -> None:
            await asyncio.to_thread(too_many.wait)
            await text_script("Hello there, come in and sit down.", pause=0.02)(wire)

        return run

    with (
        FakeLLM(slow) as fake,
        Server(folder, settings | {"LLM_BASE_URL": fake.base_url}) as server,
        server.client() as client,
        ThreadPoolExecutor(20) as pool,
    ):
        eventually(lambda: indexed(client, 3))
        chats = [new_chat(client) for _ in range(CHATS)]

        def post(chat: str) -> tuple[int, str | None]:
            headers = {"Prefer": "respond-async"}
            given = client.post(f"/api/chats/{chat}/messages", json={"content": "hello"}, headers=headers)
            if given.status_code != 202:
                assert given.json()["code"] == "overloaded"
                too_many.set()
            return given.status_code, given.headers.get("retry-after")

        flood = [pool.submit(post, chat) for chat in chats]
        while not all(one.done() for one in flood):
            assert client.get("/livez").status_code == 200
        told = Counter(one.result() for one in flood)

        assert told.keys() == {(202, None), (429, "5")}
        assert PER_CALLER <= told[202, None] < CHATS
        eventually(lambda: "kb_agent_turns_open 0.0" in client.get("/metrics").text)
        ended = Counter(
            message["status"]
            for chat in chats
            for message in client.get(f"/api/chats/{chat}/messages").json()["items"]
            if message["role"] == "assistant"
        )
        assert ended == {"completed": told[202, None]}
        assert ask(client, chats[-1], QUESTION)["status"] == "completed"


def test_no_more_are_taken_than_the_limit_says_and_a_repeat_needs_no_place_also_after_a_crash(
    folder: Path,
) -> None:
    settings = {"LLM_MODEL": "slow", "MAX_TURNS_PER_CALLER": "3", "SHUTDOWN_GRACE": "0.2"}
    headers = {"Prefer": "respond-async"}
    with (
        FakeLLM(lambda _: text_script("word " * 500, pause=0.1)) as fake,
        Server(folder, settings | {"LLM_BASE_URL": fake.base_url}) as server,
        ThreadPoolExecutor(12) as pool,
    ):

        def post(chat: str) -> tuple[int, bool]:
            path, key = f"/api/chats/{chat}/messages", {"Idempotency-Key": "one"}
            given = client.post(path, json={"content": "hello"}, headers=headers | key)
            return given.status_code, "Idempotent-Replayed" in given.headers

        with server.client() as client:
            chats = [new_chat(client) for _ in range(12)]
            assert Counter(pool.map(post, chats)) == {(202, False): 3, (429, False): 9}
            assert Counter(pool.map(post, chats)) == {(202, True): 3, (429, False): 9}
        server.kill()
        server.start()
        with server.client() as client:
            assert Counter(pool.map(post, chats)) == {(202, True): 3, (429, False): 9}
