"""Following a chat: whenever a client leaves and comes back, it reads every event and every character once."""

import asyncio
import json
import random
from contextlib import aclosing

import pytest

from service.chats.encoding import encode, encode_delta
from service.chats.events import EventLog, EventType, Scope
from service.chats.records import Step
from service.chats.steps import Started
from service.chats.stream import Frame, Position, follow
from service.chats.turns import Turn
from tests.chats.conftest import Chats, completed

TEXT = "A client resumes with Last-Event-ID. 日本語 and 🙂 count one each. " * 5


async def write_answer(chats: Chats, turn: Turn, text: str = TEXT, *, preamble: bool = True) -> None:
    """Run a turn's life: a withdrawn beginning, a step, then text in small pieces."""
    step = Step(2, "search_kb", '{"query": "x"}', 2, None, 1.0)
    with chats.turns.writing(turn):
        if preamble:
            chats.turns.extend(turn, "Let me look. ")
            await asyncio.sleep(0)
            await chats.turns.reset(turn, "the model calls a tool first")
        await chats.turns.tool_started(turn, Started(step))
        await chats.turns.tool_step(turn, step, {"role": "tool", "content": "{}"})
        for at in range(0, len(text), 7):
            chats.turns.extend(turn, text[at : at + 7])
            if at % 21 == 0:
                await chats.store.update("ann", turn.chat_id, title=f"title {at}")
        await chats.turns.finish(turn, completed(text))


