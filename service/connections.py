"""A connection's patience: uvicorn waits for ever for the rest of a request, this does not."""

import asyncio
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_SECONDS: Final = 10.0  # for the headers, from the connection or their first byte
_BODY_SECONDS: Final = 30.0  # for a body, which is 256 KiB at most


class PatientProtocol(H11Protocol):
    """Closes a connection whose request does not come in time. Idle ones between requests are uvicorn's matter."""

    _due: asyncio.TimerHandle | None = None
    _phase: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request from now on."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Take data, and see whether the request is complete by now."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """See whether some of the next request is here already."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._wait(None, 0)
        super().connection_lost(exc)

    def _look(self) -> None:
        state = self.conn.their_state
        begun = self.cycle is None or bool(self.conn.trailing_data[0])
        if state is h11.SEND_BODY:
            self._wait(state, _BODY_SECONDS)
        elif state is h11.IDLE and begun:
            self._wait(state, _HEAD_SECONDS)
        else:
            self._wait(None, 0)

    def _wait(self, phase: object, seconds: float) -> None:
        if phase is self._phase:
            return
        self._phase = phase
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(seconds, self.transport.close) if phase is not None else None
