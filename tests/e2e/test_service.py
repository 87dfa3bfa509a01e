"""The service as people use it: a real process, real files, the built-in reader."""

import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server import Event, Server, events, eventually

pytestmark = pytest.mark.e2e

QUESTION = "On which port does the lighthouse service listen?"


def new_chat(client: httpx2.Client) -> str:
    response = client.post("/api/chats", json={})
    assert response.status_code == 201
    return str(response.json()["id"])


def ask(client: httpx2.Client, chat_id: str, question: str) -> dict[str, Any]:
    response = client.post(f"/api/chats/{chat_id}/messages", json={"content": question})
    assert response.status_code == 201, response.text
    message: dict[str, Any] = response.json()
    return message


def stream(client: httpx2.Client, chat_id: str, question: str) -> list[Event]:
    with events(client, "POST", f"/api/chats/{chat_id}/messages", json={"content": question}) as found:
        return list(found)


def indexed(client: httpx2.Client, count: int) -> bool:
    return bool(client.get("/api/kb/status").json()["indexed"] == count)


def test_a_question_gets_a_cited_answer_in_json(shared: Server, client: httpx2.Client) -> None:
    answer = ask(client, new_chat(client), QUESTION)
    assert (answer["status"], answer["outcome"], answer["role"]) == ("completed", "grounded", "assistant")
    assert "8123" in answer["content"]
    citation = answer["citations"][0]
    assert citation["marker"] in answer["content"]
    assert (citation["document"], citation["start_line"], citation["end_line"]) == ("guide/ports.md", 3, 3)
    assert citation["quote"] in (shared.knowledge / "guide/ports.md").read_text()
    assert next(step["name"] for step in answer["steps"]) == "search_kb"
    assert answer["model"] == "built-in-reader"


def test_the_same_answer_streams_event_by_event(client: httpx2.Client) -> None:
    chat_id = new_chat(client)
    found = stream(client, chat_id, QUESTION)
    kinds = [event.type for event in found]
    assert kinds[:3] == ["message.created", "message.created", "turn.started"]
    assert "step.completed" in kinds
    assert kinds[-1] == "answer.completed"
    message = found[-1].data["message"]
    assert "".join(e.data["text"] for e in found if e.type == "answer.delta") == message["content"]
    history = client.get(f"/api/chats/{chat_id}/messages").json()["items"]
    assert history[-1] == message


