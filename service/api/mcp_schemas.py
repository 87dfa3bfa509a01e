"""What the knowledge base's tools give to MCP clients, as they are told in each tool's output schema."""

from typing import Any, Final

from pydantic import BaseModel, Field

from service.agent.citations import lines_url
from service.agent.sources import Source
from service.api.mcp_uris import document_uri


class PassageOut(BaseModel):
    """A passage with all that it takes to cite it."""

    document: str = Field(description="The document's name.")
    title: str = Field(description="The document's title.")
    topic: str = Field(description="Its topic.")
    heading: str = Field(description="Path of headings above the passage.")
    start_line: int = Field(description="First line, from 1.")
    end_line: int = Field(description="Last line, included.")
    text: str = Field(description="The lines, verbatim.")
    revision: str = Field(description="SHA-256 of the document's bytes.")
    url: str = Field(description="Where the HTTP API gives these lines, from the service's own address.")
    uri: str = Field(description="The resource of these lines.")


class FoundOut(BaseModel):
    """What a search found."""

    query: str = Field(description="As it was asked.")
    matched_by: str | None = Field(None, description="What matched: identifier, terms or near.")
    passages: list[PassageOut] = Field(description="Best first.")
    near_terms: list[str] = Field(default_factory=list, description="When nothing matched: terms that exist.")
    topics: list[str] = Field(default_factory=list, description="When nothing matched: the topics there are.")
    state: str = Field("", description="Why something may not be found just now.")
    note: str = Field("", description="What to do next.")


class ListedTopic(BaseModel):
    """A topic with the names of its first documents."""

    topic: str = Field(description="Its name.")
    title: str = Field(description="For people.")
    description: str = Field(description="What it is about.")
    documents: int = Field(description="How many documents it has.")
    names: list[str] = Field(description="The names of the first of them.")


class ListedOut(BaseModel):
    """The topics of the knowledge base."""

    topics: list[ListedTopic] = Field(description="By name.")
    state: str = Field("", description="Why something may not be found just now.")
    note: str = Field("", description="What to do next.")


class ReadOut(BaseModel):
    """Lines of a document."""

    document: str = Field(description="Its name.")
    title: str = Field(description="Its title.")
    passages: list[PassageOut] = Field(description="The lines; none where the document is empty.")
    next_line: int | None = Field(None, description="Where to read on; null at the end.")
    state: str = Field("", description="Why something may not be found just now.")
    note: str = Field("", description="What to do next.")


RESULTS: Final[dict[str, type[BaseModel]]] = {
    "search_kb": FoundOut,
    "list_kb_topics": ListedOut,
    "read_kb_doc": ReadOut,
}


def passage(source: Source) -> dict[str, Any]:
    """A passage as the tools give it."""
    first, last = source.start_line, source.end_line
    return {
        "document": source.document,
        "title": source.title,
        "topic": source.topic,
        "heading": source.heading_at(first),
        "start_line": source.start_line,
        "end_line": source.end_line,
        "text": source.text,
        "revision": source.revision,
        "url": lines_url(source, first, last),
        "uri": document_uri(source.document, (first, last)),
    }
