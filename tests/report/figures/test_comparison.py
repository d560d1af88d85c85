"""Forest plots of real comparisons: runs that are composed, stored, and compared by the rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.loading import load_module

from assay.analysis.compare import compare_runs
from assay.analysis.values import CompareReport, Side
from assay.core.words import Change, Direction, Provenance, Status
from assay.report.figures.comparison import draw_comparison
from assay.report.values import Layer, RefKind, Role, Scale, Shape
from assay.store import Store

runs = load_module("analysis.compared_runs")
Made, case, times = runs.Made, runs.case, runs.times
HOSTILE = "mine:<b>\u202e=1+1"


def sides(*run_ids: str, labels: tuple[str, ...] = ("main", "branch")) -> list[Side]:
    return [Side(label, (run_id,), (), (runs.HARDWARE,)) for label, run_id in zip(labels, run_ids, strict=True)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> CompareReport:
    store = Store.open(tmp_path_factory.mktemp("comparison") / "store")
    slow, fast, same, gone, new = (case(batch=batch) for batch in (1, 2, 4, 8, 16))
    hostile = case(workload=HOSTILE)
    a = runs.append_run(
        store, Made(slow), Made(fast), Made(same), Made(gone), Made(hostile, units_per_call=None), Made(case(batch=32))
    )
    b = runs.append_run(
        store,
        Made(slow, times(1.2)), Made(fast, times(0.5)), Made(same, times(1.001)), Made(new),
        Made(hostile, times(1.0), units_per_call=None),
        Made(case(batch=32), (None,), status=Status.OOM, reason="out of memory in load"),
        place=5,
    )  # fmt: skip
    return compare_runs(store, sides(a, b))


def of_verdict(layers: tuple[Layer, ...], change: Change) -> Layer:
    return next(layer for layer in layers if layer.label == change.value)


def test_each_verdict_is_a_layer_with_intervals_worst_first(report: CompareReport) -> None:
    figure = draw_comparison(report)
    assert figure.title == "Latency of branch over main"
    assert (figure.y.unit, figure.y.scale, figure.y.direction) == ("ratio", Scale.LOG, Direction.LOWER)
    assert figure.x.categories == (
        "bert/tiny b1", "bert/tiny b4", f"{HOSTILE} b1", "bert/tiny b2", "geometric mean of 4",
    )  # fmt: skip
    assert figure.caption.endswith("All: torch cpu fp32 seq128.")
    regressed = of_verdict(figure.layers, Change.REGRESSED)
    assert (regressed.x, regressed.role, regressed.n) == ((0.0,), Role.HIGHLIGHT, (5,))
    assert regressed.y[0] == pytest.approx(1.2, rel=0.01)
    assert regressed.lo[0] is not None
    assert regressed.hi[0] is not None
    assert regressed.lo[0] < 1.2 < regressed.hi[0]
    assert regressed.provenance is Provenance.MEASURED
    assert regressed.refs[0] is not None
    assert regressed.refs[0].kind is RefKind.RESULT
    assert "regressed, p " in regressed.labels[0]
    assert "5 and 5 launches" in regressed.labels[0]
    improved = of_verdict(figure.layers, Change.IMPROVED)
    assert (improved.x, improved.role) == ((3.0,), Role.DATA)
    unchanged = of_verdict(figure.layers, Change.UNCHANGED)
    assert (len(unchanged.x), unchanged.role) == (2, Role.GUIDE)


def test_the_floor_is_a_band_and_one_a_line(report: CompareReport) -> None:
    figure = draw_comparison(report)
    floor = figure.layers[0]
    assert (floor.shape, floor.label) == (Shape.BAND, "floor 3.00 %")
    assert floor.x == (-0.5, 0.5, 0.5, 1.5, 1.5, 2.5, 2.5, 3.5)
    assert set(floor.hi) == {1.03}
    assert set(floor.lo) == {1 / 1.03}
    assert [(one.axis, one.at) for one in figure.markers] == [("y", 1.0)]


def test_the_mean_of_all_stands_last(report: CompareReport) -> None:
    mean = draw_comparison(report).layers[-1]
    assert mean.label == "geometric mean"
    assert mean.x == (4.0,)
    assert mean.y[0] == pytest.approx((1.2 * 0.5 * 1.001) ** 0.25, rel=0.01)
    assert mean.labels == ("geometric mean of 4 of 7 cases",)


def test_what_has_no_ratio_is_in_the_notes_by_verdict(report: CompareReport) -> None:
    notes = draw_comparison(report).notes
    assert notes[0] == "1 new case without a ratio (bert/tiny torch cpu fp32 b16 seq128): main has no such case."
    assert notes[1] == "1 missing case without a ratio (bert/tiny torch cpu fp32 b8 seq128): branch has no such case."
    assert notes[2].startswith("1 failed case without a ratio (bert/tiny torch cpu fp32 b32 seq128): branch: failed: ")
    assert len(notes) == 3


def test_the_words_say_what_one_would_see(report: CompareReport) -> None:
    figure = draw_comparison(report)
    assert figure.caption.startswith(
        "1 regressed, 1 improved, 2 unchanged, 1 new, 1 missing, 1 failed. Below 1 is better. Lines are 95 % intervals."
    )
    assert "Worst: bert/tiny torch cpu fp32 b1 seq128 +20.0 %" in figure.alt
    assert "Best: bert/tiny torch cpu fp32 b2 seq128" in figure.alt


def test_only_the_worst_are_drawn_of_many(report: CompareReport) -> None:
    figure = draw_comparison(report, limit=1)
    assert len(figure.x.categories) == 2
    assert "The 1 worst of 4 ratios are drawn." in figure.notes
    assert "Best: bert/tiny torch cpu fp32 b2 seq128" in figure.alt


def test_a_side_that_is_not_there_is_refused(report: CompareReport) -> None:
    for side in (0, 2):
        with pytest.raises(ValueError, match=f"got side {side}; expected 1 to 1"):
            draw_comparison(report, side=side)


def test_runs_at_other_times_say_so_and_higher_is_better_turns_the_order(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    a = runs.append_run(store, Made(case(batch=1)), Made(case(batch=2)))
    b = runs.append_run(store, Made(case(batch=1), times(1.2)), Made(case(batch=2), times(0.8)), at=runs.EVENING)
    report = compare_runs(store, sides(a, b), metric="throughput_per_s")
    figure = draw_comparison(report)
    assert figure.x.categories[0] == "bert/tiny b1"
    assert "Above 1 is better." in figure.caption
    assert "Launches were not made in turns, so a difference may be the machine's." in figure.notes
    assert of_verdict(figure.layers, Change.SUSPECT).role is Role.HIGHLIGHT


def test_nothing_to_compare_is_an_empty_figure(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    a = runs.append_run(store, Made(case(batch=1)))
    b = runs.append_run(store, Made(case(batch=2)), at=runs.MORNING + timedelta(hours=1))
    figure = draw_comparison(compare_runs(store, sides(a, b)))
    assert figure.empty == "No case of main and branch gave a ratio."
    assert len(figure.notes) == 2


def test_a_ratio_with_an_imported_side_is_imported(report: CompareReport) -> None:
    imported = Side("theirs", (), (), (), provenance=Provenance.IMPORTED)
    figure = draw_comparison(
        CompareReport(
            (report.sides[0], imported), report.metric, report.stat, report.unit, report.direction,
            report.comparisons, report.means, report.is_interleaved,
        )
    )  # fmt: skip
    assert {layer.provenance for layer in figure.layers if layer.shape is Shape.POINTS} == {Provenance.IMPORTED}
