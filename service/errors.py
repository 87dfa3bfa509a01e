"""Everything that can go wrong, on one page.

    KbAgentError
    ├── SettingsError              a setting has a value it cannot take; the service does not start
    ├── StorageError               the database refused or failed; nothing of the transaction is stored
    │   ├── DataDirectoryLocked    another process owns the data directory
    │   ├── DatabaseUnusable       damaged, of another program, or newer than this code
    │   └── ReadDeadlineExceeded   a query took longer than its deadline and was stopped
    ├── InvalidInput               a value from outside is malformed; nothing was changed
    ├── NotFound                   no such chat, message, document, revision or key for this caller
    ├── AccessRefused              no key, a wrong one, or one that does not open this
    ├── Conflict                   the request is fine, the present state forbids it
    ├── Overloaded                 a limit on work or requests is reached; come back later
    ├── ModelError                 the model's answer could not be had; ends a turn, never the service
    └── ServerUnreachable          the command line found no usable server
        └── RequestRefused         it answered that the request is at fault

Library errors become these at the border that made the call; these become HTTP in `api/problems.py` and exit
codes in `cli/execution.py`, nowhere else. A message says what to do and never contains a secret.
"""

from collections.abc import Sequence


class KbAgentError(Exception):
    """Base of every error of the service."""


class SettingsError(KbAgentError):
    """One line per mistake: the variable, what it got, what it takes."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class StorageError(KbAgentError):
    """The database refused or failed a statement, or could not commit."""


class DataDirectoryLocked(StorageError):
    """Another process holds the lock of the data directory."""


class DatabaseUnusable(StorageError):
    """The database file cannot be served; the message names the way out."""


class ReadDeadlineExceeded(StorageError):
    """A read was interrupted at its deadline."""


class InvalidInput(KbAgentError):
    """A value from outside that cannot be taken. `field` names it, `code` is stable."""

    def __init__(self, detail: str, *, field: str | None = None, code: str = "invalid_input") -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.code = code


class NotFound(KbAgentError):
    """`kind` is one of chat, message, document, revision, key, model; `suggestions` are names that exist."""

    def __init__(self, kind: str, name: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(f"no {kind} {name!r}")
        self.kind = kind
        self.name = name
        self.suggestions = tuple(suggestions)


class AccessRefused(KbAgentError):
    """Who asks may not. `code` is stable; `scope` is the one that a known caller lacks."""

    def __init__(self, code: str, detail: str, *, scope: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.scope = scope


class Conflict(KbAgentError):
    """The present state forbids it. `message_id` names the message to follow, where there is one."""

    def __init__(self, code: str, detail: str, message_id: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.message_id = message_id


class Overloaded(KbAgentError):
    """A bound on concurrent work, or on requests in a time, is reached. `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: int, code: str = "overloaded") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.retry_after = retry_after


class ModelError(KbAgentError):
    """The model gave no usable answer.

    `code` is stable, `detail` says what to check, `retryable` whether asking again may help. Where a provider
    told it when it refused a request as too long, `window` is how many tokens the model takes, `prompt_tokens` how
    many the request had.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
        window: int | None = None,
        prompt_tokens: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.retry_after = retry_after
        self.window = window
        self.prompt_tokens = prompt_tokens


class ServerUnreachable(KbAgentError):
    """No server answers at the address, or it answered with an error."""


class RequestRefused(ServerUnreachable):
    """The server answered that the request cannot be met as it is: nothing came of it."""
