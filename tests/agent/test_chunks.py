"""From bytes to pieces and a Reply: cut anywhere, odd anywhere, too large anywhere."""

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.call_slots import MAX_ARGUMENTS_BYTES, MAX_CALLS
from service.agent.chunks import MAX_ANSWER_BYTES, MAX_RAW_CHARS, ReplyBuilder
from service.agent.model import Reply
from service.agent.sse import MAX_LINE_BYTES, SseParser
from service.errors import ModelError
from tests.fake_dialects import UNICODE, WRITTEN
from tests.fake_wire import ANSWER, TEXT, body, call_delta, chunk, usage_chunk

TOOLS = ("search_kb", "list_kb_topics")


def cut(whole: bytes, places: Iterable[int]) -> list[bytes]:
    """`whole` in parts that end at these places."""
    ends = sorted({place % (len(whole) + 1) for place in places} | {len(whole)})
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def parsed(parts: Iterable[bytes]) -> list[bytes]:
    parser = SseParser()
    events = [event for part in parts for event in parser.feed(part)]
    return [*events, *parser.end()]


def read(parts: Iterable[bytes]) -> tuple[list[str], Reply]:
    """The pieces and the reply that a body's parts make."""
    parser, builder = SseParser(), ReplyBuilder("m", TOOLS)
    pieces = [builder.add(event) for part in parts for event in parser.feed(part)]
    rest, reply = builder.end()
    return [piece for piece in (*pieces, rest) if piece], reply


def built(*payloads: object, tools: Sequence[str] = TOOLS, withdrawn: Sequence[str] = ()) -> Reply:
    builder = ReplyBuilder("m", tools, withdrawn)
    for payload in payloads:
        builder.add(json.dumps(payload).encode())
    return builder.end()[1]


@given(
    st.lists(st.binary(max_size=12).filter(lambda d: not {10, 13} & set(d) and d[:1] != b" "), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(min_value=0), max_size=8),
)
def test_events_are_the_same_wherever_the_network_cuts_them(
    payloads: list[bytes], newline: bytes, places: list[int]
) -> None:
    lines = [
        line
        for p in payloads
        for line in (b"data: " + p, b"event: x", b"data:" + p, b"", b": ping", b"id: 7", b"")
    ]

    events = parsed(cut(b"\xef\xbb\xbf" + newline.join([*lines, b""]), places))

    assert events == [p + b"\n" + p for p in payloads]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_cut_at_any_byte_even_inside_a_line_end_changes_nothing(newline: bytes) -> None:
    whole = newline.join([b": ping", b"data: 1", b"data: 2", b"", b"id: 7", b"data: 3", b"", b""])

    for place in range(len(whole) + 1):
        assert parsed([whole[:place], b"", whole[place:]]) == [b"1\n2", b"3"]


def test_line_ends_of_every_kind_may_follow_each_other_byte_by_byte() -> None:
    whole = b"data: 1\r\n\ndata: 2\n\r\ndata: 3\r\r\n"

    assert parsed([whole]) == parsed([bytes([byte]) for byte in whole]) == [b"1", b"2", b"3"]


def test_data_lines_of_one_event_are_joined() -> None:
    assert parsed([b"data: {\ndata:  1\ndata:}\n\ndata\n\n"]) == [b"{\n 1\n}"]


def test_an_event_without_its_blank_line_is_taken_at_the_end() -> None:
    assert parsed([b"data: 1\n\ndata: 2"]) == [b"1", b"2"]


@pytest.mark.parametrize(
    ("opening", "more"), [(b"data: ", b"x" * 1024), (b": ", b"x" * 1024), (b"", b"data: xxx\n" * 100)]
)
def test_a_line_or_an_event_past_the_limit_is_refused(opening: bytes, more: bytes) -> None:
    parser = SseParser()
    fitting = MAX_LINE_BYTES // len(more) - 1
    assert not [event for part in (opening, *[more] * fitting) for event in parser.feed(part)]

    with pytest.raises(ModelError) as caught:
        deque(map(parser.feed, [more] * 200), maxlen=0)
    assert caught.value.code == "answer_too_long"


@given(st.lists(st.integers(min_value=0), max_size=12))
def test_an_answer_is_the_same_wherever_the_network_cuts_it(places: list[int]) -> None:
    pieces, reply = read(cut(body(UNICODE), places))

    assert "".join(pieces) == reply.content == UNICODE
    assert reply.finish_reason == "stop"


