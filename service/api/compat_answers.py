"""What an answer has in common wherever OpenAI's clients meet it: citations, and what is behind it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.agent.shown import Placed
from service.agent.unstored import Answered
from service.api.schemas import CitationOut
from service.chats.encoding import encode
from service.chats.records import Outcome, public


class ModelOut(BaseModel):
    """A model as OpenAI's clients list it."""

    id: str = Field(description="The name to send as `model`.", examples=["kb-agent"])
    object: Literal["model"] = Field("model", description="Always `model`.", examples=["model"])
    created: int = Field(description="When the service started, in seconds.", examples=[1795340000])
    owned_by: str = Field("kb-agent", description="Always `kb-agent`.", examples=["kb-agent"])
    answered_by: str = Field(description="The language model behind it.", examples=["qwen3:8b"])


class ModelListOut(BaseModel):
    """The models there are."""

    object: Literal["list"] = Field("list", description="Always `list`.", examples=["list"])
    data: list[ModelOut] = Field(description="The models.")


class AboutOut(BaseModel):
    """What is behind an answer; a member of our own."""

    model: str = Field(description="The language model that answered.", examples=["qwen3:8b"])
    outcome: Outcome = Field(description="What the answer rests on.", examples=["grounded"])
    citations_dropped: int = Field(description="Marks that were removed.", examples=[0])
    kb_revision: int | None = Field(description="Revision of the index it rests on.", examples=[3])
    llm_calls: int = Field(description="Calls of the language model.", examples=[2])


class FileCitationOut(CitationOut):
    """A citation under the names that OpenAI has for files."""

    file_id: str = Field(description="The document's name.", examples=["streaming/resume.md"])
    filename: str = Field(description="The same.", examples=["streaming/resume.md"])


def about(answer: Answered) -> AboutOut:
    """Tell what is behind an answer."""
    return AboutOut(
        model=answer.model,
        outcome=answer.outcome,
        citations_dropped=answer.citations_dropped,
        kb_revision=answer.kb_revision,
        llm_calls=answer.usage.llm_calls,
    )


def file_citation(placed: Placed) -> dict[str, Any]:
    """The whole citation, and the document once more under OpenAI's names."""
    document = placed.citation.document
    return {"file_id": document, "filename": document, **public(placed.citation)}


def data_line(body: Mapping[str, Any], event: str | None = None) -> bytes:
    """Write a server-sent event; its data is one line of JSON."""
    head = f"event: {event}\n" if event else ""
    return b"%bdata: %b\n\n" % (head.encode(), encode(body))
