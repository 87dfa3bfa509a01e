"""The page's sign-in: a key exchanged for a cookie that no script can read. It also tells who is asking."""

from typing import Annotated

from fastapi import APIRouter, Cookie, Request, Response
from pydantic import BaseModel, Field, SecretStr

from service.access.control import AccessControl
from service.access.records import KeyScope, Principal
from service.api.deps import COOKIE, KNOWN, OPEN, ServicesDep, VisitDep
from service.api.problems import documented
from service.api.schemas import In, TokensOut

router = APIRouter(prefix="/api/session", tags=["keys"])


class SignIn(In):
    """A key to sign in with."""

    key: SecretStr = Field(min_length=1, max_length=500, description="The API key.", examples=["kba_k7m2x4aa_…"])


class SessionOut(BaseModel):
    """Who is asking."""

    name: str = Field(description="Name of the key; `anonymous` while no key is needed.", examples=["anna"])
    scopes: list[KeyScope] = Field(description="What it opens.", examples=[["chat", "kb"]])
    anonymous: bool = Field(description="Whether no key was shown.", examples=[False])
    tokens: TokensOut = Field(description="The day's tokens; those without a key share one day.")
    signed_in: bool = Field(description="Whether this is a sign-in, which can be ended.", examples=[True])


@router.post("", dependencies=[OPEN], responses=documented(400, 401, 413, 422, 429, 503))
async def sign_in(services: ServicesDep, request: Request, response: Response, body: SignIn) -> SessionOut:
    """Exchange a key for a cookie, as the page does. The cookie ends after 30 days, or with the key."""
    gate, key = services.access.gate, body.key.get_secret_value()
    await services.access.rates.take("requests", gate.recognise(key))
    cookie, principal = await gate.sign_in(key)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, cookie, max_age=30 * 86_400, httponly=True, samesite="strict", secure=secure)
    response.headers["Cache-Control"] = "no-store"
    return _shown(services.access, principal)


@router.get("", dependencies=[KNOWN], responses=documented(401, 429, 503))
async def get_session(services: ServicesDep, visit: VisitDep, response: Response) -> SessionOut:
    """Tell who is asking, and what that opens."""
    response.headers["Cache-Control"] = "no-store"
    return _shown(services.access, visit.principal)


@router.delete("", status_code=204, dependencies=[OPEN], responses=documented(422, 503))
async def sign_out(
    services: ServicesDep,
    response: Response,
    cookie: Annotated[str, Cookie(alias=COOKIE, description="The sign-in to end.")] = "",
) -> None:
    """End the sign-in of this browser; its event streams end too. Repeatable."""
    await services.access.gate.sign_out(cookie)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def _shown(access: AccessControl, principal: Principal) -> SessionOut:
    return SessionOut(
        name=principal.name,
        scopes=sorted(principal.scopes),
        anonymous=not principal.key_id,
        tokens=TokensOut.model_validate(access.quotas.of(principal.owner)),
        signed_in=principal.session is not None,
    )
