"""The tools with which people and systems change folders: editors, cp, tar, rsync, git, Kubernetes' ConfigMaps."""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from service.database import Transaction
from service.kb.index import Changes
from service.kb.search import KnowledgeBase
from tests.kb.live import DEFAULT_SETTLE, USUAL, Live, eventually, fill, live, write
from tests.missing import require

TREE = 300
TOOLS = {"git", "rsync", "tar", "vim"}


async def run(command: str, folder: Path) -> None:
    """Run a command of the shell in a folder."""
    require(*TOOLS & set(command.split()))
    process = await asyncio.create_subprocess_shell(command, cwd=folder, env={**os.environ, "HOME": str(folder)})
    assert await process.wait() == 0, command


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("cp -r tree/. knowledge/", id="cp"),
        pytest.param("tar c -C tree . | tar x -C knowledge", id="tar"),
        pytest.param("mv tree/* knowledge/", id="mv"),
        pytest.param("rsync -a tree/ knowledge/", id="rsync"),
    ],
)
async def test_a_tree_that_arrives_is_complete_in_time(watched: Live, command: str) -> None:
    names = fill(watched.root.parent / "tree", TREE)
    await run(command, watched.root.parent)
    await watched.assert_names(names)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("cp -a tree/. knowledge/", id="cp"),
        pytest.param("tar c -C tree . | tar x -C knowledge", id="tar"),
        pytest.param("rsync -aI tree/ knowledge/", id="rsync"),
        pytest.param("mv knowledge/t* . && mv tree/t* knowledge/", id="mv"),
    ],
)
async def test_a_tree_of_the_same_names_sizes_and_old_times_takes_the_place_of_another(
    watched: Live, command: str
) -> None:
    old = (946684800, 946684800)
    for folder, word in ((watched.root, "known"), (watched.root.parent / "tree", "other")):
        for name in fill(folder, 60, word):
            os.utime(folder / name, old)
    names = fill(watched.root.parent / "wanted", 60, "other")
    await watched.assert_names(names)
    await run(command, watched.root.parent)
    for name in names:
        await watched.assert_text(name, (watched.root.parent / "wanted" / name).read_text())


async def test_times_in_the_future_and_clocks_that_go_back_hide_no_edit(watched: Live) -> None:
    write(watched.root / "a.md", "version 0")
    await watched.assert_text("a.md", "version 0")
    for n, time in enumerate(("2099-12-31", "1971-01-01", "2099-12-31", "2000-01-01", "1969-12-01"), 1):
        await run(f"printf '%s' 'version {n}' > .new && touch -d {time} .new && mv .new a.md", watched.root)
        await watched.assert_text("a.md", f"version {n}")


async def test_a_document_that_is_replaced_over_and_over_is_in_every_search(watched: Live) -> None:
    write(watched.root / "a.md", "version 0")
    await watched.assert_text("a.md", "version 0")
    stop = asyncio.Event()
    found: list[str | None] = []

    async def search() -> None:
        while not stop.is_set():
            found.append(await watched.text("a.md"))

    searching = asyncio.create_task(search())
    await run(
        "for n in $(seq 100); do printf '%s' \"version $n\" > .new; mv .new a.md; sleep 0.02; done", watched.root
    )
    await watched.assert_text("a.md", "version 100")
    stop.set()
    await searching
    assert None not in found
    numbers = [int(str(text).removeprefix("version ")) for text in found]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("printf '%s' 'version {n}' > .new && mv .new a.md", id="rename over"),
        pytest.param("sed -i 's/.*/version {n}/' a.md", id="sed"),
        pytest.param("cp a.md a.bak && printf '%s' 'version {n}' > a.md && rm a.bak", id="copy aside"),
        pytest.param(
            "vim -N -u NONE -i NONE -es -c '%s/.*/version {n}/' -c 'set noeol nofixeol' -c wq a.md",
            id="vim",
        ),
        pytest.param(
            "vim -N -u NONE -i NONE -es -c 'set backup backupcopy=no noeol nofixeol' "
            "-c '%s/.*/version {n}/' -c wq a.md",
            id="vim that renames",
        ),
        pytest.param("printf '%s' 'version {n}' > ../a.md && rsync -tI ../a.md a.md", id="rsync"),
    ],
)
async def test_an_edit_is_one_new_version_and_the_document_is_never_absent(watched: Live, command: str) -> None:
    write(watched.root / "a.md", "version 0")
    await watched.assert_text("a.md", "version 0")
    for n in (1, 2):
        await run(command.replace("{n}", str(n)), watched.root)
        await watched.assert_text("a.md", f"version {n}")

    async def told() -> bool:
        ours = [found for found in watched.told if "a.md" in found.added + found.changed + found.removed]
        assert [found.removed for found in ours] == [()] * len(ours)
        return [len(found.changed) for found in ours] == [0, 1, 1]

    await eventually(told, "three versions to be told")


