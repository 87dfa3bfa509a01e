"""Chats and messages as their owner sees them."""

import asyncio
import contextlib
import json
import sqlite3

import pytest

from service.chats.events import EventLog, Scope
from service.chats.records import Outcome, Status, Step, public
from service.chats.steps import Asked, Started
from service.chats.store import NEWEST
from service.errors import Conflict, NotFound, StorageError
from tests.chats.conftest import Chats, completed
from tests.full_disk import files_limited


async def test_a_chat_is_read_back_as_it_was_made(chats: Chats) -> None:
    made = await chats.store.create("ann", "Ports", {"team": "support"})
    assert await chats.store.get("ann", made.id) == made
    assert (made.title, dict(made.metadata)) == ("Ports", {"team": "support"})


async def test_another_owners_chat_does_not_exist(chats: Chats) -> None:
    posted = await chats.asked(owner="ann")
    chat_id, message_id = posted.question.chat_id, posted.question.id
    for attempt in (
        chats.store.get("bob", chat_id),
        chats.store.update("bob", chat_id, title="mine"),
        chats.store.delete("bob", chat_id),
        chats.store.messages("bob", chat_id, 10),
        chats.store.message("bob", chat_id, message_id),
        chats.questions.post("bob", chat_id, "hello", "m"),
        chats.store.snapshot(Scope("bob", chat_id)),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await chats.store.page("bob", 10)).items == ()
    assert (await chats.store.get("ann", chat_id)).title == "Which port?"


async def test_a_message_is_only_found_in_its_own_chat(chats: Chats) -> None:
    posted = await chats.asked()
    other = await chats.store.create("ann", None, {})
    with pytest.raises(NotFound):
        await chats.store.message("ann", other.id, posted.question.id)


@pytest.mark.parametrize("words", ["", "chat"])
async def test_pages_of_chats_run_from_newest_to_oldest_without_gap_or_repeat(chats: Chats, words: str) -> None:
    made = [await chats.store.create("ann", f"chat {n}", {}) for n in range(7)]
    seen: list[str | None] = []
    key = NEWEST
    while len(seen) < 2 * len(made):
        page = await chats.store.page("ann", 3, key, words)
        seen += [chat.title for chat in page.items]
        if page.next_key is None:
            break
        key = page.next_key
    assert seen == [chat.title for chat in reversed(made)]


async def test_a_full_last_page_has_no_next_one(chats: Chats) -> None:
    for n in range(4):
        await chats.store.create("ann", str(n), {})
    assert (await chats.store.page("ann", 4)).next_key is None


async def test_messages_page_in_both_orders(chats: Chats) -> None:
    posted = await chats.asked("first")
    turn = await chats.turns.begin(posted.answer.id, "m")
    assert turn is not None
    await chats.turns.finish(turn, completed("an answer"))
    await chats.questions.post("ann", turn.chat_id, "second", "m")
    first = await chats.store.messages("ann", turn.chat_id, 3)
    assert [m.content for m in first.items] == ["first", "an answer", "second"]
    rest = await chats.store.messages("ann", turn.chat_id, 3, first.next_key)
    assert [(m.role, m.status) for m in rest.items] == [("assistant", Status.QUEUED)]
    newest = await chats.store.messages("ann", turn.chat_id, 2, order="desc")
    assert [m.role for m in newest.items] == ["assistant", "user"]
    older = await chats.store.messages("ann", turn.chat_id, 2, newest.next_key, order="desc")
    assert ([m.content for m in older.items], older.next_key) == (["an answer", "first"], None)


async def test_order_is_that_of_writing_whatever_the_clock_said(chats: Chats) -> None:
    first, second = await chats.asked("one"), await chats.asked("two")
    later = await chats.store.create("ann", "later", {})
    for table in ("chats", "messages", "events"):  # each row seems to be an hour older than the one before
        back = f"UPDATE {table} SET created_at = datetime('2026-01-01', '-' || rowid || ' hours')"  # noqa: S608
        await chats.db.write(lambda tx, back=back: tx.execute(back))  # type: ignore[misc]

    chat_ids = [chat.id for chat in (await chats.store.page("ann", 10)).items]
    assert chat_ids == [later.id, second.question.chat_id, first.question.chat_id]
    messages = (await chats.store.messages("ann", first.question.chat_id, 10)).items
    assert [message.role for message in messages] == ["user", "assistant"]
    assert [turn.id for turn in await chats.turns.unfinished()] == [first.answer.id, second.answer.id]
    kept = await EventLog(chats.db).replay(Scope("ann"), 0)
    assert [event.id for event in kept] == sorted(event.id for event in kept)


