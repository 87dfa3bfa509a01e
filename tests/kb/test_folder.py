"""The scan: what counts, what is skipped and why, links, odd names; and reading single files."""

import os
import socket
from pathlib import Path

import pytest

from service.kb.files import Files
from service.kb.folder import Folder, locate, printable, scan
from tests.kb.live import ENDINGS, MAX_BYTES, fill, unprivileged, write


def folder(root: Path, max_bytes: int = MAX_BYTES) -> Folder:
    return Folder(root, ENDINGS, max_bytes)


def skipped(root: Path) -> dict[str, str]:
    return {found.name: found.reason for found in scan(folder(root)).skipped}


def test_files_are_named_by_their_path_and_told_apart_by_their_ending(tmp_path: Path) -> None:
    for name in ("a.md", "b/c.TXT", "b/d/README", "e.rst", "f.adoc"):
        write(tmp_path / name, "text")
    for name in (
        "g.png",
        "b/h.md.bak",
        "i.md~",
        ".j.md",
        "#k.md#",
        ".#l.md",
        ".m.md.swp",
        ".git/n.md",
        "..o/p.md",
    ):
        write(tmp_path / name, "text")
    found = scan(folder(tmp_path))
    assert set(found.files) == {"a.md", "b/c.TXT", "b/d/README", "e.rst", "f.adoc"}
    assert found.ignored == 2
    assert found.skipped == ()


def test_a_missing_folder_and_a_file_in_its_place_are_missing(tmp_path: Path) -> None:
    write(tmp_path / "file", "text")
    assert scan(folder(tmp_path / "none")).state == "missing"
    assert scan(folder(tmp_path / "file")).state == "missing"


def test_pipes_sockets_and_large_files_are_skipped_with_a_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.md"))
        write(tmp_path / "exact.md", "x" * MAX_BYTES)
        write(tmp_path / "large.md", "x" * (MAX_BYTES + 1))
        assert skipped(tmp_path) == {"pipe.md": "not_regular", "socket.md": "not_regular", "large.md": "too_large"}
    assert set(scan(folder(tmp_path)).files) == {"exact.md"}


def test_links_count_only_where_they_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    write(root / "real/a.md", "a")
    write(tmp_path / "knowledge-secret/b.md", "b")
    (root / "inside.md").symlink_to("real/a.md")
    (root / "absolute.md").symlink_to(root / "real/a.md")
    (root / "outside.md").symlink_to(tmp_path / "knowledge-secret/b.md")
    (root / "sibling").symlink_to(tmp_path / "knowledge-secret")
    (root / "up").symlink_to("..")
    (root / "broken.md").symlink_to("nowhere.md")
    (root / "itself.md").symlink_to("itself.md")
    (root / "loop").symlink_to(".")
    (root / "real/loop").symlink_to("../real")
    (root / "twin").symlink_to("real")
    os.link(tmp_path / "knowledge-secret/b.md", root / "hard.md")
    found = scan(folder(root))
    assert set(found.files) == {"real/a.md", "inside.md", "absolute.md", "hard.md"}
    assert found.links == {"inside.md": "", "absolute.md": ""}
    assert {name: reason for name, reason, _ in found.skipped} == {
        "outside.md": "outside",
        "sibling": "outside",
        "up": "outside",
        "broken.md": "broken_link",
        "itself.md": "loop",
        "loop": "loop",
        "real/loop": "loop",
        "twin": "duplicate",
    }


def test_a_hidden_folder_is_reached_by_a_visible_link(tmp_path: Path) -> None:
    write(tmp_path / ".trees/abc/a.md", "a")
    write(tmp_path / ".trees/abc/deep/b.md", "b")
    (tmp_path / "current").symlink_to(".trees/abc")
    found = scan(folder(tmp_path))
    assert set(found.files) == {"current/a.md", "current/deep/b.md"}
    assert found.links == {"current/a.md": "", "current/deep/b.md": ""}


