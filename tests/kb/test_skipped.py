"""Files and folders that cannot be indexed or are not there: what stays, what goes, what is told."""

from pathlib import Path

from service.kb import rows
from tests.kb.live import MAX_BYTES, Live, fill, live, unprivileged, write


async def test_files_that_are_not_text_are_skipped_with_their_reason(empty: Live) -> None:
    contents = {
        "utf8.md": "Grüße".encode(),
        "bom.md": b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe",
        "utf16.md": "Grüße".encode("utf-16"),
        "crlf.md": b"one\r\ntwo\rthree\n",
        "empty.md": b"",
        "blank.md": b" \n\n",
        "line.md": b"word " * (MAX_BYTES // 5),
        "latin1.md": "Grüße".encode("latin-1"),
        "binary.md": bytes(range(256)),
        "nul.md": b"text\0text",
        "big.md": b"x" * (MAX_BYTES + 1),
    }
    for name, data in contents.items():
        (empty.root / name).write_bytes(data)
    await empty.index.reconcile()
    refused = dict.fromkeys(("latin1.md", "binary.md", "nul.md"), "not_text") | {"big.md": "too_large"}
    assert await empty.reasons() == refused
    assert await empty.names() == contents.keys() - refused.keys()
    assert await empty.db.read(rows.skipped) == (await empty.status()).skipped
    (empty.root / "nul.md").write_bytes(b"text")
    await empty.index.reconcile()
    assert await empty.reasons() == {name: why for name, why in refused.items() if name != "nul.md"}
    assert len(await empty.db.read(rows.skipped)) == 3


async def test_a_document_that_becomes_binary_or_too_large_is_served_no_more(empty: Live) -> None:
    fill(empty.root, 6)
    write(empty.root / "a.md", "text")
    write(empty.root / "b.md", "text")
    await empty.index.reconcile()
    (empty.root / "a.md").write_bytes(b"\0")
    write(empty.root / "b.md", "x" * (MAX_BYTES + 1))
    assert sorted((await empty.index.reconcile()).removed) == ["a.md", "b.md"]
    assert await empty.reasons() == {"a.md": "not_text", "b.md": "too_large"}


async def test_an_unreadable_file_or_folder_keeps_its_old_version(tmp_path: Path) -> None:
    with unprivileged() as root:
        for name in ("a.md", "b.md", "hidden/c.md"):
            write(root / "knowledge" / name, f"first {name}")
        async with live(root / "knowledge", root / "data") as found:
            await found.index.reconcile()
            write(root / "knowledge/a.md", "second")
            (root / "knowledge/a.md").chmod(0)
            (root / "knowledge/hidden").chmod(0)
            write(root / "knowledge/b.md", "second")
            assert (await found.index.reconcile()).changed == ("b.md",)
            assert await found.reasons() == {"a.md": "permission", "hidden": "permission"}
            assert await found.text("a.md") == "first a.md"
            assert await found.text("hidden/c.md") == "first hidden/c.md"
            (root / "knowledge/hidden").chmod(0o755)
            (root / "knowledge/a.md").chmod(0o644)
            assert (await found.index.reconcile()).changed == ("a.md",)
            assert await found.reasons() == {}


async def test_a_folder_that_may_not_be_read_keeps_the_index(tmp_path: Path) -> None:
    with unprivileged() as root:
        names = fill(root / "knowledge", 8)
        async with live(root / "knowledge", root / "data") as found:
            await found.index.reconcile()
            (root / "knowledge").chmod(0)
            await found.index.reconcile()
            assert ((await found.status()).state, await found.names()) == ("unreadable", names)
            (root / "knowledge").chmod(0o755)
            assert (await found.index.reconcile()).count == 0
            assert (await found.status()).state == "ready"


async def test_without_a_folder_the_index_is_empty_and_says_so(tmp_path: Path) -> None:
    async with live(tmp_path / "none", tmp_path / "data") as found:
        await found.index.reconcile()
        status = await found.status()
        assert (status.state, status.indexed, status.files_on_disk) == ("missing", 0, 0)
        names = fill(tmp_path / "none", 3)
        await found.index.reconcile()
        assert ((await found.status()).state, await found.names()) == ("ready", names)


async def test_most_documents_gone_at_once_are_looked_for_twice(empty: Live) -> None:
    names = fill(empty.root, 20)
    await empty.index.reconcile()
    aside = empty.root.with_name("aside")
    empty.root.rename(aside)
    step = await empty.index.scan()
    assert step.noticed == 20
    assert await empty.names() == names
    aside.rename(empty.root)
    assert (await empty.index.reconcile()).count == 0
    empty.root.rename(aside)
    assert len((await empty.index.reconcile()).removed) == 20
