"""`kb-agent ask` without a question: at a real terminal, and from a pipe."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import serving, write_documents
from tests.fake_llm import FakeLLM
from tests.fake_wire import call_delta, calls
from tests.server import Server, free_port
from tests.terminal import Terminal, kb_agent

pytestmark = pytest.mark.e2e

PORT = "On which port does the lighthouse service listen?"
KEEPER = "Who is the keeper of the lighthouse?"


@pytest.fixture(scope="module")
def model() -> Iterator[FakeLLM]:
    with FakeLLM() as running:
        yield running


@pytest.fixture(scope="module")
def server(model: FakeLLM, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("conversation"), model) as running:
        yield running


def test_a_conversation_at_the_terminal_keeps_to_one_chat_until_told_otherwise(
    server: Server, tmp_path: Path
) -> None:
    with Terminal(tmp_path, "ask", "--server", server.base_url) as terminal:
        terminal.expect("Ctrl+D leaves")
        terminal.expect("> ")
        terminal.press("/sources\n")
        terminal.expect("no answer yet")
        terminal.expect("> ")
        terminal.press(f"{PORT}\n")
        terminal.expect("BEACON_PORT")
        terminal.expect("every citation stands")
        terminal.expect("> ")
        terminal.press("/sources\n")
        terminal.expect("    Set BEACON_PORT to change the port.")
        terminal.expect("> ")
        terminal.press("/colour\n")
        terminal.expect("/new begins another chat")
        terminal.expect("> ")
        terminal.press("/new\n")
        terminal.expect("> ")
        terminal.press("\x1b[A\n")  # up: the question before, no command
        terminal.expect("every citation stands")
        terminal.expect("> ")
        terminal.press("\x04")
        terminal.expect("goes on from here")
        assert terminal.ended() == 0
    with server.client() as client:
        chats = client.get("/api/chats", params={"limit": 2}).json()["items"]
    assert [chat["title"] for chat in chats] == [PORT, PORT]


def test_a_history_is_kept_for_the_user_alone(server: Server, tmp_path: Path) -> None:
    for keys in (f"{KEEPER}\n", "\x1b[A\n"):
        with Terminal(tmp_path, "ask", "--server", server.base_url) as terminal:
            terminal.expect("> ")
            terminal.press(keys)
            terminal.expect("Ada Morgan")
            terminal.expect("> ")
            terminal.press("/quit\n")
            assert terminal.ended() == 0
    history = tmp_path / "state/kb-agent/history"
    assert history.read_text().splitlines()[0] == KEEPER
    assert history.stat().st_mode & 0o077 == 0


def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(
    server: Server, model: FakeLLM, tmp_path: Path
) -> None:
    with Terminal(tmp_path, "ask", "--server", server.base_url) as terminal:
        terminal.expect("> ")
        terminal.press("half a line")
        terminal.expect("half a line")  # the prompt has begun to listen
        terminal.interrupt("> ")
        model.say("slow " * 600, pause=0.1)
        terminal.press("hello\n")
        terminal.expect("slow slow")
        terminal.press("\x03")
        terminal.expect("stopped")
        assert model.wait(lambda: model.disconnects > 0)
        terminal.expect("> ")
        terminal.press(f"{PORT}\n")
        terminal.expect("BEACON_PORT")
        terminal.expect("> ")
        terminal.press("\x04")
        assert terminal.ended() == 0


def test_what_is_pasted_is_one_question(server: Server, tmp_path: Path) -> None:
    with Terminal(tmp_path, "ask", "--server", server.base_url) as terminal:
        terminal.expect("> ")
        terminal.press("\x1b[200~On which port does\nthe lighthouse service listen?\x1b[201~\n")
        terminal.expect("every citation stands")
        terminal.expect("> ")
        terminal.press("\x04")
        assert terminal.ended() == 0
    with server.client() as client:
        chat = client.get("/api/chats", params={"limit": 1}).json()["items"][0]["id"]
        messages = client.get(f"/api/chats/{chat}/messages").json()["items"]
    assert messages[0]["content"] == "On which port does\nthe lighthouse service listen?"


def test_what_was_withdrawn_is_marked_at_a_terminal_and_goes_into_no_file(
    server: Server, model: FakeLLM, tmp_path: Path
) -> None:
    def script() -> None:
        model.call("search_kb", {"query": "lighthouse"})
        search = call_delta(0, "call_0", "search_kb", '{"query": "port"}')
        model.reply(calls({"content": "Let me look that up."}, search))
        model.say("It is 8123 [1].")

    script()
    with Terminal(tmp_path, "ask", PORT, "--server", server.base_url) as terminal:
        terminal.expect("Let me look that up.")
        terminal.expect("withdrawn")
        terminal.expect("It is 8123 [1].")
        assert terminal.ended() == 0
    script()
    done = kb_agent(tmp_path, "ask", PORT, "--server", server.base_url)
    assert done.stdout.splitlines()[0] == "It is 8123 [1]."


def test_what_a_model_writes_cannot_command_the_terminal(server: Server, model: FakeLLM, tmp_path: Path) -> None:
    with Terminal(tmp_path, "ask", "--server", server.base_url) as terminal:
        terminal.expect("> ")
        model.say("It is \x1b]0;owned\x07 done.")
        terminal.press("Hello?\n")
        shown = terminal.expect("done.")
        terminal.expect("> ")
        terminal.press("\x04")
        assert terminal.ended() == 0
    assert "\x1b]0;owned" not in shown
    assert "]0;owned" in shown


def test_each_line_of_a_pipe_is_a_question_of_one_chat(server: Server, tmp_path: Path) -> None:
    done = kb_agent(tmp_path, "ask", "--json", "--server", server.base_url, given=f"{PORT}\n\n{KEEPER}\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [answer["outcome"] for answer in answers]) == (0, ["grounded", "grounded"])
    assert answers[0]["chat_id"] == answers[1]["chat_id"]
    assert "> " not in done.stdout
    assert not (tmp_path / "state").exists()


def test_a_pipe_goes_on_after_a_refusal_and_tells_it_by_its_code(server: Server, tmp_path: Path) -> None:
    done = kb_agent(
        tmp_path, "ask", "--chat", "chat_nowhere", "--server", server.base_url, given=f"{PORT}\n/new\n{PORT}\n"
    )
    assert (done.returncode, "BEACON_PORT" in done.stdout, "no such chat" in done.stderr) == (1, True, True)


def test_ctrl_c_stops_the_answer_to_a_single_question(server: Server, model: FakeLLM, tmp_path: Path) -> None:
    before = model.disconnects
    model.say("slow " * 600, pause=0.1)
    with Terminal(tmp_path, "ask", "hello", "--server", server.base_url) as terminal:
        terminal.expect("slow slow")
        terminal.press("\x03")
        assert terminal.ended() == 130
    assert model.wait(lambda: model.disconnects > before)


def test_an_answer_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    with FakeLLM() as model:
        settings = {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "fake", "PORT": str(free_port())}
        with Server(write_documents(tmp_path), settings) as server:
            model.say("before " * 600, pause=0.1)
            with Terminal(tmp_path, "ask", "hello", DATA_DIR=str(server.data)) as terminal:
                terminal.expect("before before")
                server.kill()
                model.say("And after.")
                with Server(tmp_path, settings):
                    terminal.expect("And after.")
                    assert terminal.ended() == 0


def test_an_answer_that_ended_while_the_connection_was_lost_for_long_is_told(tmp_path: Path) -> None:
    with FakeLLM() as model:
        settings = {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "fake", "PORT": str(free_port())}
        settings["RESUME_TURNS"] = "false"
        with Server(write_documents(tmp_path), settings) as server:
            model.say("before " * 600, pause=0.1)
            with Terminal(tmp_path, "ask", "hello", DATA_DIR=str(server.data)) as terminal:
                terminal.expect("before before")
                server.kill()
                with contextlib.closing(sqlite3.connect(server.data / "kb-agent.db")) as database, database:
                    database.execute("DELETE FROM events")  # as they are after some days
                with Server(tmp_path, settings):
                    terminal.expect("interrupted: the service was restarted")
                    assert terminal.ended() == 1
