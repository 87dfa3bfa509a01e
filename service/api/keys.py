"""API keys over HTTP: what `kb-agent keys` calls while the service runs. Only for keys with the scope `admin`."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from service.access.control import AccessControl
from service.access.records import Key, KeyScope, stamp
from service.access.store import NAME, Issued, Terms
from service.api.deps import ADMIN, ServicesDep
from service.api.problems import documented
from service.api.schemas import WHOLE, In, TokensOut

router = APIRouter(prefix="/api/keys", tags=["keys"], dependencies=[ADMIN])

Days = Annotated[
    float | None,
    Field(strict=True, gt=0, le=36_500, description="Days until it expires; left out: never.", examples=[90]),
]
TokensADay = Annotated[
    Annotated[int, Field(strict=True, ge=0, le=1_000_000_000_000), WHOLE] | None,
    Field(
        description="The model's tokens it may use in a day (UTC); null: as TOKENS_A_DAY says; 0: any number.",
        examples=[200_000],
    ),
]
Name = Annotated[str, Path(max_length=64, description="Name of a key, or the id of one.", examples=["anna"])]


class NewKey(In):
    """A key to make."""

    name: str = Field(
        max_length=64,
        description="For people, lists and the log.",
        examples=["anna"],
        json_schema_extra={"pattern": f"^{NAME.pattern}$"},
    )
    scopes: frozenset[KeyScope] = Field(
        default=frozenset({KeyScope.CHAT, KeyScope.KB}),
        description="What it opens.",
        examples=[["chat", "kb"]],
        json_schema_extra={"minItems": 1},
    )
    days: Days = None
    tokens_a_day: TokensADay = None


class KeyChange(In):
    """What to change of a key."""

    tokens_a_day: TokensADay


class Rotation(In):
    """How a key is replaced."""

    days: Annotated[
        float | None,
        Field(
            strict=True,
            gt=0,
            le=36_500,
            description="Days until the new key expires; left out: as the former.",
            examples=[90],
        ),
    ] = None
    overlap_hours: float = Field(
        0,
        strict=True,
        ge=0,
        le=8760,
        description="Hours that the former key goes on; 0 ends it now.",
        examples=[24],
    )


class KeyOut(BaseModel):
    """A key, without its secret, which nobody has."""

    id: str = Field(description="The part of the key between its underscores.", examples=["k7m2x4aa"])
    name: str = Field(description="Its name; a rotated key shares it with the former.", examples=["anna"])
    scopes: list[KeyScope] = Field(description="What it opens.", examples=[["chat", "kb"]])
    state: str = Field(description="active, expired or revoked.", examples=["active"])
    created_at: str = Field(description="When it was made.", examples=["2026-11-22T09:30:00.000Z"])
    expires_at: str | None = Field(description="When it ends.", examples=["2027-02-20T09:30:00.000Z"])
    revoked_at: str | None = Field(description="When it was revoked.", examples=[None])
    last_used_at: str | None = Field(description="When it was last used.", examples=["2026-11-22T09:31:00.000Z"])
    tokens_a_day: TokensADay
    tokens: TokensOut = Field(description="The day's tokens; keys of one name share them.")


class IssuedOut(KeyOut):
    """A new key with its text."""

    key: str = Field(
        description="The key itself. It is not kept: this is the one time to see it.", examples=["kba_…"]
    )


class KeyList(BaseModel):
    """All keys."""

    items: list[KeyOut] = Field(description="By name, the newest of a name first; revoked ones too.")


@router.get("", responses=documented(401, 403, 429, 503))
async def list_keys(services: ServicesDep) -> KeyList:
    """List the keys."""
    return _listed(services.access, await services.access.gate.store.keys())


@router.post("", status_code=201, responses=documented(400, 401, 403, 409, 413, 422, 429, 503))
async def create_key(services: ServicesDep, response: Response, body: NewKey) -> IssuedOut:
    """Make a key. From the first one on nobody gets in without."""
    lifetime = None if body.days is None else timedelta(days=body.days)
    issued = await services.access.gate.store.create(body.name, Terms(body.scopes, lifetime, body.tokens_a_day))
    return await _issued(services.access, response, issued)


@router.patch("/{name}", responses=documented(400, 401, 403, 404, 413, 422, 429, 503))
async def change_key(services: ServicesDep, name: Name, body: KeyChange) -> KeyList:
    """Change how many tokens a day the keys of a name may use. What was used today counts on."""
    changed = await services.access.gate.store.limit(name, body.tokens_a_day)
    await services.access.gate.load()
    return _listed(services.access, changed)


@router.post("/{name}/rotate", status_code=201, responses=documented(400, 401, 403, 404, 413, 422, 429, 503))
async def rotate_key(
    services: ServicesDep, response: Response, name: Name, body: Rotation | None = None
) -> IssuedOut:
    """Replace a key by another with its name, scopes, quota and chats."""
    wanted = body or Rotation()
    lifetime = None if wanted.days is None else timedelta(days=wanted.days)
    issued = await services.access.gate.store.rotate(name, lifetime, timedelta(hours=wanted.overlap_hours))
    return await _issued(services.access, response, issued)


@router.delete("/{name}", responses=documented(401, 403, 404, 422, 429, 503))
async def revoke_key(services: ServicesDep, name: Name) -> KeyList:
    """Revoke the keys of a name, or the one of an id. Their open streams end. Repeatable; chats stay."""
    revoked = await services.access.gate.store.revoke(name)
    await services.access.gate.load()
    return _listed(services.access, revoked)


async def _issued(access: AccessControl, response: Response, issued: Issued) -> IssuedOut:
    await access.gate.load()
    response.headers["Cache-Control"] = "no-store"
    return IssuedOut(**_shown(access, issued.key).model_dump(), key=issued.token)


def _listed(access: AccessControl, keys: Iterable[Key]) -> KeyList:
    return KeyList(items=[_shown(access, key) for key in keys])


def _shown(access: AccessControl, key: Key) -> KeyOut:
    return KeyOut(
        id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        state=key.state(stamp()),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=access.gate.last_used(key),
        tokens_a_day=key.tokens_a_day,
        tokens=TokensOut.model_validate(access.quotas.of(key.owner)),
    )
