"""Lines of results that differ in ranks: weak and strong, their efficiency, and what does not belong together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assay.analysis.rank_scaling import Growth, find_rank_lines, read_sharing
from assay.core.case import Case
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Mode, Status, Verdict

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def make_case(batch: int = 8, *, mode: Mode = Mode.TRAINING, **options: Any) -> Case:
    return Case.make(
        workload="bert/tiny", engine="torch", device="cpu", mode=mode, batch=batch, shape={"seq": 64},
        options={"threads": 1, **options},
    )  # fmt: skip


def make_result(
    rate: float | None, batch: int = 8, *, spread: float | None = None, hardware: str = "here", **options: Any
) -> ResultRecord:
    case = make_case(batch, **options)
    metrics: tuple[MetricValue, ...] = ()
    if rate is not None:
        lo, hi = (rate * (1 - spread), rate * (1 + spread)) if spread else (None, None)
        metrics = (MetricValue("throughput_per_s", rate, "1/s", ci_lo=lo, ci_hi=hi, n=3),)
    status = Status.OK if rate is not None else Status.OOM
    return ResultRecord(
        f"r{id(case)}", "run", f"series{id(case)}", case, status, NOW, hardware=hardware, metrics=metrics,
        reason=None if rate else "out of memory in load",
    )  # fmt: skip


def test_more_ranks_with_their_own_batch_scale_weakly() -> None:
    results = [make_result(rate, ranks=ranks, strategy="ddp") for ranks, rate in ((4, 300.0), (1, 100.0), (2, 180.0))]
    (line,) = find_rank_lines(results)
    assert (line.growth, line.strategy) == (Growth.WEAK, "ddp")
    assert [step.sharing.ranks for step in line.steps] == [1, 2, 4]
    assert [step.efficiency for step in line.steps] == pytest.approx([1.0, 0.9, 0.75])
    assert line.last is line.steps[-1]
    assert "batch 8 a rank" in line.label
    assert "seq 64" in line.label
    assert "threads 1" in line.label
    assert "ranks" not in line.label


def test_a_batch_that_is_shared_out_scales_strongly() -> None:
    results = [
        make_result(rate, batch, ranks=ranks, strategy="fsdp2")
        for ranks, batch, rate in ((1, 32, 100.0), (2, 16, 150.0), (4, 8, 200.0))
    ]
    (line,) = find_rank_lines(results)
    assert line.growth is Growth.STRONG
    assert [step.speedup for step in line.steps] == pytest.approx([1.0, 1.5, 2.0])
    assert "batch 32 in all" in line.label


def test_one_result_can_stand_on_a_weak_and_on_a_strong_line() -> None:
    asked = ((1, 8, 100.0), (2, 8, 190.0), (2, 4, 150.0))
    results = [make_result(rate, batch, ranks=ranks) for ranks, batch, rate in asked]
    weak, strong = find_rank_lines(results)
    assert (weak.growth, strong.growth) == (Growth.WEAK, Growth.STRONG)
    assert weak.steps[0].result is strong.steps[0].result


def test_ranks_that_work_on_one_batch_scale_strongly() -> None:
    results = [make_result(rate, ranks=ranks, strategy="tensor") for ranks, rate in ((1, 100.0), (2, 120.0))]
    (line,) = find_rank_lines(results)
    assert line.growth is Growth.STRONG
    assert read_sharing(make_case(ranks=2, strategy="tensor", accumulate=3)).whole == 24
    assert read_sharing(make_case(ranks=2, accumulate=3)).whole == 48
    assert read_sharing(make_case()).ranks == 1


def test_bounds_come_from_both_rates_and_the_first_has_none() -> None:
    results = [make_result(100.0, spread=0.1, ranks=1), make_result(180.0, spread=0.1, ranks=2)]
    first, second = find_rank_lines(results)[0].steps
    assert first.efficiency_bounds is None
    assert second.efficiency_bounds == pytest.approx((162 / 110 / 2, 198 / 90 / 2))
    without = [make_result(100.0, ranks=1), make_result(180.0, spread=0.1, ranks=2)]
    assert find_rank_lines(without)[0].steps[1].efficiency_bounds is None


def test_what_failed_keeps_its_place_and_has_no_efficiency() -> None:
    results = [make_result(100.0, ranks=1), make_result(None, ranks=2), make_result(350.0, ranks=4)]
    (line,) = find_rank_lines(results)
    assert [step.efficiency for step in line.steps] == [1.0, None, 0.875]
    (broken,) = find_rank_lines([make_result(None, ranks=1), make_result(200.0, ranks=2)])
    assert [step.efficiency for step in broken.steps] == [None, 1.0]
    assert broken.last is broken.steps[1]


def test_a_contaminated_timing_has_no_efficiency() -> None:
    results = [make_result(100.0, ranks=1), replace(make_result(200.0, ranks=2), verdict=Verdict.CONTAMINATED)]
    assert [step.efficiency for step in find_rank_lines(results)[0].steps] == [1.0, None]


@pytest.mark.parametrize("other", [{"strategy": "fsdp2"}, {"threads": 2}, {"overlap": "off"}, {"hardware": "there"}])
def test_what_differs_in_more_than_ranks_is_on_another_line(other: dict[str, Any]) -> None:
    assert find_rank_lines([make_result(100.0, ranks=1), make_result(200.0, ranks=2, **other)]) == []


def test_the_newest_result_counts_and_inference_does_not() -> None:
    results = [make_result(100.0, ranks=1), make_result(50.0, ranks=2), make_result(190.0, ranks=2)]
    (line,) = find_rank_lines(results)
    assert line.steps[1].efficiency == pytest.approx(0.95)
    assert (
        find_rank_lines([make_result(1.0, mode=Mode.INFERENCE), make_result(2.0, mode=Mode.INFERENCE, ranks=2)]) == []
    )
