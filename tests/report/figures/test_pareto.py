"""Fronts: against the definition, by provenance, without what may not be ranked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.words import Direction, Provenance, Verdict
from assay.report.figures.pareto import Candidate, Measure, draw_pareto, find_front
from assay.report.values import Cell, Figure, Layer, Ref, RefKind, Role, Scale

LATENCY = Measure("latency", "ns", Direction.LOWER)
RATE = Measure("throughput", "samples/s", Direction.HIGHER)
MEASURED, IMPORTED = Provenance.MEASURED, Provenance.IMPORTED
directions = st.sampled_from([Direction.LOWER, Direction.HIGHER])
# Few different values, so that equal ones occur.
points = st.lists(st.tuples(st.integers(-4, 4).map(float), st.integers(-4, 4).map(float)), max_size=25)


def candidate(label: str, x: float | None, y: float | None, **more: Any) -> Candidate:
    group = more.pop("group", None)
    fields = {"provenance": MEASURED, **more}
    return Candidate(label, Cell(x, **fields), Cell(y, **fields), group)


def draw(*candidates: Candidate, **more: Any) -> Figure:
    return draw_pareto(candidates=candidates, x=LATENCY, y=RATE, **more)


def data(figure: Figure) -> list[Layer]:
    return [layer for layer in figure.layers if layer.role is Role.DATA]


def fronts(figure: Figure) -> list[Layer]:
    return [layer for layer in figure.layers if layer.role is Role.FRONT]


def dominates(one: tuple[float, float], other: tuple[float, float], ways: tuple[Direction, Direction]) -> bool:
    signs = [1 if way is Direction.LOWER else -1 for way in ways]
    costs = [[sign * value for sign, value in zip(signs, point, strict=True)] for point in (one, other)]
    return costs[0] != costs[1] and all(a <= b for a, b in zip(*costs, strict=True))


@given(points, directions, directions)
def test_the_front_is_what_nothing_dominates(
    given_points: list[tuple[float, float]], x: Direction, y: Direction
) -> None:
    found = find_front(given_points, x, y)
    expected = {
        place
        for place, point in enumerate(given_points)
        if not any(dominates(other, point, (x, y)) for other in given_points)
    }
    assert set(found) == expected
    assert len(found) == len(set(found))
    along = [given_points[place][0] for place in found]
    assert along == sorted(along, reverse=x is Direction.HIGHER)


def test_a_front_needs_a_better_side() -> None:
    with pytest.raises(ValueError, match="neither side"):
        find_front([(1.0, 1.0)], Direction.NEITHER, Direction.LOWER)


def test_what_is_on_the_front_and_what_beats_the_rest() -> None:
    figure = draw(
        candidate("fast", 1e6, 100.0), candidate("large", 4e6, 400.0), candidate("bad", 5e6, 300.0, n=5),
        candidate("worst", 6e6, 50.0),
    )  # fmt: skip
    [layer] = data(figure)
    assert layer.labels == (
        "fast: on the front", "large: on the front", "bad: dominated by large", "worst: dominated by fast",
    )  # fmt: skip
    assert layer.n == (None, None, 5, None)
    [front] = fronts(figure)
    assert (front.x, front.y) == ((1e6, 4e6, 4e6), (100.0, 100.0, 400.0))
    assert figure.caption.startswith("On the front: 2 of 4 measured.")
    assert figure.alt == (
        "Throughput against latency: 4 choices, latency 1.00 ms to 6.00 ms (lower is better), "
        "throughput 50.0 samples/s to 400 samples/s (higher is better). "
        "Front of the measured: fast (1.00 ms, 100 samples/s); large (4.00 ms, 400 samples/s)."
    )
    assert (figure.x.unit, figure.y.unit, figure.x.direction) == ("ns", "samples/s", Direction.LOWER)


def test_each_provenance_has_its_own_front() -> None:
    figure = draw(candidate("here", 2e6, 100.0), candidate("theirs", 1e6, 200.0, provenance=IMPORTED))
    assert [(layer.label, layer.provenance) for layer in fronts(figure)] == [
        ("front of the measured", MEASURED), ("front of the imported", IMPORTED),
    ]  # fmt: skip
    assert [layer.labels for layer in data(figure)] == [("here: on the front",), ("theirs: on the front",)]


@pytest.mark.parametrize("fault", [{"is_usable": False}, {"verdict": Verdict.CONTAMINATED}])
def test_what_may_not_be_ranked_is_hollow_and_on_no_front(fault: dict[str, Any]) -> None:
    figure = draw(candidate("wrong", 1e5, 900.0, **fault), candidate("right", 1e6, 100.0))
    usable, hollow = data(figure)
    assert (usable.is_usable, usable.labels) == (True, ("right: on the front",))
    assert (hollow.is_usable, hollow.labels, hollow.label) == (False, ("wrong",), "measured, left out of rankings")
    assert [layer.x for layer in fronts(figure)] == [(1e6,)]


def test_a_fault_of_either_number_keeps_a_choice_off_the_front() -> None:
    one = Candidate("mixed", Cell(1.0, provenance=MEASURED, is_usable=False), Cell(1.0, provenance=MEASURED))
    figure = draw(one)
    assert fronts(figure) == []
    assert figure.caption == "No choice may be ranked, so there is no front."


def test_what_lacks_a_number_is_said_with_its_reason() -> None:
    figure = draw(candidate("whole", 1e6, 100.0), candidate("half", 1e6, None, reason="out of memory"))
    assert figure.notes == ("1 choice not drawn (half): out of memory.",)
    assert figure.empty is None


def test_nothing_to_draw_says_so() -> None:
    figure = draw(candidate("half", None, 3.0, reason="no meter"))
    assert figure.empty == "No result has both latency and throughput."
    assert figure.notes == ("1 choice not drawn (half): no meter.",)
    assert draw().empty is not None


def test_groups_are_colours_and_points_lead_somewhere() -> None:
    ref = Ref(RefKind.RESULT, "r1")
    figure = draw(candidate("a", 1e6, 1.0, group="torch", ref=ref), candidate("b", 2e6, 2.0, group="openvino"))
    assert [(layer.label, layer.group, layer.refs) for layer in data(figure)] == [
        ("torch", "torch", (ref,)), ("openvino", "openvino", ()),
    ]  # fmt: skip


def test_axes_are_logarithmic_where_values_lie_far_apart() -> None:
    near = draw(candidate("a", 1e6, 1.0), candidate("b", 2e6, 2.0))
    far = draw(candidate("a", 1e6, 1.0), candidate("b", 1e8, 2.0))
    assert (near.x.scale, far.x.scale, far.y.scale) == (Scale.LINEAR, Scale.LOG, Scale.LINEAR)


def test_many_choices_are_thinned_and_the_front_stays_whole() -> None:
    many = [candidate(f"c{n}", 1e6 + n % 97, 100.0 + n % 89) for n in range(5000)]
    staircase = [candidate(f"front {n}", 5e5 - n, 1000.0 - n) for n in range(50)]
    figure = draw(*many, *staircase, limit=500)
    drawn = sum(len(layer.x) for layer in data(figure))
    assert drawn < 600
    assert figure.notes[0].startswith(f"{drawn} of 5050 points are drawn: ")
    labels = [label for layer in data(figure) for label in layer.labels]
    assert sum(label.endswith(": on the front") for label in labels) == 50


def test_hostile_names_stay_as_they_are() -> None:
    name = "<script>alert(1)</script>\u202e=HYPERLINK(1)" + "x" * 10_000
    figure = draw(candidate(name, 1e6, 1.0))
    [layer] = data(figure)
    assert layer.labels == (f"{name}: on the front",)
    assert "<script>" in figure.alt
    assert len(figure.alt) < 400
