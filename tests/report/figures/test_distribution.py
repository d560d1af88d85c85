"""Distributions of launches: boxes by hand, guards of percentiles, and launches that failed or were disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from assay.core.case import Case
from assay.core.records import LaunchRecord, MetricValue, ResultRecord, SampleSeries
from assay.core.words import Direction, Provenance, Status, Verdict
from assay.report.figures.cumulative import draw_cumulative
from assay.report.figures.distribution import draw_distributions
from assay.report.values import Figure, Layer, Role, Scale, Shape

NOW = datetime(2026, 11, 22, tzinfo=UTC)
METRIC = MetricValue("latency_ns", 1.02e6, "ns", ci_lo=1e6, ci_hi=1.05e6, n=3)


def result(*metrics: MetricValue, workload: str = "bert/tiny", **more: Any) -> ResultRecord:
    case = Case.make(workload=workload, engine="torch", device="cpu")
    return ResultRecord("r", "run", "s", case, Status.OK, NOW, metrics=metrics or (METRIC,), **more)


def launch(ordinal: int, values: Sequence[int] = (), **more: Any) -> LaunchRecord:
    calls = more.pop("calls", 1)
    name = more.pop("name", "latency")
    fields: dict[str, Any] = {
        "status": Status.OK,
        "verdict": Verdict.TRUSTED,
        "started_at": NOW,
        "wall_ns": 10**9,
    } | more
    samples = (SampleSeries(name, "ns", tuple(values), calls),) if values else ()
    if values and name == "latency":
        fields.setdefault("median_ns", float(np.median(values)) / calls)
    return LaunchRecord(f"l{ordinal}", "run", "r", "run", ordinal, samples=samples, **fields)


def around(center: int, count: int = 101) -> list[int]:
    return [center + 1000 * (step - count // 2) for step in range(count)]


def boxes(figure: Figure) -> list[Layer]:
    return [layer for layer in figure.layers if layer.shape is Shape.BOXES]


def steps(figure: Figure) -> list[Layer]:
    return [layer for layer in figure.layers if layer.shape is Shape.STEPS]


def test_a_box_is_quartiles_median_and_whiskers_in_ns_a_call() -> None:
    figure = draw_distributions(
        launches=[launch(0, around(10**6)), launch(1, around(2 * 10**6), calls=2)], result=result()
    )
    [layer] = boxes(figure)
    assert (layer.x, layer.y, layer.n) == ((0.0, 1.0), (1e6, 1e6), (101, 101))
    assert (layer.lo, layer.hi) == ((975_000.0, 987_500.0), (1_025_000.0, 1_012_500.0))
    assert layer.whiskers == ((955_000.0, 1_045_000.0), (977_500.0, 1_022_500.0))
    assert layer.labels[0] == "launch 1: fastest call 950 µs, slowest 1.05 ms"
    assert (figure.x.scale, figure.x.categories, figure.y.unit) == (Scale.CATEGORY, ("1", "2"), "ns")
    assert figure.y.direction is Direction.LOWER
    assert figure.notes[0].startswith("Calls were too short to be timed singly")


def test_the_result_and_its_interval_lie_across_all_launches() -> None:
    figure = draw_distributions(launches=[launch(0, around(10**6)), launch(1, around(11 * 10**5))], result=result())
    band, line = figure.layers[:2]
    assert (band.shape, band.x, band.lo, band.hi) == (Shape.BAND, (-0.5, 1.5), (1e6, 1e6), (1.05e6, 1.05e6))
    assert (line.y, line.label) == ((1.02e6, 1.02e6), "result 1.02 ms")
    assert figure.caption == ("bert/tiny torch cpu fp32 b1: latency 1.02 ms, 95 % interval 1.00 … 1.05 ms, 3 launches.")
    assert "2 launches, medians 1.00 ms to 1.10 ms, 10.0 % apart. Slowest call 1.15 ms." in figure.alt
    assert figure.alt.endswith("No launch was disturbed.")


def test_disturbed_launches_look_different() -> None:
    figure = draw_distributions(
        launches=[
            launch(2, around(3 * 10**6), verdict=Verdict.CONTAMINATED, verdict_reasons=("a neighbour",)),
            launch(1, around(10**6), verdict=Verdict.NOISY, verdict_reasons=("steal",)),
            launch(0, around(10**6)),
        ],
        result=result(),
    )
    assert [(layer.label, layer.x, layer.is_usable) for layer in boxes(figure)] == [
        ("trusted launches", (0.0,), True),
        ("noisy launches", (1.0,), True),
        ("contaminated launches", (2.0,), False),
    ]
    assert boxes(figure)[2].labels[0].endswith("contaminated: a neighbour")
    medians = [layer for layer in figure.layers if layer.shape is Shape.POINTS]
    assert [(layer.x, layer.is_usable) for layer in medians] == [((0.0, 1.0), True), ((2.0,), False)]
    assert "Disturbed launches: 2 noisy, 3 contaminated." in figure.alt


def test_failed_launches_and_those_without_samples_are_said() -> None:
    figure = draw_distributions(
        launches=[launch(0, median_ns=1e6), launch(1, status=Status.OOM, reason="out of memory", verdict=None)],
        result=result(),
    )
    assert boxes(figure) == []
    assert [layer.y for layer in figure.layers if layer.shape is Shape.POINTS] == [(1e6,)]
    assert figure.x.categories == ("1", "2")
    assert figure.notes == (
        "1 launch without samples, as they failed: out of memory.",
        "1 launch without latency samples: only the median is drawn.",
    )


@pytest.mark.parametrize(
    ("launches", "why"),
    [
        ([], "This result has no launches"),
        (
            [launch(0, status=Status.FAILED, reason="<b>it broke</b>", median_ns=None)],
            "Every launch failed: <b>it broke</b>.",
        ),
        ([launch(0, median_ns=None)], "have no latency samples"),
    ],
)
def test_nothing_to_draw_says_why(launches: list[LaunchRecord], why: str) -> None:
    cumulative = draw_cumulative(launches=launches, result=result())
    for figure in (draw_distributions(launches=launches, result=result()), cumulative):
        assert figure.empty is not None
        assert why in figure.empty
        assert figure.alt.endswith(figure.empty)


def test_a_generation_is_drawn_by_its_own_series_and_metric() -> None:
    metrics = (MetricValue("time_to_first_token_ns", 5e6, "ns", n=2), MetricValue("generation_ns", 5e7, "ns", n=2))
    one = launch(0, around(5 * 10**6), name="prefill", median_ns=5e7)
    figure = draw_distributions(launches=[one], result=result(*metrics), series="prefill")
    assert figure.title == "Time to first token by launch"
    [points] = [layer for layer in figure.layers if layer.shape is Shape.POINTS]
    assert points.y == (5e6,)  # of the series, as the launch's own median is of whole generations
    assert "result 5.00 ms" in [layer.label for layer in figure.layers]


def test_one_sample_and_an_imported_result_are_drawn_too() -> None:
    figure = draw_distributions(launches=[launch(0, [7])], result=result(provenance=Provenance.IMPORTED))
    assert boxes(figure)[0].whiskers == ((7.0, 7.0),)
    assert boxes(figure)[0].provenance is Provenance.IMPORTED


def test_more_launches_than_can_be_told_apart_are_cut() -> None:
    figure = draw_distributions(launches=[launch(n, [10, 20, 30]) for n in range(80)], result=result())
    assert len(figure.x.categories) == 60
    assert figure.notes == ("The first 60 of 80 launches are drawn.",)


# -- the distribution function ---------------------------------------------------------------------------------------


def test_shares_are_exact_and_launches_have_lines_of_their_own() -> None:
    figure = draw_cumulative(launches=[launch(0, [3, 1]), launch(1, [2, 4])], result=result())
    one, two, pooled = steps(figure)
    assert (pooled.x, pooled.y) == ((1.0, 2.0, 3.0, 4.0), (0.25, 0.5, 0.75, 1.0))
    assert (one.x, one.labels, one.role) == ((1.0, 3.0), ("launch 1", "launch 1"), Role.GUIDE)
    assert two.role is Role.GUIDE
    assert pooled.role is Role.DATA
    assert (figure.x.unit, figure.y.unit) == ("ns", "share")


@pytest.mark.parametrize(
    ("count", "stated"), [(45, ["p50"]), (46, ["p50", "p90"]), (472, ["p50", "p90"]), (473, ["p50", "p90", "p99"])]
)
def test_a_percentile_is_stated_only_from_enough_samples(count: int, stated: list[str]) -> None:
    figure = draw_cumulative(launches=[launch(0, list(range(1, count + 1)))], result=result())
    assert [marker.label.split()[0] for marker in figure.markers] == stated
    assert len(figure.notes) == 3 - len(stated)
    if count == 472:
        assert figure.notes == ("p99 is not stated: it takes 473 samples, and there are 472.",)


def test_blocked_calls_have_no_percentiles() -> None:
    figure = draw_cumulative(launches=[launch(0, list(range(1000, 2000)), calls=10)], result=result())
    assert [marker.label for marker in figure.markers] == ["p50 150 ns"]
    assert figure.notes[0] == (
        "p90 is not stated: calls are timed in blocks, and a percentile of their means is none of calls."
    )


def test_contaminated_launches_are_among_all_and_it_is_said() -> None:
    figure = draw_cumulative(
        launches=[launch(0, [1, 2]), launch(1, [8, 9], verdict=Verdict.CONTAMINATED)], result=result()
    )
    assert [layer.is_usable for layer in steps(figure)] == [True, False, True]
    assert steps(figure)[2].x == (1.0, 2.0, 8.0, 9.0)
    assert figure.notes[-1] == "Contaminated launches are among all, as in the percentiles of the result."


def test_many_samples_are_thinned_exactly_and_it_is_said() -> None:
    values = np.random.default_rng(1).lognormal(14, 0.1, 20_000).astype(int).tolist()
    figure = draw_cumulative(launches=[launch(0, values)], result=result())
    [pooled] = steps(figure)
    ordered = sorted(values)
    assert len(pooled.x) == 1000
    assert (pooled.x[0], pooled.x[-1], pooled.y[-1]) == (ordered[0], ordered[-1], 1.0)
    for x, y in zip(pooled.x, pooled.y, strict=True):
        assert y is not None
        assert ordered[round(y * 20_000) - 1] == x
    assert figure.notes == (
        "1000 of 20\u202f000 points are drawn: evenly spaced ranks and both ends, so the share is exact at each.",
    )


def test_hostile_names_stay_as_they_are() -> None:
    name = "mine:<script>\u202e"
    figure = draw_cumulative(launches=[launch(0, [1, 2])], result=result(workload=name))
    assert name in figure.caption
