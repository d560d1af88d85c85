"""What holds for every figure, whatever it is given: numbers are finite, lists fit, words are there, points are few."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.analysis.trend import Begin, Trend, TrendBreak, TrendChange, TrendPoint, TrendSegment
from assay.core.case import Case
from assay.core.records import LaunchRecord, MetricValue, ResultRecord, SampleSeries, TelemetrySeries
from assay.core.words import Direction, Provenance, Status, Verdict
from assay.report.figures.bars import Bar, draw_bars
from assay.report.figures.correlation import draw_correlation
from assay.report.figures.cumulative import draw_cumulative
from assay.report.figures.curves import TrainingCurve, draw_curves
from assay.report.figures.distribution import draw_distributions
from assay.report.figures.energy import draw_energy
from assay.report.figures.matrix import Entry, Sides, draw_matrix
from assay.report.figures.pareto import Candidate, Measure, draw_pareto
from assay.report.figures.predicted import Pair, draw_predicted
from assay.report.figures.scaling import View, draw_scaling
from assay.report.figures.trend import draw_trend
from assay.report.values import Cell, Figure, Scale
from assay.runner.sweep import Axis, read_curves
from assay.stats.scaling import analyse_scaling

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOSTILE = ["<script>", "../../x", "'; DROP TABLE runs; --", "=HYPERLINK(1)", "\u202egnp", "a\x00b\n", "", "n" * 10_000]

names = st.sampled_from(["bert/base", "vit torch cpu", *HOSTILE])
anything = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 1e-300, 1e300, 5.0])
cells = st.builds(
    Cell,
    value=anything | st.booleans() | names,
    provenance=st.none() | st.sampled_from(list(Provenance)),
    verdict=st.none() | st.sampled_from(list(Verdict)),
    lo=anything,
    hi=anything,
    level=st.sampled_from([0.9, 0.95]),
    n=st.none() | st.integers(0, 9),
    reason=st.none() | names,
    is_usable=st.booleans(),
)
directions = st.sampled_from([Direction.LOWER, Direction.HIGHER])


def numbers(figure: Figure) -> Iterator[float]:
    for layer in figure.layers:
        for values in (layer.x, layer.y, layer.lo, layer.hi, *layer.whiskers):
            yield from (value for value in values if isinstance(value, int | float))
    for marker in figure.markers:
        if isinstance(marker.at, int | float):
            yield marker.at


def check(figure: Figure) -> None:
    assert all(math.isfinite(value) for value in numbers(figure))
    assert figure.title
    assert figure.alt
    assert len(figure.alt) < 4000
    has_data = bool(figure.layers) or figure.heat is not None
    assert has_data is (figure.empty is None)
    if figure.empty is not None:
        assert figure.alt.endswith(figure.empty)
    assert sum(len(layer.x) for layer in figure.layers) < 3500
    for axis, values in (
        (figure.x, [layer.x for layer in figure.layers]),
        (figure.y, [layer.y for layer in figure.layers]),
    ):
        known = [value for each in values for value in each if isinstance(value, int | float)]
        if axis.scale is Scale.LOG:
            assert all(value > 0 for value in known)
        if axis.scale is Scale.CATEGORY and axis.categories and figure.heat is None:
            assert all(-0.5 <= value <= len(axis.categories) - 0.5 for value in known)
    if figure.heat is not None:
        assert len(figure.heat.cells) == len(figure.y.categories)
        assert all(len(row) == len(figure.x.categories) for row in figure.heat.cells)


@given(st.lists(st.builds(Bar, names, cells, st.none() | names), max_size=12), st.sampled_from(list(Direction)))
@settings(max_examples=40)
def test_bars(bars: list[Bar], direction: Direction) -> None:
    figure = draw_bars(bars=bars, title="t", metric="m", unit="ns", direction=direction)
    check(figure)
    assert set(figure.x.categories) <= {bar.label for bar in bars}


@given(st.lists(st.builds(Entry, names, names, cells), max_size=12))
@settings(max_examples=40)
def test_matrix(entries: list[Entry]) -> None:
    check(
        draw_matrix(
            entries=entries,
            sides=Sides("workload", "device"),
            title="t",
            metric="m",
            unit="ns",
            direction=Direction.LOWER,
        )
    )


@given(st.lists(st.builds(Candidate, names, cells, cells, st.none() | names), max_size=12), directions, directions)
@settings(max_examples=40)
def test_pareto(candidates: list[Candidate], x: Direction, y: Direction) -> None:
    check(draw_pareto(candidates=candidates, x=Measure("x", "ns", x), y=Measure("y", "J", y)))


@given(st.lists(st.builds(Pair, names, cells, cells, st.none() | names), max_size=12), st.booleans())
@settings(max_examples=40)
def test_predicted(pairs: list[Pair], is_ratio: bool) -> None:  # noqa: FBT001  (what hypothesis draws)
    check(draw_predicted(pairs=pairs, metric="latency", unit="ns", is_ratio=is_ratio))


@given(st.lists(st.lists(st.tuples(st.floats(), anything), max_size=20), max_size=4), st.none() | st.floats(0, 5))
@settings(max_examples=40)
def test_curves(given_curves: list[list[tuple[float, float | None]]], target: float | None) -> None:
    curves = [
        TrainingCurve(HOSTILE[place], [x for x, _ in points], [value for _, value in points])
        for place, points in enumerate(given_curves)
    ]
    check(draw_curves(curves=curves, metric="loss", unit=None, direction=Direction.LOWER, target=target))


@given(st.lists(st.tuples(anything, anything, anything), max_size=20))
@settings(max_examples=40)
def test_correlation(rows: list[tuple[float | None, ...]]) -> None:
    columns = {name: [row[place] for row in rows] for place, name in enumerate(HOSTILE[:3])}
    figure = draw_correlation(columns=columns)
    check(figure)


statuses = st.sampled_from(list(Status))
readings = st.lists(st.integers(0, 10**12), max_size=20)


@given(
    st.lists(st.tuples(readings, statuses, st.none() | st.sampled_from(list(Verdict)), st.integers(1, 9)), max_size=4),
    st.none() | st.floats(min_value=1, max_value=1e12),
    names,
)
@settings(max_examples=40)
def test_distributions(
    drawn: list[tuple[list[int], Status, Verdict | None, int]], latency: float | None, name: str
) -> None:
    case = Case.make(workload=name, engine="torch", device="cpu")
    metric = MetricValue("latency_ns", latency, "ns", n=len(drawn))
    result = ResultRecord("r", "run", "s", case, Status.OK, NOW, metrics=(metric,))
    launches = [
        LaunchRecord(
            f"l{place}", "run", "r", "run", place, status, NOW, 1, verdict=verdict, reason=name,
            samples=(SampleSeries("latency", "ns", tuple(values), calls),),
        )
        for place, (values, status, verdict, calls) in enumerate(drawn)
    ]  # fmt: skip
    check(draw_distributions(launches=launches, result=result))
    check(draw_cumulative(launches=launches, result=result))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["power_w", "energy_j", "power_limit_w", "clock_mhz"]),
            st.lists(st.none() | st.floats(0, 1e6), max_size=30),
        ),
        max_size=4,
    ),
    names,
)
@settings(max_examples=40)
def test_energy(drawn: list[tuple[str, list[float | None]]], name: str) -> None:
    series = [
        TelemetrySeries(
            sensor, name, "W", "rapl", "package", 0, (0, *(10**8,) * (len(values) - 1))[: len(values)], tuple(values)
        )
        for sensor, values in drawn
    ]
    check(draw_energy(series=series, metrics=[MetricValue("average_power_w", None, "W", reason=name)]))


@given(
    st.lists(
        st.tuples(st.integers(1, 64), st.floats(min_value=1e-3, max_value=1e9), statuses),
        min_size=1,
        max_size=8,
        unique_by=lambda one: one[0],
    ),
    st.sampled_from(list(View)),
)
@settings(max_examples=40)
def test_scaling(drawn: list[tuple[int, float, Status]], view: View) -> None:
    results = [
        ResultRecord(
            f"r{batch}", "run", "s",
            Case.make(workload="bert/tiny", engine="torch", device="cpu", batch=batch), status, NOW,
            reason=HOSTILE[batch % len(HOSTILE)], unit_of_work="sample",
            metrics=(MetricValue("latency_ns", 1e9 / rate, "ns"), MetricValue("throughput_per_s", rate, "1/s")),
        )
        for batch, rate, status in drawn
    ]  # fmt: skip
    [curve] = read_curves(Axis("batch"), results)
    check(draw_scaling(curve, analyse_scaling(curve.points), view=view, latency_target_ns=1e6, memory_limit_bytes=1e9))


@given(
    st.lists(
        st.tuples(st.none() | st.floats(min_value=1, max_value=1e12), st.booleans(), st.booleans()),
        min_size=1,
        max_size=20,
    ),
    names,
)
@settings(max_examples=40)
def test_trend(drawn: list[tuple[float | None, bool, bool]], name: str) -> None:
    points = [
        TrendPoint(
            f"r{place}", f"run{place}", NOW + timedelta(hours=place) if is_timed else None, value, "env",
            left_out=None if is_used and value is not None else name or "no reason",
        )
        for place, (value, is_used, is_timed) in enumerate(drawn)
    ]  # fmt: skip
    used = tuple(place for place, point in enumerate(points) if point.is_used)
    trend = Trend("s", name, name, "latency_ns", "median", "ns", Direction.LOWER, tuple(points))
    if used:
        segment = TrendSegment(used, 5.0, None if len(used) == 1 else 0.1, "env", Begin.FIRST)
        change = TrendChange(used[0], used[-1], 1.1, 0.0001, is_worse=True, accepted=name)
        trend = replace(
            trend, segments=(segment,), changes=(change,), breaks=(TrendBreak(Begin.SPLIT, None, used[0], name),)
        )
    check(draw_trend(trend))
