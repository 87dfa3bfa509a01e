"""Places for turns: bounded for the process and for each caller, held until a turn ends."""

import asyncio
from functools import partial

import pytest

from service.agent.admission import Admission, Capacity
from service.agent.loop import Limits
from service.agent.runner import TurnRunner
from service.agent.tools import Toolbox
from service.chats.events import EventType
from service.chats.turns import TurnStore
from service.errors import Overloaded
from service.kb.search import KnowledgeBase
from tests.agent.desk import Desk


class Asked:
    """A quota that refuses a second turn beside the first, and hears who asks for how many."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, int]] = []

    def check(self, caller: str, turns: int) -> None:
        self.turns.append((caller, turns))
        if turns > 1:
            raise Overloaded("no more", 1, "quota_exhausted")

    def charge(self, caller: str, reported: int, estimated: int, *, more: bool = False) -> None:
        raise AssertionError(f"{caller} used {reported + estimated} tokens, more: {more}")


async def no_note() -> str:
    return ""


def begin(admission: Admission, turn: str, caller: str = "ada") -> None:
    with admission.place(caller):
        admission.begin(turn, caller)


def test_a_caller_has_so_many_turns_and_others_have_theirs() -> None:
    admission = Admission(Capacity(running=2, queued=8, per_caller=3))
    for number in range(3):
        begin(admission, f"a{number}")
    with pytest.raises(Overloaded, match="3 of your questions") as refused:
        begin(admission, "a3")
    assert refused.value.retry_after == 5
    begin(admission, "b0", "bob")
    admission.end("a1")
    begin(admission, "a4")


def test_the_process_takes_what_runs_and_what_waits_whoever_asks() -> None:
    admission = Admission(Capacity(running=1, queued=1, per_caller=9))
    begin(admission, "a", "ada")
    begin(admission, "b", "bob")
    with pytest.raises(Overloaded, match="too many questions"):
        begin(admission, "c", "cid")


def test_a_place_counts_while_the_question_is_being_stored_and_is_given_back() -> None:
    admission = Admission(Capacity(running=1, queued=0, per_caller=1))
    with admission.place("ada"), pytest.raises(Overloaded):
        begin(admission, "a")
    begin(admission, "a")


def test_repeats_of_a_request_share_the_place_of_its_first() -> None:
    admission = Admission(Capacity(running=1, queued=0, per_caller=1))
    with admission.place("ada", "key"):
        with admission.place("ada", "key"), pytest.raises(Overloaded):
            begin(admission, "a")
        with pytest.raises(Overloaded), admission.place("bob", "key"):
            pass
        with pytest.raises(Overloaded), admission.place("ada", "other"):
            pass
    begin(admission, "a")
    with pytest.raises(Overloaded), admission.place("ada", "key"):
        pass


def test_a_turn_of_an_earlier_process_counts_like_any_other() -> None:
    admission = Admission(Capacity(running=1, queued=1, per_caller=1))
    admission.begin("old", "ada")
    with pytest.raises(Overloaded, match="1 of your"):
        begin(admission, "a")
    begin(admission, "b", "bob")
    admission.end("old")
    begin(admission, "a")


def test_a_turn_may_begin_with_its_question_while_all_there_are_find_room() -> None:
    admission = Admission(Capacity(running=2, queued=8, per_caller=8))
    begin(admission, "a")
    with admission.place("ada", "key") as at_once, admission.place("bob") as third:
        assert (at_once, third) == (True, False)
        with admission.place("ada", "key") as repeat:
            assert not repeat


def test_a_quota_is_asked_for_each_turn_with_the_callers_others_and_not_for_a_repeat() -> None:
    quota = Asked()
    admission = Admission(Capacity(running=9, queued=9, per_caller=9), quota)
    begin(admission, "a", "ada")
    with admission.place("ada", "key"), admission.place("ada", "key"), pytest.raises(Overloaded, match="no more"):
        begin(admission, "b", "ada")
    begin(admission, "c", "cid")
    admission.end("a")
    begin(admission, "d", "ada")
    assert quota.turns == [("ada", 0), ("ada", 1), ("ada", 2), ("cid", 0), ("ada", 0)]


async def test_a_turn_that_is_stopped_while_it_waits_never_started(desk: Desk) -> None:
    toolbox = partial(Toolbox, KnowledgeBase(desk.db, search_timeout=5), result_chars=8_000, folder_note=no_note)
    limits = Limits(llm_calls=8, tool_calls=8, seconds=60, window=32_000)
    no_room = Admission(Capacity(running=0, queued=1, per_caller=1))
    desk.runner = TurnRunner(TurnStore(desk.db, desk.log), desk.model, toolbox, limits, desk.metrics, no_room)
    posted = await desk.ask()
    await asyncio.sleep(0)  # it begins to wait

    await desk.runner.cancel(posted.answer.id)

    assert (await desk.stored(posted)).status == "cancelled"
    told = [event.type for event in await desk.told(posted)]
    assert EventType.TURN_STARTED not in told
    assert told[-2:] == [EventType.MESSAGE_CREATED, EventType.TURN_CANCELLED]
