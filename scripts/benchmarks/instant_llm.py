"""A model with instant tokens: asks for a search, then streams 120 pieces. As a program it prints its address."""

import asyncio
import json
import sys

PIECES = 120


def chunk(delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "model": "instant", "choices": [choice]}
    data = f"data: {json.dumps(body)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def _search() -> bytes:
    call = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "search_kb", "arguments": ""}}
    rest = {"index": 0, "function": {"arguments": '{"query": "resume stream"}'}}
    return chunk({"tool_calls": [call]}) + chunk({"tool_calls": [rest]}) + chunk({}, "tool_calls")


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
SEARCH = _search()
TEXT = [chunk({"content": f" word{n}"}) for n in range(PIECES - 1)] + [chunk({"content": " [1]."})]


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            last = json.loads(await reader.readexactly(length))["messages"][-1]
            writer.write(HEAD)
            if last["role"] == "tool":
                for piece in TEXT:
                    writer.write(piece)
                    await writer.drain()
                writer.write(chunk({}, "stop") + DONE)
            else:
                writer.write(SEARCH + DONE)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    sys.stdout.write(f"ready: http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
