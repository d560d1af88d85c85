"""Every number that assay shows is in the registry, with its unit, its direction and where it comes from."""

from __future__ import annotations

import re

import pytest

from assay.catalog.metrics import LATENCY, THROUGHPUT, metrics
from assay.core.words import Direction

UNIT_OF_SUFFIX = {
    "_flops_per_s": "FLOP/s", "_bytes_per_s": "B/s", "_per_s": "1/s", "_ns": "ns", "_bytes": "B", "_w": "W",
    "_j": "J", "_j_per_sample": "J", "_j_per_call": "J",
}  # fmt: skip


@pytest.mark.parametrize("name", metrics.names())
def test_a_metric_describes_itself(name: str) -> None:
    metric = metrics.get(name)
    assert metric.name == name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert metric.unit
    assert isinstance(metric.direction, Direction)
    assert metric.description
    assert metric.formula
    assert metric.source


@pytest.mark.parametrize("name", metrics.names())
def test_the_unit_is_in_the_name(name: str) -> None:
    # A name without a suffix is a pure number.
    unit = next((unit for suffix, unit in UNIT_OF_SUFFIX.items() if name.endswith(suffix)), "1")
    assert metrics.get(name).unit == unit


@pytest.mark.parametrize("name", metrics.names())
def test_what_costs_should_be_low_and_rates_should_be_high(name: str) -> None:
    metric = metrics.get(name)
    expected = {"ns": Direction.LOWER, "B": Direction.LOWER, "J": Direction.LOWER, "1/s": Direction.HIGHER}
    # What is given to a measurement, or bounds it, is no better high or low.
    if metric.name not in {
        "serving_latency_target_ns", "serving_scheduled_rate_per_s", "serving_lowest_invalid_rate_per_s",
    }:  # fmt: skip
        assert metric.direction is expected.get(metric.unit, metric.direction)
    else:
        assert metric.direction is Direction.NEITHER


def test_the_headlines_and_the_one_off_costs_are_there() -> None:
    headlines = {name for name in metrics.names() if metrics.get(name).headline}
    assert {"latency_ns", "throughput_per_s", "memory_peak_bytes"} <= headlines
    assert {"import_ns", "load_ns", "first_infer_ns", "spawn_ns"} <= set(metrics.names())
    assert metrics.get("latency_ns") is LATENCY
    assert metrics.get("throughput_per_s") is THROUGHPUT
