"""Clusters, tiers, fronts and matrices of devices: planted structure comes back, and what is not there is not found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tests.loading import load_module

from assay.analysis.hardware_clusters import cluster_devices
from assay.analysis.hardware_fronts import find_device_front, front_figures
from assay.analysis.hardware_matrix import Norm, compare_matrix, matrix_figures
from assay.analysis.hardware_table import HardwareTable, read_hardware
from assay.analysis.hardware_tier_rules import AI, PERFORMANCE, RULES
from assay.analysis.hardware_tiers import Shaken, find_rule, tier_devices
from assay.core.errors import UnknownNameError, UsageError

composed = load_module("analysis.composed_devices")
SIZES = ("peak16", "bandwidth", "memory")


def sized(hw_id: str, peak: float, bandwidth: float, memory: float, **more: Any) -> Any:
    return composed.device(
        hw_id, tensor_bf16_tflops=peak, vector_fp32_tflops=peak / 8, memory_bandwidth_gb_s=bandwidth,
        memory_gib=memory, **more,
    )  # fmt: skip


def drawn(count: int, centres: list[float], seed: int = 1, spread: float = 0.15) -> Mapping[str, Any]:
    random = np.random.default_rng(seed)
    devices = []
    for place in range(count):
        centre = centres[place % len(centres)]
        peak, bandwidth, memory = np.exp(centre + random.normal(0, spread, 3)) * [100, 1000, 16]
        devices.append(sized(f"d{place:03}", float(peak), float(bandwidth), float(memory),
                             architecture=f"design {place % 20}"))  # fmt: skip
    found: Mapping[str, Any] = composed.facts(*devices)
    return found


def table_of(facts: Mapping[str, Any], *keys: str) -> HardwareTable:
    return read_hardware(facts, keys)


# -- clusters ------------------------------------------------------------------------------------------------------


def test_planted_clusters_come_back() -> None:
    found = cluster_devices(table_of(drawn(60, [-2.0, 0.0, 2.0]), *SIZES), SIZES)
    assert (found.k, found.is_forced, found.distinct, found.left_out) == (3, False, 60, 0)
    assert [len(one.devices) for one in found.clusters] == [20, 20, 20]
    peaks = [one.means["peak16"] for one in found.clusters]
    assert peaks == sorted(peaks, reverse=True)
    assert all(one.typical in one.devices for one in found.clusters)
    best = next(one for one in found.tries if one.k == 3)
    assert best.is_fit
    assert best.silhouette > best.cloud_silhouette


def test_one_cloud_is_no_clusters() -> None:
    found = cluster_devices(table_of(drawn(60, [0.0], spread=0.5), *SIZES), SIZES)
    assert (found.k, found.clusters) == (None, ())
    assert "one cloud" in found.reason


def test_devices_with_the_same_figures_count_once() -> None:
    facts = dict(drawn(30, [0.0], spread=0.5))
    first = next(iter(facts.values()))
    for number in range(40):
        copy = composed.device(f"copy{number}", **{name: cell.value for name, cell in first.cells.items()})
        facts[copy.hw_id] = copy
    found = cluster_devices(table_of(facts, *SIZES), SIZES)
    assert (found.devices, found.distinct) == (70, 30)
    assert found.k is None, "copies are no cluster"


def test_what_cannot_be_clustered_is_refused() -> None:
    table = table_of(drawn(30, [0.0]), *SIZES, "tdp")
    with pytest.raises(UsageError, match="two figures"):
        cluster_devices(table, ["peak16"])
    with pytest.raises(UsageError, match="expected 2 to 8"):
        cluster_devices(table, SIZES, k=1)
    with pytest.raises(UsageError, match="0 devices with different figures"):
        cluster_devices(table, ["peak16", "tdp"])


# -- tiers ---------------------------------------------------------------------------------------------------------


def test_shares_are_kept_and_the_rule_is_shown() -> None:
    table = table_of(drawn(100, [-1.0, 0.0, 1.0]), *PERFORMANCE.columns)
    found = tier_devices(table, PERFORMANCE, draws=40)
    assert [found.count(tier) for tier in PERFORMANCE.tiers] == [5, 15, 25, 30, 25]
    scores = [one.score or 0 for one in found.devices]
    assert scores == sorted(scores, reverse=True)
    assert {one.shaken for one in found.stability} == set(Shaken)
    for one in found.stability:
        assert 0.3 < one.adjusted_rand < 1
        assert 0.5 < one.kept < 1
    middle = [one for one in found.devices if one.tier == "Ultra"]
    assert middle[0].kept is not None
    assert "peak16 25 %" in PERFORMANCE.words()[0]


def test_a_device_beyond_doubt_keeps_its_tier() -> None:
    facts = dict(drawn(60, [0.0], spread=0.3))
    facts["giant"] = sized("giant", 1e5, 1e6, 1e4, architecture="other")
    found = tier_devices(table_of(facts, *PERFORMANCE.columns), PERFORMANCE, draws=60)
    giant = found.devices[0]
    assert (giant.device.hw_id, giant.tier) == ("giant", "Ultra")
    assert giant.kept == 1
    assert giant.instead is None


@pytest.mark.parametrize(
    ("peak", "bandwidth", "memory", "tier"),
    [(155, 1160, 72, "AI flagship"), (154, 1160, 72, "AI high"), (1000, 8000, 64, "AI high"),
     (78, 580, 36, "AI high"), (78, 579, 36, "AI mainstream"), (31, 226, 14, "AI mainstream"),
     (16, 113, 7, "AI light"), (15, 113, 7, "basic"), (1, 10, 4, "basic")],
)  # fmt: skip
def test_floors_are_as_the_rule_says(peak: float, bandwidth: float, memory: float, tier: str) -> None:
    facts = {**drawn(30, [0.0]), "mine": sized("mine", peak, bandwidth, memory)}
    found = tier_devices(table_of(facts, *AI.columns), AI, draws=5)
    assert next(one.tier for one in found.devices if one.device.hw_id == "mine") == tier
    assert {one.shaken for one in found.stability} == {Shaken.FIGURES, Shaken.RULE}


def test_a_device_with_a_gap_has_no_tier_and_a_reason() -> None:
    gap = composed.device("gap", memory_gib=40.0, memory_bandwidth_gb_s=2000.0)
    found = tier_devices(table_of({**drawn(30, [0.0]), "gap": gap}, *AI.columns), AI, draws=5)
    last = found.devices[-1]
    assert (last.device.hw_id, last.tier, last.kept) == ("gap", None, None)
    assert last.reason == "peak16 not known; at most AI high by the rest"


def test_rules_are_whole() -> None:
    for name, rule in RULES.items():
        assert rule.name == name
        assert rule.words()
    assert sum(PERFORMANCE.shares) == pytest.approx(1)
    assert len(PERFORMANCE.shares) == len(PERFORMANCE.tiers)
    assert len(AI.floors) == len(AI.tiers) - 1
    for higher, lower in zip(AI.floors, AI.floors[1:], strict=False):
        assert all(higher[key] > lower[key] for key in AI.columns)
    assert find_rule("ai") is AI
    with pytest.raises(UnknownNameError):
        find_rule("a1")
    with pytest.raises(UsageError, match="tiers take 20"):
        tier_devices(table_of(drawn(5, [0.0]), *AI.columns), AI)


# -- fronts --------------------------------------------------------------------------------------------------------


def test_a_front_is_what_nothing_beats_and_knows_how_sure_it_is() -> None:
    facts = composed.facts(
        sized("small", 50, 100, 8, tdp_w=100.0, architecture="A"),
        sized("large", 100, 100, 8, tdp_w=300.0, architecture="B"),
        sized("close", 49, 100, 8, tdp_w=101.0, architecture="C"),
        sized("poor", 20, 100, 8, tdp_w=400.0, architecture="D"),
        sized("unknown", 500, 100, 8),
    )
    found = find_device_front(table_of(facts, "tdp", "peak16"), ["tdp", "peak16"])
    assert [one.device.hw_id for one in found.front] == ["small", "large"]
    by_id = {one.device.hw_id: one for one in found.devices}
    assert by_id["poor"].layer == 3
    assert by_id["poor"].beaten_by is by_id["small"].device
    assert by_id["poor"].kept == 0
    assert by_id["large"].kept == 1
    assert 0.2 < by_id["close"].kept < 0.8
    assert found.left_out == {"tdp": 1}


def test_equal_figures_of_one_design_err_together() -> None:
    facts = composed.facts(
        sized("one", 100, 100, 8, tdp_w=300.0, architecture="A"),
        sized("two", 100, 100, 8, tdp_w=300.0, architecture="A"),
    )
    found = find_device_front(table_of(facts, "tdp", "peak16"), ["tdp", "peak16"])
    assert [one.kept for one in found.devices] == [1, 1]


def test_fronts_take_figures_with_a_better_side() -> None:
    table = table_of(drawn(5, [0.0]), *SIZES, "units")
    with pytest.raises(UsageError, match="Neither"):
        find_device_front(table, ["units", "peak16"])
    with pytest.raises(UsageError, match="two figures"):
        find_device_front(table, ["peak16"])
    with pytest.raises(UnknownNameError):
        front_figures("prices")
    assert find_device_front(table_of(drawn(5, [0.0]), "price", "peak16"), ["price", "peak16"]).devices == ()


# -- matrices ------------------------------------------------------------------------------------------------------


def matrix_table(*keys: str) -> HardwareTable:
    return table_of(
        composed.facts(
            sized("a", 100, 1000, 16, tdp_w=100.0), sized("b", 400, 2000, 16, tdp_w=400.0),
            sized("c", 200, 500, 64), composed.device("none"),
        ),
        *keys,
    )  # fmt: skip


def test_shares_of_the_best_and_their_geometric_mean() -> None:
    found = compare_matrix(matrix_table("peak16", "tdp"), keys=["peak16", "tdp"])
    by_id = {row.device.hw_id: row for row in found.rows}
    assert by_id["a"].scaled == (0.25, 1.0)
    assert by_id["b"].scaled == (1.0, 0.25)
    assert by_id["a"].score == pytest.approx(0.5)
    gap = by_id["c"]
    assert gap.scaled == (0.5, None)
    assert (gap.score is None, gap.reason) == (True, "no score: tdp not known")
    assert list(by_id["a"].values) == [100e12, 100.0]
    assert [device.hw_id for device in found.best if device] == ["b", "a"]
    assert (found.without_any, found.name) == (1, "own")
    assert found.rows[-1].device.hw_id == "c"


def test_ranks_and_references() -> None:
    keys = ["peak16", "memory"]
    ranked = compare_matrix(matrix_table(*keys), keys=keys, norm=Norm.RANK)
    assert {row.device.hw_id: row.scaled for row in ranked.rows} == {
        "a": (0.0, 0.25), "b": (1.0, 0.25), "c": (0.5, 1.0),
    }  # fmt: skip
    beside = compare_matrix(matrix_table(*keys), keys=keys, norm=Norm.REFERENCE, reference="a")
    assert {row.device.hw_id: row.scaled for row in beside.rows} == {
        "a": (1.0, 1.0), "b": (4.0, 1.0), "c": (2.0, 4.0),
    }  # fmt: skip
    with pytest.raises(UnknownNameError):
        compare_matrix(matrix_table(*keys), keys=keys, norm=Norm.REFERENCE, reference="z")
    with pytest.raises(UsageError, match="need one"):
        compare_matrix(matrix_table(*keys), keys=keys, norm=Norm.REFERENCE)


def test_figures_that_nothing_has_are_left_out_and_said() -> None:
    keys = matrix_figures("compute")
    found = compare_matrix(matrix_table(*keys), "compute")
    assert found.left_out == ("peak64", "peak8", "peak4")
    with pytest.raises(UsageError, match="None of these devices"):
        compare_matrix(matrix_table(*matrix_figures("price-performance")), "price-performance")
    with pytest.raises(UnknownNameError):
        matrix_figures("computer")
    with pytest.raises(UsageError, match="cannot be scaled"):
        compare_matrix(matrix_table("units"), keys=["units"])