def test_a_body_cut_at_any_byte_shows_a_beginning_and_is_complete_only_with_its_finish_reason() -> None:
    whole = b"".join(f"data: {json.dumps(c)}\n\n".encode() for c in map(chunk, ({"content": t} for t in TEXT)))
    finish = b"data: " + json.dumps(chunk({}, "stop")).encode() + b"\n\n"

    for end in range(len(whole + finish)):
        with pytest.raises(ModelError) as caught:
            read([(whole + finish)[:end]])
        assert caught.value.code == "incomplete_response"
    assert read([whole + finish])[1].content == ANSWER


def test_an_answer_as_long_as_allowed_is_taken_and_a_byte_more_is_refused() -> None:
    end = chunk({}, "stop")
    most = "ü" * (MAX_ANSWER_BYTES // 2)

    assert built(chunk({"content": most}), end).content == most
    with pytest.raises(ModelError, match="size limit"):
        built(chunk({"content": most}), chunk({"content": "."}), end)


def test_arguments_as_long_as_allowed_are_taken_and_a_byte_more_is_refused() -> None:
    most = "x" * MAX_ARGUMENTS_BYTES
    opening = chunk(call_delta(0, "a", "search_kb", most))

    assert built(opening, chunk({}, "tool_calls")).calls[0].arguments == most
    with pytest.raises(ModelError, match="size limit"):
        built(opening, chunk(call_delta(0, None, None, ".")))


def test_calls_past_the_limit_are_refused() -> None:
    fragments = [chunk(call_delta(n, f"c{n}", "search_kb", "{}")) for n in range(MAX_CALLS)]

    assert len(built(*fragments, chunk({}, "tool_calls")).calls) == MAX_CALLS
    with pytest.raises(ModelError, match="size limit"):
        built(*fragments, chunk(call_delta(MAX_CALLS, "more", "search_kb", "{}")))


@pytest.mark.parametrize("field", ["content", "reasoning", "reasoning_content"])
def test_thinking_is_bounded_too(field: str) -> None:
    thought = "<think>" + "x" * (MAX_RAW_CHARS // 2)

    with pytest.raises(ModelError, match="size limit"):
        built(chunk({field: thought}), chunk({field: thought}), chunk({field: thought}))


_FIELDS = (
    "choices delta message content tool_calls function name arguments index id text finish_reason usage "
    "prompt_tokens completion_tokens error code metadata reasoning"
)
_keys = st.sampled_from(re.findall(r"\w+", _FIELDS))
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("stop")
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12
)
_deltas = st.dictionaries(_keys, _json, max_size=4)
_choices = st.lists(
    st.fixed_dictionaries({}, optional={"delta": _deltas | _json, "finish_reason": _json}), max_size=2
)


def outcome(payloads: Sequence[object]) -> Reply | ModelError:
    try:
        return built(*payloads)
    except ModelError as error:
        return error


@given(st.lists(_json | st.fixed_dictionaries({"choices": _choices, "usage": _json}), max_size=4))
def test_no_json_makes_it_fail_other_than_with_a_model_error(payloads: list[Any]) -> None:
    made = outcome(payloads)

    if isinstance(made, Reply):
        assert made.content or made.calls or made.finish_reason in {"length", "content_filter"}
        assert all(call.id and call.name for call in made.calls)
        assert min(made.usage.prompt_tokens, made.usage.completion_tokens) >= 0


def test_a_name_that_could_not_go_back_to_the_provider_is_made_to() -> None:
    reply = built(chunk(call_delta(0, "a", " functions.search kb\n", "{}")), chunk({}, "tool_calls"))

    assert reply.calls[0].name == "functions_search_kb"


def test_a_call_without_a_name_to_call_by_is_none() -> None:
    with pytest.raises(ModelError, match="nothing"):
        built(chunk(call_delta(0, "a", " \n", "{}")), chunk({}, "tool_calls"))


def test_an_id_that_is_longer_than_any_sane_one_is_replaced() -> None:
    reply = built(chunk(call_delta(0, "a" * 1000, "search_kb", "{}")), chunk({}, "tool_calls"))

    assert len(reply.calls[0].id) < 100


@pytest.mark.parametrize("written", [str, float])
def test_calls_at_once_are_kept_apart_also_by_indexes_that_are_no_integers(written: Callable[[int], Any]) -> None:
    opening = [chunk(call_delta(written(n), f"c{n}", name, "")) for n, name in enumerate(TOOLS)]
    more = [chunk(call_delta(written(n), None, None, part)) for part in ('{"a":', "1}") for n in range(2)]

    calls = built(*opening, *more, chunk({}, "tool_calls")).calls

    assert [(call.id, call.name, call.arguments) for call in calls] == [
        (f"c{n}", name, '{"a":1}') for n, name in enumerate(TOOLS)
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_of_several_answers_at_once_the_first_is_taken(first: int) -> None:
    other = 1 - first

    def said(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
        return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]}

    together = {"choices": [*said(other, "no")["choices"], *said(first, "b")["choices"]]}
    reply = built(said(first, "a"), said(other, "no", "length"), together, said(first, "c", "stop"))

    assert (reply.content, reply.finish_reason) == ("abc", "stop")


def test_calls_without_offered_tools_are_dropped() -> None:
    called = chunk(call_delta(0, "a", "search_kb", "{}"))

    assert built(called, chunk({"content": "Hi"}), chunk({}, "tool_calls"), tools=()).calls == ()
    with pytest.raises(ModelError, match="nothing"):
        built(called, chunk({}, "tool_calls"), tools=())
    with pytest.raises(ModelError, match="nothing"):
        built(chunk({"content": f"<tool_call>{WRITTEN}</tool_call>"}), chunk({}, "stop"), tools=())
    with pytest.raises(ModelError, match="nothing"):
        built(chunk({"content": WRITTEN}), chunk({}, "stop"), tools=(), withdrawn=TOOLS)
    assert built(chunk({"content": WRITTEN}), chunk({}, "stop"), tools=()).content == WRITTEN


def test_text_held_back_beside_a_structured_call_is_kept_unless_it_is_a_call() -> None:
    called = chunk(call_delta(0, "a", "search_kb", "{}"))

    kept = built(chunk({"content": '{"name": "Ada"}'}), called, chunk({}, "tool_calls"))
    assert (kept.content, len(kept.calls)) == ('{"name": "Ada"}', 1)
    dropped = built(chunk({"content": WRITTEN}), called, chunk({}, "tool_calls"))
    assert (dropped.content, [call.id for call in dropped.calls]) == ("", ["a"])


def test_the_model_named_by_the_stream_is_the_replys() -> None:
    assert built(chunk({"content": "x"}, "stop") | {"model": "gpt-oss:20b"}).model == "gpt-oss:20b"
    assert built({"choices": [{"delta": {"content": "x"}, "finish_reason": "eos"}]}).model == "m"


def test_the_first_finish_reason_counts() -> None:
    assert built(chunk({"content": "x"}), chunk({}, "length"), chunk({}, "stop")).finish_reason == "length"


def test_usage_of_a_later_chunk_replaces_an_earlier_one() -> None:
    reply = built(chunk({"content": "x"}, usage={"prompt_tokens": 5}), chunk({}, "stop"), usage_chunk())

    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (11, 7)


def test_halves_of_surrogate_pairs_are_replaced_wherever_they_come_from() -> None:
    halves = [
        rb'{"choices": [{"delta": {"content": "a\ud83d"}}]}',
        rb'{"choices": [{"delta": {"content": "\ude00b"}}]}',
    ]
    builder = ReplyBuilder("m", TOOLS)

    assert "".join(builder.add(half) for half in halves) == "a\ufffd\ufffdb"
    for written, taken in ((r"\ud83d x", "\ufffd x"), (r"\ud83d\ude00", "\U0001f600"), (r"\ud83d", "\ufffd")):
        called = chunk(call_delta(0, "a", "search_kb", f'{{"query": "{written}"}}'))
        arguments = built(called, chunk({}, "tool_calls")).calls[0].arguments
        assert json.loads(arguments) == {"query": taken}


def test_arguments_that_are_no_json_are_left_for_the_tool_to_refuse() -> None:
    for arguments in (r'{"query": "\ud83d', r'"\ud83d' + "[" * 10_000):
        called = chunk(call_delta(0, "a", "search_kb", arguments))
        assert built(called, chunk({}, "tool_calls")).calls[0].arguments == arguments