async def test_the_first_question_names_an_untitled_chat(chats: Chats) -> None:
    posted = await chats.asked(
        "How do I resume a stream that was cut in the middle of a very long answer?\nPlease tell."
    )
    chat = await chats.store.get("ann", posted.question.chat_id)
    assert chat.title == "How do I resume a stream that was cut in the middle of a…"
    titled = await chats.store.create("ann", "Mine", {})
    await chats.questions.post("ann", titled.id, "a question", "m")
    assert (await chats.store.get("ann", titled.id)).title == "Mine"


async def test_renaming_keeps_metadata_and_the_other_way_round(chats: Chats) -> None:
    chat = await chats.store.create("ann", "Old", {"a": "1"})
    await chats.store.update("ann", chat.id, title="New")
    changed = await chats.store.update("ann", chat.id, metadata={"b": "2"})
    assert (changed.title, dict(changed.metadata)) == ("New", {"b": "2"})


async def test_a_change_that_changes_nothing_is_neither_dated_nor_told(chats: Chats) -> None:
    chat = await chats.store.create("ann", "Ports", {"team": "support"})
    last = await chats.log.last_id(Scope("ann", None))
    for change in ({}, {"title": "Ports"}, {"metadata": {"team": "support"}}):
        assert await chats.store.update("ann", chat.id, **change) == chat
    assert await chats.log.last_id(Scope("ann", None)) == last
    await chats.store.update("ann", chat.id, metadata={})
    assert await chats.log.last_id(Scope("ann", None)) != last


async def test_a_second_question_is_refused_while_the_first_is_answered(chats: Chats) -> None:
    posted = await chats.asked()
    with pytest.raises(Conflict) as refused:
        await chats.questions.post("ann", posted.question.chat_id, "and now?", "m")
    assert (refused.value.code, refused.value.message_id) == ("turn_in_progress", posted.answer.id)
    assert len((await chats.store.messages("ann", posted.question.chat_id, 10)).items) == 2


