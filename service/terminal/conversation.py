"""`kb-agent ask` without a question: a conversation at the prompt, or questions line by line from a pipe.

The service's side runs in a thread of its own, so that the prompt has the main one, to which Ctrl+C belongs.
"""

import contextlib
import re
import readline
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from anyio.from_thread import BlockingPortal, start_blocking_portal
from rich.text import Text

from service.client import Client
from service.errors import KbAgentError
from service.settings import state_dir
from service.terminal.answers import Asked, show_answer, show_sources, shower
from service.terminal.invocation import Invocation

_HELP: Final = "/new begins another chat, /sources quotes the last answer's sources, /quit or Ctrl+D leaves."
_COMMAND: Final = re.compile(r"/[a-z]+")
_REMEMBERED: Final = 1000  # questions


def converse(call: Invocation, chat: str | None) -> int:
    """Answer questions until there are no more; 1 when one of a pipe got no answer."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(call.connected()) as client:
        return _Conversation(call, portal, client, chat).run()


class _Conversation:
    def __init__(self, call: Invocation, portal: BlockingPortal, client: Client, chat: str | None) -> None:
        self._call = call
        self._portal = portal
        self._client = client
        self._chat = chat
        self._last: Mapping[str, Any] = {}
        self._failed = False

    def run(self) -> int:
        prompted = sys.stdin.isatty() and sys.stdout.isatty()
        if prompted:
            self._tell(f"Ask a question. Ctrl+C stops an answer. {_HELP}")
        for line in _prompted() if prompted else _piped():
            if line == "/quit":
                break
            self._take(line)
        if prompted and self._chat:
            self._tell(f"kb-agent ask --chat {self._chat} goes on from here")
        return 1 if self._failed and not prompted else 0

    def _take(self, line: str) -> None:
        if line == "/new":
            self._chat, self._last = None, {}
        elif line == "/sources" and not self._last.get("citations"):
            self._tell("The last answer has no sources." if self._last else "There is no answer yet.")
        elif line == "/sources":
            show_sources(self._call, self._last, quoted=True)
        elif _COMMAND.fullmatch(line):
            self._tell(_HELP)
        elif line:
            self._answer(line)

    def _answer(self, question: str) -> None:
        asked = Asked(self._client, self._chat, question)
        try:
            self._last = self._followed(asked)
        except KbAgentError as refused:
            self._failed = True
            self._call.err.print(Text(str(refused), style="red"))
            return
        finally:
            self._chat = asked.chat
        self._failed = self._failed or self._last.get("status") != "completed"
        if self._call.as_json:
            self._call.out.json_line(self._last)
        else:
            show_answer(self._call, self._last, so_far=self._call.out.is_terminal)

    def _followed(self, asked: Asked) -> Mapping[str, Any]:
        """Wait for the answer; Ctrl+C stops it, a second one leaves."""
        answer = self._portal.start_task_soon(asked.follow, shower(self._call))
        message: Mapping[str, Any]
        try:
            message = answer.result()
        except KeyboardInterrupt:
            self._portal.start_task_soon(asked.stop)
            message = answer.result()
        return message

    def _tell(self, text: str) -> None:
        self._call.err.print(Text(text, style="dim"))


def _piped() -> Iterator[str]:
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    yield from (line.strip() for line in sys.stdin)


def _prompted() -> Iterator[str]:
    """What is typed. What is pasted stays one question, as the terminal tells where a paste ends."""
    with _history(state_dir() / "history"):
        while True:
            try:
                line = input("> ").strip()
            except KeyboardInterrupt:
                sys.stdout.write("\n")
                continue
            except EOFError:
                sys.stdout.write("\n")
                return
            if line and not _COMMAND.fullmatch(line):
                readline.add_history(" ".join(line.split()))
            yield line


@contextlib.contextmanager
def _history(path: Path) -> Iterator[None]:
    """Remember lines from one conversation to the next, for this user alone; where that cannot be, do not."""
    readline.set_auto_history(False)
    readline.set_history_length(_REMEMBERED)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        readline.read_history_file(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(path)
