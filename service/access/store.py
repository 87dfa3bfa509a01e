"""Keys and sign-ins in the database: made, listed, rotated, revoked."""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from service.access.records import Key, KeyScope, Session, stamp
from service.access.tokens import NewToken, make_token
from service.database import Database, Transaction, load_queries
from service.errors import Conflict, InvalidInput, NotFound

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED: Final = frozenset({"anonymous", "local", "admin-key"})  # who has no key of the database, in the log
_MOST_SESSIONS: Final = 100  # of one key


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, and its text, which nobody can read again."""

    key: Key
    token: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a key is to open, for how long, and how many tokens a day it may use: see `Key`."""

    scopes: frozenset[KeyScope]
    lifetime: timedelta | None = None
    tokens_a_day: int | None = None


class KeyStore:
    """Reads and changes keys and sign-ins."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._sql = load_queries("access")

    async def keys(self) -> list[Key]:
        """List every key there ever was, by name, the newest first."""
        return await self._db.read(lambda c: [_key(row) for row in c.execute(self._sql["keys"])])

    async def sessions(self) -> list[Session]:
        """List the sign-ins that have not ended."""
        parameters = {"now": stamp()}
        return await self._db.read(
            lambda c: [Session(*row) for row in c.execute(self._sql["sessions"], parameters)]
        )

    async def create(self, name: str, terms: Terms) -> Issued:
        """Make a key. Raises InvalidInput for its name or scopes, Conflict `key_exists` when the name is taken."""
        _check(name, terms.scopes)

        def work(tx: Transaction) -> Issued:
            if self._named(tx, name):
                detail = f"there is a key named {name}, perhaps a revoked one; rotate it, or choose another name"
                raise Conflict("key_exists", detail)
            token = make_token()
            return self._insert(tx, token, name, f"key_{token.id}", terms)

        return await self._db.write(work)

    async def rotate(self, name: str, lifetime: timedelta | None, overlap: timedelta) -> Issued:
        """Make another key with the name, scopes, quota and chats of the present one, which ends after `overlap`.

        Without a lifetime it lives as long as the present one was meant to. Raises NotFound.
        """

        def work(tx: Transaction) -> Issued:
            former = self._known(tx, name)
            newest = former[0]
            ends = _lifetime(newest) if lifetime is None else lifetime
            terms = Terms(newest.scopes, ends, newest.tokens_a_day)
            issued = self._insert(tx, make_token(), newest.name, newest.owner, terms)
            for key in former:
                if overlap:
                    tx.execute(self._sql["expire_key"], {"id": key.id, "at": stamp(overlap)})
                else:
                    self._revoke(tx, key)
            return issued

        return await self._db.write(work)

    async def limit(self, name: str, tokens_a_day: int | None) -> list[Key]:
        """Give all keys of a name, or those that share the owner of an id, another quota. Raises NotFound."""

        def work(tx: Transaction) -> list[Key]:
            for key in self._known(tx, name):
                tx.execute(self._sql["set_tokens_a_day"], {"owner": key.owner, "tokens_a_day": tokens_a_day})
            return self._known(tx, name)

        return await self._db.write(work)

    async def revoke(self, name: str) -> list[Key]:
        """End all keys of a name, or the one of an id; give them. Repeatable. Raises NotFound."""

        def work(tx: Transaction) -> list[Key]:
            for key in self._known(tx, name):
                self._revoke(tx, key)
            return self._known(tx, name)

        return await self._db.write(work)

    async def note_uses(self, uses: Mapping[str, str]) -> None:
        """Keep when keys were last used: id -> time."""
        rows = [{"id": key_id, "at": at} for key_id, at in uses.items()]
        await self._db.write(lambda tx: tx.executemany(self._sql["note_use"], rows))

    async def sign_in(self, session: Session) -> None:
        """Keep a sign-in, and of its key at most so many: the oldest end."""
        row = {"digest": session.digest, "key_digest": session.key_digest, "expires_at": session.expires_at}
        rest = {"digest": session.digest, "key_digest": session.key_digest, "most": _MOST_SESSIONS - 1}

        def work(tx: Transaction) -> None:
            tx.execute(self._sql["insert_session"], row)
            tx.execute(self._sql["drop_oldest_sessions"], rest)

        await self._db.write(work)

    async def sign_out(self, digest: bytes) -> None:
        """Forget a sign-in, where there is one."""
        await self._db.write(lambda tx: tx.execute(self._sql["delete_session"], {"digest": digest}))

    async def prune(self) -> None:
        """Forget sign-ins that have ended."""
        await self._db.write(lambda tx: tx.execute(self._sql["prune_sessions"], {"now": stamp()}))

    def _insert(self, tx: Transaction, token: NewToken, name: str, owner: str, terms: Terms) -> Issued:
        row = {
            "id": token.id,
            "name": name,
            "owner": owner,
            "scopes": " ".join(sorted(terms.scopes)),
            "digest": token.digest,
            "now": stamp(),
            "expires_at": None if terms.lifetime is None else stamp(terms.lifetime),
            "tokens_a_day": terms.tokens_a_day,
        }
        tx.execute(self._sql["insert_key"], row)
        return Issued(self._named(tx, token.id)[0], token.text)

    def _revoke(self, tx: Transaction, key: Key) -> None:
        tx.execute(self._sql["revoke_key"], {"id": key.id, "now": stamp()})
        tx.execute(self._sql["delete_sessions_of_key"], {"key_digest": key.digest})

    def _known(self, tx: Transaction, name: str) -> list[Key]:
        if found := self._named(tx, name):
            return found
        raise NotFound("key", name)

    def _named(self, source: sqlite3.Connection | Transaction, name: str) -> list[Key]:
        return [_key(row) for row in source.execute(self._sql["keys_named"], {"name": name})]


def count_keys(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many keys there ever were, and how many of them open something."""
    sql = load_queries("access")
    made, active = connection.execute(sql["count_keys"], {"now": stamp()}).fetchone()
    return made, active


def _check(name: str, scopes: frozenset[KeyScope]) -> None:
    if not NAME.fullmatch(name):
        raise InvalidInput(
            "a name has 1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first",
            field="body.name",
        )
    if name.lower() in _RESERVED:
        raise InvalidInput(
            f"{name} stands for callers without a key of their own; take another", field="body.name"
        )
    if not scopes:
        raise InvalidInput(f"a key needs a scope, one of {', '.join(KeyScope)}", field="body.scopes")


def _lifetime(key: Key) -> timedelta | None:
    if key.expires_at is None:
        return None
    return _time(key.expires_at) - _time(key.created_at)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _key(row: tuple[Any, ...]) -> Key:
    key_id, name, owner, scopes, *rest = row
    return Key(key_id, name, owner, frozenset(KeyScope(scope) for scope in scopes.split()), *rest)
