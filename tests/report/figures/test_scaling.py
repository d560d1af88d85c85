"""Scaling figures of real curves: results become points by the runner, and are read by the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assay.core.case import Case
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Direction, Provenance, Status, Verdict
from assay.report.figures.scaling import View, draw_scaling, draw_scaling_together
from assay.report.values import Figure, Layer, Role, Scale, Shape
from assay.runner.sweep import Axis, Curve, read_curves
from assay.stats.scaling import Scaling, analyse_scaling

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RATES = ((1, 80.0), (2, 150.0), (4, 260.0), (8, 380.0), (16, 410.0), (32, 405.0))


def result(batch: int, rate: float | None, **more: Any) -> ResultRecord:
    case = Case.make(workload="bert/tiny", engine="torch", device="cpu", batch=batch, shape={"seq": 128})
    metrics: tuple[MetricValue, ...] = ()
    if rate is not None:
        latency = 1e9 * batch / rate
        metrics = (
            MetricValue("latency_ns", latency, "ns", ci_lo=latency * 0.98, ci_hi=latency * 1.02, n=5),
            MetricValue("throughput_per_s", rate, "1/s", ci_lo=rate * 0.98, ci_hi=rate * 1.02, n=5),
            MetricValue("memory_peak_bytes", 1e8 * batch, "B", stat="max", n=5),
        )
    fields = {"verdict": Verdict.TRUSTED, "unit_of_work": "sample", "units_per_call": float(batch), **more}
    status = fields.pop("status", Status.OK)
    return ResultRecord(f"r{batch}", "run", "s", case, status, NOW, metrics=metrics, **fields)


def curve(results: Sequence[ResultRecord]) -> tuple[Curve, Scaling]:
    [found] = read_curves(Axis("batch"), results)
    return found, analyse_scaling(found.points)


def grown(*more: ResultRecord) -> tuple[Curve, Scaling]:
    return curve([*(result(batch, rate) for batch, rate in RATES), *more])


def data(figure: Figure) -> list[Layer]:
    return [layer for layer in figure.layers if layer.role is Role.DATA]


OOM = {"status": Status.OOM, "reason": "out of memory in infer"}


def test_the_rate_with_knee_best_enough_and_the_end() -> None:
    figure = draw_scaling(*grown(result(64, None, **OOM)))
    [layer] = data(figure)
    assert (layer.x, layer.y) == (tuple(float(size) for size, _ in RATES), tuple(rate for _, rate in RATES))
    assert layer.lo[0] == pytest.approx(80 * 0.98)
    assert (layer.n[0], layer.shape, layer.provenance) == (5, Shape.LINE_POINTS, Provenance.MEASURED)
    assert [ref.id for ref in layer.refs if ref is not None] == ["r1", "r2", "r4", "r8", "r16", "r32"]
    assert (figure.x.scale, figure.y.scale, figure.y.unit) == (Scale.LOG, Scale.LINEAR, "samples/s")
    assert figure.y.direction is Direction.HIGHER
    assert [(one.at, one.label, one.role) for one in figure.markers] == [
        (8.0, "knee: batch 8", Role.GUIDE),
        (16.0, "enough, best: batch 16", Role.GUIDE),
        (64.0, "out of memory: batch 64", Role.LIMIT),
    ]
    assert figure.caption.endswith("The curve ends at batch 64: out of memory in infer.")
    assert figure.notes == ()
    assert figure.alt == (
        "Rate of bert/tiny over batch: 6 sizes, 80.0 samples/s at batch 1 to 405 samples/s at batch 32. "
        "Knee: batch 8. Best: batch 16. Enough: batch 16. "
        "The curve ends at batch 64: out of memory in infer. Higher is better."
    )


def test_the_line_of_proportion_starts_at_the_first_and_stays_near() -> None:
    figure = draw_scaling(*grown())
    ideal = figure.layers[0]
    assert (ideal.role, ideal.label) == (Role.GUIDE, "in proportion to the first batch")
    assert (ideal.x, ideal.y) == ((1.0, 2.0, 4.0), (80.0, 160.0, 320.0))  # at 8 it would be 640, of 410 at best


def test_the_latency_is_logarithmic_and_has_its_target() -> None:
    figure = draw_scaling(*grown(), view=View.LATENCY, latency_target_ns=2e7)
    [layer] = data(figure)
    assert layer.y[0] == pytest.approx(1e9 / 80)
    assert (figure.y.unit, figure.y.scale, figure.y.direction) == ("ns", Scale.LOG, Direction.LOWER)
    assert [one.label for one in figure.markers if one.axis == "y"] == ["target 20.0 ms"]
    assert figure.key == "scaling-latency"


def test_the_memory_has_its_limit() -> None:
    figure = draw_scaling(*grown(), view=View.MEMORY, memory_limit_bytes=2.0**33)
    assert data(figure)[0].y == tuple(1e8 * size for size, _ in RATES)
    assert [one.label for one in figure.markers if one.axis == "y"] == ["limit 8.00 GiB"]


def test_a_disturbed_size_is_hollow_and_not_on_the_line() -> None:
    figure = draw_scaling(*grown(result(64, 900.0, verdict=Verdict.CONTAMINATED, verdict_reasons=("a neighbour",))))
    line, hollow = data(figure)
    assert len(line.x) == 6
    assert (hollow.x, hollow.is_usable, hollow.labels) == ((64.0,), False, ("batch 64: contaminated; a neighbour",))


def test_sizes_left_out_beyond_the_end_are_said() -> None:
    skipped = result(128, None, status=Status.SKIPPED, reason="not run: batch 64 already failed: out of memory")
    figure = draw_scaling(*grown(result(64, None, **OOM), skipped))
    assert figure.notes == ("Not measured at batch 128: not run: batch 64 already failed: out of memory.",)


def test_a_curve_without_a_knee_says_why() -> None:
    figure = draw_scaling(*curve([result(1, 80.0), result(2, 160.0)]))
    assert "No knee: needs 4 measured sizes, has 2." in figure.notes


def test_a_single_size_has_no_line_of_proportion() -> None:
    figure = draw_scaling(*curve([result(1, 80.0)]))
    assert len(figure.layers) == 1
    assert figure.alt.startswith("Rate of bert/tiny over batch: 1 size, 80.0 samples/s at batch 1.")


def test_a_curve_that_never_began_is_an_empty_figure() -> None:
    figure = draw_scaling(*curve([result(1, None, **OOM), result(2, None, status=Status.SKIPPED, reason="left out")]))
    assert figure.empty == "No size of this curve has a rate. It ends at batch 1: out of memory in infer."


def test_hostile_reasons_stay_in_one_sentence() -> None:
    failed = result(64, None, status=Status.FAILED, reason="<script>\n\x00" + "x" * 10_000)
    figure = draw_scaling(*grown(failed))
    assert len(figure.caption) < 300
    assert len(figure.alt) < 500


# -- several curves ------------------------------------------------------------------------------------------------


def engine(name: str, factor: float, *more: ResultRecord) -> tuple[Curve, Scaling]:
    results = [result(batch, factor * rate) for batch, rate in RATES]
    return curve([*(replace(one, case=replace(one.own_case, engine=name)) for one in results), *more])


def test_curves_stand_together_by_what_tells_them_apart() -> None:
    figure = draw_scaling_together([engine("torch", 1.0), engine("openvino", 2.0)])
    assert [(layer.label, layer.group) for layer in figure.layers] == [
        ("bert/tiny torch", "bert/tiny torch"), ("bert/tiny openvino", "bert/tiny openvino"),
    ]  # fmt: skip
    assert figure.layers[1].y[0] == 160.0
    assert figure.caption == (
        "Best: bert/tiny torch at batch 16; bert/tiny openvino at batch 16. All: cpu fp32 b1 seq128."
    )
    assert figure.alt.startswith("Rate over batch: 2 curves, 80.0 samples/s to 820 samples/s.")


def test_curves_of_other_work_are_not_drawn_together() -> None:
    tokens = curve([result(batch, rate, unit_of_work="token") for batch, rate in RATES])
    figure = draw_scaling_together([grown(result(64, None, **OOM)), tokens])
    assert len(figure.layers) == 1
    assert figure.notes[0].endswith("ends at batch 64: out of memory in infer.")
    assert figure.notes[1] == "1 curve over another axis, or of other work, not drawn."


def test_no_curve_is_an_empty_figure() -> None:
    assert draw_scaling_together([]).empty == "There is no curve."
    assert draw_scaling_together([curve([result(1, None, **OOM)])]).empty == "No size of any curve has a rate."
