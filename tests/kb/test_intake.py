"""Taking files in: what is read is what was seen, units are whole, a file that moves is taken as it is."""

from pathlib import Path

from service.kb.folder import Folder, scan
from service.kb.intake import BATCH_FILES, Fresh, Gone, Moved, Outcome, Refused, Same, batches, failed, take
from service.kb.rows import FileState, Indexed
from service.kb.settling import Settled, Unit
from tests.kb.live import ENDINGS, MAX_BYTES, unprivileged, write


def folder(root: Path) -> Folder:
    return Folder(root, ENDINGS, MAX_BYTES)


def seen(root: Path, name: str) -> FileState:
    return scan(folder(root)).files[name]


def one(root: Path, change: Settled, known: dict[str, Indexed] | None = None) -> Outcome:
    ((outcome,),) = take(folder(root), [Unit((change,))], known or {})
    return outcome


def test_new_content_is_fresh_and_known_content_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "# A\n\ntext")
    state = seen(tmp_path, "a.md")
    fresh = one(tmp_path, Settled("a.md", state))
    assert isinstance(fresh, Fresh)
    assert (fresh.state, fresh.prepared.document.text) == (state, "# A\n\ntext")
    known = {"a.md": Indexed(state, fresh.prepared.document.revision)}
    assert one(tmp_path, Settled("a.md", state), known) == Same("a.md", state)


def test_a_file_that_is_not_what_was_seen_is_looked_at_again(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "text")
    state = seen(tmp_path, "a.md")
    write(tmp_path / "a.md", "later text")
    assert one(tmp_path, Settled("a.md", state)) == Moved("a.md", seen(tmp_path, "a.md"))
    assert one(tmp_path, Settled("a.md", None)) == Moved("a.md", seen(tmp_path, "a.md"))
    (tmp_path / "a.md").unlink()
    assert one(tmp_path, Settled("a.md", state)) == Moved("a.md", None)
    assert one(tmp_path, Settled("a.md", None)) == Gone("a.md")


def test_without_a_folder_every_file_is_gone(tmp_path: Path) -> None:
    assert one(tmp_path / "none", Settled("a.md", None)) == Gone("a.md")


def test_a_file_that_would_not_keep_still_is_taken_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "text")
    state = seen(tmp_path, "a.md")
    write(tmp_path / "next", "later text")
    (tmp_path / "next").rename(tmp_path / "a.md")
    outcome = one(tmp_path, Settled("a.md", state, moving=True))
    assert isinstance(outcome, Fresh)
    assert (outcome.state, outcome.prepared.document.text) == (seen(tmp_path, "a.md"), "later text")
    (tmp_path / "a.md").unlink()
    assert one(tmp_path, Settled("a.md", state, moving=True)) == Moved("a.md", None)


def test_a_unit_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        write(tmp_path / name, "text")
    states = scan(folder(tmp_path)).files
    changes = (Settled("a.md", states["a.md"]), Settled("b.md", states["b.md"]))
    (taken,) = take(folder(tmp_path), [Unit(changes, (("c.md", states["c.md"]),))], {})
    assert [type(outcome) for outcome in taken] == [Fresh, Fresh]
    write(tmp_path / "c.md", "later text")
    (taken,) = take(folder(tmp_path), [Unit(changes, (("c.md", states["c.md"]),))], {})
    assert taken == [Moved("c.md", seen(tmp_path, "c.md"))]
    write(tmp_path / "b.md", "later text")
    (taken,) = take(folder(tmp_path), [Unit(changes)], {})
    assert taken == [Moved("b.md", seen(tmp_path, "b.md"))]


def test_what_may_not_be_read_may_be_readable_later_and_what_is_not_text_may_not() -> None:
    with unprivileged() as root:
        write(root / "a.md", "text")
        (root / "a.md").chmod(0)
        outcome = one(root, Settled("a.md", seen(root, "a.md")))
        assert isinstance(outcome, Refused)
        assert (outcome.skipped.reason, outcome.passing) == ("permission", True)
        (root / "b.md").write_bytes(b"\0")
        outcome = one(root, Settled("b.md", seen(root, "b.md")))
        assert isinstance(outcome, Refused)
        assert (outcome.skipped.reason, outcome.passing) == ("not_text", False)


def test_a_unit_whose_intake_failed_is_refused_for_a_while_and_quotes_nothing() -> None:
    state = FileState(1, 2, 3, 4, 5)
    (outcome,) = failed(Unit((Settled("a.md", state),)), ValueError("words of the document"))
    assert isinstance(outcome, Refused)
    assert (outcome.passing, outcome.skipped.reason) == (True, "unreadable")
    assert "words" not in outcome.skipped.detail


def test_batches_are_bounded_in_files_and_bytes_and_leave_nothing_out() -> None:
    small = [Unit((Settled(str(n), FileState(1, n, 10, 0, 0)),)) for n in range(600)]
    large = [Unit((Settled(f"large{n}", FileState(1, n, 200_000, 0, 0)),)) for n in range(3)]
    found = list(batches([*small, *large]))
    assert [unit for batch in found for unit in batch] == [*small, *large]
    assert max(len(batch) for batch in found) == BATCH_FILES
    assert [len(batch) for batch in found[-2:]] == [1, 1]
