"""The gate: keys and sign-ins in memory, so that a check costs no query and a revocation counts at once.

One process owns the database, hence what is in memory here is what there is.
"""

import asyncio
import hmac
import ipaddress
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Final

from service.access.records import Key, KeyScope, Principal, Session, stamp
from service.access.store import KeyStore
from service.access.tokens import digest, id_of
from service.errors import AccessRefused

ANONYMOUS: Final = "anonymous"
_SESSION_AGE: Final = timedelta(days=30)
_EVERYTHING: Final = frozenset(KeyScope)
_NOTHING_OF_KEYS: Final = _EVERYTHING - {KeyScope.ADMIN}


class Gate:
    """Knows every key; tells who shows one. Load it before use.

    `local` is the secret of this process for the command line on the same machine, `admin` one from the settings.
    Once there was a key, nobody is anonymous any more, also when that key is revoked.
    """

    def __init__(self, store: KeyStore, *, admin: str | None, limit_anonymous: bool) -> None:
        self.store = store
        self.local = secrets.token_urlsafe(32)
        self._limit_anonymous = limit_anonymous
        self._fixed = {digest(self.local): _fixed(ANONYMOUS, "local")}
        if admin is not None:
            self._fixed[digest(admin)] = _fixed("admin-key", "admin-key")
        self._closed = admin is not None
        self._keys: dict[str, Key] = {}
        self._digests: dict[bytes, Key] = {}
        self._sessions: dict[bytes, Session] = {}
        self._uses: dict[str, str] = {}
        self._quotas: dict[str, int | None] = {}
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Take what the database holds; to be called after each change."""
        async with self._loading:  # else one that read before a revocation could be the last to tell
            keys, sessions = await self.store.keys(), await self.store.sessions()
            self._keys = {key.id: key for key in keys}
            self._digests = {key.digest: key for key in keys}
            self._sessions = {session.digest: session for session in sessions}
            self._quotas = {key.owner: key.tokens_a_day for key in keys}
            self._closed = self._closed or bool(keys)

    @property
    def closed(self) -> bool:
        """Whether a key is needed."""
        return self._closed

    def admit(self, token: str | None, cookie: str | None, address: str) -> Principal:
        """Tell who shows this key or this cookie, from this address. A key wins over a cookie.

        Raises AccessRefused `key_required`, `key_invalid`, `key_expired` or `key_revoked`.
        """
        # Clients of OpenAI's API send a key even where there is none: it then means nothing.
        if token is not None and (self._closed or digest(token) in self._fixed):
            return self.recognise(token)
        if self._closed and cookie is not None and (session := self._sessions.get(digest(cookie))):
            return self._of_session(session)
        if self._closed:
            raise AccessRefused("key_required", "This needs an API key: send it as Authorization: Bearer kba_…")
        limited = f"at {_network(address)}" if self._limit_anonymous else None
        return Principal(ANONYMOUS, ANONYMOUS, _NOTHING_OF_KEYS, limited=limited)

    def recognise(self, token: str) -> Principal:
        """Tell whose key this is. Raises AccessRefused as `admit` does."""
        shown = digest(token)
        for kept, principal in self._fixed.items():
            if hmac.compare_digest(kept, shown):
                return principal
        key = self._keys.get(id_of(token) or "")
        if key is None or not hmac.compare_digest(key.digest, shown):
            raise AccessRefused("key_invalid", "This API key is not known here; check that it was copied whole.")
        return self._principal(key)

    def holds(self, principal: Principal) -> bool:
        """Whether what `principal` showed still opens anything."""
        if principal.session is not None:
            session = self._sessions.get(principal.session)
            if session is None or session.expires_at <= stamp():
                return False
        if principal.key_id in {fixed.key_id for fixed in self._fixed.values()}:
            return True
        if not principal.key_id:
            return not self._closed
        key = self._keys.get(principal.key_id)
        return key is not None and key.state(stamp()) == "active"

    async def sign_in(self, token: str) -> tuple[str, Principal]:
        """Exchange a key for a cookie's value. Raises AccessRefused."""
        principal = self.recognise(token)
        shown, ends = digest(token), stamp(_SESSION_AGE)
        if (key := self._digests.get(shown)) and key.expires_at is not None:
            ends = min(ends, key.expires_at)
        cookie = secrets.token_urlsafe(32)
        session = Session(digest(cookie), shown, ends)
        await self.store.sign_in(session)
        await self.load()
        return cookie, replace(principal, session=session.digest)

    async def sign_out(self, cookie: str) -> None:
        """End a sign-in, where there is one."""
        if digest(cookie) in self._sessions:  # anyone may ask; who has none makes nobody write
            await self.store.sign_out(digest(cookie))
            await self.load()

    def tokens_a_day(self, owner: str) -> int | None:
        """The quota that an owner's keys have of their own."""
        return self._quotas.get(owner)

    async def save_uses(self) -> None:
        """Write down when keys were last used, those that were since the last time."""
        uses, self._uses = self._uses, {}
        if uses:
            await self.store.note_uses(uses)

    def last_used(self, key: Key) -> str | None:
        """Tell when a key was last used."""
        return self._uses.get(key.id, key.last_used_at)

    def _of_session(self, session: Session) -> Principal:
        if session.expires_at > stamp():
            if key := self._digests.get(session.key_digest):
                return self._principal(key, session.digest)
            if fixed := self._fixed.get(session.key_digest):
                return replace(fixed, session=session.digest)
        raise AccessRefused("key_expired", "The sign-in has ended; sign in again.")

    def _principal(self, key: Key, session: bytes | None = None) -> Principal:
        now = stamp()
        match key.state(now):
            case "revoked":
                raise AccessRefused("key_revoked", "This API key was revoked; ask for another one.")
            case "expired":
                raise AccessRefused("key_expired", "This API key has expired; ask for another one.")
        self._uses[key.id] = now
        return Principal(key.owner, key.name, key.scopes, key.id, session, key.owner)


def _network(address: str) -> str:
    """What one caller has of addresses: of IPv6 a whole network of 64 bits, within which they cost nothing."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))


def _fixed(owner: str, name: str) -> Principal:
    return Principal(owner, name, _EVERYTHING, key_id=name)
