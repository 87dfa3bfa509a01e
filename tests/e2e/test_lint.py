"""kb-agent lint, as authors and their pipelines call it."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.test_cli import QUESTION
from tests.terminal import kb_agent

pytestmark = pytest.mark.e2e


def test_findings_are_told_with_file_and_line_and_decide_the_exit_code(folder: Path) -> None:
    clean = kb_agent(folder, "lint")
    assert (clean.returncode, "3 documents" in clean.stdout) == (0, True), clean.stderr
    assert "0 errors, 0 warnings, 0 notes" in clean.stdout
    assert not (folder / "data").exists()

    (folder / "knowledge" / "draft.md").write_text("Only some words, and no heading at all.\n")
    warned = kb_agent(folder, "lint")
    assert warned.returncode == 0
    assert f"{folder}/knowledge/draft.md:1: warning: no heading" in warned.stdout
    assert kb_agent(folder, "lint", "--strict").returncode == 1

    (folder / "knowledge" / "photo.md").write_bytes(b"a\n\x89PNG\x00\x01")
    (folder / "knowledge" / "manual.pdf").write_bytes(b"%PDF-1.7")
    assert "ending" not in clean.stdout
    assert "1 file has another ending" in kb_agent(folder, "lint").stdout
    failed = kb_agent(folder, "lint", "knowledge", "--json")
    assert (failed.returncode, failed.stderr) == (1, "")
    report = json.loads(failed.stdout)
    assert report["ignored"] == 1
    assert report["counts"] == {"error": 1, "warning": 1, "info": 0}
    (error,) = [remark for remark in report["remarks"] if remark["level"] == "error"]
    assert (error["file"], error["line"], error["code"]) == ("photo.md", 2, "not_text")


def test_a_folder_that_does_not_exist_is_said(folder: Path) -> None:
    done = kb_agent(folder, "lint", "nowhere")
    assert (done.returncode, "nowhere" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_documents_that_no_answer_was_given_are_noted_once_there_were_enough(folder: Path) -> None:
    (folder / "knowledge" / "cellar.md").write_text("# Wine cellar\n\nWine is kept below.\n")
    assert kb_agent(folder, "ask", QUESTION).returncode == 0
    few = json.loads(kb_agent(folder, "lint", "--json").stdout)
    assert few["remarks"] == []
    with sqlite3.connect(folder / "data" / "kb-agent.db") as db:  # a step of 50 calls, as a busy week leaves them
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 160) "
            "INSERT INTO steps (turn_id, number, kind, wire, sources, duration_ms) "
            "SELECT s.turn_id, n.i, 'tool', '{}', s.sources, 1 FROM n, "
            "(SELECT * FROM steps WHERE sources <> '[]' LIMIT 1) s"
        )
    db.close()
    noted = json.loads(kb_agent(folder, "lint", "--json").stdout)["remarks"]
    assert [(remark["level"], remark["code"], remark["file"]) for remark in noted] == [
        ("info", "never_retrieved", "cellar.md")
    ]
    assert kb_agent(folder, "lint", "--strict").returncode == 0
