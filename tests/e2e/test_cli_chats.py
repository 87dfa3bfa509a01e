"""Chats, documents and the interface's description at the command line, with and without a key."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.architecture.source import ROOT
from tests.e2e.conftest import DOCUMENTS, write_documents
from tests.server import Server, eventually
from tests.terminal import Terminal, kb_agent

pytestmark = pytest.mark.e2e

KEY = "an-admin-key-of-forty-two-characters-or-so"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for a key."""
    with Server(write_documents(tmp_path_factory.mktemp("chats")), {"ADMIN_KEY": KEY}) as running:
        with running.client() as client:
            headers = {"Authorization": f"Bearer {KEY}"}
            eventually(lambda: client.get("/api/kb/status", headers=headers).json()["indexed"] == len(DOCUMENTS))
        yield running


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    return str(path)


def test_a_chat_is_listed_shown_renamed_exported_and_deleted(server: Server, tmp_path: Path, key: str) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done = kb_agent(tmp_path, "--key-file", key, *arguments, "--server", server.base_url)
        assert done.returncode == code, done.stderr
        return done.stdout

    asked = json.loads(run("ask", "On which port does the lighthouse listen?", "--json"))
    chat = asked["chat_id"]
    assert run("chats", "list").splitlines()[1].split()[0] == chat
    assert json.loads(run("chats", "list", "--json", "--query", "lighthouse"))[0]["id"] == chat
    assert "No chat" in run("chats", "list", "--query", "zeppelin", code=1)
    assert "is now called Harbours" in run("chats", "rename", chat, "Harbours")
    shown = run("chats", "show", chat)
    assert "Harbours" in shown
    assert "> On which port does the lighthouse listen?" in shown
    assert "[1] guide/ports.md:3-3" in shown
    assert run("chats", "export", chat).startswith("# Harbours\n")
    assert run("chats", "export", chat, "--format", "json", "-o", str(tmp_path / "chat.json")) == ""
    assert json.loads((tmp_path / "chat.json").read_text()) == json.loads(run("chats", "show", chat, "--json"))
    assert json.loads(run("chats", "delete", chat, "--yes", "--json")) == {"deleted": [chat]}
    run("chats", "show", chat, code=1)


def test_a_chat_is_deleted_only_when_that_is_meant(server: Server, tmp_path: Path) -> None:
    where = {"API_KEY": KEY}
    chat = json.loads(kb_agent(tmp_path, "ask", "hello", "--json", "--server", server.base_url, **where).stdout)
    with Terminal(tmp_path, "chats", "delete", chat["chat_id"], "--server", server.base_url, **where) as terminal:
        terminal.expect("for good?")
        terminal.press("n\n")
        assert terminal.ended() == 1
    shown = kb_agent(tmp_path, "chats", "show", chat["chat_id"], "--server", server.base_url, **where)
    assert shown.returncode == 0


def test_without_its_key_a_server_says_where_the_command_line_takes_one_from(
    server: Server, tmp_path: Path
) -> None:
    done = kb_agent(tmp_path, "chats", "list", "--server", server.base_url)
    assert (done.returncode, "API_KEY" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    (tmp_path / "wrong").write_text("two words\n")
    done = kb_agent(tmp_path, "--key-file", "wrong", "chats", "list", "--server", server.base_url)
    assert (done.returncode, "two words" in done.stderr, "Traceback" in done.stderr) == (2, False, False)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ((), DOCUMENTS["guide/ports.md"].rstrip("\n")),
        (("--lines", "3"), "The lighthouse service listens on port 8123."),
        (("--lines", "3-5"), "\n".join(DOCUMENTS["guide/ports.md"].splitlines()[2:5])),
        (("--lines", "-2"), "# Ports\n"),
        (("--lines", "5-"), "Set BEACON_PORT to change the port."),
    ],
)
def test_a_document_is_read_as_it_is(shared: Server, tmp_path: Path, lines: tuple[str, ...], text: str) -> None:
    done = kb_agent(tmp_path, "read", "guide/ports.md", *lines, "--server", shared.base_url)
    assert (done.returncode, done.stdout) == (0, f"{text}\n")


