"""What an author is told to mend, file by file, and side by side."""

from pathlib import Path

import pytest

from service.kb.folder import Folder
from service.kb.lint import Remark, check
from tests.architecture.source import ROOT

ENDINGS = frozenset({".md", ".txt", ".rst", ".adoc", ""})
SENTENCE = "Salt is mined by the ton in many places of the world. "
GOOD = "# Rotate the signing key\n\nThe signing key is rotated every ninety days.\n"


async def remarks(folder: Path, **files: str | bytes) -> dict[str, Remark]:
    """Check a folder with these files beside a good one; remarks by file and code."""
    for name, text in {"good": GOOD, **files}.items():
        (folder / f"{name}.md").write_bytes(text if isinstance(text, bytes) else text.encode())
    found = (await check(Folder(folder, ENDINGS, 50_000))).remarks
    assert all(remark.file != "good.md" for remark in found), found
    assert len({(remark.file, remark.code) for remark in found}) == len(found)
    return {f"{remark.file}: {remark.code}": remark for remark in found}


async def test_a_good_folder_gets_no_remark(tmp_path: Path) -> None:
    assert await remarks(tmp_path, other="# Backups\n\nBackups are made at night.\n") == {}


async def test_the_sample_knowledge_is_clean() -> None:
    checked = await check(Folder(ROOT / "knowledge", ENDINGS, 5_000_000))
    assert checked.remarks == ()
    assert len(checked.documents) == len(list((ROOT / "knowledge").rglob("*.md")))


@pytest.mark.parametrize(
    ("data", "code", "line", "words"),
    [
        ("Grüße\nÄrger".encode("latin-1"), "not_text", 1, "UTF-8"),
        ("first\nGrüße".encode("latin-1"), "not_text", 2, "UTF-8"),
        (b"text\n\n\0binary", "not_text", 3, "NUL"),
        (b"word " * 11_000, "too_large", 1, "KB_MAX_FILE_BYTES"),
    ],
)
async def test_a_file_that_is_not_indexed_is_an_error(
    tmp_path: Path, data: bytes, code: str, line: int, words: str
) -> None:
    (remark,) = (await remarks(tmp_path, bad=data)).values()
    assert (remark.level, remark.code, remark.file, remark.line) == ("error", code, "bad.md", line)
    assert words in remark.message


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "empty", 1),
        ("---\ntitle: Only this\n---\n", "empty", 1),
        ("---\ntitle: Salt\ntags: [a\n---\n\n# Salt mines\n\nSalt is mined here.\n", "front_matter", 4),
        ("Salt is mined here, by the ton.\n", "no_title", 1),
        (f"# Salt\n\nMined.\n\n{SENTENCE * 60}", "long_paragraph", 5),
        ("# Salt\n\n" + "Salt is mined by the ton in many places of the world.\n\n" * 180, "long_section", 1),
    ],
)
async def test_what_makes_a_document_hard_to_use_is_a_warning(
    tmp_path: Path, text: str, code: str, line: int
) -> None:
    (remark,) = (await remarks(tmp_path, salt=text)).values()
    assert (remark.level, remark.code, remark.file, remark.line) == ("warning", code, "salt.md", line)


async def test_the_end_of_broken_front_matter_makes_no_heading_of_the_line_above(tmp_path: Path) -> None:
    text = "---\ntags: [a\nSalt\n---\n\nSalt is mined here, by the ton.\n"
    assert set(await remarks(tmp_path, salt=text)) == {"salt.md: front_matter", "salt.md: no_title"}


async def test_code_and_tables_may_be_long(tmp_path: Path) -> None:
    code = "```\n" + "a line of code that is quite long, on and on\n" * 80 + "```\n"
    table = "| name | value |\n|---|---|\n" + "| a name that is long | a value that is longer |\n" * 80
    assert await remarks(tmp_path, salt=f"# Salt\n\n{code}\n## Prices\n\n{table}") == {}


async def test_documents_that_cannot_be_told_apart_are_named(tmp_path: Path) -> None:
    found = await remarks(
        tmp_path,
        salt="# Salt mines\n\nSalt is mined here.\n",
        salt2="# Salt mines\n\nSalt  is mined here.\n",
        salt3="---\ntopic: x\nTitle: Salt Mines\n---\n\nNobody mines salt any more.\n",
    )
    assert set(found) == {"salt2.md: duplicate_content", "salt3.md: duplicate_title"}
    assert "salt.md" in found["salt2.md: duplicate_content"].message
    assert found["salt3.md: duplicate_title"].line == 3


async def test_a_document_that_its_own_headings_do_not_find_is_unreachable(tmp_path: Path) -> None:
    crowd = {f"note{n}": f"# Notes on notes {n}\n\nNotes, notes and notes.\n" for n in range(8)}
    text = "The vault opens at noon for the tellers.\n" * 20
    found = await remarks(tmp_path, lost=f"---\ntitle: Notes\n---\n\n{text}", **crowd)
    assert found["lost.md: unreachable"].level == "warning"


async def test_a_link_that_leads_nowhere_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "broken.md").symlink_to("nowhere.md")
    assert (await remarks(tmp_path))["broken.md: broken_link"].level == "warning"


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    checked = await check(Folder(tmp_path / "missing", ENDINGS, 1000))
    assert [(remark.level, remark.code) for remark in checked.remarks] == [("error", "folder_missing")]