async def test_a_checkout_to_and_fro_is_exact(watched: Live) -> None:
    root = watched.root
    await run("git init -q . && git config user.email a@b && git config user.name a", root)
    await run("git commit -q --allow-empty -m none && git branch none", root)
    names = fill(root, TREE)
    await run("git checkout -q -b first && git add . && git commit -q -m first", root)
    await run("git checkout -q -b second", root)
    fill(root, TREE, "other")
    await run("git commit -q -a -m second", root)
    await watched.assert_text(min(names), (root / min(names)).read_text())
    for branch, wanted in (("none", set()), ("first", names), ("second", names), ("none", set())):
        await run(f"git checkout -q {branch}", root)
        await watched.assert_names(wanted)
        for name in sorted(wanted)[::50]:
            await watched.assert_text(name, (root / name).read_text())


def configure(root: Path, generation: int) -> None:
    """Write a generation as the kubelet does: a new directory, then one rename of the link to it."""
    made = root / f"..2026_{generation}"
    for name in ("a.md", "b.md", "sub/c.md"):
        write(made / name, f"generation {generation:04}")
    (root / "..data_tmp").symlink_to(made.name)
    old = (root / "..data").resolve()
    (root / "..data_tmp").rename(root / "..data")
    if old.name != "..data":
        shutil.rmtree(old)