def test_wrong_lines_and_names_are_said(shared: Server, tmp_path: Path) -> None:
    for lines in ("x", "-", "9-3", "0"):
        done = kb_agent(tmp_path, "read", "guide/ports.md", "--lines", lines, "--server", shared.base_url)
        assert (done.returncode, "--lines" in done.stderr) == (2, True)
    done = kb_agent(tmp_path, "read", "guide/port.md", "--server", shared.base_url)
    assert (done.returncode, "no such document" in done.stderr) == (1, True)


@pytest.mark.parametrize("question", ["", "a" * 33_000])
def test_a_question_that_cannot_be_asked_leaves_no_chat_behind(
    server: Server, tmp_path: Path, question: str
) -> None:
    def chats() -> list[object]:
        with server.client() as client:
            page = client.get("/api/chats", headers={"Authorization": f"Bearer {KEY}"}).json()
        return list(page["items"])

    before = chats()
    done = kb_agent(tmp_path, "ask", question, "--server", server.base_url, API_KEY=KEY)
    assert ("takes" in done.stderr, "Traceback" in done.stderr, chats()) == (True, False, before)


@pytest.mark.parametrize(
    ("command", "takes"),
    [
        (("ask", " \n"), "a question"),
        (("ask", "caf\udce9"), "a question"),
        (("ask", "hi", "--chat", ""), "the id of a chat"),
        (("ask", "hi", "--chat", "\udcff"), "the id of a chat"),
        (("search", " "), "what to look for"),
        (("search", "hi", "--topic", "\udcff"), "a topic"),
        (("search", "hi", "--server", ""), "an address such as http://"),
        (("search", "hi", "--server", "localhost:8000"), "an address such as http://"),
        (("search", "hi", "--server", "http://localhost:99999"), "an address such as http://"),
        (("search", "hi", "--server", "http://[::1"), "an address such as http://"),
        (("read", ""), "the name of a document"),
        (("read", "ports.md", "--revision", "\udcff"), "a revision"),
        (("index", "--wait", "a.md", ""), "the name of a document"),
        (("chats", "show", " "), "the id of a chat"),
        (("chats", "delete", "--yes", "chat_1", ""), "the id of a chat"),
        (("chats", "rename", "chat_1", ""), "a title"),
        (("chats", "list", "--query", "\udcff"), "words"),
        (("keys", "revoke", ""), "the name of a key"),
    ],
)
def test_an_argument_that_says_nothing_is_refused_before_anything_is_done(
    command: tuple[str, ...], takes: str
) -> None:
    done = CliRunner().invoke(app, command, env={"COLUMNS": "300"})
    assert (done.exit_code, f"takes {takes}" in done.stderr) == (2, True)


def test_dots_in_a_name_lead_to_no_other_address(shared: Server, tmp_path: Path) -> None:
    for name in ("../status", "."):
        done = kb_agent(tmp_path, "read", name, "--server", shared.base_url)
        assert (done.returncode, done.stderr) == (1, "kb-agent: There is no such document.\n")


def test_the_openapi_document_is_printed_without_a_folder_or_a_server(tmp_path: Path) -> None:
    done = kb_agent(tmp_path, "openapi")
    assert done.stdout == (ROOT / "docs/openapi.json").read_text("utf-8")
    assert not (tmp_path / "data").exists()


def test_names_and_chats_are_completed_by_a_running_server(server: Server, tmp_path: Path) -> None:
    def completed(line: str) -> str:
        asked = {"_KB_AGENT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        done = subprocess.run(
            [Path(sys.executable).parent / "kb-agent"],
            env={"KNOWLEDGE_DIR": str(tmp_path), "DATA_DIR": str(server.data), "PORT": "1", **asked},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout

    assert completed("kb-agent read guide/").split() == ["guide/logs.md", "guide/ports.md"]
    assert set(completed("kb-agent chats ").split()) >= {"list", "show", "export"}
    assert "serve" in completed("kb-agent s").split()


def test_help_comes_without_loading_the_service() -> None:
    program = (
        "import sys; sys.argv = ['kb-agent', '--help']\n"
        "from service.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'fastapi', 'openai', 'rich', 'pydantic', 'httpx2', 'mcp'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Exit codes: 0 done" in done.stdout
