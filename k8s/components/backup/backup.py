"""Copy the database while the service runs, check the copy, keep the newest 14."""

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

DATA = Path("/data/kb-agent.db")
BACKUPS = Path("/backups")
KEPT = 14

stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
part = BACKUPS / "kb-agent.db.part"
part.unlink(missing_ok=True)
with contextlib.closing(sqlite3.connect(f"file:{DATA}?mode=ro", uri=True)) as source:
    source.execute("VACUUM INTO ?", [str(part)])
with contextlib.closing(sqlite3.connect(f"file:{part}?mode=ro", uri=True)) as copy:
    (result,) = copy.execute("PRAGMA integrity_check").fetchone()
if result != "ok":
    raise SystemExit(f"the copy is not sound: {result}")
finished = part.rename(BACKUPS / f"kb-agent-{stamp}.db")
for old in sorted(BACKUPS.glob("kb-agent-*.db"))[:-KEPT]:
    old.unlink()
print(f"{finished}: {finished.stat().st_size} bytes, sound")
