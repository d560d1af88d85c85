"""Trends over time: histories that are composed, stored, and cut by the real analysis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.trend import Trend, find_trends
from assay.core.records import MetricValue
from assay.core.words import Direction, Provenance, Status, Verdict
from assay.report.figures.intervals import read_intervals
from assay.report.figures.trend import draw_trend
from assay.report.values import Figure, Layer, RefKind, Role, Scale, Shape
from assay.store import Store
from assay.store.annotations import annotate
from assay.store.selection import Selection

history = load_module("analysis.trend_history")
noisy, steps = history.noisy, history.steps
OLD, NEW = history.environment("2.12.0"), history.environment("2.13.0")
Keep = Callable[..., tuple[Store, Any]]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    def store(*histories: Sequence[Any]) -> tuple[Store, Any]:
        kept: tuple[Store, Any] = history.store_history(tmp_path / "store", *histories)
        return kept

    return store


def only(store: Store) -> Trend:
    (found,) = find_trends(store, Selection())
    return found


def points(figure: Figure) -> list[Layer]:
    return [layer for layer in figure.layers if layer.shape is Shape.POINTS]


def test_levels_bands_a_break_and_a_change(keep: Keep) -> None:
    store, bundles = keep(
        steps(noisy([(20, 1e6)]), OLD), steps(noisy([(15, 0.98e6), (15, 1.06e6)], seed=3), NEW, begin=20)
    )
    trend = only(store)
    figure = draw_trend(trend)
    [used] = points(figure)
    assert (len(used.x), used.provenance, used.is_usable) == (50, Provenance.MEASURED, True)
    assert used.x[0] == bundles[0].results[0].measured_at
    assert used.labels[0] == f"run {bundles[0].run.run_id[-8:]}, commit {history.commit(0)[:9]}"
    assert used.refs[0] is not None
    assert (used.refs[0].kind, used.refs[0].id) == (RefKind.RESULT, bundles[0].results[0].result_id)
    bands = [layer for layer in figure.layers if layer.shape is Shape.BAND]
    lines = [layer for layer in figure.layers if layer.shape is Shape.LINE]
    assert (len(bands), len(lines)) == (3, 3)
    segment = trend.segments[0]
    assert lines[0].y == (segment.level, segment.level)
    assert bands[0].lo[0] is not None
    assert bands[0].hi[0] is not None
    assert bands[0].lo[0] < segment.level < bands[0].hi[0]
    assert bands[0].hi[0] / segment.level == pytest.approx(segment.level / bands[0].lo[0])
    assert {layer.group for layer in (*bands, *lines)} == {"level"}
    env, change = figure.markers
    assert (env.label, env.role) == ("environment: torch 2.12.0 -> 2.13.0", Role.GUIDE)
    assert env.at == bundles[20].results[0].measured_at
    assert change.role is Role.HIGHLIGHT
    assert "worse, p " in change.label
    assert change.at == bundles[35].results[0].measured_at
    assert (figure.x.scale, figure.y.unit, figure.y.direction) == (Scale.TIME, "ns", Direction.LOWER)
    assert trend.changes[0].ratio == pytest.approx(1.06 / 0.98, rel=0.02)
    assert f"1 change: {change.label} at 2026-04-05 12:00 UTC." in figure.alt
    assert "1 break: environment: torch 2.12.0 -> 2.13.0 at 2026-03-21 12:00 UTC." in figure.alt
    assert "in 3 segments" in figure.alt


def test_accepted_and_muted_changes_say_so_and_are_not_highlighted(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(15, 1e6), (15, 1.1e6), (15, 1.3e6)]), OLD))
    for kind, place, text in (("accept", 15, "two layers more"), ("mute", 30, "known")):
        run_id = bundles[place].run.run_id
        annotate(store.location, kind=kind, subject_kind="run", subject_id=run_id, text=text, author="ada")
    accepted, muted = draw_trend(only(store)).markers
    assert "accepted: " in accepted.label
    assert "two layers more" in accepted.label
    assert "muted: " in muted.label
    assert {accepted.role, muted.role} == {Role.GUIDE}


def test_a_change_for_the_better_is_marked_and_not_highlighted(keep: Keep) -> None:
    store, _ = keep(steps(noisy([(15, 1e6), (15, 0.8e6)]), OLD))
    [change] = draw_trend(only(store)).markers
    assert change.role is Role.GUIDE
    assert "better, p " in change.label


def test_what_is_not_used_is_hollow_with_its_reason(keep: Keep) -> None:
    good = steps(noisy([(8, 1e6)]), OLD)
    store, _ = keep(
        good,
        [
            replace(good[0], day=20, value=3e6, verdict=Verdict.CONTAMINATED),
            replace(good[0], day=21, status=Status.FAILED),
        ],
    )
    figure = draw_trend(only(store))
    used, hollow = points(figure)
    assert (len(used.x), used.is_usable) == (8, True)
    assert (hollow.y, hollow.is_usable) == ((3e6,), False)
    assert hollow.labels[0].endswith("contaminated, not used: contaminated")
    assert figure.notes == ("2 results not used: contaminated; failed: it broke.",)


def test_intervals_that_are_given_stand_at_their_points(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(6, 1e6)]), OLD))
    one = bundles[2].results[0].result_id
    figure = draw_trend(only(store), intervals={one: MetricValue("latency_ns", 1e6, "ns", ci_lo=9e5, ci_hi=1.1e6, n=5)})
    [layer] = points(figure)
    assert (layer.lo[2], layer.hi[2], layer.n[2]) == (9e5, 1.1e6, 5)
    assert (layer.lo[0], layer.hi[0], layer.n[0]) == (None, None, None)
    [bare] = points(draw_trend(only(store)))
    assert (bare.lo, bare.hi, bare.n) == ((), (), ())


@pytest.mark.parametrize(("metric", "stat"), [("latency_ns", None), ("latency_ns", "p90"), ("load_ns", None)])
def test_intervals_are_read_from_the_store(keep: Keep, metric: str, stat: str | None) -> None:
    more = (
        MetricValue("latency_ns", 2e6, "ns", stat="p90", ci_lo=1.9e6, ci_hi=2.1e6, n=600),
        MetricValue("load_ns", 3e8, "ns", ci_lo=2.9e8, ci_hi=3.1e8, n=5),
        MetricValue("load_ns", 1e8, "ns", phase="warmup", ci_lo=0.9e8, ci_hi=1.1e8, n=5),
    )
    store, bundles = keep(steps(noisy([(6, 1e6)]), OLD, more=more))
    [trend] = find_trends(store, Selection(), metric=metric, stat=stat)
    found = read_intervals(store, [trend, trend])
    assert set(found) == {one.results[0].result_id for one in bundles}
    for point in trend.points:
        number = found[point.result_id]
        assert number == bundles[0].results[0].metric(metric, stat or "median") or stat is None
        assert number.n == (600 if stat == "p90" else 5)
    [layer] = points(draw_trend(trend, intervals=found))
    assert set(layer.n) == {600 if stat == "p90" else 5}
    assert read_intervals(store, []) == {}


def test_one_result_is_a_point_and_a_level_without_a_band(keep: Keep) -> None:
    store, _ = keep(steps([1e6], OLD))
    figure = draw_trend(only(store))
    assert [layer.shape for layer in figure.layers] == [Shape.LINE, Shape.POINTS]
    assert "No change point." in figure.alt


def test_results_without_a_time_are_said_and_nothing_at_all_is_empty(keep: Keep) -> None:
    store, _ = keep(steps(noisy([(6, 1e6)]), OLD))
    trend = only(store)
    timeless = replace(trend, points=tuple(replace(one, measured_at=None) for one in trend.points))
    figure = draw_trend(timeless)
    assert figure.empty == "No result of this series has a latency and a time."
    assert figure.notes == ("6 results used but not drawn: the time of measuring is not known.",)
    assert draw_trend(replace(trend, points=(), segments=())).empty is not None


def test_a_long_history_is_thinned_and_keeps_its_extremes(keep: Keep) -> None:
    store, _ = keep(steps(noisy([(6, 1e6)]), OLD))
    trend = only(store)
    many = [replace(trend.points[place % 6], value=1e6 + place % 101) for place in range(5000)]
    many[1234] = replace(many[1234], value=5e6)
    figure = draw_trend(replace(trend, points=tuple(many)), limit=1000)
    [layer] = points(figure)
    assert len(layer.x) <= 1000
    assert max(value for value in layer.y if value is not None) == 5e6
    assert figure.notes[0].endswith("levels and changes are of all.")


def test_hostile_names_stay_as_they_are(keep: Keep) -> None:
    store, _ = keep(steps(noisy([(6, 1e6)]), OLD))
    name = "<script>\u202e" + "x" * 5000
    figure = draw_trend(replace(only(store), case_label=name))
    assert name in figure.caption
    assert len(figure.alt) < 500
