"""Search finds what it found when it was measured, over the whole path: files, index, search, documents.

Floors stand a little under the figures of scripts/bench retrieval, so that a real loss turns this red.
"""

import statistics
from pathlib import Path

import pytest

from scripts.benchmarks.retrieval import measure, ndcg

COLLECTIONS = Path(__file__).parents[3] / "shared" / "eval"


@pytest.mark.parametrize(
    ("collection", "floor"),
    [("cran", 0.375), ("xquad_en", 0.972), ("xquad_de", 0.951), ("xquad_zh", 0.968), ("xquad_th", 0.966)],
)
async def test_a_collection_is_searched_as_well_as_measured(collection: str, floor: float) -> None:
    directory = COLLECTIONS / collection
    if not directory.is_dir():
        pytest.skip(f"the collection {collection} is not beside the project, in ../shared/eval")

    assert statistics.fmean(ndcg(outcome) for outcome in await measure(directory)) >= floor
