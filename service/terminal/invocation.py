"""How a command was called: what each of them is given."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from service.client import Client, connected
from service.settings import Settings
from service.terminal.screen import Screen


@dataclass(frozen=True, slots=True)
class Invocation:
    """The settings, the server that was named, and whether to print JSON: results to `out`, the rest to `err`."""

    settings: Settings
    server: str | None = None
    as_json: bool = False
    out: Screen = field(default_factory=Screen)
    err: Screen = field(default_factory=lambda: Screen(stderr=True))

    def connected(self, *, indexed: bool = True) -> AbstractAsyncContextManager[Client]:
        """Give a client, see `service.client.connected`."""
        return connected(self.settings, self.server, indexed=indexed)
