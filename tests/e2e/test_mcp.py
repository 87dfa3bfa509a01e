"""MCP clients use the knowledge base: the official client over both transports, against the real program."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from service.agent.tools import TOOLS
from tests.architecture.source import ROOT
from tests.e2e.conftest import DOCUMENTS
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

Use = Callable[[Client], Awaitable[Any]]
MODES = ("auto", "legacy")  # the protocol of 2026, and the one with a handshake


def over_http(server: Server, use: Use, mode: Any = "auto") -> Any:
    """Use the client against /mcp."""

    async def run() -> Any:
        async with Client(f"{server.base_url}/mcp", mode=mode) as client:
            return await use(client)

    return asyncio.run(run())


def environment(folder: Path, port: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_", "KB_"))}
    own = {"KNOWLEDGE_DIR": str(folder / "knowledge"), "DATA_DIR": str(folder / "data"), "TMPDIR": str(folder)}
    return {**kept, **own, "PYTHONPATH": str(ROOT), "HOST": "127.0.0.1", "PORT": port}


def refusal(server: Server, use: Use) -> str:
    """What the client is told when it is refused."""

    async def refused(client: Client) -> str:
        with pytest.raises(MCPError) as caught:
            await use(client)
        return caught.value.message

    return str(over_http(server, refused))


def over_stdio(folder: Path, use: Use, port: str = "9", mode: Any = "auto") -> Any:
    """Use the client against `kb-agent mcp`; without a `port` no server answers there."""
    program = StdioServerParameters(
        command=sys.executable, args=["-m", "service", "mcp"], env=environment(folder, port), cwd=folder
    )

    async def run() -> Any:
        async with Client(program, mode=mode) as client:
            return await use(client)

    return asyncio.run(run())


async def everything(client: Client) -> Mapping[str, Any]:
    """What a client may ask for."""
    port = await client.call_tool("search_kb", {"query": "lighthouse port"})
    return {
        "tools": (await client.list_tools()).tools,
        "search": port,
        "topics": await client.call_tool("list_kb_topics", {}),
        "read": await client.call_tool("read_kb_doc", {"name": "guide/ports.md", "start_line": 3, "end_line": 3}),
        "resources": (await client.list_resources()).resources,
        "templates": (await client.list_resource_templates()).resource_templates,
        "resource": await client.read_resource("kb:///guide/ports.md"),
        "lines": await client.read_resource(port.structured_content["passages"][0]["uri"]),
    }


def assert_complete(found: Mapping[str, Any]) -> None:
    assert [(tool.name, tool.description, tool.input_schema) for tool in found["tools"]] == [
        (tool.name, tool.description, dict(tool.parameters)) for tool in TOOLS
    ]
    for tool in found["tools"]:
        assert tool.annotations.read_only_hint
        assert tool.annotations.idempotent_hint
        assert tool.annotations.open_world_hint is False
        assert tool.output_schema["type"] == "object"
    result = found["search"]
    assert json.loads(result.content[0].text) == result.structured_content
    passage = result.structured_content["passages"][0]
    assert passage["document"] == "guide/ports.md"
    assert passage["text"] in DOCUMENTS["guide/ports.md"]
    assert len(passage["revision"]) == 64
    assert passage["url"].startswith("/api/kb/documents/guide/ports.md?start_line=")
    assert [topic["topic"] for topic in found["topics"].structured_content["topics"]] == ["guide", "people"]
    (line,) = found["read"].structured_content["passages"]
    assert line["text"].strip() == "The lighthouse service listens on port 8123."
    assert [resource.uri for resource in found["resources"]] == [f"kb:///{name}" for name in sorted(DOCUMENTS)]
    assert found["resources"][0].mime_type == "text/markdown"
    assert [template.uri_template for template in found["templates"]] == ["kb:///{+name}{?start_line,end_line}"]
    assert found["resource"].contents[0].text == DOCUMENTS["guide/ports.md"].rstrip()
    assert found["lines"].contents[0].text == passage["text"]


@pytest.mark.parametrize("mode", MODES)
def test_a_client_over_http_gets_tools_and_documents(shared: Server, client: httpx2.Client, mode: str) -> None:
    found = over_http(shared, everything, mode)
    assert_complete(found)
    searched = client.get("/api/kb/search", params={"q": "lighthouse port"}).json()
    assert found["search"].structured_content["passages"][0]["revision"] == searched["hits"][0]["revision"]


@pytest.mark.parametrize("mode", MODES)
def test_a_client_over_stdio_gets_the_same_without_a_server(folder: Path, mode: str) -> None:
    assert_complete(over_stdio(folder, indexed(everything), mode=mode))
    assert list(folder.iterdir()) == [folder / "knowledge"]


def test_a_client_over_stdio_gets_what_the_running_server_has(shared: Server, tmp_path: Path) -> None:
    assert_complete(over_stdio(tmp_path, everything, shared.base_url.rpartition(":")[2]))
    assert list(tmp_path.iterdir()) == []  # it has no index of its own


def indexed(use: Use) -> Use:
    """Wait for the first scan, which may outlast the start, then use."""

    async def waiting(client: Client) -> Any:
        async with asyncio.timeout(60):
            while not (await client.list_resources(cache_mode="bypass")).resources:
                pass  # each look is a round trip
        return await use(client)

    return waiting


def test_documents_are_listed_in_pages(folder: Path) -> None:
    for number in range(250):
        (folder / "knowledge" / f"note-{number:03}.txt").write_text(f"Note number {number}.\n")

    async def names(client: Client) -> list[str]:
        found: list[str] = []
        page = await client.list_resources()
        while page.next_cursor:
            assert len(page.resources) == 100
            found += [resource.uri for resource in page.resources]
            page = await client.list_resources(cursor=page.next_cursor)
        return found + [resource.uri for resource in page.resources]

    with Server(folder) as server, server.client() as client:
        eventually(lambda: client.get("/api/kb/status").json()["indexed"] == 253)
        listed = over_http(server, names)

    assert len(listed) == len(set(listed)) == 253
    assert listed == sorted(listed)


def test_what_is_wrong_with_a_call_is_told_in_its_result(shared: Server) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("read_kb_doc", {"name": "guide/port.md"}),
        ("read_kb_doc", {"name": "guide/ports.md", "start_line": 999}),
        ("search_kb", {"query": ""}),
        ("search_kb", {"query": "port", "colour": "red"}),
        ("delete_kb", {}),
    ]

    async def use(client: Client) -> list[Any]:
        return [await client.call_tool(name, arguments) for name, arguments in calls]

    results = over_http(shared, use)

    assert all(result.is_error for result in results)
    told = [result.content[0].text for result in results]
    assert "did_you_mean" in told[0]
    assert "guide/ports.md" in told[0]
    assert "lines" in told[1]
    assert "query" in told[2]
    assert "colour" in told[3]
    assert "search_kb" in told[4]


def test_a_search_that_finds_nothing_says_what_there_is(shared: Server) -> None:
    result = over_http(shared, lambda client: client.call_tool("search_kb", {"query": "zebra"}))

    assert not result.is_error
    assert result.structured_content["passages"] == []
    assert result.structured_content["topics"] == ["guide", "people"]


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("kb:///guide/port.md", "kb:///guide/ports.md"),
        ("file:///etc/passwd", "kb:///guide/ports.md"),
        ("kb:///../../etc/passwd", "no such document"),
        ("kb:///guide/ports.md?start_line=zero", "line number"),
        ("kb:///guide/ports.md?start_line=999", "lines"),
    ],
)
def test_a_resource_that_is_not_there_is_refused_with_help(shared: Server, uri: str, told: str) -> None:
    assert told in refusal(shared, lambda client: client.read_resource(uri))


def test_a_cursor_that_no_page_gave_is_refused(shared: Server) -> None:
    assert "cursor" in refusal(shared, lambda client: client.list_resources(cursor="?"))


def test_other_sites_and_other_host_names_are_refused(client: httpx2.Client) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

    foreign = client.post("/mcp", json=body, headers={"Origin": "http://evil.example"})
    rebound = client.post("/mcp", json=body, headers={"Host": "evil.example"})

    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_origin")
    assert (rebound.status_code, rebound.json()["code"]) == (400, "unknown_host")


def test_calls_are_counted_as_those_of_the_agent(shared: Server, client: httpx2.Client) -> None:
    over_http(shared, lambda opened: opened.call_tool("list_kb_topics", {}))

    text = client.get("/metrics").text
    assert 'kb_agent_tool_calls_total{result="ok",tool="list_kb_topics"}' in text
    assert 'route="/mcp"' in text


def test_the_library_is_loaded_by_the_first_request_only() -> None:
    code = "import sys, service.app; print('mcp' in sys.modules, 'mcp.server' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert shown.stdout.split() == ["False", "False"]


def test_it_can_be_switched_off(folder: Path) -> None:
    with Server(folder, {"MCP_ENABLED": "false"}) as server, server.client() as client:
        assert client.post("/mcp", json={}).status_code == 404


def test_standard_output_holds_nothing_but_messages(folder: Path) -> None:
    lines = ["nonsense", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})]
    done = subprocess.run(
        [sys.executable, "-m", "service", "mcp"],
        env={**environment(folder, "9"), "LOG_LEVEL": "debug"},
        cwd=folder,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [message["result"]["serverInfo"]["name"] for message in messages if "result" in message] == ["kb-agent"]
    assert list(folder.iterdir()) == [folder / "knowledge"]


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def test_a_signal_ends_it_and_leaves_nothing_behind(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "mcp"],
        env=environment(folder, "9"),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
        process.stdin.write(json.dumps(hello).encode() + b"\n")
        process.stdin.flush()
        assert b"serverInfo" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert list(folder.iterdir()) == [folder / "knowledge"]


def test_a_server_that_is_named_and_not_there_is_an_error(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "mcp", "--server", "http://127.0.0.1:9"],
        env=environment(folder, "9"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert "no kb-agent answers at http://127.0.0.1:9" in done.stderr
