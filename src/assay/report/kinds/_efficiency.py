"""Efficiency over accelerators beside the ideal, as a figure and a table. May import: core, analysis, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assay.analysis.accelerators import ScalingLine, ScalingStep
from assay.analysis.usable_numbers import NumberWanted
from assay.core.words import Direction
from assay.report.cells import metric_column
from assay.report.figures.curves import TrainingCurve, draw_curves
from assay.report.kinds._over_many import cut, drop_idle_columns, group_cell, provenance_column, say_rows_cut
from assay.report.values import Cell, Column, Figure, Layer, Ref, RefKind, Role, Scale, Shape, Table

_MOST_CURVES = 8
_MOST_ROWS = 60


def draw_efficiency(key: str, name: str, lines: Sequence[ScalingLine]) -> Figure:
    """Draw the efficiency of each line over the number of accelerators, which is logarithmic, with the ideal."""
    shown = lines[:_MOST_CURVES]
    curves = [
        TrainingCurve(
            line.label,
            x=[float(step.group.subject.accelerators or 0) for step in line.steps],
            values=[step.efficiency for step in line.steps],
            provenance=line.provenance,
        )
        for line in shown
    ]
    figure = draw_curves(
        curves=curves, metric="efficiency", unit="share", direction=Direction.HIGHER, over="accelerators",
        title=f"{name}: what more accelerators bring", key=f"efficiency-figure-{key}",
    )  # fmt: skip
    counts = [step.group.subject.accelerators or 1 for line in shown for step in line.steps]
    ideal = Layer("ideal", Shape.LINE, x=(float(min(counts)), float(max(counts))), y=(1.0, 1.0), role=Role.GUIDE)
    notes = list(figure.notes)
    if len(lines) > len(shown):
        notes.append(f"{len(shown)} of {len(lines)} lines are drawn: those with most sizes.")
    return replace(
        figure, x=replace(figure.x, scale=Scale.LOG), layers=(ideal, *figure.layers), notes=tuple(notes),
        caption=f"{figure.caption} The dashed line is ideal: twice the accelerators, twice the speed.",
    )  # fmt: skip


def efficiency_table(key: str, name: str, lines: Sequence[ScalingLine], metric: str, limit: int) -> Table:
    """A row for each number of accelerators of each line: the number, speed-up, efficiency."""
    wanted = NumberWanted.of(metric)
    steps = [(line, step) for line in lines for step in line.steps]
    kept, left = cut(steps, min(limit, _MOST_ROWS))
    rows = []
    for line, step in kept:
        is_first = step.group is step.first
        note = "the smallest number, which the others are held against" if is_first else _medians(step)
        rows.append((
            Cell(line.label),
            Cell(line.provenance.value),
            Cell(step.group.subject.accelerators),
            group_cell(step.group, wanted.unit),
            Cell(step.speedup, line.provenance, unit="1", reason=note),
            Cell(step.efficiency, line.provenance, unit="share", reason=note,
                 ref=Ref(RefKind.RESULT, step.group.newest.result_id)),
        ))  # fmt: skip
    columns = (
        Column("line", "device and conditions", description="What all numbers of accelerators have in common"),
        provenance_column(),
        Column("accelerators", "accelerators", description="How many took part"),
        metric_column(metric),
        Column("speedup", "speed-up", unit="1", direction=Direction.HIGHER, description="Against the smallest number"),
        Column(
            "efficiency",
            "efficiency",
            unit="share",
            direction=Direction.HIGHER,
            description="Speed-up over the ratio of the numbers of accelerators; 100 % is ideal",
        ),
    )
    table = Table(
        f"efficiency-{key}", f"{name}: efficiency beside ideal", columns, tuple(rows),
        notes=say_rows_cut(left, len(steps), "rows"), rows_left_out=left,
    )  # fmt: skip
    return drop_idle_columns(table)


def _medians(step: ScalingStep) -> str | None:
    counts = step.group.results, step.first.results
    return None if counts == (1, 1) else f"of medians over {counts[0]} and {counts[1]} results"
