"""A quota of tokens for each key, on a server with a model: used up, told, raised, kept over a restart."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.access.conftest import ADMIN_KEY, Keyring, open_server
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import USAGE, text_script
from tests.server import Server, eventually
from tests.terminal import kb_agent

CALL = USAGE["total_tokens"]
TURN = 2 * CALL  # a search, then the answer
QUESTION: Any = [{"role": "user", "content": "Which port?"}]


@pytest.fixture(autouse=True)
def within_a_day() -> None:
    """Let no midnight fall into a test."""
    eventually(lambda: datetime.now(UTC).time() < time(23, 59), 65)


@pytest.fixture(scope="module")
def model() -> Iterator[FakeLLM]:
    with FakeLLM() as model:
        yield model


@contextmanager
def opened(folder: Path, model: FakeLLM, **settings: str) -> Iterator[Keyring]:
    given = {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "fake", **settings}
    with open_server(folder, **given) as server:
        yield Keyring(server)


@pytest.fixture(scope="module")
def metered(model: FakeLLM, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyring]:
    """A server on which everybody may use the tokens of two questions a day."""
    with opened(tmp_path_factory.mktemp("metered"), model, TOKENS_A_DAY=str(2 * TURN)) as keyring:
        yield keyring


def ask(client: httpx2.Client, **headers: str) -> httpx2.Response:
    chat = client.post("/api/chats").json()["id"]
    return client.post(f"/api/chats/{chat}/messages", json={"content": "Which port?"}, headers=headers)


def tokens(keyring: Keyring, name: str) -> dict[str, Any]:
    """What the list says of the day's tokens of a key."""
    found: dict[str, Any] = next(
        key["tokens"] for key in keyring.call("GET", "/api/keys")["items"] if key["name"] == name
    )
    return found


def refused(response: httpx2.Response) -> bool:
    """Whether it is the refusal of one who has used up the day's tokens, complete."""
    if response.status_code != 429:
        return False
    assert response.json()["code"] == "quota_exhausted"
    assert 0 < int(response.headers["retry-after"]) <= 86_400
    assert "midnight UTC" in response.json()["detail"]
    return True


def test_a_key_may_ask_until_its_tokens_are_used_up_and_others_go_on(metered: Keyring) -> None:
    with metered.client(metered.make("spends")) as spends, metered.client(metered.make("waits")) as waits:
        assert [ask(spends).status_code for _ in range(2)] == [201, 201]
        assert refused(ask(spends))
        chat = spends.get("/api/chats").json()["items"][0]["id"]
        assert spends.get(f"/api/chats/{chat}/messages").json()["items"] == []
        answered = spends.get("/api/chats").json()["items"][1]["id"]
        answer = spends.get(f"/api/chats/{answered}/messages").json()["items"][1]["id"]
        assert refused(spends.post(f"/api/chats/{answered}/messages/{answer}/regenerate"))
        assert spends.get("/api/kb/search?q=port").status_code == 200
        assert ask(waits).status_code == 201
        assert spends.get("/api/session").json()["tokens"] == tokens(metered, "spends")
    told = tokens(metered, "spends")
    assert (told["used"], told["limit"], told["resets_at"][10:]) == (2 * TURN, 2 * TURN, "T00:00:00Z")
    assert tokens(metered, "waits")["used"] == TURN
    with metered.client() as anyone:
        text = anyone.get("/metrics").text
    assert 'kb_agent_access_refused_total{code="quota_exhausted"} 2.0' in text
    assert "kb_agent_quotas_exhausted 1.0" in text
    assert "spends" not in text


def test_answers_that_are_not_stored_count_too_and_clients_do_not_ask_again(metered: Keyring) -> None:
    with openai.OpenAI(base_url=f"{metered.server.base_url}/v1", api_key=metered.make("openai")) as client:
        client.chat.completions.create(model="kb-agent", messages=QUESTION)
        list(client.chat.completions.create(model="kb-agent", messages=QUESTION, stream=True))
        assert tokens(metered, "openai")["used"] == 2 * TURN
        with pytest.raises(openai.RateLimitError) as caught:
            client.responses.create(model="kb-agent", input="Which port?")
    assert (caught.value.code, caught.value.response.headers["x-should-retry"]) == ("quota_exhausted", "false")
    with metered.client() as anyone:
        text = anyone.get("/metrics").text
    asked = 'kb_agent_http_requests_total{method="POST",route="/v1/responses",status="429"} '
    assert [line.removeprefix(asked) for line in text.splitlines() if line.startswith(asked)] == ["1.0"]


def test_a_key_has_a_number_of_its_own_that_can_be_changed_and_is_handed_on(metered: Keyring) -> None:
    made = metered.call("POST", "/api/keys", json={"name": "small", "tokens_a_day": 1})
    assert (made["tokens_a_day"], made["tokens"]["limit"]) == (1, 1)
    with metered.client(made["key"]) as client:
        assert ask(client).status_code == 201  # what runs goes on to its end, whatever it takes
        assert refused(ask(client))
        changed = metered.call("PATCH", "/api/keys/small", json={"tokens_a_day": TURN + 1})
        assert [key["tokens"]["used"] for key in changed["items"]] == [TURN]
        assert ask(client).status_code == 201
        assert refused(ask(client))
    rotated = metered.call("POST", "/api/keys/small/rotate")
    assert (rotated["tokens_a_day"], rotated["tokens"]["used"]) == (TURN + 1, 2 * TURN)
    with metered.client(rotated["key"]) as client:
        assert refused(ask(client))
        metered.call("PATCH", "/api/keys/small", json={"tokens_a_day": 0})
        assert [ask(client).status_code for _ in range(2)] == [201, 201]
        metered.call("PATCH", "/api/keys/small", json={"tokens_a_day": None})
        assert refused(ask(client))


