"""What a probe finds out about models that can, cannot, and will not."""

import asyncio

import pytest

from service.agent.probe import Capabilities, Probe, probed, probing
from service.agent.reader import BuiltInReader
from tests.agent.asking import client
from tests.fake_llm import FakeLLM
from tests.fake_wire import call_script, chunk, stream, text_script


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("calls", Capabilities("yes", "yes", "yes", "yes")),
        ("one-call", Capabilities("yes", "yes", "no", "yes")),
        ("whole-answer", Capabilities("yes", "no", "no", "yes")),
        ("no-usage", Capabilities("yes", "no", "no", "no")),
        ("length-args", Capabilities("yes", "unknown", "unknown", "yes")),
        ("400-tool-choice", Capabilities("no", "no", "no", "unknown")),
        ("401-echo", Capabilities("no", "unknown", "unknown", "unknown")),
        ("cut-after-text", Capabilities("no", "unknown", "unknown", "unknown")),
    ],
)
async def test_one_small_request_tells_what_a_model_can(fake: FakeLLM, model: str, found: Capabilities) -> None:
    if model == "calls":
        fake.reply(call_script(("ping", {"text": "one"}), ("ping", {"text": "two"})))
    if model == "one-call":
        fake.reply(call_script(("ping", {"text": "one"})))
    if model == "no-usage":
        fake.reply(stream(chunk({"content": "Hello."}), chunk({}, "stop")))
    async with client(fake, model) as opened:
        assert await probed(opened) == found
    (request,) = fake.requests
    assert [tool["function"]["name"] for tool in request.body["tools"]] == ["ping"]
    assert len(str(request.body)) < 1000


async def test_what_is_not_known_yet_is_said_so_and_each_model_has_names_of_its_own(fake: FakeLLM) -> None:
    async with client(fake, "one") as one, client(fake, "two") as two:
        probe = Probe([one, two])
        fake.reply(text_script("Hello."))
        await probe.run(two)
    assert probe.details() == {
        "llm_answers": "unknown",
        "llm_tools": "unknown",
        "llm_parallel_calls": "unknown",
        "llm_usage": "unknown",
        "llm_answers (two)": "yes",
        "llm_tools (two)": "no",
        "llm_parallel_calls (two)": "no",
        "llm_usage (two)": "yes",
    }


async def test_a_probe_that_is_not_wanted_asks_nothing(fake: FakeLLM) -> None:
    async with client(fake, "one") as one, probing([one], wanted=False) as probe:
        assert probe.found == {"one": Capabilities()}
    assert fake.requests == []


async def test_a_probe_under_way_ends_with_its_block(fake: FakeLLM) -> None:
    async with client(fake, "hang") as one, probing([one], wanted=True) as probe:
        assert await asyncio.to_thread(fake.wait, lambda: bool(fake.requests))
        assert probe.found == {"hang": Capabilities()}
    assert fake.wait(lambda: fake.disconnects == 1)


async def test_the_built_in_reader_needs_no_probe() -> None:
    assert (await probed(BuiltInReader())).answers == "yes"
    assert Probe(()).details() == {}