async def test_of_many_questions_at_once_exactly_one_is_taken(chats: Chats) -> None:
    chat = await chats.store.create("ann", None, {})
    results = await asyncio.gather(
        *(chats.questions.post("ann", chat.id, f"question {n}", "m") for n in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 19
    assert len((await chats.store.messages("ann", chat.id, 50)).items) == 2


async def test_deleting_leaves_no_row_of_the_chat_behind(chats: Chats) -> None:
    turn = await chats.begun()
    step = Step(2, "search_kb", '{"query": "port"}', 3, None, 1.5)
    await chats.turns.tool_started(turn, Started(step, Asked(1, {"role": "assistant", "content": ""}, 2.0)))
    await chats.turns.tool_step(turn, step, {"role": "tool", "content": "{}"})
    assert await chats.store.delete("ann", turn.chat_id) == turn.id

    counts = await chats.db.read(
        lambda c: {
            table: c.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("chats", "messages", "turns", "steps", "idempotency")
        }
    )
    assert counts == dict.fromkeys(counts, 0)
    events = await chats.db.read(lambda c: c.execute("SELECT type, data FROM events").fetchall())
    assert [(kind, json.loads(data)) for kind, data in events] == [("chat.deleted", {"chat_id": turn.chat_id})]


async def test_what_was_deleted_is_gone_from_the_files_too(chats: Chats) -> None:
    posted = await chats.asked("the unmistakable-secret of the keeper, " * 20)
    files = [chats.db.path, chats.db.path.with_name(chats.db.path.name + "-wal")]
    assert any(b"unmistakable-secret" in file.read_bytes() for file in files)
    await chats.store.delete("ann", posted.question.chat_id)
    assert not any(b"unmistakable-secret" in file.read_bytes() for file in files)


async def test_no_word_of_a_deleted_chat_is_left_in_the_search_over_chats(chats: Chats) -> None:
    kept = await chats.asked("Where is the lamp?")
    posted = await chats.asked("Where is the zebraquartz?")
    await chats.store.update("ann", posted.question.chat_id, title="zebraquartz")
    await chats.store.delete("ann", posted.question.chat_id)
    assert b"zebraquartz" in chats.db.path.read_bytes()

    await chats.store.erase()

    files = [chats.db.path, chats.db.path.with_name(chats.db.path.name + "-wal")]
    assert not any(b"zebraquartz" in file.read_bytes() for file in files)
    found = await chats.store.page("ann", 10, words="lamp")
    assert [chat.id for chat in found.items] == [kept.question.chat_id]


async def test_nothing_is_erased_and_the_log_is_left_alone_while_nothing_was_deleted(chats: Chats) -> None:
    await chats.store.erase()  # what an earlier process may have left
    await chats.asked("Where is the lamp?")
    log = chats.db.path.with_name(chats.db.path.name + "-wal")
    before = log.read_bytes()
    await chats.store.erase()
    assert log.read_bytes() == before


async def test_a_chat_is_deleted_also_where_the_log_cannot_be_emptied_yet(chats: Chats) -> None:
    await chats.asked("what makes the file grow, " * 20_000)
    await chats.db.truncate_log()
    posted = await chats.asked("the unmistakable-secret of the keeper, " * 1_000)
    with files_limited(chats.db.file_bytes()):  # enough for the log, and the file itself cannot grow
        await chats.store.delete("ann", posted.question.chat_id)
        with pytest.raises(NotFound):
            await chats.store.get("ann", posted.question.chat_id)
        with pytest.raises(StorageError):
            await chats.store.erase()
    assert chats.db.wal_bytes() > 0
    await chats.store.erase()
    assert chats.db.wal_bytes() == 0


async def test_a_log_that_a_reader_keeps_is_emptied_once_the_reader_has_gone(chats: Chats) -> None:
    posted = await chats.asked()
    with contextlib.closing(sqlite3.connect(chats.db.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM chats").fetchone()
        await chats.store.delete("ann", posted.question.chat_id)
        await chats.store.erase()
        assert chats.db.wal_bytes() > 0
    await chats.store.erase()
    assert chats.db.wal_bytes() == 0


async def test_a_reader_that_takes_its_time_keeps_nobody_from_deleting(chats: Chats) -> None:
    posted = await chats.asked("the unmistakable-secret of the keeper, " * 20)
    log = chats.db.path.with_name(chats.db.path.name + "-wal")
    with contextlib.closing(sqlite3.connect(chats.db.path, isolation_level=None)) as backup:
        backup.execute("BEGIN")
        backup.execute("SELECT count(*) FROM chats").fetchone()
        await chats.store.delete("ann", posted.question.chat_id)
        assert b"unmistakable-secret" in log.read_bytes()
    await chats.store.erase()
    assert not any(b"unmistakable-secret" in file.read_bytes() for file in (log, chats.db.path))


async def test_a_message_shows_its_tool_calls_and_only_its_own(chats: Chats) -> None:
    turn = await chats.begun()
    await chats.turns.tool_step(turn, Step(1, "search_kb", '{"query": "port"}', 3, None, 1.5), {"role": "tool"})
    await chats.turns.finish(turn, completed("8000"))
    posted = await chats.questions.post("ann", turn.chat_id, "and the host?", "m")
    first = await chats.store.message("ann", turn.chat_id, turn.id)
    second = await chats.store.message("ann", turn.chat_id, posted.answer.id)
    assert [(s.name, s.hits) for s in first.steps] == [("search_kb", 3)]
    assert second.steps == ()
    assert public(first)["steps"][0]["arguments"] == {"query": "port"}


async def test_a_snapshot_holds_the_chat_with_its_messages_or_the_newest_chats(chats: Chats) -> None:
    posted = await chats.asked("Which port?")
    chat_id = posted.question.chat_id
    one = await chats.store.snapshot(Scope("ann", chat_id))
    assert (one["chat"]["id"], [m["content"] for m in one["messages"]]) == (chat_id, ["Which port?", ""])
    everything = await chats.store.snapshot(Scope("ann"))
    assert [chat["id"] for chat in everything["chats"]] == [chat_id]


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_every_outcome_and_field_of_an_answer_is_kept(chats: Chats, outcome: Outcome) -> None:
    turn = await chats.begun()
    ending = completed("text")
    finished = await chats.turns.finish(
        turn, type(ending)(Status.COMPLETED, outcome, "text", kb_revision=7, citations_dropped=2)
    )
    assert await chats.store.message("ann", turn.chat_id, turn.id) == finished
    assert (finished.outcome, finished.kb_revision, finished.citations_dropped) == (outcome, 7, 2)
