"""Promise P10: whatever a model calls and writes, a citation is a passage that a tool returned in that turn."""

from contextlib import aclosing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.agent.draft import Draft
from service.agent.loop import Limits, ToolFinished, answer
from service.agent.model import Message
from service.agent.sources import Source
from service.agent.tools import Toolbox
from service.chats.records import Citation
from tests.agent.asking import client
from tests.fake_llm import FakeLLM
from tests.kb.shelf import shelf

DOCUMENTS = {
    "guide/ports.md": "# Ports\n\nThe service listens on port 8123. See [1] and [2].\n\nSet PORT to change it.\n",
    "guide/logs.md": "# Logs\n\nLogs are kept for ninety days.\n",
    "secret/vault.md": "# Vault\n\nThe combination is nowhere to be found by these questions.\n",
}
QUESTION = (Message("system", "cite"), Message("user", "Which port?"))
LIMITS = Limits(llm_calls=8, tool_calls=16, seconds=60, window=8192)
CALLS = [
    ("search_kb", {"query": "port"}),
    ("search_kb", {"query": "logs days"}),
    ("search_kb", {"query": "zeppelin"}),
    ("read_kb_doc", {"name": "guide/ports.md", "start_line": 3, "end_line": 5}),
    ("read_kb_doc", {"name": "secret.md"}),
    ("list_kb_topics", {}),
]
TEXT = ["The service listens on port 8123. ", "Logs are kept. ", "[1]", "[2]", "[3, 1]", "[1-9]", "【4】", "[99]"]
TEXT += ["[secret/vault.md]", "[guide/logs.md:3]", "\n\n", "```\n", "`", "[", "] "]


async def no_note() -> str:
    return ""


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(CALLS), max_size=3), st.lists(st.sampled_from(TEXT), min_size=1, max_size=12))
async def test_every_citation_is_a_passage_that_a_tool_returned_in_that_turn(
    fake: FakeLLM, calls: list[tuple[str, dict[str, object]]], text: list[str]
) -> None:
    for name, arguments in calls:
        fake.call(name, arguments)
    fake.say("An answer. " + "".join(text))
    if not calls:  # the service searches by itself, and asks again
        fake.say("An answer. " + "".join(text))
    async with shelf(DOCUMENTS) as kb, client(fake) as model:
        toolbox, draft = Toolbox(kb, result_chars=8_000, folder_note=no_note), Draft("scripted")
        returned: list[Source] = []
        async with aclosing(answer(model, toolbox, QUESTION, LIMITS, draft)) as events:
            async for event in events:
                if isinstance(event, ToolFinished):
                    returned += event.result.sources
    for citation in draft.citations:
        assert any(_holds(source, citation) for source in returned), citation
        assert citation.document != "secret/vault.md"
        assert citation.marker in draft.text
    assert "[99]" not in draft.text or "`" in draft.text, "a number that names nothing stays only within code"


def _holds(source: Source, citation: Citation) -> bool:
    lines = source.text.split("\n")[citation.start_line - source.start_line :]
    cited = "\n".join(lines[: citation.end_line - citation.start_line + 1])
    return (source.document, source.revision) == (citation.document, citation.revision) and (
        source.start_line <= citation.start_line <= citation.end_line <= source.end_line
        and citation.quote in cited
    )
