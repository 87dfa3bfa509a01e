"""A glance at named files: the disk decides what they are, and whether only a scan can tell more."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from service.kb.folder import Folder, scan
from service.kb.survey import Glance, glance
from tests.kb.live import ENDINGS, MAX_BYTES, write


def look(root: Path, known: set[str], change: Callable[[Path], object], *names: str) -> Glance:
    """Scan, change the folder, glance at the names."""
    folder = Folder(root, ENDINGS, MAX_BYTES)
    before = scan(folder)
    change(root)
    return glance(folder, names, known, before)


def test_what_is_saved_made_and_removed_is_seen(tmp_path: Path) -> None:
    for name in ("a.md", "d/b.md", "c.md"):
        write(tmp_path / name, "text")

    def change(root: Path) -> None:
        write(root / "a.md", "longer text")
        write(root / "new.md", "text")
        (root / "d/b.md").unlink()

    seen = look(tmp_path, {"a.md", "d/b.md", "c.md"}, change, "a.md", "new.md", "d/b.md", "4913")
    after = scan(Folder(tmp_path, ENDINGS, MAX_BYTES))
    assert seen.states == {"a.md": after.files["a.md"], "new.md": after.files["new.md"], "d/b.md": None}
    assert seen.scan.files == after.files
    assert not seen.unsure


@pytest.mark.parametrize("name", ["app.log", ".a.md.swp", ".git/index", "a.md~", "no such file.md"])
def test_names_that_do_not_count_ask_for_no_scan(tmp_path: Path, name: str) -> None:
    write(tmp_path / "app.log", "noise")
    seen = look(tmp_path, {"a.md"}, lambda _: None, name)
    assert (seen.states, seen.unsure) == ({}, False)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("new", lambda root: write(root / "new/a.md", "a"), id="a folder that came"),
        pytest.param("d", lambda root: shutil.rmtree(root / "d"), id="a folder that went"),
        pytest.param("link.md", lambda root: (root / "link.md").symlink_to("d/a.md"), id="a link"),
    ],
)
def test_folders_and_links_ask_for_a_scan(tmp_path: Path, name: str, change: Callable[[Path], object]) -> None:
    write(tmp_path / "d/a.md", "a")
    assert look(tmp_path, {"d/a.md"}, change, name).unsure


def test_a_file_that_became_too_large_or_fits_again_asks_for_a_scan_until_one_has_told(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "text")
    for length, unsure in ((MAX_BYTES + 1, True), (MAX_BYTES + 2, False), (MAX_BYTES, True), (1, False)):
        seen = look(tmp_path, {"a.md"}, lambda root: write(root / "a.md", "x" * length), "a.md")  # noqa: B023
        assert (seen.states["a.md"] is None, seen.unsure) == (length > MAX_BYTES, unsure)


def test_hidden_names_ask_for_a_scan_where_there_are_links(tmp_path: Path) -> None:
    write(tmp_path / "..2026/a.md", "a")
    (tmp_path / "a.md").symlink_to("..2026/a.md")
    assert look(tmp_path, {"a.md"}, lambda _: None, "..data").unsure


def test_another_folder_in_place_of_the_one_scanned_asks_for_a_scan(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    write(root / "a.md", "a")

    def replace(root: Path) -> None:
        root.rename(root.with_name("aside"))
        write(root / "a.md", "other")

    seen = look(root, {"a.md"}, replace, "a.md")
    assert (seen.states, seen.unsure) == ({}, True)


def test_a_name_that_leads_out_of_the_folder_is_gone(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    write(root / "d/a.md", "a")
    write(tmp_path / "secret/a.md", "secret")

    def swap(root: Path) -> None:
        shutil.rmtree(root / "d")
        (root / "d").symlink_to(tmp_path / "secret")

    assert look(root, {"d/a.md"}, swap, "d/a.md").states == {"d/a.md": None}
