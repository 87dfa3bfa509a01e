"""What proxies are told of event streams: hold nothing back, keep nothing, compress nothing."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.e2e

ASKED: dict[str, Any] = {"json": {"content": "Hello"}, "headers": {"Accept": "text/event-stream"}}
COMPATIBLE = {"model": "kb-agent", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("GET", "/api/events", {}),
        ("GET", "/api/chats/{chat}/events", {}),
        ("POST", "/api/chats/{chat}/messages", ASKED),
        ("POST", "/v1/chat/completions", {"json": COMPATIBLE}),
        ("POST", "/v1/responses", {"json": {"model": "kb-agent", "input": "Hello", "stream": True}}),
    ],
)
def test_no_proxy_buffers_keeps_or_compresses_a_stream(
    client: httpx2.Client, method: str, path: str, sent: dict[str, Any]
) -> None:
    address = path.format(chat=client.post("/api/chats").json()["id"])
    with client.stream(method, address, **sent) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        assert "no-store" in response.headers["cache-control"]
        assert "content-encoding" not in response.headers
        assert next(response.iter_bytes())
