"""Shapes D, E, K and L: figures without readings. All are kept; what is known of them stands beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow

Compose = Callable[[str], dict[str, Any]]
Take = Callable[[str, object], Any]

_figures = st.floats(min_value=1e-3, max_value=1e6)


def _values(row: ImportedRow) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in row.metrics}


def test_whole_numbers_of_a_model_benchmark_are_constants(compose: Compose, take: Take) -> None:
    constant, plausible, failed = take("ipfs-model", compose("ipfs-model")).rows
    assert _values(constant) == {"latency_ns": 15e6, "throughput_per_s": 75.0, "memory_used_bytes": 112e6}
    assert "latency_ms 15, throughput 75, memory_usage_mb 112" in constant.marks[Mark.CONSTANT]
    assert "1 in 15 ms are 66.7/s, not 75/s" in constant.marks[Mark.CONSTANT]
    assert constant.case.workload == "org/tiny-text"
    assert (constant.case.device, constant.case.batch) == ("rocm", 1)
    assert set(plausible.marks) == {Mark.UNVERIFIED}
    assert (failed.status, failed.reason) == (Status.TIMEOUT, "timed out after 600 s")
    assert constant.fields["command"] == "x"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"latency_ms": 0}, "latency_ms: a latency of 0 ms cannot be"),
        ({"latency_ms": -3}, "is negative"),
        ({"throughput": "many"}, "throughput: 'many' is not a number"),
        ({"latency_ms": float("inf")}, "latency_ms: inf is not finite"),
    ],
)
def test_a_broken_figure_is_refused(change: dict[str, Any], error: str, compose: Compose, take: Take) -> None:
    content = compose("ipfs-model")
    content["batch_sizes"]["1"] |= change
    taken = take("ipfs-model", content)
    assert [refusal.place for refusal in taken.refusals] == ["/batch_sizes/1"]
    assert error in taken.refusals[0].error
    assert len(taken.rows) == 2


def test_a_missing_figure_is_refused(compose: Compose, take: Take) -> None:
    content = compose("ipfs-model")
    del content["batch_sizes"]["2"]["latency_ms"]
    content["batch_sizes"]["eight"] = {"success": True}
    taken = take("ipfs-model", content)
    assert ["There is no 'latency_ms'" in taken.refusals[0].error, taken.refusals[1].place] == [
        True,
        "/batch_sizes/eight",
    ]


def test_a_browser_test_is_simulated_by_its_own_account(compose: Compose, take: Take) -> None:
    (row,) = take("ipfs-web", compose("ipfs-web")).rows
    assert row.simulated is True
    assert row.marks[Mark.SIMULATED] == "is_simulation is true; platform_support.simulated is true"
    assert "no browser ran it" in row.marks[Mark.UNVERIFIED]
    assert _values(row) == {
        "latency_ns": 80e6, "load_ns": 480e6, "memory_used_bytes": 150e6, "throughput_per_s": 12.5,
    }  # fmt: skip
    assert row.case.device == "webgpu"


def test_a_browser_test_that_denies_it_is_not_simulated(compose: Compose, take: Take) -> None:
    content = compose("ipfs-web") | {"is_simulation": False, "platform_support": {}, "browser_opened": True}
    (row,) = take("ipfs-web", content).rows
    assert row.simulated is False
    assert row.marks == {}


def test_all_models_of_a_platform_in_one_file(compose: Compose, take: Take) -> None:
    taken = take("ipfs-web", compose("ipfs-web all"))
    good, failed = taken.rows
    assert (good.place, good.status) == ("/results/0", Status.OK)
    assert (failed.status, failed.reason) == (Status.UNSUPPORTED, "no adapter: WebGPU is not supported")
    assert "Tested, but without any result: other." in taken.notes


def test_a_browser_test_without_its_metrics_is_refused(compose: Compose, take: Take) -> None:
    content = compose("ipfs-web all")
    del content["results"][0]["metrics"]
    content["results"].append("nothing")
    taken = take("ipfs-web", content)
    assert [refusal.place for refusal in taken.refusals] == ["/results/0", "/results/2"]


def test_means_over_everything_are_kept_and_left_out_of_aggregates(compose: Compose, take: Take) -> None:
    taken = take("ipfs-summary", compose("ipfs-summary"))
    first, second, ratio = taken.rows
    assert (first.case.workload, second.case.workload) == ("a", "b")
    assert _values(second) == {"latency_ns": 10.25e6, "throughput_per_s": 99.0}
    assert Mark.REPEATED in first.marks
    assert Mark.REPEATED.excludes
    assert _values(ratio) == {"score": 0.99}
    assert "Listed as hardware, but without any result: mps." in taken.notes


def test_lists_that_do_not_fit_the_models_are_refused(compose: Compose, take: Take) -> None:
    refusals = take("ipfs-summary", compose("ipfs-summary")).refusals
    assert len(refusals) == 2
    assert "1 values for 2 models" in refusals[0].error


def test_gains_that_nothing_changes_are_constants(compose: Compose, take: Take) -> None:
    rows = take("ipfs-browsers", compose("ipfs-browsers")).rows
    assert len(rows) == 4
    assert _values(rows[0]) == {"score": pytest.approx(0.513)}
    assert "gain 51.10 to 51.40 %" in rows[0].marks[Mark.CONSTANT]


def test_gains_that_differ_are_unverified_only(compose: Compose, take: Take) -> None:
    content = compose("ipfs-browsers")
    content["tests"][0]["performance"]["improvement_percentage"] = 20.5
    content["tests"][1] = {"success": False, "browser": "chrome", "performance": {}, "error": "no adapter"}
    content["tests"][2]["performance"] = {}
    taken = take("ipfs-browsers", content)
    assert set(taken.rows[0].marks) == {Mark.UNVERIFIED}
    assert (taken.rows[1].status, taken.rows[1].reason) == (Status.FAILED, "no adapter")
    assert [refusal.place for refusal in taken.refusals] == ["/tests/2"]


@settings(max_examples=40, deadline=None)
@given(batches=st.dictionaries(st.integers(1, 512), st.tuples(_figures, _figures, _figures), min_size=1, max_size=4))
def test_any_model_benchmark_comes_back_as_it_was_written(
    batches: dict[int, tuple[float, float, float]], take: Take
) -> None:
    sizes = {
        str(batch): {"latency_ms": one, "throughput": two, "memory_usage_mb": three, "success": True}
        for batch, (one, two, three) in batches.items()
    }
    taken = take("ipfs-model", {"model_path": "a", "hardware_key": "cpu", "batch_sizes": sizes})
    for row, (batch, (one, two, three)) in zip(taken.rows, batches.items(), strict=True):
        assert row.case.batch == batch
        assert _values(row) == {"latency_ns": one * 1e6, "throughput_per_s": two, "memory_used_bytes": three * 1e6}
        is_whole = all(each.is_integer() for each in (one, two, three))
        assert set(row.marks) == {Mark.CONSTANT if is_whole else Mark.UNVERIFIED}


@settings(max_examples=40, deadline=None)
@given(
    latency=_figures,
    load=_figures,
    simulated=st.sampled_from([True, False, None]),
    name=st.text(min_size=1).filter(str.strip),
)
def test_any_browser_test_comes_back_as_it_was_written(
    latency: float, load: float, name: str, take: Take, *, simulated: bool | None
) -> None:
    content = {
        "model_name": name, "platform": "webnn", "status": "success", "platform_support": {},
        "is_simulation": simulated, "metrics": {"inference_time_ms": latency, "load_time_ms": load},
    }  # fmt: skip
    (row,) = take("ipfs-web", content).rows
    assert row.case.workload == name
    assert _values(row) == {"latency_ns": latency * 1e6, "load_ns": load * 1e6}
    assert row.simulated is simulated
    assert (Mark.SIMULATED in row.marks) is (simulated is True)
