"""The gate: who is let in with what, and why not."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.access.control import AccessLimits, open_access
from service.access.gate import ANONYMOUS, Gate
from service.access.records import KeyScope
from service.access.store import KeyStore, Terms
from service.database import open_database
from service.errors import AccessRefused, InvalidInput
from service.telemetry import Metrics

CHAT = frozenset({KeyScope.CHAT})
HOME = "127.0.0.1"


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    async with open_database(tmp_path) as db:
        gate = Gate(KeyStore(db), admin=None, limit_anonymous=False)
        await gate.load()
        yield gate


def refusal(gate: Gate, token: str | None, cookie: str | None = None) -> str:
    with pytest.raises(AccessRefused) as refused:
        gate.admit(token, cookie, HOME)
    assert refused.value.scope is None
    assert str(refused.value) == refused.value.detail
    return refused.value.code


async def test_until_there_is_a_key_everyone_is_anonymous_and_nobody_an_admin(gate: Gate) -> None:
    for token in (None, "sk-whatever-a-client-sends"):
        principal = gate.admit(token, None, HOME)
        assert (principal.owner, KeyScope.ADMIN in principal.scopes) == (ANONYMOUS, False)


async def test_the_first_key_closes_the_gate_for_those_without_one(gate: Gate) -> None:
    stranger = gate.admit(None, None, HOME)
    issued = await gate.store.create("ann", Terms(CHAT))
    await gate.load()

    assert refusal(gate, None) == "key_required"
    assert refusal(gate, issued.token[:-1]) == refusal(gate, "sk-other") == "key_invalid"
    assert not gate.holds(stranger)
    known = gate.admit(issued.token, None, HOME)
    assert (known.name, known.scopes, gate.holds(known)) == ("ann", CHAT, True)


async def test_a_key_that_was_revoked_or_has_expired_opens_nothing_nor_does_its_cookie(gate: Gate) -> None:
    revoked = await gate.store.create("ann", Terms(CHAT))
    expired = await gate.store.create("bob", Terms(CHAT, timedelta(microseconds=1)))
    await gate.load()
    cookie, principal = await gate.sign_in(revoked.token)
    assert gate.admit(None, cookie, HOME).name == "ann"

    await gate.store.revoke("ann")
    await gate.load()
    assert refusal(gate, revoked.token) == "key_revoked"
    assert refusal(gate, None, cookie) == "key_required"
    assert not gate.holds(principal)
    assert refusal(gate, expired.token) == "key_expired"


async def test_a_key_of_no_time_at_all_is_none_that_never_ends(gate: Gate) -> None:
    issued = await gate.store.create("brief", Terms(CHAT, timedelta(days=1e-12)))
    await gate.load()
    assert issued.key.expires_at is not None
    assert refusal(gate, issued.token) == "key_expired"
    rotated = await gate.store.rotate("brief", timedelta(days=1e-12), timedelta())
    assert rotated.key.expires_at is not None


@pytest.mark.parametrize("name", ["anonymous", "local", "admin-key", "Anonymous"])
async def test_no_key_has_the_name_of_those_without_one(gate: Gate, name: str) -> None:
    with pytest.raises(InvalidInput, match="take another"):
        await gate.store.create(name, Terms(CHAT))


async def test_a_key_has_so_many_sign_ins_and_the_newest_are_kept(gate: Gate) -> None:
    issued, other = [await gate.store.create(name, Terms(CHAT)) for name in ("ann", "bob")]
    await gate.load()
    kept, _ = await gate.sign_in(other.token)
    cookies = [(await gate.sign_in(issued.token))[0] for _ in range(103)]
    assert len(await gate.store.sessions()) == 101
    assert gate.admit(None, cookies[-1], HOME).name == "ann"
    assert gate.admit(None, kept, HOME).name == "bob"


async def test_who_ends_a_sign_in_that_is_none_makes_nobody_write(tmp_path: Path) -> None:
    commits: list[int] = []
    async with open_database(tmp_path, observe=lambda _, writes, __: commits.append(writes)) as db:
        gate = Gate(KeyStore(db), admin="the-key-of-the-operator-1", limit_anonymous=False)
        await gate.load()
        cookie, _ = await gate.sign_in("the-key-of-the-operator-1")
        made = len(commits)
        for unknown in ("", "x", cookie + "x"):
            await gate.sign_out(unknown)
        assert len(commits) == made
        await gate.sign_out(cookie)
        assert len(commits) == made + 1


async def test_a_sign_in_of_a_key_that_is_not_set_any_more_shuts_nobody_out(tmp_path: Path) -> None:
    async with open_database(tmp_path) as db:
        closed = Gate(KeyStore(db), admin="the-key-of-the-operator-1", limit_anonymous=False)
        await closed.load()
        cookie, _ = await closed.sign_in("the-key-of-the-operator-1")
        opened = Gate(KeyStore(db), admin=None, limit_anonymous=False)
        await opened.load()
        assert opened.admit(None, cookie, HOME).name == ANONYMOUS


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("::ffff:203.0.113.7", "203.0.113.7", "::ffff:203.0.113.8"),
        ("fe80::1%eth0", "fe80::2", "fe81::1"),
        ("testclient", "testclient", ""),
    ],
)
async def test_strangers_are_told_apart_by_what_each_has_of_addresses(
    tmp_path: Path, address: str, same: str, other: str
) -> None:
    limits = AccessLimits(None, True, 9, 9, 9, 9, 0)
    async with open_database(tmp_path) as db, open_access(db, limits, Metrics("0", "0")) as access:
        who = [access.gate.admit(None, None, each).limited for each in (address, same, other)]
    assert who[0] == who[1] != who[2]
