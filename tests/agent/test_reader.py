"""The built-in reader as a chat model: what it calls for, what it quotes, what it says when nothing answers."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.model import Message, Reply, Request, TextPiece, Tool, ToolCall
from service.agent.reader import BuiltInReader

TOOLS = tuple(Tool(name, "", {}) for name in ("search_kb", "list_kb_topics", "read_kb_doc"))
PORTS = "# Ports\n\nThe service listens on port 8000 by default. The variable `PORT` changes it.\n\n- No root."
TESLA = (
    "Nikola Tesla was born in Smiljan in 1856. He moved to New York in 1884. His patents earned him a lot of "
    "money, because many factories used alternating current."
)


async def ask(messages: Sequence[Message], tools: Sequence[Tool] = TOOLS) -> tuple[list[str], Reply]:
    """One call of the model: its pieces of text and its reply."""
    pieces: list[str] = []
    async for piece in BuiltInReader().stream(Request(messages, tuple(tools))):
        if isinstance(piece, Reply):
            return pieces, piece
        assert isinstance(piece, TextPiece)
        pieces.append(piece.text)
    raise AssertionError("no reply")


def passage(number: int, document: str, text: str, heading: str = "", start: int = 1) -> dict[str, Any]:
    lines = f"{start}-{start + text.count(chr(10))}"
    title = document.partition(".")[0].title()
    return {"id": number, "document": document, "title": title, "heading": heading, "lines": lines, "text": text}


def called(name: str, arguments: dict[str, Any], result: object, number: int = 1) -> list[Message]:
    call = ToolCall(f"call_{number}", name, json.dumps(arguments))
    return [Message("assistant", "", (call,)), Message("tool", json.dumps(result), call_id=call.id)]


def searched(question: str, *passages: dict[str, Any], earlier: Sequence[Message] = ()) -> list[Message]:
    """A transcript after a search that found `passages` and a read that told nothing new."""
    name = passages[0]["document"] if passages else "none.md"
    result: dict[str, Any] = {"query": question, "matched_by": "terms", "passages": list(passages)}
    return [
        Message("system", "Answer."),
        *earlier,
        Message("user", question),
        *called("search_kb", {"query": question}, result),
        *called("read_kb_doc", {"name": name}, {"document": name, "passages": []}, 2),
    ]


async def answer(question: str, *passages: dict[str, Any], earlier: Sequence[Message] = ()) -> str:
    pieces, reply = await ask(searched(question, *passages, earlier=earlier))
    assert reply.finish_reason == "stop"
    assert "".join(pieces) == reply.content
    return reply.content


async def test_a_question_is_searched_first() -> None:
    pieces, reply = await ask([Message("system", "Answer."), Message("user", "Which port is the default?")])
    assert pieces == []
    assert (reply.finish_reason, reply.model, reply.usage.prompt_tokens) == ("tool_calls", "built-in-reader", 0)
    (call,) = reply.calls
    assert call.name == "search_kb"
    assert json.loads(call.arguments)["query"] == "Which port is the default?"


async def test_it_reads_on_around_the_best_passage_once() -> None:
    found = passage(1, "ports.md", PORTS, start=120)
    messages = searched("Which port is the default?", found)[:4]
    _, reply = await ask(messages)
    (call,) = reply.calls
    arguments = json.loads(call.arguments)
    assert call.name == "read_kb_doc"
    assert arguments["name"] == "ports.md"
    assert 1 <= arguments["start_line"] < 120 < arguments["end_line"]
    _, reply = await ask(
        [*messages, *called("read_kb_doc", arguments, {"document": "ports.md", "passages": []}, 2)]
    )
    assert reply.calls == ()


async def test_the_sentence_that_answers_is_quoted_verbatim_with_its_marker() -> None:
    text = await answer(
        "Which port does the service listen on by default?", passage(7, "ports.md", PORTS, start=120)
    )
    assert text.startswith("The service listens on port 8000 by default. [7]")


async def test_each_piece_of_text_comes_by_itself_and_every_quote_has_a_marker() -> None:
    tesla, ports = passage(1, "tesla.md", TESLA), passage(2, "ports.md", PORTS)
    pieces, reply = await ask(
        searched("Where was Nikola Tesla born and when did he move to New York?", tesla, ports)
    )
    assert len(pieces) > 1
    for piece in pieces:
        quoted, marker = re.fullmatch(r"\s*(?:- )?(.+?)\s\[(\d+)\]", piece, re.DOTALL).groups()  # type: ignore[union-attr]
        assert quoted in {"1": TESLA, "2": PORTS}[marker]
    assert "Smiljan" in reply.content


async def test_other_forms_of_a_word_and_a_heading_that_asks_are_evidence() -> None:
    reminders = "## Wann werden Mahnungen verschickt?\n\nNach 14 Tagen; die Mahngebühr ist 5 Euro."
    ending = "## How do I cancel my subscription?\n\nGo to Billing and choose Cancel."
    assert "die Mahngebühr ist 5 Euro" in await answer("Mahngebühren", passage(1, "faq.md", reminders))
    assert "Go to Billing" in await answer("subscription cancellation", passage(1, "faq.md", ending))


async def test_what_no_passage_tells_is_refused_without_any_marker() -> None:
    text = await answer(
        "Who won the football cup in Brazil last season?",
        passage(1, "ports.md", PORTS),
        passage(2, "tesla.md", TESLA),
    )
    assert text.startswith("The knowledge base does not tell this.")
    assert "[" not in text


async def test_a_refusal_names_documents_that_come_near() -> None:
    text = await answer(
        "Can I connect the service to Slack and Redis through a proxy port?", passage(1, "ports.md", PORTS)
    )
    assert "[" not in text
    assert "`ports.md`" in text


async def test_a_refusal_is_in_the_language_of_the_question() -> None:
    text = await answer("Wie wird der Kuchen in der Küche gebacken?", passage(1, "ports.md", PORTS))
    assert text.startswith("Die Wissensbasis sagt dazu nichts.")


async def test_nothing_found_names_similar_words_and_topics() -> None:
    nothing: dict[str, Any] = {
        "query": "x",
        "passages": [],
        "near_terms": ["resume"],
        "topics": ["ops"],
        "note": "Nothing found.",
    }
    messages = [Message("user", "How is resumption done?"), *called("search_kb", {"query": "x"}, nothing)]
    _, reply = await ask(messages, ())
    assert reply.content == "The knowledge base does not tell this. Similar words in it: resume."
    messages = [
        Message("user", "How is it done?"),
        *called("search_kb", {"query": "x"}, nothing | {"near_terms": []}),
    ]
    _, reply = await ask(messages, ())
    assert reply.content.endswith("Its topics: ops.")


async def test_an_empty_knowledge_base_is_named_as_the_reason() -> None:
    nothing = {"query": "x", "passages": [], "topics": [], "state": "The folder knowledge does not exist."}
    _, reply = await ask([Message("user", "Who are they?"), *called("search_kb", {"query": "x"}, nothing)], ())
    assert "no documents" in reply.content
    assert "The folder knowledge does not exist." in reply.content


async def test_a_refusal_says_what_may_be_missing_just_now() -> None:
    state = "The knowledge base is still being indexed; what was not found may come."
    question = "What is the zebra's favourite colour?"
    found = {"query": question, "passages": [passage(1, "ports.md", PORTS)], "state": state, "note": "Tell it."}
    messages = [Message("system", "Answer."), Message("user", question), *called("search_kb", {}, found)]
    pieces, _ = await ask(messages)
    assert "".join(pieces).endswith(f"{state}")
    assert "Tell it" not in "".join(pieces)


async def test_a_failed_search_is_told_as_such() -> None:
    messages = [
        Message("user", "Who was Tesla?"),
        *called("search_kb", {"query": "x"}, {"error": "no such topic"}),
    ]
    _, reply = await ask(messages, ())
    assert "could not be searched: no such topic" in reply.content


async def test_without_tools_it_answers_from_what_the_transcript_holds() -> None:
    _, reply = await ask([Message("user", "Who was Nikola Tesla?")], ())
    assert reply.finish_reason == "stop"
    assert reply.content == "The knowledge base does not tell this."


@pytest.mark.parametrize(
    ("message", "beginning"),
    [
        ("Hello!", "Hello!"),
        ("danke", "Gern geschehen."),
        ("bye", "Goodbye."),
        ("ok", "All right."),
        ("...", "I see no words"),
        ("what can you do?", "I am the built-in reader"),
    ],
)
async def test_small_talk_is_answered_at_once_without_a_search(message: str, beginning: str) -> None:
    pieces, reply = await ask([Message("system", "Answer."), Message("user", message)])
    assert reply.calls == ()
    assert "".join(pieces).startswith(beginning)


async def test_it_says_what_it_is_and_how_to_connect_a_model() -> None:
    _, reply = await ask([Message("user", "who are you?")])
    assert "quote" in reply.content
    assert "`LLM_BASE_URL`" in reply.content
    assert "`LLM_MODEL`" in reply.content


async def test_asked_for_topics_it_lists_them() -> None:
    question = [Message("user", "What topics do you have?")]
    _, reply = await ask(question)
    (call,) = reply.calls
    assert call.name == "list_kb_topics"
    names = [f"{n}.md" for n in range(7)]
    topics = [
        {"topic": "ops", "title": "Operations", "description": "Running it.", "documents": 7, "names": names}
    ]
    _, reply = await ask([*question, *called("list_kb_topics", {}, {"topics": topics})])
    assert "- **ops** (Operations): Running it. `0.md`, `1.md`, `2.md`, `3.md`, `4.md` and 2 more" in reply.content


async def test_a_follow_up_is_searched_with_the_words_of_the_question_before() -> None:
    before = [
        Message("user", "When was Nikola Tesla born?"),
        Message("assistant", "Nikola Tesla was born in 1856."),
    ]
    _, reply = await ask([*before, Message("user", "and where did he move?")])
    query = json.loads(reply.calls[0].arguments)["query"]
    assert {"move", "Nikola", "Tesla"} <= set(query.split())
    text = await answer("and where did he move?", passage(1, "tesla.md", TESLA), earlier=before)
    assert "He moved to New York in 1884. [1]" in text


async def test_asked_for_more_it_quotes_what_it_has_not_said_yet() -> None:
    said = "Nikola Tesla was born in Smiljan in 1856."
    before = [Message("user", "When was Nikola Tesla born?"), Message("assistant", said)]
    text = await answer("tell me more", passage(1, "tesla.md", TESLA), earlier=before)
    assert said not in text
    assert text.endswith("[1]")


async def test_asked_for_more_than_there_is_it_says_so() -> None:
    said = "Nikola Tesla was born in Smiljan in 1856."
    before = [Message("user", "When was Nikola Tesla born?"), Message("assistant", said)]
    text = await answer("tell me more", passage(1, "tesla.md", said), earlier=before)
    assert text.startswith("The knowledge base does not tell this.")


async def test_a_knowledge_base_without_topics_is_told_to_be_empty() -> None:
    messages = [Message("user", "list all topics"), *called("list_kb_topics", {}, {"topics": []})]
    _, reply = await ask(messages)
    assert reply.content == "The knowledge base is empty."


async def test_a_result_that_was_left_out_of_the_transcript_is_no_obstacle() -> None:
    messages = searched("When was Nikola Tesla born?", passage(1, "tesla.md", TESLA))
    messages[3] = Message("tool", '{"note": "This older result was left out."}', call_id="call_1")
    _, reply = await ask(messages)
    assert reply.finish_reason == "stop"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "passages",
                    "id",
                    "text",
                    "lines",
                    "document",
                    "title",
                    "heading",
                    "topics",
                    "near_terms",
                    "state",
                    "error",
                    "names",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(st.text(max_size=80), JSON, st.sampled_from(["search_kb", "read_kb_doc", "list_kb_topics", "other"]))
async def test_no_question_and_no_tool_result_breaks_it(question: str, result: object, tool: str) -> None:
    messages = [Message("user", question), *called(tool, {}, result)]
    pieces, reply = await ask(messages, ())
    assert reply.content == "".join(pieces) != ""
    await ask(messages)