def test_a_number_that_is_none_changes_nothing(metered: Keyring) -> None:
    metered.make("kept")
    with metered.client(ADMIN_KEY) as admin:
        for number in (-1, 1.5, "7", True, 10**15):
            assert admin.patch("/api/keys/kept", json={"tokens_a_day": number}).status_code == 422
            assert admin.post("/api/keys", json={"name": "new", "tokens_a_day": number}).status_code == 422
        assert admin.patch("/api/keys/kept", json={}).status_code == 422
        assert admin.patch("/api/keys/kept", json={"tokens_a_day": 2.0 * TURN}).status_code == 200
        assert admin.patch("/api/keys/nobody", json={"tokens_a_day": 1}).json()["code"] == "key_not_found"
    assert tokens(metered, "kept")["limit"] == 2 * TURN


def test_a_repeat_of_what_was_taken_is_no_new_question(metered: Keyring) -> None:
    with metered.client(metered.make("repeats")) as client:
        chat = client.post("/api/chats").json()["id"]
        sent: Any = {"json": {"content": "Which port?"}, "headers": {"Idempotency-Key": "once"}}
        first = client.post(f"/api/chats/{chat}/messages", **sent)
        ask(client)
        assert refused(ask(client))
        again = client.post(f"/api/chats/{chat}/messages", **sent)
        assert (again.status_code, again.json()) == (201, first.json())


def test_a_stopped_answer_is_not_free(metered: Keyring, model: FakeLLM) -> None:
    with metered.client(metered.make("stops")) as client:
        model.reply(text_script("word " * 500, pause=0.05))
        chat, asked = client.post("/api/chats").json()["id"], len(model.requests)
        posted = client.post(
            f"/api/chats/{chat}/messages", json={"content": "Hello"}, headers={"Prefer": "respond-async"}
        ).json()
        assert model.wait(lambda: len(model.requests) > asked)
        stopped = client.post(f"/api/chats/{chat}/messages/{posted['id']}/cancel").json()
        assert stopped["usage"]["prompt_tokens"] == 0
    assert tokens(metered, "stops")["used"] > TURN


def test_an_answer_is_stopped_by_nobody_but_its_owner(metered: Keyring, model: FakeLLM) -> None:
    with metered.client(metered.make("asks")) as owner, metered.client(metered.make("meddles")) as other:
        model.reply(FAULTS["stall-after-text"])
        answer = ask(owner, Prefer="respond-async").headers["location"]
        assert other.post(f"{answer}/cancel").status_code == 404
        assert owner.get(answer).json()["completed_at"] is None
        assert owner.post(f"{answer}/cancel").json()["status"] == "cancelled"


def test_what_was_used_is_known_after_a_kill_and_the_reader_costs_nothing(tmp_path: Path, model: FakeLLM) -> None:
    with opened(tmp_path, model, TOKENS_A_DAY=str(TURN)) as keyring:
        key, server = keyring.make("kept"), keyring.server
        with keyring.client(key) as client:
            assert ask(client).status_code == 201
        server.kill()
        server.start()
        with keyring.client(key) as client:
            assert refused(ask(client))
        server.stop()
        with Server(tmp_path, {"TOKENS_A_DAY": "1"}) as quoting, Keyring(quoting).client(key) as client:
            assert [ask(client).json()["model"] for _ in range(2)] == ["built-in-reader"] * 2
            assert client.get("/api/session").json()["tokens"]["used"] == TURN


def test_all_without_a_key_are_one_caller_and_the_command_line_is_told(tmp_path: Path, model: FakeLLM) -> None:
    settings = {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "fake", "TOKENS_A_DAY": str(TURN)}
    (tmp_path / "knowledge").mkdir()
    with Server(tmp_path, settings) as server:
        with server.client() as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
            assert ask(client).status_code == 201
            assert client.get("/api/session").json()["tokens"]["used"] >= TURN
        done = kb_agent(tmp_path, "ask", "Which port?")
        assert (done.returncode, "tokens a day is used up" in done.stderr) == (1, True)

        made = json.loads(kb_agent(tmp_path, "keys", "create", "ann", "--tokens-a-day", "5000", "--json").stdout)
        assert (made["tokens"]["limit"], made["tokens"]["used"]) == (5000, 0)
        table = kb_agent(tmp_path, "keys", "limit", "ann", "--tokens-a-day", "200000").stdout
        assert "0 of 200,000" in table
        assert f"0 of {TURN}" in kb_agent(tmp_path, "keys", "limit", "ann").stdout
        kb_agent(tmp_path, "keys", "limit", "ann", "--tokens-a-day", "0")
        assert "of" not in kb_agent(tmp_path, "keys", "list").stdout.splitlines()[-1]
