"""Correlations and trends of data sheets: planted ones come back, arithmetic is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tests.loading import load_module

from assay.analysis.hardware_stats import CORRELATED, correlate_devices
from assay.analysis.hardware_table import HardwareTable, read_hardware
from assay.analysis.hardware_trends import TRENDS, trend_devices
from assay.catalog.hardware.facts import view_facts
from assay.core.errors import UnknownNameError, UsageError
from assay.stats.rank_association import Association

composed = load_module("analysis.composed_devices")


@pytest.fixture(scope="module")
def grown() -> Mapping[str, Any]:
    """Rates double every 2 years; memory follows the year too, and for a given year nothing else."""
    random = np.random.default_rng(1)
    devices = []
    for design in range(24):
        year = 2012 + design / 2
        for number in range(3):
            rate = 10 * 2 ** ((year - 2012) / 2) * np.exp(random.normal(0, 0.2))
            memory = 4 * 2 ** ((year - 2012) / 4) * np.exp(random.normal(0, 0.2))
            devices.append(
                composed.device(
                    f"d{design}-{number}", architecture=f"design {design}",
                    release=f"{int(year)}-{1 + 6 * (design % 2):02}",
                    vector_fp16_tflops=float(rate), memory_gib=float(memory), tdp_w=250.0 if number else None,
                    category="datacentre gpu" if design % 2 else "consumer gpu",
                )
            )  # fmt: skip
    found: Mapping[str, Any] = composed.facts(*devices)
    return found


def table_of(facts: Mapping[str, Any], *keys: str) -> HardwareTable:
    return read_hardware(facts, keys)


def pair(table: HardwareTable, one: str, other: str, *given: str) -> Association:
    return correlate_devices(table, [one, other], given=given).cells[0][1]


def test_what_goes_together_by_time_only_does_not_once_time_is_given(grown: Mapping[str, Any]) -> None:
    table = table_of(grown, "peak16", "memory", "year")
    plain, partial = pair(table, "peak16", "memory"), pair(table, "peak16", "memory", "year")
    assert plain.lo is not None
    assert plain.lo > 0.5
    assert (plain.n, plain.groups) == (72, 24)
    assert partial.lo is not None
    assert partial.hi is not None
    assert partial.lo < 0 < partial.hi


def test_arithmetic_is_no_correlation(grown: Mapping[str, Any]) -> None:
    table = table_of(grown, "peak16", "tdp", "peak16_per_w", "bytes_per_flop", "memory")
    assert pair(table, "peak16", "peak16_per_w").reason == "one is computed from the other"
    assert pair(table, "peak16_per_w", "bytes_per_flop").reason == "both are computed from peak16"
    assert pair(table, "peak16_per_w", "memory", "tdp").reason == "one of them and tdp have a part in common"
    assert pair(table, "memory", "tdp").reason == "one of them never differs"


def test_what_cannot_be_asked_is_refused(grown: Mapping[str, Any]) -> None:
    table = table_of(grown, "peak16", "memory", "year")
    with pytest.raises(UsageError, match="two figures"):
        correlate_devices(table, ["peak16"])
    with pytest.raises(UsageError, match="both correlated and given"):
        correlate_devices(table, ["peak16", "year"], given=["year"])


def test_each_pair_stands_once_the_strongest_first(grown: Mapping[str, Any]) -> None:
    found = correlate_devices(table_of(grown, "memory", "tdp", "peak16", "year"))
    strengths = [cell.r for _, _, cell in found.pairs()]
    assert len(strengths) == 6
    assert strengths[3:] == [None] * 3
    assert [found.cells[place][place].r for place in range(4)] == [1.0] * 4
    known = [abs(r) for r in strengths if r is not None]
    assert known == sorted(known, reverse=True)


def test_a_planted_doubling_time_comes_back(grown: Mapping[str, Any]) -> None:
    table = table_of(grown, "peak16", "memory", "year")
    rate, memory = trend_devices(table, ["peak16", "memory"], by="none")
    assert (rate.group, rate.growth.n, rate.growth.groups) == ("all", 72, 24)
    for trend, years in ((rate, 2.0), (memory, 4.0)):
        doubling = trend.growth.doubling
        assert doubling is not None
        assert doubling.lo is not None
        assert doubling.hi is not None
        assert doubling.lo < years < doubling.hi


def test_trends_are_told_apart_and_name_their_records(grown: Mapping[str, Any]) -> None:
    found = trend_devices(table_of(grown, "peak16", "year"), ["peak16"])
    assert {trend.group for trend in found} == {"datacentre gpu", "consumer gpu"}
    for trend in found:
        assert [point.year for point in trend.points] == sorted(point.year for point in trend.points)
        best = 0.0
        for record in trend.records:
            assert record.value > best
            best = record.value
        assert best == max(point.value for point in trend.points)
    with pytest.raises(UnknownNameError):
        trend_devices(table_of(grown, "peak16", "year"), ["peak16"], by="colour")


def test_neither_side_better_is_no_record(grown: Mapping[str, Any]) -> None:
    devices = dict(grown)
    (trend,) = trend_devices(table_of(devices, "year"), ["year"], by="none")
    assert trend.records == ()


def test_the_shipped_catalogue_says_something() -> None:
    found = correlate_devices(read_hardware(view_facts(), CORRELATED))
    known = [cell for _, _, cell in found.pairs() if cell.r is not None]
    assert len(known) >= 30
    assert all(cell.lo is None or (cell.hi is not None and cell.lo < (cell.r or 0) < cell.hi) for cell in known)
    trends = {(one.column.key, one.group): one for one in trend_devices(
        read_hardware(view_facts(), [*TRENDS, "year"]), by="category")}  # fmt: skip
    growth = trends["peak16_per_w", "datacentre gpu"].growth
    assert growth.lo is not None
    assert growth.lo > 1, "16-bit rates of data sheets per watt did grow"
