"""The values of access control: scopes, keys, and who is asking."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class KeyScope(StrEnum):
    """What a key opens."""

    CHAT = "chat"  # chats of its own: ask, read, follow, delete
    KB = "kb"  # search and read the knowledge base, have it scanned
    ADMIN = "admin"  # keys


@dataclass(frozen=True, slots=True)
class Key:
    """A stored key. Chats belong to `owner`, which a rotated key hands on; times are ISO 8601 in UTC.

    `tokens_a_day` is the owner's own quota: None is what the settings say, 0 any number.
    """

    id: str
    name: str
    owner: str
    scopes: frozenset[KeyScope]
    digest: bytes
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    tokens_a_day: int | None

    def state(self, now: str) -> str:
        """Tell whether it is active, expired or revoked at the time `now`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in of the page: the digest of its cookie, that of the key it was made with."""

    digest: bytes
    key_digest: bytes
    expires_at: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: whose chats, under which name in the log, with which scopes.

    `key_id` and `session` are how it showed who it is; `limited` is whom the rate limits count it as, None for one
    without limits.
    """

    owner: str
    name: str
    scopes: frozenset[KeyScope]
    key_id: str = ""
    session: bytes | None = None
    limited: str | None = None


def stamp(ahead: timedelta = timedelta()) -> str:
    """Give the time now, or so far ahead, as ISO 8601 in UTC with milliseconds; such texts compare as times do."""
    return (datetime.now(UTC) + ahead).isoformat(timespec="milliseconds").replace("+00:00", "Z")
