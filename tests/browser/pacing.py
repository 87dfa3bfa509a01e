"""A model that pauses in the middle of its answer until the test lets it go on."""

import asyncio
import threading

from tests.fake_wire import Script, Wire, chunk, usage_chunk

LONGEST = 90.0  # seconds, should a test forget; an answer may not end while its test still looks at it


class Pause:
    """Answers with `first`, waits for `end()`, then with `rest`."""

    def __init__(self, first: str, rest: str) -> None:
        self._texts = (first, rest)
        self._ended = threading.Event()

    def end(self) -> None:
        """Let the model write the rest."""
        self._ended.set()

    @property
    def script(self) -> Script:
        """The answer, to queue as a reply."""

        async def run(wire: Wire) -> None:
            first, rest = self._texts
            for word in first.split(" "):
                await wire.event(chunk({"content": f"{word} "}))
            await asyncio.to_thread(self._ended.wait, LONGEST)
            for word in rest.split(" "):
                await wire.event(chunk({"content": f"{word} "}))
            await wire.events(chunk({}, "stop"), usage_chunk())
            await wire.done()

        return run
