"""Read-your-writes: who waits for what was put into the folder hears when it is searchable, or why not."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from service.errors import Conflict, Overloaded
from service.kb.waiting import Arrivals, Wanted, wanted
from tests.kb.live import PATIENCE, Live, fill, write

SHA = "5" * 64


class Waiting:
    """Waits for a live index; `left` is the client's going."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.arrivals = Arrivals(live.index, live.watcher.nudge)
        self.left = asyncio.Event()

    async def wait(self, text: str, seconds: float = PATIENCE) -> None:
        await self.arrivals.wait(text, seconds, self._gone)

    async def refused(self, text: str, seconds: float = PATIENCE) -> Conflict:
        with pytest.raises(Conflict) as caught:
            await self.wait(text, seconds)
        return caught.value

    async def missed(self, text: str) -> Conflict:
        """Wait in vain for a moment; again where the machine was too slow for a scan in it."""
        while "still being scanned" in (found := await self.refused(text, 0.3)).detail:
            pass
        return found

    async def _gone(self) -> None:
        await self.left.wait()


@pytest.fixture
async def waiting(watched: Live) -> AsyncIterator[Waiting]:
    found = Waiting(watched)
    yield found
    found.arrivals.close()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("guide/a.md", Wanted("guide/a.md", "")),
        (SHA, Wanted("", SHA)),
        (f"a@b.md@{SHA}", Wanted("a@b.md", SHA)),
        ("a@b.md", Wanted("a@b.md", "")),
        (f"a.md@{SHA[1:]}", Wanted(f"a.md@{SHA[1:]}", "")),
        ("a.md@gone", Wanted("a.md", "", gone=True)),
        ("*", Wanted("", "")),
    ],
)
def test_what_to_wait_for_is_read_as_name_content_both_end_or_all(text: str, meaning: Wanted) -> None:
    assert wanted(text) == meaning


async def test_a_name_is_live_once_it_reads_as_it_does_on_disk(waiting: Waiting) -> None:
    for n in range(6):
        write(waiting.live.root / "guide/a.md", f"edit {n}")
        await waiting.wait("guide/a.md")
        assert await waiting.live.text("guide/a.md") == f"edit {n}"


async def test_a_content_is_live_under_any_name_or_under_its_own(waiting: Waiting) -> None:
    write(waiting.live.root / "a.md", "first")
    await waiting.wait(digest("first"))
    write(waiting.live.root / "a.md", "second")
    await waiting.wait(f"a.md@{digest('second')}")
    assert await waiting.live.text("a.md") == "second"
    other = await waiting.missed(f"a.md@{digest('first')}")
    assert (other.code, "other content" in other.detail) == ("not_live", True)


async def test_a_file_that_arrives_later_is_waited_for(waiting: Waiting) -> None:
    waits = [asyncio.create_task(waiting.wait(text)) for text in ("late.md", digest("late"))]
    await asyncio.wait(waits, timeout=0.3)
    assert not any(wait.done() for wait in waits)
    write(waiting.live.root / "late.md", "late")
    await asyncio.gather(*waits)
    assert await waiting.live.text("late.md") == "late"


async def test_a_deletion_is_waited_for_by_name(waiting: Waiting) -> None:
    write(waiting.live.root / "a.md", "text")
    await waiting.wait("a.md")
    kept = await waiting.missed("a.md@gone")
    assert (kept.code, "still in the folder" in kept.detail) == ("not_live", True)
    (waiting.live.root / "a.md").unlink()
    await waiting.wait("a.md@gone")
    assert await waiting.live.names() == set()
    await waiting.wait("never.md@gone")


async def test_all_that_is_in_the_folder_is_waited_for_at_once(waiting: Waiting) -> None:
    names = fill(waiting.live.root, 400)
    await waiting.wait("*")
    assert await waiting.live.names() == names


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("photo.md", b"\x89PNG\x00\x01", "not_text"),
        ("huge.md", b"x" * 200_000, "too_large"),
        ("photo.png", b"x", "ending"),
        (".hidden/a.md", b"x", "ending"),
    ],
)
async def test_a_file_that_is_skipped_is_told_with_its_reason_at_once(
    waiting: Waiting, name: str, content: bytes, reason: str
) -> None:
    path = waiting.live.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    skipped = await waiting.refused(name, 60)
    assert skipped.code == "file_skipped"
    assert reason in skipped.detail


async def test_a_file_that_was_skipped_and_is_mended_is_live(waiting: Waiting) -> None:
    path = waiting.live.root / "a.md"
    path.write_bytes(b"\x00")
    assert (await waiting.refused("a.md")).code == "file_skipped"
    write(path, "mended")
    await waiting.wait("a.md")


async def test_what_is_not_there_in_time_is_said(waiting: Waiting) -> None:
    missing = await waiting.missed("none.md")
    assert missing.code == "not_live"
    assert "no such file in the folder" in missing.detail
    assert "no document has this content" in (await waiting.missed(SHA)).detail


async def test_waiting_ends_when_the_client_leaves_and_when_the_service_stops(waiting: Waiting) -> None:
    waits = [asyncio.create_task(waiting.refused("none.md", 60)) for _ in range(2)]
    await asyncio.wait(waits, timeout=0.1)
    waiting.left.set()
    assert [wait.code for wait in await asyncio.gather(*waits)] == ["not_live"] * 2
    waiting.left.clear()
    stopped = asyncio.create_task(waiting.refused("none.md", 60))
    await asyncio.wait([stopped], timeout=0.1)
    waiting.arrivals.close()
    assert "stopping" in (await stopped).detail


async def test_not_more_than_a_hundred_wait(waiting: Waiting) -> None:
    waits = [asyncio.create_task(waiting.refused("none.md", 60)) for _ in range(100)]
    await asyncio.wait(waits, timeout=0.1)
    with pytest.raises(Overloaded):
        await waiting.wait("none.md")
    waiting.left.set()
    await asyncio.gather(*waits)
    write(waiting.live.root / "a.md", "text")
    waiting.left.clear()
    await waiting.wait("a.md")
