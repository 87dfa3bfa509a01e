"""The page as a browser gets it: shell, static files, answers as fragments, and chats as files."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from service.api import pages
from service.api.deps import Services
from service.app import create_app, open_services
from service.chats.records import Citation, Outcome, Status
from service.chats.turns import Ending, Turn, TurnStore
from service.settings import Settings
from service.telemetry import Metrics

STATIC = Path(pages.__file__).parents[1] / "web" / "static"
CITATION = Citation("[1]", "a.md", "A", "general", "", 1, 1, "quote", "00", "/api/kb/documents/a.md")
OWNER = "anonymous"


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    (tmp_path / "knowledge").mkdir()
    settings = Settings(knowledge_dir=tmp_path / "knowledge", data_dir=tmp_path / "data", _env_file=None)
    metrics = Metrics("0", "0")
    app = create_app(settings, metrics)
    async with open_services(settings, metrics) as services:
        app.state.services = services
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        yield client


def services_of(app: FastAPI) -> Services:
    services = app.state.services
    assert isinstance(services, Services)
    return services


async def begin(app: FastAPI, question: str = "What?") -> Turn:
    """Ask a question whose answer the test writes itself."""
    services = services_of(app)
    chat = await services.store.create(OWNER, None, {})
    posted = await services.questions.post(OWNER, chat.id, question, "test")
    turn = await turns(app).begin(posted.answer.id, "test")
    assert turn is not None
    return turn


def turns(app: FastAPI) -> TurnStore:
    return TurnStore(services_of(app).db, services_of(app).log)


def fragment_path(turn: Turn) -> str:
    return f"/web/chats/{turn.chat_id}/messages/{turn.id}"


async def test_the_shell_lets_only_its_own_files_run(client: httpx2.AsyncClient) -> None:
    response = await client.get("/")
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}
    assert policy["img-src"] == "'self' data:"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", response.text)


async def test_the_shell_is_asked_about_and_not_sent_again(client: httpx2.AsyncClient) -> None:
    first = await client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get("/", headers={"If-None-Match": '"another"'})
    assert other.status_code == 200


async def test_every_file_of_the_shell_exists_and_every_file_is_in_the_shell(client: httpx2.AsyncClient) -> None:
    shell = (await client.get("/")).text
    named = set(re.findall(r'(?:src|href)="/static/([^"]+)"', shell))
    assert named == {path.name for path in STATIC.iterdir()}
    for name in named:
        response = await client.get(f"/static/{name}")
        assert response.status_code == 200
        assert response.headers["etag"]
        assert response.headers["cache-control"] == "no-cache"


async def test_static_files_come_packed_to_who_can_unpack_them(client: httpx2.AsyncClient) -> None:
    packed = await client.get("/static/main.js", headers={"Accept-Encoding": "gzip"})
    plain = await client.get("/static/main.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_scripts_take_html_from_one_place_only(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    assert not re.search(
        r"(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc", text
    )
    assert ("parseFromString" in text) == (path.name == "prose.js")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.css")), ids=lambda path: path.name)
def test_styles_load_nothing(path: Path) -> None:
    assert not re.search(r"@import|url\(", path.read_text())


@pytest.mark.parametrize("path", ["/static/none.js", "/static/../pages.py", "/static/%2e%2e/%2e%2e/settings.py"])
async def test_no_other_file_is_served(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_an_answer_is_rendered_while_it_is_written(app: FastAPI, client: httpx2.AsyncClient) -> None:
    turn = await begin(app)
    with turns(app).writing(turn):
        turns(app).extend(turn, "A **bold** [1] \N{GRINNING FACE} ")
        response = await client.get(fragment_path(turn))
    assert response.headers["cache-control"] == "no-store"
    assert "<strong>bold</strong>" in response.text
    assert 'data-marker="1"' in response.text
    assert 'data-chars="16"' in response.text
    assert 'data-final="false"' in response.text


async def test_a_finished_answer_has_chips_for_citations_only(app: FastAPI, client: httpx2.AsyncClient) -> None:
    turn = await begin(app)
    ending = Ending(Status.COMPLETED, Outcome.GROUNDED, "One [1], two [2], `[1]`. <script>x</script>", (CITATION,))
    await turns(app).finish(turn, ending)
    html = (await client.get(fragment_path(turn))).text
    assert re.findall(r'data-marker="(\d+)"', html) == ["1"]
    assert "<code>[1]</code>" in html
    assert "<script" not in html
    assert 'data-final="true"' in html


async def test_the_answers_of_a_history_come_in_one_request(app: FastAPI, client: httpx2.AsyncClient) -> None:
    turn = await begin(app, "<b>What?</b>")
    await turns(app).finish(turn, Ending(Status.COMPLETED, Outcome.CONVERSATIONAL, "*Hello*"))
    ids = [turn.question_id, turn.id]
    response = await client.get(f"/web/chats/{turn.chat_id}/messages", params={"id": ids})
    assert re.findall(r'data-message="(\w+)"', response.text) == ids
    assert "<em>Hello</em>" in response.text
    assert "<b>" not in response.text


async def test_an_unknown_message_is_a_problem(app: FastAPI, client: httpx2.AsyncClient) -> None:
    turn = await begin(app)
    response = await client.get(f"/web/chats/{turn.chat_id}/messages/msg_none")
    assert (response.status_code, response.json()["code"]) == (404, "message_not_found")
    foreign = await client.get(f"/web/chats/chat_none/messages/{turn.id}")
    assert foreign.status_code == 404


async def test_a_chat_of_any_length_is_exported_whole(app: FastAPI, client: httpx2.AsyncClient) -> None:
    services = services_of(app)
    chat = await services.store.create(OWNER, "long", {})
    said = [(f"msg_{number}", chat.id, f"said {number}") for number in range(450)]
    columns = "(id, chat_id, content, role, status, created_at) VALUES (?, ?, ?, 'user', 'completed', '')"
    await services.db.write(lambda tx: tx.executemany(f"INSERT INTO messages {columns}", said))
    exported = (await client.get(f"/api/chats/{chat.id}/export")).json()["messages"]
    assert [message["content"] for message in exported] == [content for _, _, content in said]


async def test_the_page_is_no_part_of_the_api_document(app: FastAPI) -> None:
    assert not [path for path in app.openapi()["paths"] if path == "/" or path.startswith("/web")]