async def test_the_files_of_a_config_map_switch_together(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    root.mkdir()
    configure(root, 0)
    for name in ("a.md", "b.md", "sub"):
        (root / name).symlink_to(f"..data/{name}")
    seen: list[set[str]] = []

    def record(tx: Transaction, changes: Changes) -> None:
        sql = "SELECT b.text FROM documents d JOIN blocks b ON b.document_id = d.id WHERE d.live = 1"
        seen.append({row[0] for row in tx.execute(sql)})

    async with live(
        root, tmp_path / "data", watch="auto", intervals=USUAL, settle=DEFAULT_SETTLE, record=record
    ) as found:
        for generation in range(1, 21):
            configure(root, generation)
            if generation % 4 == 0:
                await found.assert_text("b.md", f"generation {generation:04}")
        assert await found.names() == {"a.md", "b.md", "sub/c.md"}
        assert await found.text("a.md") == await found.text("sub/c.md") == "generation 0020"
    assert all(len(generations) == 1 for generations in seen), seen
    assert len(seen) >= 6


def check_out(folder: Path, generation: int) -> None:
    """Publish a generation as git-sync does: a new tree, one rename of the link to it, the old tree removed."""
    for n in range(8):
        write(
            folder / f".trees/{generation}/docs/d{n}.md", f"# Part {n}\n\nPart {n} is of generation {generation}"
        )
    write(folder / f".trees/{generation}/docs/only{generation}.md", "Nowhere else.")
    (folder / "next").symlink_to(f".trees/{generation}")
    (folder / "next").rename(folder / "current")
    shutil.rmtree(folder / f".trees/{generation - 1}", ignore_errors=True)


async def test_every_swap_of_a_linked_checkout_is_followed_while_others_ask(tmp_path: Path) -> None:
    check_out(tmp_path, 0)
    root, stop, seen = tmp_path / "current/docs", asyncio.Event(), [0]
    async with live(root, tmp_path / "data", watch="auto", intervals=USUAL, settle=DEFAULT_SETTLE) as found:
        kb = KnowledgeBase(found.db, search_timeout=5)

        async def ask() -> int:
            hits = (await kb.search("which generation is part 3 of")).hits
            return int(next(hit.text for hit in hits if hit.document == "d3.md").split()[-1])

        async def ask_on() -> None:
            while not stop.is_set():
                seen.append(await ask())

        asking = asyncio.create_task(ask_on())
        for generation in range(1, 21):
            check_out(tmp_path, generation)
            if generation % 4 == 0:
                await found.assert_names({*(f"d{n}.md" for n in range(8)), f"only{generation}.md"})
                for n in range(8):
                    await found.assert_text(f"d{n}.md", (root / f"d{n}.md").read_text())
                assert await ask() == generation
        stop.set()
        await asking
    assert seen == sorted(seen)
    assert {name[:4] for changes in found.told for name in changes.removed} == {"only"}


async def test_a_file_that_is_written_slowly_is_never_served_in_part(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    write(root / "a.md", "complete")
    whole = "".join(f"line {n}\n" for n in range(1, 31)) + "complete"
    served: set[str | None] = set()

    def record(tx: Transaction, changes: Changes) -> None:
        sql = "SELECT b.text FROM documents d JOIN blocks b ON b.document_id = d.id WHERE d.live = 1"
        served.update(row[0] for row in tx.execute(sql))

    def write_slowly() -> None:
        with (root / "a.md").open("w") as file:
            for line in whole.splitlines(keepends=True):
                file.write(line)
                file.flush()
                threading.Event().wait(0.03)

    async with live(root, tmp_path / "data", watch="auto", intervals=USUAL, settle=1.5, record=record) as found:
        await asyncio.to_thread(write_slowly)
        await found.assert_text("a.md", whole)
    assert served == {"complete", whole}


async def test_a_file_growing_past_the_limit_is_refused_and_not_cut(watched: Live) -> None:
    write(watched.root / "a.md", "small")
    await watched.assert_text("a.md", "small")
    await run(
        "for n in $(seq 20); do head -c 20000 /dev/zero | tr '\\0' x >> a.md; sleep 0.02; done", watched.root
    )
    await watched.assert_names(set())

    async def told() -> bool:
        return await watched.reasons() == {"a.md": "too_large"}

    await eventually(told, "the reason to be told")


def become_folder(path: Path) -> None:
    path.unlink()
    write(path / "x.md", "in its place")


def become_file(path: Path) -> None:
    shutil.rmtree(path)
    write(path, "in its place")


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("a file is made", lambda root: write(root / "n/e/w.md", "new")),
    ("a file is removed", lambda root: (root / "t1/s1/d1.md").unlink()),
    ("a folder is removed", lambda root: shutil.rmtree(root / "t2")),
    ("a folder is renamed", lambda root: (root / "t3").rename(root / "renamed")),
    ("a link to a folder is made", lambda root: (root / "linked").symlink_to(root / ".hidden")),
    ("a name changes its case", lambda root: (root / "t4/s1/d4.md").rename(root / "t4/s1/D4.md")),
    ("a file becomes a folder", lambda root: become_folder(root / "t5/s2/d5.md")),
    ("a folder becomes a file", lambda root: become_file(root / "t6")),
]


async def test_after_any_change_the_index_is_the_folder(watched: Live) -> None:
    write(watched.root / ".hidden/h.md", "hidden")
    await watched.assert_names(fill(watched.root, 21))
    for _, change in CHANGES:
        change(watched.root)
        paths = [path for path in watched.root.rglob("*") if path.is_file()]
        wanted = {str(path.relative_to(watched.root)) for path in paths} - {".hidden/h.md"}
        wanted |= {"linked/h.md"} if (watched.root / "linked").exists() else set()
        await watched.assert_names(wanted)
