"""API keys over HTTP: what `kb-agent keys` calls while the service runs. Only for keys with the scope `admin`."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from service.access.gate import Gate
from service.access.records import Key, KeyScope, stamp
from service.access.store import NAME, Issued
from service.api.deps import ADMIN, ServicesDep
from service.api.problems import documented

router = APIRouter(prefix="/api/keys", tags=["keys"], dependencies=[ADMIN])

Days = Annotated[
    float | None,
    Field(strict=True, gt=0, le=36_500, description="Days until it expires; left out: never.", examples=[90]),
]
Name = Annotated[str, Path(max_length=64, description="Name of a key, or the id of one.", examples=["anna"])]


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        max_length=64,
        description="For people, lists and the log.",
        examples=["anna"],
        json_schema_extra={"pattern": f"^{NAME.pattern}$"},
    )
    scopes: frozenset[KeyScope] = Field(
        default=frozenset({KeyScope.CHAT, KeyScope.KB}),
        min_length=1,
        description="What it opens.",
        examples=[["chat", "kb"]],
    )
    days: Days = None


class Rotation(BaseModel):
    """How a key is replaced."""

    model_config = ConfigDict(extra="forbid")

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
    return KeyList(items=[_shown(services.access.gate, key) for key in await services.access.gate.store.keys()])


@router.post("", status_code=201, responses=documented(400, 401, 403, 409, 413, 422, 429, 503))
async def create_key(services: ServicesDep, response: Response, body: NewKey) -> IssuedOut:
    """Make a key. From the first one on nobody gets in without."""
    lifetime = timedelta(days=body.days) if body.days else None
    issued = await services.access.gate.store.create(body.name, body.scopes, lifetime)
    return await _issued(services.access.gate, response, issued)


@router.post("/{name}/rotate", status_code=201, responses=documented(400, 401, 403, 404, 413, 422, 429, 503))
async def rotate_key(
    services: ServicesDep, response: Response, name: Name, body: Rotation | None = None
) -> IssuedOut:
    """Replace a key by another with its name, scopes and chats."""
    wanted = body or Rotation()
    lifetime = timedelta(days=wanted.days) if wanted.days else None
    issued = await services.access.gate.store.rotate(name, lifetime, timedelta(hours=wanted.overlap_hours))
    return await _issued(services.access.gate, response, issued)


@router.delete("/{name}", responses=documented(401, 403, 404, 422, 429, 503))
async def revoke_key(services: ServicesDep, name: Name) -> KeyList:
    """Revoke the keys of a name, or the one of an id. Their open streams end. Repeatable; chats stay."""
    revoked = await services.access.gate.store.revoke(name)
    await services.access.gate.load()
    return KeyList(items=[_shown(services.access.gate, key) for key in revoked])


async def _issued(gate: Gate, response: Response, issued: Issued) -> IssuedOut:
    await gate.load()
    response.headers["Cache-Control"] = "no-store"
    return IssuedOut(**_shown(gate, issued.key).model_dump(), key=issued.token)


def _shown(gate: Gate, key: Key) -> KeyOut:
    return KeyOut(
        id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        state=key.state(stamp()),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=gate.last_used(key),
    )
