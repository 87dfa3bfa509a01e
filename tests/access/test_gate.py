"""The gate: who is let in with what, and why not."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.access.gate import ANONYMOUS, Gate
from service.access.records import KeyScope
from service.access.store import KeyStore, Terms
from service.database import open_database
from service.errors import AccessRefused

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
