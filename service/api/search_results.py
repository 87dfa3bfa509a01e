"""What a search found, as the API shows it."""

from typing import Literal

from pydantic import Field

from service.api.schemas import Out, Pair


class ScorePartOut(Out):
    """What one word of the question adds to a score: weight * saturation * (1 + the bonuses)."""

    word: str = Field(description="The word of the question, or the one searched instead.", examples=["resume"])
    passages: int = Field(description="How many passages have it.", examples=[12])
    weight: float = Field(
        description="How rare it is (inverse document frequency), times how often it was asked.", examples=[3.02]
    )
    occurrences: int = Field(
        description="How often the passage has it; in its title and headings each counts twice more.", examples=[3]
    )
    saturation: float = Field(
        description="What these are worth (BM25): ever less for each further one, less in a long passage.",
        examples=[1.57],
    )
    stem_bonus: float = Field(description="0.3 when the stem is the same, not only the beginning.", examples=[0.3])
    form_bonus: float = Field(description="0.1 when it is written the same.", examples=[0.1])
    identifier_bonus: float = Field(description="0.5 for an identifier or a file name.", examples=[0.0])
    score: float = Field(description="What it adds to the score.", examples=[6.64])


class HitOut(Out):
    """A passage that matched."""

    document: str = Field(description="The document's name.", examples=["streaming/resume.md"])
    title: str = Field(description="The document's title.", examples=["Resuming a stream"])
    topic: str = Field(description="Its topic.", examples=["streaming"])
    heading: str = Field(description="Path of headings above the passage.", examples=["After a disconnect"])
    start_line: int = Field(description="First line, from 1.", examples=[10])
    end_line: int = Field(description="Last line, included.", examples=[18])
    excerpt: str = Field(description="The part that matched best, verbatim.", examples=["Send Last-Event-ID."])
    highlights: list[Pair] = Field(
        description="Start and end of each matching word in the excerpt, in characters.", examples=[[[5, 18]]]
    )
    score: float = Field(description="Higher is better; comparable within one result only.", examples=[7.31])
    score_parts: list[ScorePartOut] | None = Field(
        description="With `explain`: what the score is the sum of, the largest part first; else null.",
        examples=[None],
    )
    revision: str = Field(description="SHA-256 of the document's bytes.", examples=["9f86d081884c7d65"])


class SearchOut(Out):
    """What a search found."""

    query: str = Field(description="As it was asked.", examples=["resume stream"])
    hits: list[HitOut] = Field(description="Best first, the best passage of each document.")
    step: Literal["identifier", "terms", "near", "none"] = Field(
        description="What matched: an exact identifier or name, the terms, similar terms, or none.",
        examples=["terms"],
    )
    near_terms: list[str] = Field(
        description="Words that exist: those searched instead of unknown ones, or what may have been meant.",
        examples=[[]],
    )
    revision: int = Field(description="Revision of the index.", examples=[3])
    took_ms: float = Field(description="Milliseconds.", examples=[1.8])