def test_a_client_that_leaves_resumes_at_the_character(client: httpx2.Client) -> None:
    chat_id = new_chat(client)
    path = f"/api/chats/{chat_id}/messages"
    with events(client, "POST", path, json={"content": QUESTION}) as found:
        first = next(event for event in found if event.type == "answer.delta")
    rest = []
    with events(client, "GET", f"/api/chats/{chat_id}/events", {"Last-Event-ID": first.id}) as found:
        for event in found:
            rest.append(event)
            if event.type == "answer.completed":
                break
    text = first.data["text"] + "".join(e.data["text"] for e in rest if e.type == "answer.delta")
    assert text == rest[-1].data["message"]["content"]
    assert all(e.type in {"answer.delta", "answer.completed"} for e in rest)

    path, same = f"/api/chats/{chat_id}/events", {"last_event_id": first.id}
    with events(client, "GET", path, params=same) as found:
        again = [next(found)]
        while again[-1].type != "answer.completed":
            again.append(next(found))
    assert first.data["text"] + "".join(e.data["text"] for e in again[:-1]) == text
    assert again[-1] == rest[-1]
    before = [first, *rest][-2]
    with events(client, "GET", path, {"Last-Event-ID": before.id}, params=same) as found:  # the header wins
        assert next(found) == rest[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_chats_are_as_they_were_after_the_process_ended(folder: Path, number: signal.Signals) -> None:
    server = Server(folder)
    with server, server.client() as client:
        eventually(lambda: indexed(client, 3))
        chat_id = new_chat(client)
        ask(client, chat_id, QUESTION)
        before = client.get(f"/api/chats/{chat_id}/messages").json()
        resume = stream(client, chat_id, "And who is the keeper?")[-2].id
        server.stop(number)
    with server, server.client() as client:
        after = client.get(f"/api/chats/{chat_id}/messages").json()
        assert after["items"][:2] == before["items"]
        assert [m["status"] for m in after["items"]] == ["completed"] * 4
        with events(client, "GET", f"/api/chats/{chat_id}/events", {"Last-Event-ID": resume}) as found:
            assert next(found).type == "answer.completed"


def test_an_edited_file_is_answered_from_soon_after(folder: Path) -> None:
    with Server(folder, {"KB_SCAN_INTERVAL": "3600"}) as server, server.client() as client:
        eventually(lambda: indexed(client, 3))
        chat_id = new_chat(client)
        assert "8123" in ask(client, chat_id, QUESTION)["content"]
        ports = folder / "knowledge" / "guide/ports.md"
        ports.write_text(ports.read_text().replace("8123", "9456"))
        eventually(lambda: "9456" in client.get("/api/kb/search", params={"q": "lighthouse port"}).text)
        answer = ask(client, new_chat(client), QUESTION)
        assert "9456" in answer["content"]
        assert "8123" not in answer["content"]


def test_new_and_deleted_files_are_noticed_and_told_to_subscribers(folder: Path) -> None:
    with Server(folder) as server, server.client() as client:
        eventually(lambda: indexed(client, 3))
        with events(client, "GET", "/api/events") as found:
            (folder / "knowledge" / "guide/fog.md").write_text("# Fog\n\nThe horn sounds every thirty seconds.\n")
            told = next(event for event in found if event.type == "kb.updated")
        assert told.data["added"] == ["guide/fog.md"]
        assert told.data["revision"] == client.get("/api/kb/status").json()["revision"]
        (folder / "knowledge" / "guide/fog.md").unlink()
        eventually(lambda: indexed(client, 3))
        assert client.get("/api/kb/documents/guide/fog.md").status_code == 404


def test_a_missing_folder_is_said_and_picked_up_when_it_appears(tmp_path: Path) -> None:
    with Server(tmp_path) as server, server.client() as client:
        eventually(lambda: client.get("/api/kb/status").json()["state"] == "missing")
        assert client.get("/readyz").json()["details"]["kb_state"] == "missing"
        answer = ask(client, new_chat(client), QUESTION)
        assert (answer["status"], answer["outcome"], answer["citations"]) == ("completed", "not_in_kb", [])
        server.knowledge.mkdir()
        (server.knowledge / "ports.md").write_text("# Ports\n\nThe lighthouse service listens on port 8123.\n")
        eventually(lambda: indexed(client, 1))
        assert "8123" in ask(client, new_chat(client), QUESTION)["content"]


def test_a_search_explains_its_scores_when_asked(client: httpx2.Client) -> None:
    asked = {"q": "lighthouse keeper port"}
    plain = client.get("/api/kb/search", params=asked).json()["hits"]
    hits = client.get("/api/kb/search", params=asked | {"explain": "true"}).json()["hits"]
    assert {hit["score_parts"] for hit in plain} == {None}
    assert [hit["score"] for hit in hits] == [hit["score"] for hit in plain] != []
    for hit in hits:
        assert abs(sum(part["score"] for part in hit["score_parts"]) - hit["score"]) < 1e-3


def test_an_answer_is_written_anew_and_the_former_one_stays(client: httpx2.Client) -> None:
    chat_id = new_chat(client)
    first = ask(client, chat_id, QUESTION)
    path = f"/api/chats/{chat_id}/messages/{first['id']}"
    second = client.post(f"{path}/regenerate").json()
    assert (second["status"], second["supersedes"], second["content"]) == (
        "completed",
        first["id"],
        first["content"],
    )
    history = client.get(f"/api/chats/{chat_id}/messages").json()["items"]
    assert [message["role"] for message in history] == ["user", "assistant", "assistant"]
    assert history[1]["superseded_by"] == second["id"]
    text = client.get(f"/api/chats/{chat_id}/export", params={"format": "markdown"}).text
    assert text.count("*A former answer; it was written anew.*") == 1
    assert text.index("*A former answer") < text.index(first["content"])
    again = client.post(f"{path}/regenerate")
    assert (again.status_code, again.json()["code"], again.json()["message_id"]) == (
        409,
        "already_superseded",
        second["id"],
    )
    question = client.post(f"/api/chats/{chat_id}/messages/{history[0]['id']}/regenerate")
    assert (question.status_code, question.json()["code"]) == (409, "not_an_answer")


def test_an_answer_has_one_rating_the_last_one(client: httpx2.Client) -> None:
    chat_id = new_chat(client)
    answer = ask(client, chat_id, QUESTION)
    path = f"/api/chats/{chat_id}/messages/{answer['id']}"
    assert answer["feedback"] is None
    place = client.get("/api/chats").json()["last_event_id"]
    client.put(f"{path}/feedback", json={"rating": "up"})
    rated = client.put(f"{path}/feedback", json={"rating": "down", "comment": "wrong port"}).json()
    assert rated["feedback"] == {"rating": "down", "comment": "wrong port"}
    assert client.get(path).json() == rated
    assert client.put(f"{path}/feedback", json={"rating": "maybe"}).status_code == 422
    rated = client.put(f"{path}/feedback", json={"rating": "up"}).json()
    assert rated["feedback"] == {"rating": "up", "comment": None}
    with events(client, "GET", "/api/events", {"Last-Event-ID": place}, params={"text_of": chat_id}) as found:
        told = [next(found) for _ in range(3)]
    assert [event.type for event in told] == ["message.rated"] * 3
    assert told[2].data == {"message_id": answer["id"], "feedback": rated["feedback"]}


def test_a_chat_is_exported_whole_for_programs_and_for_people(client: httpx2.Client) -> None:
    chat_id = new_chat(client)
    answer = ask(client, chat_id, QUESTION)
    exported = client.get(f"/api/chats/{chat_id}/export").json()
    assert exported["messages"] == client.get(f"/api/chats/{chat_id}/messages").json()["items"]
    text = client.get(f"/api/chats/{chat_id}/export", params={"format": "markdown"})
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert f"> {QUESTION}" in text.text
    assert answer["content"] in text.text
    assert "- [1] guide/ports.md, lines 3-3" in text.text
    assert client.get(f"/api/chats/{chat_id}/export", params={"format": "pdf"}).status_code == 422


def test_deleting_a_chat_removes_it_and_its_messages(client: httpx2.Client) -> None:
    chat_id = new_chat(client)
    ask(client, chat_id, "hello")
    assert client.delete(f"/api/chats/{chat_id}").status_code == 204
    for response in (
        client.get(f"/api/chats/{chat_id}"),
        client.get(f"/api/chats/{chat_id}/messages"),
        client.get(f"/api/chats/{chat_id}/events"),
        client.delete(f"/api/chats/{chat_id}"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "chat_not_found")


def test_small_talk_is_answered_without_a_search(client: httpx2.Client) -> None:
    answer = ask(client, new_chat(client), "Hello there!")
    assert (answer["outcome"], answer["steps"], answer["citations"]) == ("conversational", [], [])


def test_what_the_knowledge_base_does_not_tell_is_said_plainly(client: httpx2.Client) -> None:
    answer = ask(client, new_chat(client), "Who won the chess championship of 1985?")
    assert (answer["status"], answer["outcome"], answer["citations"]) == ("completed", "not_in_kb", [])


@pytest.mark.parametrize("path", ["/api/chats/{chat_id}/events", "/api/events"])
def test_sigterm_ends_open_streams_cleanly_and_soon(folder: Path, path: str) -> None:
    server = Server(folder, {"SHUTDOWN_GRACE": "3600"})
    with server, server.client() as client:
        path = path.format(chat_id=new_chat(client))
        with events(client, "GET", path) as found:
            assert server.stop() == 0
            assert list(found) == []
    assert "Traceback" not in server.log.read_text()


def test_a_second_server_on_the_same_data_is_refused_with_its_own_exit_code(folder: Path) -> None:
    with Server(folder) as server, server.client() as client:
        other = Server(folder)
        with pytest.raises(RuntimeError, match="another process"):
            other.start()
        assert client.get("/livez").json() == {"status": "ok"}


def test_a_server_that_cannot_leave_a_note_of_itself_serves_and_stops_like_any_other(folder: Path) -> None:
    (folder / "data/server.json").mkdir(parents=True)  # as a full disk, it lets no such file be written
    server = Server(folder).start()
    with server.client() as client:
        eventually(lambda: client.get("/readyz").status_code == 200)
    assert server.stop() == 0
    assert "commands have to be told where this server is" in server.log.read_text()
