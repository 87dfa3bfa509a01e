"""The ways in which OpenAI-compatible servers tell the same thing: each must be understood."""

import json

from tests.fake_wire import (
    ANSWER,
    ARGUMENTS,
    TEXT,
    USAGE,
    Script,
    body,
    call_delta,
    calls,
    chunk,
    content,
    raw,
    stream,
    texts,
    usage_chunk,
    whole,
)

UNICODE = "Überläufe → 東京 😀"
WRITTEN = '{"name": "search_kb", "arguments": {"query": "sse resume"}}'

DIALECTS: dict[str, Script] = {
    "no-done": stream(*texts(), chunk({}, "stop"), usage_chunk(), done=False),
    "error-null": stream(*(c | {"error": None} for c in whole(ANSWER))),
    "parallel": calls(
        call_delta(0, "a", "search_kb", ""),
        call_delta(1, "b", "list_kb_topics", "{"),
        call_delta(0, None, None, '{"query": '),
        call_delta(1, None, None, "}"),
        call_delta(0, None, None, '"sse resume"}'),
    ),
    "repeated-ids": calls(
        call_delta(0, "a", "search_kb", '{"query": '),
        call_delta(0, "a", "search_kb", '"sse resume"}'),
        call_delta(0, "a", "search_kb", ""),
    ),
    "same-id-twice": calls(call_delta(0, "a", "search_kb", ARGUMENTS), call_delta(1, "a", "list_kb_topics", "{}")),
    "missing-ids": calls(call_delta(0, None, "search_kb", ARGUMENTS), call_delta(1, "", "list_kb_topics", "{}")),
    "same-index": calls(call_delta(0, "a", "search_kb", ARGUMENTS), call_delta(0, "b", "list_kb_topics", "{}")),
    "same-index-no-ids": calls(
        call_delta(0, None, "search_kb", ARGUMENTS), call_delta(0, None, "search_kb", ARGUMENTS)
    ),
    "same-index-no-ids-no-arguments": calls(
        call_delta(0, None, "list_kb_topics", ""), call_delta(0, None, "search_kb", ARGUMENTS)
    ),
    "repeated-names": calls(
        call_delta(0, None, "search_kb", '{"query": "sse resume", "filter": {}'),
        call_delta(0, None, "search_kb", "}"),
        call_delta(0, None, "search_kb", ""),
    ),
    "no-index": calls(
        call_delta(None, "a", "search_kb", '{"query": '),
        call_delta(None, None, None, '"sse resume"}'),
        call_delta(None, "b", "list_kb_topics", "{}"),
    ),
    "index-from-1": calls(call_delta(1, "a", "search_kb", ARGUMENTS), call_delta(2, "b", "list_kb_topics", "{}")),
    "finish-stop-with-call": calls(call_delta(0, "a", "search_kb", ARGUMENTS), finish="stop"),
    "object-arguments": calls(
        {"tool_calls": [{"function": {"name": "search_kb", "arguments": {"query": "sse resume"}}}]}
    ),
    "role-everywhere": stream(*(chunk({"role": "assistant", "content": p}) for p in TEXT), chunk({}, "stop")),
    "usage-negative": stream(*texts(), chunk({}, "stop", usage={"prompt_tokens": -1, "completion_tokens": 3})),
    "usage-huge": stream(
        *texts(), chunk({}, "stop"), usage_chunk({"prompt_tokens": 10**18, "completion_tokens": 1e18})
    ),
    "usage-null": stream(*texts(), chunk({}, "stop", usage=None), usage_chunk({"prompt_tokens": None})),
    "usage-odd": stream(*texts(), chunk({}, "stop"), usage_chunk(["many"])),
    "usage-late": stream(*texts(), chunk({}, "stop"), usage_chunk(), pause=0.1),
    "usage-then-chunk": stream(*texts(), usage_chunk(), chunk({}, "stop")),
    "text-call": content("\n<tool", "_call>\n", WRITTEN, "\n</tool_call>"),
    "text-call-after-text": content("Let me look. ", "<tool_call>", WRITTEN, "</tool_call>"),
    "text-call-twice": content("<tool_call>" + WRITTEN + "</tool_call>\n" * 2, "<tool_call>", WRITTEN),
    "text-call-bare": content('{"na', WRITTEN[4:], "\n"),
    "text-call-parameters": content(WRITTEN.replace("arguments", "parameters")),
    "text-call-fenced": content("```", "json\n", WRITTEN, "\n```"),
    "text-call-openai": content('{"type": "function", "function": ' + WRITTEN + "}"),
    "text-json": content("```json\n", '{"re', 'try": 2000}', "\n```"),
    "text-call-unknown": content(WRITTEN.replace("search_kb", "person")),
    "think": content("<thi", "nk>\nThe user", " asks.</th", "ink>\n\n", *TEXT),
    "think-then-call": content("<think>I must search.</think>", "<tool_call>", WRITTEN, "</tool_call>"),
    "parts": content([{"type": "text", "text": "Events are "}, {"type": "text", "text": "replayed by id."}]),
    "refusal-field": stream(chunk({"content": None, "refusal": "I cannot."}), chunk({}, "stop")),
    "crlf": raw(body(ANSWER).replace(b"\n", b"\r\n")),
    "bom-and-fields": raw(b"\xef\xbb\xbf" + body(ANSWER).replace(b"\n\n", b"\nevent: x\nid: 1\nretry: 5\n\n")),
    "multi-line": raw(body(ANSWER).replace(b'"choices"', b'\ndata: "choices"')),
    "no-blank-line-at-end": raw(body(ANSWER).rstrip(b"\n")),
    "split-utf8": raw(*(bytes([byte]) for byte in body(UNICODE))),
    "openrouter": raw(
        b": OPENROUTER PROCESSING\n\n" * 3,
        *(f"data: {json.dumps(c)}\n\n".encode() for c in (chunk({"role": "assistant", "content": ""}), *texts())),
        f"data: {json.dumps(chunk({'content': ''}, 'stop', native_finish_reason='STOP'))}\n\n".encode(),
        f"data: {json.dumps(chunk({'content': ''}, 'stop', usage=USAGE | {'cost': 0.1}))}\n\n".encode(),
        b"data: [DONE]\n\n",
    ),
    "ollama": stream(
        chunk({"role": "assistant", "content": "", "reasoning": "search"}),
        chunk({"role": "assistant", "content": ""} | call_delta(0, "call_1", "search_kb", ARGUMENTS)),
        chunk({"role": "assistant", "content": ""} | call_delta(0, "call_2", "list_kb_topics", "{}")),
        chunk({"role": "assistant", "content": ""}, "tool_calls"),
        usage_chunk(),
    ),
    "vllm": stream(
        chunk({"role": "assistant", "content": "", "reasoning_content": None}),
        chunk({"reasoning_content": "The user asks."}),
        *texts(),
        chunk({"content": ""}, "stop", stop_reason=None),
        usage_chunk(),
    ),
    "whole-json": raw(
        json.dumps(
            {"choices": [{"message": {"content": ANSWER}, "finish_reason": "stop"}], "usage": USAGE}
        ).encode(),
        content_type="application/json",
    ),
    "whole-answer": content(*TEXT),
}
