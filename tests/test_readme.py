"""The commands of the documents do what is said of them: run for real against a server over the sample knowledge.

They are those of the README, then of the reference, then of the operators' manual, as somebody would who reads on.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from service.chats.events import TERMINAL, EventType
from tests.architecture.source import ROOT
from tests.cutting import CuttingProxy
from tests.documents import OPERATIONS, README, REFERENCE, Fence, document
from tests.server import Event, Server, events, eventually, parsed

pytestmark = pytest.mark.e2e

ADDRESS = "http://127.0.0.1:8000"
OF_OTHERS = {"ollama", "llama-server", "vllm", "sudo"}  # programs that a reader may not have, or the right to use
OF_THE_CHECKOUT = {"scripts/run", "scripts/test"}  # the first is tried below, the second is running this test
SECONDS = 200.0
# A busy machine may need more seconds than the document gives; curl ends with an error once nobody reads on.
UNTIL_ANSWERED = r"""
curl() {
    [[ $* == *--max-time* ]] || { command curl "$@"; return; }
    { command curl "${@/#3/200}" || [ $? = 23 ]; } | sed '/^event: answer.completed/,/^$/{/^$/q}'
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("readme")
    with (
        Server(folder, {"KNOWLEDGE_DIR": str(ROOT / "knowledge"), "SSE_HEARTBEAT": "0.5"}) as running,
        running.client() as client,
    ):
        eventually(lambda: client.get("/readyz").status_code == 200, what="readiness")
        eventually(lambda: client.get("/api/kb/status").json()["pending"] == 0, what="the first indexing")
        yield running


def blocks(language: str) -> list[Fence]:
    """The documents' blocks of a language."""
    executed = (README, REFERENCE, OPERATIONS)
    return [fence for path in executed for fence in document(path).fences if fence.language == language]


def program(fence: Fence) -> str:
    """What a shell block runs first."""
    words = (word for word in fence.text.split() if "=" not in word)
    return next(words)


def run(command: Sequence[str], server: Server) -> str:
    """Run a program as a reader would, beside the server; give its standard output."""
    port = server.base_url.rpartition(":")[2]
    done = subprocess.run(
        command,
        cwd=server.data.parent,
        env={**os.environ, "HOST": "127.0.0.1", "PORT": port, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_shell_blocks_run_in_their_order(server: Server) -> None:
    """A line of its own goes before each; the stream that has no end is read to that of its answer."""
    ours = [fence for fence in blocks("sh") if program(fence) not in OF_OTHERS | OF_THE_CHECKOUT]
    lines = ["set -euo pipefail", UNTIL_ANSWERED]
    for number, fence in enumerate(ours):
        lines += [f"echo; echo '== {number}'", fence.text]
    script = "\n".join(lines).replace(ADDRESS, server.base_url)
    bash = shutil.which("bash") or "bash"
    kb_agent = str(Path(sys.executable).parent / "kb-agent")

    shown = run([bash, "-c", script.replace(".venv/bin/kb-agent", kb_agent)], server)

    told, answer, stream, completion, again, resumed, ready, metrics, backup, drill, erased = re.split(
        r"^== \d+\n", shown, flags=re.MULTILINE
    )[1:]
    assert "streaming/resume.md:" in told
    assert cited(json.loads(answer)) == cited(json.loads(again)) == "streaming/resume.md"
    assert finished(stream)["outcome"] == "grounded"
    accepted, _, rest = resumed.partition("retry: ")
    assert json.loads(accepted)["status"] in {"queued", "running"}
    assert finished(f"retry: {rest}")["id"] == json.loads(accepted)["id"]
    annotation, *_ = json.loads(completion)["choices"][0]["message"]["annotations"]
    assert annotation["file_citation"]["document"] == "streaming/resume.md"
    assert json.loads(ready)["ready"] is True
    assert "\nkb_agent_turns_open 0.0\n" in metrics
    folder = server.data.parent
    assert backup.startswith("copied to backups/kb-agent-2")
    assert len(list((folder / "backups").iterdir())) == 1
    assert "restored to drill/kb-agent.db: " in drill
    assert (folder / "drill/kb-agent.db").exists()
    with server.client() as client:
        chats = [chat["id"] for chat in client.get("/api/chats").json()["items"]]
    assert erased.strip() == ""
    assert json.loads(again)["chat_id"] not in chats
    assert json.loads(answer)["chat_id"] in chats


def cited(answer: dict[str, Any]) -> str:
    """The document that a grounded answer rests on."""
    assert (answer["status"], answer["outcome"]) == ("completed", "grounded")
    return str(answer["citations"][0]["document"])


def finished(stream: str) -> dict[str, Any]:
    """The message that a stream ended with, whose text the stream has told."""
    found = list(parsed(iter(stream.splitlines())))
    end = next(event for event in found if event.type in TERMINAL)
    text = "".join(event.data["text"] for event in found if event.type == EventType.ANSWER_DELTA)
    message: dict[str, Any] = end.data["message"]
    assert text == message["content"]
    return message


def test_the_python_example_shows_the_answer_once_over_a_network_that_keeps_breaking(
    server: Server, tmp_path: Path
) -> None:
    (fence,) = blocks("python")
    example = tmp_path / "example.py"
    with CuttingProxy(int(server.base_url.rpartition(":")[2]), [900, 40, 2500]) as proxy:
        example.write_text(fence.text.replace(ADDRESS, proxy.base_url), "utf-8")
        shown = run([sys.executable, "-W", "error", str(example)], server)
        assert proxy.connections > 3

    with server.client() as client:
        chat = client.get("/api/chats").json()["items"][0]
        question, answer = client.get(f"/api/chats/{chat['id']}/messages").json()["items"]
    assert question["role"] == "user"
    assert shown.startswith(f"{answer['content']}\ngrounded, by built-in-reader\n[1] streaming/resume.md:")


def test_a_shell_block_that_is_not_run_is_another_programs_or_a_script_that_exists() -> None:
    for fence in blocks("sh"):
        if (first := program(fence)) in OF_THE_CHECKOUT:
            assert os.access(ROOT / first, os.X_OK)
            assert fence.text.strip() == first
    assert {program(fence) for fence in blocks("sh")} >= OF_OTHERS | OF_THE_CHECKOUT


def test_one_command_starts_the_service_over_the_sample(tmp_path: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [ROOT / "scripts/run", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ready: http://127.0.0.1:" in line
        assert httpx2.get(line.split("ready: ")[1].strip() + "/", timeout=60).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_the_events_carry_what_the_reference_lists(tmp_path: Path) -> None:
    listed = {
        name: set(re.findall(r"`(\w+)`", cells[0])) for name, cells in document(REFERENCE).table("events").items()
    }
    with Server(tmp_path) as own, own.client() as client:
        own.knowledge.mkdir()
        (own.knowledge / "ports.md").write_text("# Ports\n\nThe lighthouse service listens on port 8123.\n")
        told = list(everything(client))

    assert {event.type: set(event.data) for event in told} == {
        name: fields for name, fields in listed.items() if name in {event.type for event in told}
    }
    rare = {EventType.ANSWER_RESET, EventType.TURN_FAILED, EventType.TURN_CANCELLED}
    assert set(listed) - {event.type for event in told} <= rare


def everything(client: httpx2.Client) -> Iterator[Event]:
    """Do what makes events, and listen."""
    with events(client, "GET", "/api/events", {"Last-Event-ID": "999999"}) as heard:
        yield next(heard)
        chat = client.post("/api/chats", json={"title": "Ports"}).json()["id"]
        eventually(lambda: client.get("/api/kb/status").json()["indexed"] == 1, what="the indexing")
        client.patch(f"/api/chats/{chat}", json={"title": "Harbours"})
        asked = {"content": "On which port does the lighthouse service listen?"}
        with events(client, "POST", f"/api/chats/{chat}/messages", json=asked) as turn:
            told = list(turn)
        yield from told
        answer = f"/api/chats/{chat}/messages/{told[-1].data['message']['id']}"
        client.put(f"{answer}/feedback", json={"rating": "up"})
        client.delete(f"/api/chats/{chat}")
        for event in heard:
            yield event
            if event.type == EventType.CHAT_DELETED:
                return
