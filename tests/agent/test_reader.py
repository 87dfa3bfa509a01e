"""The built-in reader as a chat model: what it calls for and what it quotes."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.model import Message
from tests.agent.reading import ADVICE, PORTS, TESLA, answer, ask, called, passage, searched


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


async def test_the_two_best_documents_are_read_at_once() -> None:
    found = [passage(n, f"{name}.md", PORTS, start=120) for n, name in enumerate("aabc", 1)]
    _, reply = await ask(searched("Which port is the default?", *found)[:4])
    assert [json.loads(call.arguments)["name"] for call in reply.calls] == ["a.md", "b.md"]
    assert len({call.id for call in reply.calls}) == 2


async def test_a_word_with_a_typing_mistake_is_understood() -> None:
    for question in ("waht is the defualt port", "which varable changes the port", "dose the servce lisen"):
        assert "[1]" in await answer(question, passage(1, "ports.md", PORTS)), question


async def test_two_questions_in_one_message_are_both_answered() -> None:
    text = await answer(
        "Where was Nikola Tesla born and on which port does the service listen?",
        passage(1, "tesla.md", TESLA),
        passage(2, "ports.md", PORTS),
    )
    assert "born in Smiljan" in text
    assert "listens on port 8000" in text


async def test_the_front_matter_of_a_document_is_not_quoted() -> None:
    short = "---\ntitle: Ports\naliases: [sockets]\n---\n\n" + PORTS
    assert "aliases" not in await answer("ports and sockets", passage(1, "ports.md", short))


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


async def test_without_tools_it_answers_from_what_the_transcript_holds() -> None:
    _, reply = await ask([Message("user", "Who was Nikola Tesla?")], ())
    assert reply.finish_reason == "stop"
    assert reply.content == f"The knowledge base does not tell this. {ADVICE}"


@pytest.mark.parametrize(
    ("message", "beginning"),
    [
        ("Hello!", "Hello!"),
        ("danke", "Gern geschehen."),
        ("thx, that's what I needed", "You are welcome."),
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
