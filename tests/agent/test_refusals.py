"""What the built-in reader says when nothing answers."""

import re
from typing import Any

import pytest

from service.agent.model import Message
from tests.agent.reading import ADVICE, PORTS, TESLA, answer, ask, called, passage


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


@pytest.mark.parametrize("question", ["Wer backt Kuchen?", "¿Quién hace el pan?", "Кто печёт хлеб?", "谁烤面包？"])
async def test_what_a_refusal_advises_to_ask_lists_the_topics(question: str) -> None:
    text = await answer(question, passage(1, "ports.md", PORTS))
    (advised,) = re.findall("[„«“](.+?)[“»”]", text)
    _, reply = await ask([Message("user", advised)])
    assert [call.name for call in reply.calls] == ["list_kb_topics"]


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
    assert reply.content == f"The knowledge base does not tell this. Similar words in it: resume. {ADVICE}"
    messages = [
        Message("user", "How is it done?"),
        *called("search_kb", {"query": "x"}, nothing | {"near_terms": []}),
    ]
    _, reply = await ask(messages, ())
    assert reply.content.endswith(f"Its topics: ops. {ADVICE}")


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


async def test_asked_for_more_than_there_is_it_says_so() -> None:
    said = "Nikola Tesla was born in Smiljan in 1856."
    before = [Message("user", "When was Nikola Tesla born?"), Message("assistant", said)]
    text = await answer("tell me more", passage(1, "tesla.md", said), earlier=before)
    assert text.startswith("The knowledge base does not tell this.")
