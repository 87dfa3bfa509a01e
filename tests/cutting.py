"""A proxy that cuts connections: what a bad network does to a client."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

_PIECE: Final = 65_536


class CuttingProxy:
    """Passes connections on to `port`; cuts the n-th after `limits[n]` bytes of the reply, later ones never.

    `port` may be set to another one: that of a server that was started again.
    """

    def __init__(self, port: int, limits: Sequence[int] = ()) -> None:
        self.port = port
        self._limits: Iterator[int] = iter(limits)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client, next(self._limits, None)), daemon=True).start()

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port))

    def _serve(self, client: socket.socket, limit: int | None) -> None:
        # A server that is not there has its clients see a connection that closes at once.
        with client, contextlib.suppress(ConnectionRefusedError), self._connected() as server:
            asking = threading.Thread(target=_pass_on, args=(client, server, None), daemon=True)
            asking.start()
            _pass_on(server, client, limit)
            asking.join()


def _pass_on(source: socket.socket, target: socket.socket, left: int | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE if left is None else min(left, _PIECE)):
            target.sendall(data)
            left = None if left is None else left - len(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
