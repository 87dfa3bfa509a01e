"""What of a raw text is shown, what is dropped, and which calls are found in it."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.agent.answer_text import AnswerText
from tests.fake_dialects import WRITTEN

TOOLS = ("search_kb", "list_kb_topics")
CALL = ("search_kb", '{"query": "sse resume"}')


def answered(texts: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """All that is shown of these raw texts, and the calls found in them."""
    answer = AnswerText(TOOLS)
    shown = "".join(answer.feed(text) for text in texts)
    rest, calls = answer.end(cut=False)
    return shown + rest, calls


def cut(text: str, places: Sequence[int]) -> list[str]:
    """`text` in parts that end at these places."""
    ends = sorted({place % (len(text) + 1) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


WRITTEN_CALLS = [
    f"<tool_call>\n{WRITTEN}\n</tool_call>",
    f"<tool_call>{WRITTEN}",
    f"  \n{WRITTEN}\n",
    f"```json\n{WRITTEN}\n```",
    f"```\n{WRITTEN}```",
    f"<think>I search.</think>\n{WRITTEN}",
]
PLAIN = [
    "Events are replayed by id.",
    "a < b, a <= b, <tool> and <tool_cal",
    "Models write `<tool_call>` around a call, <tool_call>{} inside. That is all.",
    f"A call is <tool_call>{WRITTEN}</tool_call> in a text.",
    "It writes <tool_call>{</tool_call>",
    "<tool_call> marks a call.",
    "```bash\ncurl -N\n```",
    "```js\n{}\n```",
    '```json\n{"retry": 2000}\n```',
    '{"nam": 1}',
    '{"name": "Ada", "born": 1815}',
    '{"name": "search_kb"}',
    "{braces}",
    "`id` is the field.",
    "``",
    "<thin",
    "<thinking> is a tag.",
    WRITTEN + " is how it looks.",
    WRITTEN.replace("search_kb", "unknown"),
]


@pytest.mark.parametrize("text", WRITTEN_CALLS)
@settings(max_examples=40)
@given(places=st.lists(st.integers(min_value=0), max_size=9))
def test_a_call_written_as_text_is_found_and_never_shown(text: str, places: list[int]) -> None:
    assert answered(cut(text, places)) == ("", [CALL])


@pytest.mark.parametrize("text", PLAIN)
@settings(max_examples=40)
@given(places=st.lists(st.integers(min_value=0), max_size=9))
def test_text_that_only_looks_like_a_call_is_shown_as_it_is(text: str, places: list[int]) -> None:
    assert answered(cut(text, places)) == (text, [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello", "Hello"),
        ("\n\n Hello", "Hello"),
        ("```bash\nls", "```bash\nls"),
        ('{"retry": ', '{"retry": '),
        ("{ x", "{ x"),
        ("see <b", "see <b"),
        ("see <too", "see "),
        ("`co", "`co"),
        ("The tag <tool_call> opens", "The tag <tool_call> opens"),
        ("<think>hm</think>So", "So"),
    ],
)
def test_text_is_shown_as_soon_as_it_cannot_be_a_call(text: str, shown: str) -> None:
    assert AnswerText(TOOLS).feed(text) == shown


def test_text_before_a_written_call_is_shown_and_the_call_is_found() -> None:
    assert answered(["Let me look.\n", f"<tool_call>{WRITTEN}</tool_call>\n"]) == ("Let me look.\n", [CALL])


def test_several_written_calls_are_found_in_order() -> None:
    topics = '<tool_call>{"name": "list_kb_topics"}</tool_call>'

    assert answered([f"<tool_call>{WRITTEN}</tool_call>{topics}"]) == ("", [CALL, ("list_kb_topics", "")])


def test_a_broken_written_call_at_the_beginning_is_not_shown() -> None:
    assert answered(["<tool_call>{name: search}</tool_call>"]) == ("", [])


def test_of_a_text_cut_short_no_call_is_taken() -> None:
    for text, rest in ((f"<tool_call>{WRITTEN[:20]}", ""), (WRITTEN[:20], ""), ('{"name": "Ada', '{"name": "Ada')):
        answer = AnswerText(TOOLS)
        assert answer.feed(text) == ""
        assert answer.end(cut=True) == (rest, [])


def test_a_text_too_long_to_be_a_call_is_shown() -> None:
    text = '{"name": "' + "x" * 40_000

    assert answered([text[:100], text[100:]]) == (text, [])
    assert answered(["<tool_call>" + text, "<tool_call>"]) == ("<tool_call>" + text + "<tool_call>", [])
