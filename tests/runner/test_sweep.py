"""Sweeps without a run: sizes, order, the rule that leaves out, and how results become curves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from assay.core.case import Case
from assay.core.errors import UsageError
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Status
from assay.runner.plan import PlannedCase
from assay.runner.sweep import Axis, grow_sizes, read_curves, schedule_growing, stop_when_failed
from assay.workloads.base import find_workload

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def planned(batch: int, engine: str = "torch", seq: int = 128, threads: int | None = None) -> PlannedCase:
    options = {} if threads is None else {"threads": threads}
    case = Case.make(
        workload="bert/tiny", engine=engine, device="cpu", batch=batch, shape={"seq": seq}, options=options
    )
    return PlannedCase(case, find_workload("bert/tiny"), threads=threads or 1)


def result(one: PlannedCase, status: Status = Status.OK, *, unit: str = "sample", rate: float = 100.0) -> ResultRecord:
    metrics = (
        MetricValue("latency_ns", 1e9 * one.case.batch / rate, "ns", ci_lo=1.0, ci_hi=2.0),
        MetricValue("throughput_per_s", rate, "1/s", ci_lo=rate - 1, ci_hi=rate + 1),
        MetricValue("memory_peak_bytes", 1024.0, "B", stat="max"),
    )
    return ResultRecord(
        "r", "run", "s", one.case, status, NOW, reason=None if status is Status.OK else "why", unit_of_work=unit,
        metrics=metrics if status is Status.OK else (),
    )  # fmt: skip


# --- sizes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "first", "last", "factor", "sizes"),
    [
        ("batch", None, None, 2, (1, 2, 4, 8, 16, 32, 64, 128, 256)),
        ("batch", 1, 10, 3, (1, 3, 9, 10)),
        ("batch", 5, 5, 2, (5,)),
        ("seq", None, 200, 2, (32, 64, 128, 200)),
        ("image", None, None, 2, (64, 128, 256, 512)),
        ("threads", None, None, 2, (1, 2, 4, 6)),
        ("seconds", 1, 4, 2, (1, 2, 4)),
    ],
)
def test_sizes_grow_by_a_factor_and_end_where_asked(
    over: str, first: int | None, last: int | None, factor: int, sizes: tuple[int, ...]
) -> None:
    assert grow_sizes(Axis(over), first, last, factor, cpus=6) == sizes


@pytest.mark.parametrize(
    ("over", "first", "last", "message"),
    [
        ("batch", 8, 4, "--from got 8 and --to 4"),
        ("seconds", None, 4, "--over seconds needs --from and --to"),
        ("batch", 1, 2**70, "makes 70 points, expected at most 64"),
    ],
)
def test_ranges_that_cannot_be(over: str, first: int | None, last: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        grow_sizes(Axis(over), first, last, 2, cpus=4)


# --- order and rule -------------------------------------------------------------------------------------------


def test_the_first_round_grows_and_later_rounds_are_shuffled() -> None:
    cases = [planned(2**power) for power in range(8)]
    made = list(schedule_growing(cases, launches=3, seed=1))
    assert [one.planned for one in made[:8]] == cases
    assert [one.ordinal for one in made] == [0] * 8 + [1] * 8 + [2] * 8
    assert [one.planned for one in made[8:16]] != cases
    assert {one.planned.case.batch for one in made[8:16]} == {one.case.batch for one in cases}
    again = list(schedule_growing(cases, launches=3, seed=1, done={cases[0].case.case_id: 2}))
    assert [one.ordinal for one in again if one.planned is cases[0]] == [2]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.OOM, "not run: batch 4 already failed: out of memory"),
        (Status.TIMEOUT, "not run: batch 4 already failed: time limit"),
        (Status.FAILED, "not run: batch 4 already failed: it failed"),
        (Status.UNSUPPORTED, None),
        (Status.OK, None),
    ],
)
def test_larger_points_of_a_curve_that_failed_are_left_out(status: Status, reason: str | None) -> None:
    rule = stop_when_failed(Axis("batch"))
    results = [result(planned(2)), result(planned(4), status)]
    found = rule(planned(8), results)
    assert (found.reason if found else None) == reason
    assert found is None or found.status is Status.SKIPPED
    assert rule(planned(2), results) is None
    assert rule(planned(8, engine="openvino"), results) is None
    assert rule(planned(8, seq=64), results) is None


def test_no_size_is_begun_after_the_time_limit() -> None:
    now = [0.0]
    rule = stop_when_failed(Axis("batch"), time_limit_s=60, clock=lambda: now[0])
    assert rule(planned(1), []) is None
    now[0] = 61.0
    found = rule(planned(2), [])
    assert found is not None
    assert found.reason == "not run: the sweep's time limit of 1 min 00 s was over"


# --- curves ---------------------------------------------------------------------------------------------------


def test_results_are_sorted_into_curves() -> None:
    mixed = [result(planned(batch, engine)) for batch in (4, 1, 2) for engine in ("torch", "openvino")]
    first, second = read_curves(Axis("batch"), mixed)
    assert [one.case.engine for one in first.results] == ["torch"] * 3
    assert [one.case.engine for one in second.results] == ["openvino"] * 3
    assert [point.x for point in first.points] == [1, 2, 4]
    assert (first.points[0].rate, first.points[0].rate_lo, first.unit) == (100.0, 99.0, "sample")
    assert first.points[0].memory_bytes == 1024.0
    assert read_curves(Axis("threads"), mixed) == ()


def test_a_point_without_numbers_keeps_its_reason() -> None:
    (curve,) = read_curves(Axis("batch"), [result(planned(1)), result(planned(2), Status.OOM)])
    assert (curve.points[1].rate, curve.points[1].latency_ns, curve.points[1].reason) == (None, None, "why")


@pytest.mark.parametrize(
    ("over", "unit", "rate_unit", "rate"),
    [
        ("batch", "token", "token", 100.0),
        ("seq", "token", "token", 100.0),
        ("seq", "sample", "seq position", 6400.0),
        ("threads", "sample", "sample", 100.0),
    ],
)
def test_a_rate_counts_what_grows(over: str, unit: str, rate_unit: str, rate: float) -> None:
    (curve,) = read_curves(Axis(over), [result(planned(2, seq=64, threads=2), unit=unit)])
    assert (curve.unit, curve.points[0].rate) == (rate_unit, rate)
