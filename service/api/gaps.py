"""Gaps of the knowledge base: what it was asked and could not answer."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from service.access.records import KeyScope
from service.api.deps import KB, NumberKey, PageLimit, ServicesDep, VisitDep, cursor_of
from service.api.problems import documented
from service.api.schemas import Out
from service.chats.gaps import GapState
from service.chats.store import NEWEST

router = APIRouter(prefix="/api/kb", tags=["knowledge base"], dependencies=[KB])


class GapOut(Out):
    """Questions with the same terms that the knowledge base could not answer."""

    id: str = Field(description="Stable: made of the terms.", examples=["gap_5f0c1d2e3a4b5c6d7e8f9a0b"])
    question: str = Field(description="The newest, at most 500 characters.", examples=["Is there dark mode?"])
    terms: list[str] = Field(description="What they are grouped by.", examples=[["dark", "mode"]])
    near_terms: list[str] = Field(description="When nothing matched: terms that exist.", examples=[["model"]])
    count: int = Field(description="How many questions.", examples=[3])
    first_seen: str = Field(description="When the first was asked.", examples=["2026-11-20T09:30:00.000Z"])
    last_seen: str = Field(description="When the newest was asked.", examples=["2026-11-22T09:30:00.000Z"])
    state: Literal["open", "resolved"] = Field(
        description="Resolved once a later edit, or a later answer, answers them.", examples=["open"]
    )
    resolved_at: str | None = Field(description="When that was seen.", examples=[None])
    resolved_by: str | None = Field(description="The document that answers them.", examples=[None])


class GapPage(BaseModel):
    """Gaps, those with most questions first."""

    items: list[GapOut] = Field(description="The gaps.")
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last.", examples=[None])


State = Annotated[GapState, Query(description="open, resolved or all.")]


@router.get("/gaps", responses=documented(422, 503))
async def gaps(
    services: ServicesDep, visit: VisitDep, key: NumberKey, state: State = "open", limit: PageLimit = 50
) -> GapPage:
    """List what you asked, with scope admin what all callers asked, and nothing answers, grouped by terms."""
    owner = None if KeyScope.ADMIN in visit.principal.scopes else visit.principal.owner
    page = await services.gaps.page(owner, limit, NEWEST if key is None else key, state)
    items = [GapOut.model_validate(gap) for gap in page.items]
    return GapPage(items=items, next_cursor=cursor_of(page.next_key))
