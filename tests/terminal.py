"""The real program as it is used: run to its end, or at a terminal of its own."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

# What gives the program its terminal for good, so that Ctrl+C becomes a signal: where tests run in the background
# it may be ignored, and what they start inherits that.
_AT_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Variables for a program with its knowledge, data and state in `folder`, and no server to be found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_", "KB_", "API_KEY"))}
    own = {"KNOWLEDGE_DIR": str(folder / "knowledge"), "DATA_DIR": str(folder / "data"), "PORT": "1"}
    return kept | own | {"XDG_STATE_HOME": str(folder / "state"), "TERM": "xterm", **settings}


def kb_agent(
    folder: Path, *arguments: str, given: str | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder` to its end; `given` is its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=environment(folder, settings),
        cwd=folder,
        input=given if given is not None else "",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Terminal:
    """A command at a terminal: `press` keys, `expect` what is to be read."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-c", _AT_TERMINAL, sys.executable, "-m", "service", *arguments]
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=folder,
            env=environment(folder, settings),
        )
        os.close(slave)
        self.shown = ""
        self._read = 0

    def press(self, text: str) -> None:
        os.write(self._master, text.encode())

    def interrupt(self, text: str) -> None:
        """Press Ctrl+C until `text` comes: a prompt notices it while it waits for a key, not in between."""
        for _ in range(20):
            self.press("\x03")
            end = time.monotonic() + 3.0
            while text not in self.shown[self._read :] and self._more(end):
                pass
            if text in self.shown[self._read :]:
                break
        self.expect(text)

    def expect(self, text: str, seconds: float = 60.0) -> str:
        """Read until `text` comes; give what came before and with it."""
        end = time.monotonic() + seconds
        while text not in self.shown[self._read :]:
            assert self._more(end), f"{text!r} did not come; there is: {self.shown[self._read :]!r}"
        begin, self._read = self._read, self.shown.index(text, self._read) + len(text)
        return self.shown[begin : self._read]

    def ended(self, seconds: float = 60.0) -> int:
        """Read to the end; give the exit code."""
        end = time.monotonic() + seconds
        while self._more(end):
            pass
        return self._process.wait(max(0.1, end - time.monotonic()))

    def _more(self, end: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
        try:
            data = os.read(self._master, 65_536) if ready else b""
        except OSError:  # Linux tells so that the other side is closed
            data = b""
        self.shown += data.decode("utf-8", "replace")
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)