def test_names_of_every_kind_are_told_apart(tmp_path: Path) -> None:
    names = {"A.md", "a.md", "caf\u00e9.md", "cafe\u0301.md", "a b.md", "-rf.md", "line\nbreak.md", "知识/文档.md"}
    names.add("n" * 252 + ".md")
    for name in names:
        write(tmp_path / name, name)
    assert set(scan(folder(tmp_path)).files) == names


def test_names_that_are_not_utf8_are_skipped_and_shown_escaped(tmp_path: Path) -> None:
    write(tmp_path / "good.md", "text")
    for name in (b"bad\xff.md", b"dir\xfe/inside.md"):
        path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - a Path would decode it
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(b"text")
    assert skipped(tmp_path) == {"bad\\xff.md": "name_not_utf8", "dir\\xfe": "name_not_utf8"}
    assert set(scan(folder(tmp_path)).files) == {"good.md"}


def test_a_name_cannot_forge_a_log_line() -> None:
    assert printable("a\n{}\x1b[2J\u2028b.md") == "a\\n{}\\x1b[2J\\u2028b.md"


def test_what_may_not_be_listed_is_skipped_and_not_taken_for_gone() -> None:
    with unprivileged() as root:
        names = fill(root, 8)
        (root / "t1").chmod(0)
        try:
            found = scan(folder(root))
        finally:
            (root / "t1").chmod(0o700)
        assert set(found.files) == {name for name in names if not name.startswith("t1/")}
        assert [(place.name, place.reason) for place in found.skipped] == [("t1", "permission")]
        assert not found.told("t1/s1/d1.md")
        assert found.told("t10/other.md")


def test_a_folder_that_may_not_be_read_is_unreadable() -> None:
    with unprivileged() as root:
        fill(root, 3)
        root.chmod(0)
        try:
            found = scan(folder(root))
        finally:
            root.chmod(0o755)
        assert found.state == "unreadable"
        assert not found.told("anything.md")


def test_the_root_is_known_by_what_it_is_and_not_by_its_path(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name / "a.md", name)
    link = tmp_path / "root"
    link.symlink_to("one")
    before = locate(link)
    link.unlink()
    link.symlink_to("two")
    assert locate(link) != before
    assert locate(link) == locate(tmp_path / "two")


def test_a_read_gives_the_bytes_of_the_file_that_was_seen(tmp_path: Path) -> None:
    write(tmp_path / "a/b.md", "first")
    seen = scan(folder(tmp_path)).files["a/b.md"]
    assert Files(folder(tmp_path)).read("a/b.md", seen) == b"first"
    write(tmp_path / "a/b.md", "later")
    assert Files(folder(tmp_path)).read("a/b.md", seen) is None


@pytest.mark.parametrize("swap", ["file", "folder"])
def test_a_file_that_becomes_a_link_out_of_the_folder_is_not_read(tmp_path: Path, swap: str) -> None:
    root = tmp_path / "knowledge"
    write(root / "a/b.md", "inside")
    write(tmp_path / "secret/b.md", "secret")
    seen = scan(folder(root)).files["a/b.md"]
    (root / "a/b.md").unlink()
    if swap == "file":
        (root / "a/b.md").symlink_to(tmp_path / "secret/b.md")
    else:
        (root / "a").rmdir()
        (root / "a").symlink_to(tmp_path / "secret")
    files = Files(folder(root))
    assert files.look("a/b.md") is None
    assert files.read("a/b.md", seen) is None
    assert files.read("a/b.md", seen, moving=True) is None


def test_a_file_that_becomes_a_pipe_does_not_block_the_reader(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "text")
    seen = scan(folder(tmp_path)).files["a.md"]
    (tmp_path / "a.md").unlink()
    os.mkfifo(tmp_path / "a.md")
    assert Files(folder(tmp_path)).read("a.md", seen, moving=True) is None


def test_times_and_inodes_beyond_64_bits_are_taken(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "text")
    os.utime(tmp_path / "a.md", (13_000_000_000, 13_000_000_000))
    assert 0 <= scan(folder(tmp_path)).files["a.md"].mtime_ns < 2**63