class Client:
    """Folds frames as a client does."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.durable: list[int] = []
        self.text = ""
        self.answers: list[str] = []

    def take(self, frame: Frame) -> None:
        data = json.loads(frame.data)
        position = Position.parse(str(frame.position))
        assert position is not None
        if self.last_id is not None:
            former = Position.parse(self.last_id)
            assert former is not None
            assert former < position, "ids strictly increase"
        self.last_id = str(frame.position)
        if frame.type is EventType.ANSWER_DELTA:
            assert data["offset"] == len(self.text), "no gap, no repeat"
            self.text += data["text"]
            return
        self.durable.append(frame.position.event)
        if frame.type in {EventType.ANSWER_RESET, EventType.TURN_STARTED}:
            self.text = ""
        if frame.type is EventType.ANSWER_COMPLETED:
            assert self.text == data["message"]["content"]
            self.answers.append(self.text)
            self.text = ""


async def no_snapshot() -> dict[str, str]:
    raise AssertionError("the position was known")


async def read_until_cut(log: EventLog, scope: Scope, client: Client, frames: int) -> None:
    """Read at most so many frames, then drop the connection as a broken network does."""
    async with aclosing(follow(log, scope, client.last_id, no_snapshot, idle=30)) as stream:
        async for frame in stream:
            if isinstance(frame, Position):
                continue
            assert frame is not None
            client.take(frame)
            frames -= 1
            if frames <= 0 or client.answers:
                return


@pytest.mark.parametrize("seed", range(40))
async def test_a_client_that_drops_at_random_reads_everything_once(chats: Chats, seed: int) -> None:
    chance = random.Random(seed)
    turn = await chats.begun()
    scope = Scope("ann", turn.chat_id)
    client = Client()
    client.last_id = str((await chats.log.replay(scope, 0))[0].id)
    first = Position.parse(client.last_id)
    assert first is not None
    writing = asyncio.create_task(write_answer(chats, turn))
    async with asyncio.timeout(60):
        while not client.answers:
            await read_until_cut(chats.log, scope, client, chance.randint(1, 6))
            for _ in range(chance.randint(0, 5)):
                await asyncio.sleep(0)
        await writing
    assert client.answers == [TEXT]
    kept = [event.id for event in await chats.log.replay(scope, first.event)]
    assert client.durable == kept[: len(client.durable)]


async def test_a_client_that_comes_after_the_end_reads_the_same(chats: Chats) -> None:
    turn = await chats.begun()
    await write_answer(chats, turn)
    client = Client()
    client.last_id = str((await chats.log.replay(Scope("ann", turn.chat_id), 0))[0].id)
    await read_until_cut(chats.log, Scope("ann", turn.chat_id), client, 100)
    assert client.answers == [TEXT]


async def test_a_stream_without_an_id_begins_where_the_running_turn_began(chats: Chats) -> None:
    turn = await chats.begun()
    scope = Scope("ann", turn.chat_id)
    with chats.turns.writing(turn):
        chats.turns.extend(turn, "so far")
        async with aclosing(follow(chats.log, scope, None, no_snapshot, idle=30)) as stream:
            assert isinstance(await anext(stream), Position)
            seen = [await anext(stream) for _ in range(4)]
            await chats.turns.reset(turn, "the model calls a tool first")
            chats.turns.extend(turn, "anew")
            seen += [await anext(stream) for _ in range(2)]
    kinds = [frame.type for frame in seen if isinstance(frame, Frame)]
    assert kinds == [*["message.created"] * 2, "turn.started", "answer.delta", "answer.reset", "answer.delta"]


async def test_a_stream_without_an_id_begins_now_when_nothing_runs(chats: Chats) -> None:
    turn = await chats.begun()
    scope = Scope("ann", turn.chat_id)
    with chats.turns.writing(turn):
        chats.turns.extend(turn, TEXT)
        await chats.turns.finish(turn, completed(TEXT))
        async with aclosing(follow(chats.log, scope, None, no_snapshot, idle=0.01)) as stream:
            assert await anext(stream) == Position(await chats.log.last_id(scope))
            assert await anext(stream) is None


async def test_what_happens_once_a_stream_has_told_its_place_is_not_missed(chats: Chats) -> None:
    chat = await chats.store.create("ann", "Ports", {})
    async with aclosing(follow(chats.log, Scope("ann"), None, no_snapshot, idle=30)) as stream:
        place = await anext(stream)
        changed = await chats.store.update("ann", chat.id, title="Harbour")
        frame = await anext(stream)
    assert isinstance(frame, Frame)
    assert json.loads(frame.data)["chat"]["title"] == changed.title == "Harbour"
    assert str(place) == str(frame.position.event - 1)


@pytest.mark.parametrize(
    "unknown", ["99999999", "0", "-1", "1.5.2", "abc", "١٢", "9" * 30, "12_3", "foreign", "pruned"]
)
async def test_an_id_that_is_not_known_gets_a_snapshot(chats: Chats, unknown: str) -> None:
    turn = await chats.begun()
    if unknown == "foreign":
        other = await chats.asked()
        unknown = str((await chats.log.replay(Scope("ann", other.question.chat_id), 0))[0].id)
    elif unknown == "pruned":
        unknown = str((await chats.log.replay(Scope("ann", turn.chat_id), 0))[0].id)
        assert await chats.log.prune("9999", 1_000) > 0

    async def snapshot() -> dict[str, str]:
        return {"chat": "as it is"}

    async with aclosing(follow(chats.log, Scope("ann", turn.chat_id), unknown, snapshot, idle=30)) as stream:
        frame = await anext(stream)
        assert isinstance(frame, Frame)
        assert (frame.type, json.loads(frame.data)) == ("stream.reset", {"snapshot": {"chat": "as it is"}})
        await chats.store.update("ann", turn.chat_id, title="next")
        following = await anext(stream)
    assert isinstance(following, Frame)
    assert following.type is EventType.CHAT_UPDATED


async def test_the_stream_of_everything_has_all_chats_of_the_owner_and_no_deltas(chats: Chats) -> None:
    start = await chats.store.create("ann", "first", {})
    scope = Scope("ann")
    first = (await chats.log.replay(scope, 0))[0].id
    turn = await chats.begun()
    await chats.asked(owner="bob")
    await write_answer(chats, turn)
    kinds = []
    async with aclosing(follow(chats.log, scope, str(first), no_snapshot, idle=0.05)) as stream:
        async for frame in stream:
            if frame is None:
                break
            if isinstance(frame, Frame):
                kinds.append(frame.type)
                assert "bob" not in frame.data.decode()
    assert EventType.ANSWER_DELTA not in kinds
    assert kinds.count(EventType.CHAT_CREATED) == 1
    assert EventType.ANSWER_COMPLETED in kinds
    assert start.title == "first"


async def test_deleting_a_chat_tells_its_followers_and_ends_their_stream(chats: Chats) -> None:
    posted = await chats.asked()
    scope = Scope("ann", posted.question.chat_id)
    frames: list[Frame | Position | None] = []

    async def read() -> None:
        frames.extend([frame async for frame in follow(chats.log, scope, None, no_snapshot, idle=30)])

    reading = asyncio.create_task(read())
    async with asyncio.timeout(60):
        while not chats.log.subscribers:
            await asyncio.sleep(0)
        await chats.store.delete("ann", posted.question.chat_id)
        await reading
    last = frames[-1]
    assert isinstance(last, Frame)
    assert last.type is EventType.CHAT_DELETED


@pytest.mark.parametrize("resume", [None, "5", "1", "99999"])
async def test_a_stream_that_opens_as_its_chat_goes_is_told_and_ends(chats: Chats, resume: str | None) -> None:
    posted = await chats.asked()
    scope = Scope("ann", posted.question.chat_id)
    await chats.store.delete("ann", posted.question.chat_id)
    frames = [frame async for frame in follow(chats.log, scope, resume, no_snapshot, idle=30)]
    assert [frame.type for frame in frames if isinstance(frame, Frame)] == [EventType.CHAT_DELETED]


async def test_an_answer_that_ends_while_it_is_followed_is_sent_once(chats: Chats) -> None:
    for _ in range(10):
        turn = await chats.begun()
        scope = Scope("ann", turn.chat_id)
        client = Client()
        client.last_id = str((await chats.log.replay(scope, 0))[0].id)
        writing = asyncio.create_task(write_answer(chats, turn, preamble=False))
        async with aclosing(follow(chats.log, scope, client.last_id, no_snapshot, idle=0.05)) as stream:
            async for frame in stream:
                if isinstance(frame, Frame):
                    client.take(frame)
                elif frame is None and writing.done():
                    break
        assert (client.answers, client.text) == ([TEXT], "")


async def test_text_in_memory_is_not_sent_after_an_end_that_was_read_from_the_log(chats: Chats) -> None:
    turn = await chats.begun()
    log = EventLog(chats.db)  # it has not heard yet of what the other one commits
    client = Client()
    client.last_id = "1"
    with log.writing(turn.chat_id, turn.id):
        log.extend(turn.chat_id, TEXT)
        await chats.turns.finish(turn, completed(TEXT))
        stream = follow(log, Scope("ann", turn.chat_id), client.last_id, no_snapshot, idle=0.01)
        async with aclosing(stream) as frames:
            async for frame in frames:
                if frame is None:
                    break
                if isinstance(frame, Frame):
                    client.take(frame)
    assert (client.answers, client.text) == ([TEXT], "")


async def test_closing_the_log_ends_open_streams_and_new_ones(chats: Chats) -> None:
    turn = await chats.begun()
    scope = Scope("ann", turn.chat_id)
    place = Position(await chats.log.last_id(scope))
    async with asyncio.timeout(60), aclosing(follow(chats.log, scope, None, no_snapshot, idle=30)) as opened:
        assert await anext(opened) == place
        chats.log.close()
        assert [frame async for frame in opened] == []
        assert [frame async for frame in follow(chats.log, scope, None, no_snapshot, idle=30)] == [place]


async def test_a_subscriber_that_never_reads_is_dropped_not_fed_for_ever(chats: Chats) -> None:
    chat = await chats.store.create("ann", "busy", {})
    with chats.log.subscribe(Scope("ann", chat.id)) as subscription:
        await asyncio.gather(*(chats.store.update("ann", chat.id, title=str(n)) for n in range(1_100)))
        assert subscription.ended
        assert len(subscription.queue) == 1_000


@pytest.mark.parametrize("text", ["7", "7.120", " 7 "])
def test_a_position_is_read_as_it_is_written(text: str) -> None:
    position = Position.parse(text)
    assert str(position) == text.strip()


def test_event_data_is_one_line_however_its_reader_splits_text() -> None:
    text = "".join(map(chr, range(0x250))) + "\u2028 and \u2029 日本語"
    for data in (encode({"text": text}), encode_delta("msg_1", 3, text)):
        assert len(data.decode().splitlines()) == 1
        assert json.loads(data)["text"] == text
