"""The HTTP server: uvicorn with h11, and a shutdown that ends open streams instead of waiting for them."""

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI

from service.connections import PatientProtocol
from service.errors import SettingsError

# The event loop gets the interpreter from a thread that analyses files after so long; with Python's 5 ms a chat's
# write, which has to get it several times, takes many times as long.
SWITCH_SECONDS: Final = 0.0005
_STUCK_MS: Final = 20_000  # without a byte taken by the peer
_BACKSTOP: Final = 3  # seconds a connection may take to end after its stream did


class Server(uvicorn.Server):
    """Announces its address when it is ready, and tells the application before it closes connections.

    Signals are its owner's: uvicorn would raise them again before the owner's resources are closed.
    """

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[str], None], on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then announce the address with the port that was taken."""
        sys.setswitchinterval(SWITCH_SECONDS)
        await super().startup(sockets)
        if self.started:
            self._on_ready(_address(self.config.host, self.servers[0].sockets[0].getsockname()[1]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams and waiting requests first; uvicorn would wait for them for ever."""
        self._on_stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def make_server(
    app: FastAPI, host: str, *, on_ready: Callable[[str], None], on_stop: Callable[[], None]
) -> Server:
    """Build the server for `app`; it serves the sockets that `serve` is given.

    h11, which `PatientProtocol` is, refuses what httptools would accept: huge headers, no Host or two.
    """
    config = uvicorn.Config(
        app,
        host=host,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_BACKSTOP,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 * 1024,
    )
    return Server(config, on_ready, on_stop)


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Take the address. Raises SettingsError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off: an answer in two packets would wait 40 ms for
    # the client to acknowledge the first.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":  # accepted connections inherit it: one whose peer reads nothing is dropped
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK_MS)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            [f"PORT: {host}:{port} cannot be taken ({error.strerror}); stop what uses it, or choose another"]
        ) from error
    return listening


def check_exposure(host: str, *, allowed: bool) -> None:
    """Refuse to serve anyone beyond this machine unless it is `allowed`. Raises SettingsError."""
    if not allowed and not is_loopback(host):
        ways = "run `kb-agent keys create NAME`, or set ADMIN_KEY, or set ALLOW_ANONYMOUS=true"
        raise SettingsError([f"HOST: got {host!r}; takes a loopback address until there is a key: {ways}"])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
