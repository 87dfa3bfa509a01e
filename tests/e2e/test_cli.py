"""The command line: against a running server, and by itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import generated_docs
from tests.server import Server
from tests.terminal import environment, kb_agent

pytestmark = pytest.mark.e2e

QUESTION = "On which port does the lighthouse service listen?"


def test_a_question_is_answered_with_its_steps_and_sources_without_a_server(folder: Path) -> None:
    done = kb_agent(folder, "ask", QUESTION)
    assert done.returncode == 0, done.stderr
    assert "8123" in done.stdout
    assert "[1] guide/ports.md:3-3" in done.stdout
    assert "search_kb" in done.stderr
    assert "--chat chat_" in done.stderr


def test_a_running_server_is_asked_and_a_chat_goes_on(shared: Server, folder: Path) -> None:
    first = kb_agent(folder, "ask", QUESTION, "--json", "--server", shared.base_url)
    message = json.loads(first.stdout)
    assert (message["outcome"], message["citations"][0]["document"]) == ("grounded", "guide/ports.md")
    second = kb_agent(
        folder, "ask", "Who is its keeper?", "--chat", message["chat_id"], "--json", "--server", shared.base_url
    )
    assert json.loads(second.stdout)["chat_id"] == message["chat_id"]
    assert not (folder / "data").exists()


def test_a_search_prints_places_and_excerpts(shared: Server, folder: Path) -> None:
    done = kb_agent(folder, "search", "lighthouse logs", "--server", shared.base_url)
    assert (done.returncode, "guide/logs.md:" in done.stdout) == (0, True)
    nothing = kb_agent(folder, "search", "zeppelin", "--server", shared.base_url, "--json")
    assert (nothing.returncode, json.loads(nothing.stdout)["hits"]) == (1, [])


def test_no_proxy_stands_between_the_command_line_and_its_own_machine(shared: Server, folder: Path) -> None:
    done = kb_agent(
        folder, "search", "lighthouse logs", "--server", shared.base_url, HTTP_PROXY="http://127.0.0.1:9"
    )
    assert done.returncode == 0, done.stderr


def test_an_explained_search_prints_what_matched_and_the_parts_of_each_score(shared: Server, folder: Path) -> None:
    done = kb_agent(folder, "search", "lihgthouse", "--explain", "--server", shared.base_url)
    assert done.returncode == 0, done.stderr
    assert "matched by: words that are like those asked" in done.stdout
    assert "lighthouse: weight" in done.stdout
    plain = kb_agent(folder, "search", "lihgthouse", "--server", shared.base_url)
    assert ("Searched instead: lighthouse" in plain.stdout, "weight" in plain.stdout) == (True, False)


def test_indexing_tells_what_changed_and_why_a_file_was_skipped(folder: Path) -> None:
    (folder / "knowledge" / "photo.md").write_bytes(b"\x89PNG\x00\x01")
    done = kb_agent(folder, "index")
    assert done.returncode == 0, done.stderr
    assert "3 documents indexed" in done.stdout
    assert "skipped photo.md: not_text" in done.stdout


def test_bad_settings_end_with_one_line_each_and_code_2(folder: Path) -> None:
    done = kb_agent(folder, "serve", PORT="many", LLM_MAX_CALLS="0")
    assert done.returncode == 2
    assert "PORT: got 'many'" in done.stderr
    assert "LLM_MAX_CALLS: got '0'" in done.stderr
    assert "Traceback" not in done.stderr


def test_serving_others_without_keys_is_refused(folder: Path) -> None:
    done = kb_agent(folder, "serve", "--host", "0.0.0.0")
    assert (done.returncode, "ALLOW_ANONYMOUS" in done.stderr) == (2, True)


def test_a_port_that_is_taken_is_said(shared: Server, folder: Path) -> None:
    done = kb_agent(folder, "serve", "--port", shared.base_url.rsplit(":", 1)[1])
    assert (done.returncode, "PORT" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_a_damaged_database_ends_with_code_3_and_is_left_alone(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    (data / "kb-agent.db").write_bytes(b"not a database at all " * 300)
    done = kb_agent(folder, "serve", "--port", "0")
    assert (done.returncode, "restore a backup" in done.stderr, "Traceback" in done.stderr) == (3, True, False)
    assert (data / "kb-agent.db").read_bytes() == b"not a database at all " * 300


def test_a_data_directory_in_use_ends_with_code_4(shared: Server, folder: Path) -> None:
    done = kb_agent(folder, "serve", "--port", "0", DATA_DIR=str(shared.data))
    assert (done.returncode, "another process" in done.stderr) == (4, True)


def test_the_server_of_the_data_directory_is_found_wherever_it_listens(shared: Server, folder: Path) -> None:
    (folder / "knowledge" / "guide" / "ports.md").unlink()
    done = kb_agent(folder, "search", "ports", DATA_DIR=str(shared.data))
    assert (done.returncode, "guide/ports.md:" in done.stdout) == (0, True)


def test_a_document_name_with_a_slip_gets_the_names_that_exist(shared: Server, folder: Path) -> None:
    done = kb_agent(folder, "read", "guide/port.md", DATA_DIR=str(shared.data))
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no such document." in done.stderr
    assert "did you mean guide/ports.md?" in done.stderr


def test_what_the_server_refuses_is_said_once_and_in_its_words(shared: Server, folder: Path) -> None:
    for arguments, said in (
        (["read", "guide/ports.md", "--lines", "500"], "kb-agent: the document has 5 lines\n"),
        (["chats", "rename", "chat_1", "a" * 201], "kb-agent: title: must have at most 200 characters\n"),
        (["keys", "create", "-"], "kb-agent: a name has 1 to 64 letters"),
    ):
        done = kb_agent(folder, *arguments, DATA_DIR=str(shared.data))
        assert (done.returncode, done.stdout, done.stderr[: len(said)]) == (1, "", said)


def test_a_topic_without_a_match_is_named(shared: Server, folder: Path) -> None:
    done = kb_agent(folder, "search", "ports", "--topic", "people", DATA_DIR=str(shared.data))
    assert (done.returncode, "Nothing in the topic people matches" in done.stdout) == (1, True)


def test_a_full_disk_under_the_output_is_said(shared: Server, folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "service", "search", "ports"],
            env=environment(folder, {"DATA_DIR": str(shared.data)}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "kb-agent: there is no space left where the output goes\n")


def test_a_server_that_is_not_there_is_said(folder: Path) -> None:
    done = kb_agent(folder, "ask", "anyone?", "--server", "http://127.0.0.1:9")
    assert (done.returncode, "is it running?" in done.stderr) == (1, True)


def test_each_command_has_help_with_an_example() -> None:
    for name, command in generated_docs.commands().items():
        assert f"Example: kb-agent {name}" in (command.help or "") or name == "mcp", name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


def test_help_is_shown(folder: Path) -> None:
    done = kb_agent(folder, "chats", "export", "--help")
    assert (done.returncode, "Example: kb-agent chats export" in done.stdout) == (0, True)
