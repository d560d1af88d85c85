"""The pages on generation and serving name every metric and figure that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.catalog import serving_metrics
from assay.catalog.metrics import Metric, metrics
from assay.runner.serving_settings import (
    EARLY_STOPPING_QUERIES,
    MLPERF_MIN_QUERIES,
    MLPERF_OFFLINE_SAMPLES,
    Profile,
    Scenario,
)

ROOT = Path(__file__).resolve().parents[2]
OURS = [value for value in vars(serving_metrics).values() if isinstance(value, Metric)]


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric.name)
def test_every_metric_is_registered_and_explained_where_it_says(metric: Metric) -> None:
    assert metrics.get(metric.name) is metric
    assert f"| `{metric.name}` |" in (ROOT / metric.source).read_text(encoding="utf-8")


def test_words_and_counts_of_the_page_are_the_codes() -> None:
    page = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    assert all(f"`{word}`" in page for word in (*Scenario, *Profile))
    counts = [*EARLY_STOPPING_QUERIES.values(), *MLPERF_MIN_QUERIES.values(), MLPERF_OFFLINE_SAMPLES]
    assert all(f"{count:,}".replace(",", " ") in page for count in counts)
