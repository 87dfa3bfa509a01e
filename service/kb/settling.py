"""When a change seen in the folder may be taken into the index: once it has kept still. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from service.kb.rows import FileState, Indexed

PATIENCE: Final = 5.0  # a file that will not keep still is taken as it is after so many seconds
_VANISH: Final = 1.0  # most documents gone at once is more often a mount or a move than a wish
_VANISH_LEAST: Final = 5
_BUSY: Final = 0.15  # rest asked of a file that was taken less than a second ago, whatever the setting
_LEAST_WAIT: Final = 0.02
_TOGETHER_FILES: Final = 200
_TOGETHER_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Settled:
    """A change to take: `state` None is a file that is gone; `moving` one that would not keep still."""

    name: str
    state: FileState | None
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """Changes taken in one transaction or not at all, provided the `unchanged` files still look as they did."""

    changes: tuple[Settled, ...]
    unchanged: tuple[tuple[str, FileState], ...] = ()

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(change.state.size for change in self.changes if change.state is not None)


@dataclass(slots=True)
class _Look:
    seen: FileState | None
    since: float
    first: float


class Settling:
    """The files that differ from the index, what each looked like last, and since when. Times are monotonic.

    `rest` is for how many seconds a file must have looked the same. The second look is the read itself, which
    refuses a file that is not what was seen.
    """

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._looks: dict[str, _Look] = {}
        self._taken: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._looks)

    def __contains__(self, name: object) -> bool:
        return name in self._looks

    def differing(self, states: Mapping[str, FileState | None], now: float) -> int:
        """Note all that differs from the index as of `now`; returns how many were not known to."""
        for name in self._looks.keys() - states.keys():
            del self._looks[name]
        before = len(self._looks)
        for name, seen in states.items():
            self.observe(name, seen, now)
        return len(self._looks) - before

    def observe(self, name: str, seen: FileState | None, now: float) -> None:
        """Note how a file that differs looked at `now`."""
        look = self._looks.get(name)
        if look is None:
            self._looks[name] = _Look(seen, now, now)
        elif look.seen != seen:
            look.seen, look.since = seen, now

    def forget(self, name: str, now: float) -> None:
        """The change was taken, or there is none any more."""
        if self._looks.pop(name, None) is not None and self._rest < _BUSY:
            self._taken[name] = now

    def units(self, now: float, known: Mapping[str, Indexed], links: Mapping[str, str]) -> list[Unit]:
        """What may be taken now, the latest change first.

        `links` are files that a link leads to, and the folder of that link: those of one folder are switched
        together, as Kubernetes switches them.
        """
        self._taken = {name: taken for name, taken in self._taken.items() if now - taken < 1}
        ready, tied, held = self._judge(now, len(known), links)
        units = [Unit((change,)) for change in ready]
        for folder, changes in tied.items():
            if folder not in held or any(now - self._looks[change.name].first >= PATIENCE for change in changes):
                units.extend(self._tie(folder, changes, known, links))
        units.sort(key=_newest, reverse=True)
        return units

    def outlook(self, now: float, known: int) -> tuple[float | None, float | None]:
        """When the oldest change was first seen, in how many seconds the next may be ready; None where none is."""
        many = self._vanishing(known)
        waits = [self._wait(name, look, now, many=many) for name, look in self._looks.items()]
        return self.oldest(), max(_LEAST_WAIT, min(waits)) if waits else None

    def oldest(self) -> float | None:
        """When the oldest change was first seen; None where there is none."""
        return min((look.first for look in self._looks.values()), default=None)

    def _judge(
        self, now: float, known: int, links: Mapping[str, str]
    ) -> tuple[list[Settled], dict[str, list[Settled]], set[str]]:
        """Ready changes of plain files, those of links by folder, and folders with a link that is not ready."""
        many = self._vanishing(known)
        ready: list[Settled] = []
        tied: dict[str, list[Settled]] = {}
        held: set[str] = set()
        for name, look in self._looks.items():
            folder = links.get(name)
            if self._wait(name, look, now, many=many) > 0:
                if folder is not None:
                    held.add(folder)
                continue
            change = Settled(name, look.seen, moving=look.since + self._asked(name, look, many=many) > now)
            if folder is not None:
                tied.setdefault(folder, []).append(change)
            else:
                ready.append(change)
        return ready, tied, held

    def _tie(
        self, folder: str, changes: list[Settled], known: Mapping[str, Indexed], links: Mapping[str, str]
    ) -> Iterator[Unit]:
        unit = Unit(tuple(changes))
        if len(changes) > _TOGETHER_FILES or unit.size > _TOGETHER_BYTES:
            yield from (Unit((change,)) for change in changes)
            return
        others = [name for name, place in links.items() if place == folder and name not in self._looks]
        yield Unit(unit.changes, tuple((name, known[name].state) for name in others if name in known))

    def _vanishing(self, known: int) -> bool:
        """Whether most documents are gone: a second look is then asked for a moment later."""
        gone = sum(look.seen is None for look in self._looks.values())
        return gone >= _VANISH_LEAST and gone * 2 > known

    def _asked(self, name: str, look: _Look, *, many: bool) -> float:
        if look.seen is None and many:
            return max(self._rest, _VANISH)
        return max(self._rest, _BUSY) if name in self._taken else self._rest

    def _wait(self, name: str, look: _Look, now: float, *, many: bool) -> float:
        settled = look.since + self._asked(name, look, many=many)
        return (settled if look.seen is None else min(settled, look.first + PATIENCE)) - now


def _newest(unit: Unit) -> int:
    return max(change.state.mtime_ns if change.state is not None else 0 for change in unit.changes)
