"""Matrices: which entry of a pair counts, what stays blank and why, what is cut."""

from __future__ import annotations

from typing import Any

from assay.core.words import Direction, Provenance, Verdict
from assay.report.figures.matrix import NOT_MEASURED, Entry, Sides, draw_matrix
from assay.report.values import Cell, Figure, Heat, Scale

MEASURED, IMPORTED, PREDICTED = Provenance


def entry(row: str, column: str, value: float | None, provenance: Provenance = MEASURED, **more: Any) -> Entry:
    return Entry(row, column, Cell(value, provenance=provenance, **more))


def draw(*entries: Entry, **more: Any) -> Figure:
    return draw_matrix(
        entries=entries, sides=Sides("workload", "device"), title="Latency", metric="latency", unit="ns",
        direction=Direction.LOWER, **more,
    )  # fmt: skip


def heat(figure: Figure) -> Heat:
    assert figure.heat is not None
    return figure.heat


def test_cells_stand_where_they_belong_and_gaps_are_not_measured() -> None:
    figure = draw(entry("bert", "cpu", 1e6), entry("vit", "gpu", 2e5, PREDICTED, lo=1e5, hi=4e5))
    assert (figure.y.categories, figure.x.categories) == (("bert", "vit"), ("cpu", "gpu"))
    (first, gap), (other_gap, predicted) = heat(figure).cells
    assert (first.value, predicted.provenance, predicted.lo) == (1e6, PREDICTED, 1e5)
    assert gap == other_gap == Cell(reason=NOT_MEASURED)
    assert figure.caption == "4 cells: 1 measured, 1 predicted, 2 blank. Blank: not measured (2)."
    assert figure.alt == (
        "Latency: 2 rows by 2 columns, 1 measured, 1 predicted, 2 blank. "
        "Lowest measured 1.00 ms (bert on cpu), highest 1.00 ms (bert on cpu). Lower is better."
    )


def test_measured_beats_imported_beats_predicted_and_usable_comes_before() -> None:
    figure = draw(
        entry("a", "x", 3.0, PREDICTED), entry("a", "x", 2.0, IMPORTED), entry("a", "x", 1.0), entry("a", "x", 0.9),
        entry("b", "x", 5.0, is_usable=False), entry("b", "x", 6.0, IMPORTED),
        entry("c", "x", None, reason="out of memory"), entry("c", "x", 7.0, PREDICTED),
        entry("d", "x", 8.0, verdict=Verdict.CONTAMINATED), entry("d", "x", 9.0, verdict=Verdict.NOISY),
    )  # fmt: skip
    assert [row[0].value for row in heat(figure).cells] == [1.0, 6.0, 7.0, 9.0]
    [note] = figure.notes
    assert note.startswith("3 of the cells have several results: the first that is usable counts, measured before ")


def test_reasons_of_what_failed_are_kept() -> None:
    figure = draw(entry("a", "x", 1.0), entry("a", "y", None, reason="failed: out of memory"))
    assert heat(figure).cells[0][1].reason == "failed: out of memory"
    assert "Blank: failed: out of memory." in figure.caption


def test_colours_are_logarithmic_where_they_can_be() -> None:
    assert heat(draw(entry("a", "x", 1.0))).scale is Scale.LOG
    linear = draw(entry("a", "x", 1.0), entry("a", "y", 0.0))
    assert heat(linear).scale is Scale.LINEAR
    assert linear.notes == ("Some numbers are not positive, so the colours are linear.",)


def test_the_order_given_holds_and_rows_without_a_number_are_shown() -> None:
    figure = draw(entry("b", "x", 1.0), entry("a", "x", 2.0), rows=("a", "z"), columns=("y",))
    assert (figure.y.categories, figure.x.categories) == (("a", "z", "b"), ("y", "x"))


def test_the_fullest_rows_stay_where_there_are_too_many() -> None:
    entries = [entry(f"r{n}", "x", 1.0) for n in range(10)] + [entry("r7", "y", 1.0), entry("r3", "y", 1.0)]
    figure = draw(*entries, most_rows=3, most_columns=1)
    assert figure.y.categories == ("r0", "r3", "r7")
    assert figure.x.categories == ("x",)
    assert figure.notes == (
        "3 of 10 of workload are drawn: those with the most numbers.",
        "1 of 2 of device are drawn: those with the most numbers.",
    )


def test_a_matrix_never_has_more_cells_than_can_be_drawn() -> None:
    entries = [entry(f"r{n % 200}", f"c{n // 200}", 1.0) for n in range(200 * 60)]
    figure = draw(*entries, most_rows=200, most_columns=60)
    assert len(figure.x.categories) * len(figure.y.categories) <= 2500


def test_nothing_known_is_an_empty_figure() -> None:
    assert draw().empty == "No pair of workload and device has a number for latency."
    assert draw(entry("a", "x", None)).empty is not None


def test_hostile_names_stay_as_they_are() -> None:
    name = "=cmd|'/C calc'!A0\n<img src=x onerror=1>"
    assert draw(entry(name, name, 1.0)).y.categories == (name,)
