"""Training curves: order, gaps, targets, thinning."""

from __future__ import annotations

import math
from typing import Any

import pytest

from assay.core.words import Direction, Provenance
from assay.report.figures.curves import TrainingCurve, draw_curves
from assay.report.values import Figure, Ref, RefKind, Role, Shape


def draw(*curves: TrainingCurve, direction: Direction = Direction.LOWER, **more: Any) -> Figure:
    return draw_curves(curves=curves, metric="loss", unit=None, direction=direction, **more)


def test_a_curve_is_drawn_in_order_with_its_gaps() -> None:
    ref = Ref(RefKind.RUN, "run")
    figure = draw(
        TrainingCurve("run a", (3, 1, 2), (0.2, 0.9, None), ref=ref, lo=(0.1, 0.8, None), hi=(0.3, 1.0, None), n=3)
    )
    [layer] = figure.layers
    assert (layer.x, layer.y) == ((1, 2, 3), (0.9, None, 0.2))
    assert (layer.lo, layer.hi, layer.n) == ((0.8, None, 0.1), (1.0, None, 0.3), (3, 3, 3))
    assert (layer.refs, layer.shape, layer.group) == ((ref, ref, ref), Shape.LINE, "run a")
    assert figure.alt == "Loss over step: 1 curve. run a goes from 0.900 to 0.200 at step 3. Lower is better."


def test_the_best_and_the_target_are_said() -> None:
    curve = TrainingCurve("run a", (1, 2, 3), (0.5, 0.9, 0.8))
    figure = draw(curve, direction=Direction.HIGHER, target=0.75)
    assert figure.alt.endswith(
        "run a goes from 0.500 to 0.800 at step 3, best 0.900 at step 2, target reached at step 2. Higher is better."
    )
    [marker] = figure.markers
    assert (marker.axis, marker.at, marker.label, marker.role) == ("y", 0.75, "target 0.750", Role.LIMIT)
    assert "target not reached" in draw(curve, direction=Direction.HIGHER, target=0.95).alt


def test_a_run_that_diverged_is_said_and_not_drawn_beyond() -> None:
    figure = draw(TrainingCurve("run a", (1, 2, 3), (0.5, math.nan, math.inf)))
    assert figure.layers[0].y == (0.5, None, None)
    assert figure.layers[0].shape is Shape.POINTS
    assert figure.notes == ("run a: 2 values not finite, from step 2 on.",)


def test_provenance_and_use_are_told() -> None:
    figure = draw(
        TrainingCurve("a", (1, 2), (1.0, 0.5), provenance=Provenance.IMPORTED),
        TrainingCurve("b", (1, 2), (1.0, 0.5), is_usable=False, group="a"),
    )
    assert [(layer.label, layer.provenance, layer.is_usable, layer.group) for layer in figure.layers] == [
        ("a, imported", Provenance.IMPORTED, True, "a"),
        ("b, left out of rankings", Provenance.MEASURED, False, "a"),
    ]


def test_long_curves_are_thinned_with_their_extremes() -> None:
    values = [1.0 + math.sin(step / 7) for step in range(20_000)]
    values[12_345] = 9.0
    figure = draw(TrainingCurve("a", range(20_000), values), TrainingCurve("b", (1, 2), (1.0, 2.0)), limit=1000)
    assert 800 < len(figure.layers[0].x) <= 998
    assert 9.0 in figure.layers[0].y
    assert figure.notes[0].endswith("points are drawn: of each stretch of a curve the first, last, lowest and highest.")


def test_time_is_an_axis_too() -> None:
    figure = draw(TrainingCurve("a", (0, 6e10), (1.0, 0.5)), over="time", over_unit="ns")
    assert (figure.x.title, figure.x.unit) == ("time", "ns")
    assert "at time 60.0 s" in figure.alt


def test_nothing_kept_is_an_empty_figure() -> None:
    assert draw().empty == "No run has kept its loss over step."
    figure = draw(TrainingCurve("a", (1,), (None,)))
    assert figure.empty is not None
    assert figure.notes == ("a: no value.",)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="curve 'a': 1 values for 2 of x"):
        draw(TrainingCurve("a", (1, 2), (1.0,)))


def test_more_curves_than_are_told() -> None:
    figure = draw(*[TrainingCurve(f"run {n}", (1, 2), (1.0, 0.5)) for n in range(6)])
    assert figure.alt.endswith("and 2 more. Lower is better.")
