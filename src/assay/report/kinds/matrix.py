"""Workloads by devices: one number a cell, as a heat map and a table.

The data is ``analysis.matrix``. Numbers of different rows count different work, so colours are relative to the best of
each row. May import: core, catalog, store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.analysis.matrix import Matrix, MatrixCell, MatrixRequest, MatrixRow, Pick, build_matrix
from assay.analysis.usable_numbers import match_exactly
from assay.core.words import Direction, Provenance
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_title, workload_cell
from assay.report.figures.matrix import Entry, Sides, draw_matrix
from assay.report.how_to_read import how_to_read
from assay.report.kinds._over_many import (
    HOW_GROUPS_READ,
    choice_option,
    empty_report,
    read_sources,
    say_left_out,
    selection_of,
    start_report,
    unit_of,
    whole_option,
)
from assay.report.values import Cell, Column, Figure, Ref, RefKind, Report, Section, Table, Text
from assay.report.wording import say_count

if TYPE_CHECKING:
    from assay.store import Store

KIND = "matrix"
TITLE = "Workloads by devices"
OPTIONS: Mapping[str, str] = {
    "pick": "Which of several results stands in a cell: best, newest or median. Default: best.",
    "workloads": "How many workloads, those on most devices first. Default: 24.",
    "devices": "How many devices, those with most workloads first. Default: 24.",
    "colour": "What colours show: relative (to the best of the row) or value. Default: relative.",
}
_HOW = (
    "`assay run --suite standard` measures many workloads on this machine; the same on another adds a column.",
    "`assay import FILE` adds what others measured.",
)


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError, UnknownNameError."""
    return report_matrix(store, request, read_matrix(store, request))


def read_matrix(store: Store, request: ReportRequest) -> Matrix:
    """Read the matrix that a request asks for. Raises StoreError, UsageError, UnknownNameError."""
    where = {**request.where, **({"run_id": request.run_ids} if request.run_ids else {})}
    return build_matrix(
        store,
        MatrixRequest(
            metric=request.metric or "throughput_per_s",
            stat=request.stat,
            pick=_read_pick(request),
            where=where,
            workloads=whole_option(request, "workloads", 24),
            devices=whole_option(request, "devices", 24),
        ),
    )


def report_matrix(store: Store, request: ReportRequest, matrix: Matrix) -> Report:
    """Make the report of a matrix, as read or with more in it. Raises StoreError, UsageError."""
    pick = _read_pick(request)
    colour = choice_option(request, "colour", ["relative", "value"], "relative")
    if not matrix.rows:
        what = f"No usable {metric_title(matrix.request.metric)} is in this selection."
        return empty_report(KIND, TITLE, request, what, (*say_left_out(matrix.left_out), *_HOW))
    section = Section("matrix", TITLE, (_figure(matrix, colour), _table(matrix)))
    return start_report(
        KIND,
        f"{metric_title(matrix.request.metric).capitalize()} of workloads by devices",
        request,
        summary=_summary(matrix),
        scope=[("metric", metric_title(matrix.request.metric, request.stat)), ("cell", _say_pick(pick))],
        sections=[section],
        sources=read_sources(
            store, selection_of(request, workload=match_exactly([row.workload for row in matrix.rows]))
        ),
        how_to_read=[
            *how_to_read("throughput"),
            *HOW_GROUPS_READ,
            (
                "cell",
                (
                    "Measured before imported before predicted: a cell is of one of them, and says which. A row "
                    "is of one kind of work in one unit, the one that most devices were measured with; "
                    "precision, batch, engine and round may differ within it, and stand at each number. Rows are "
                    "not comparable with each other."
                ),
            ),
        ],
    )


def _read_pick(request: ReportRequest) -> Pick:
    return Pick(choice_option(request, "pick", [one.value for one in Pick], Pick.BEST.value))


def matrix_cell(cell: MatrixCell, unit: str | None) -> Cell:
    """One number of the matrix, with its conditions."""
    if cell.value is None:
        return Cell(reason=cell.reason)
    picked = f"one of {cell.results} results" if cell.results > 1 else None
    return Cell(
        cell.value, cell.provenance, cell.verdict, lo=cell.lo, hi=cell.hi, level=cell.level, n=cell.n, unit=unit,
        reason="; ".join(filter(None, (cell.conditions, picked))),
        ref=None if cell.result_id is None else Ref(RefKind.RESULT, cell.result_id),
    )  # fmt: skip


def _figure(matrix: Matrix, colour: str) -> Figure:
    is_relative = colour == "relative" and matrix.direction is not Direction.NEITHER
    metric = metric_title(matrix.request.metric)
    entries = []
    for row in matrix.rows:
        for device, cell in zip(matrix.devices, row.cells, strict=True):
            drawn = _relative_cell(cell) if is_relative else matrix_cell(cell, _unit(matrix, row))
            entries.append(Entry(row.workload, device.label, drawn))
    title = f"{metric.capitalize()} relative to the best of each row" if is_relative else metric.capitalize()
    return draw_matrix(
        entries=entries, sides=Sides("workload", "device"), title=title,
        metric="share of the best in the row" if is_relative else metric,
        unit="share" if is_relative else matrix.unit,
        direction=Direction.HIGHER if is_relative else matrix.direction,
        rows=[row.workload for row in matrix.rows], columns=[one.label for one in matrix.devices], key="matrix",
    )  # fmt: skip


def _relative_cell(cell: MatrixCell) -> Cell:
    if cell.relative is None:
        return Cell(reason=cell.reason or "it has no share of a best")
    return Cell(
        cell.relative, cell.provenance, cell.verdict, unit="share", reason=cell.conditions or None,
        ref=None if cell.result_id is None else Ref(RefKind.RESULT, cell.result_id),
    )  # fmt: skip


def _table(matrix: Matrix) -> Table:
    columns = (
        Column("workload", "workload"),
        *(
            Column(f"device{place}", one.label, unit=matrix.unit, direction=matrix.direction,
                   description=one.device.reason or "")
            for place, one in enumerate(matrix.devices)
        ),
        Column("basis", "the same for the row", description="Kind of work, unit, inputs, options"),
    )  # fmt: skip
    rows = tuple(
        (
            workload_cell(row.workload),
            *(matrix_cell(cell, _unit(matrix, row)) for cell in row.cells),
            Cell(row.basis.label),
        )
        for row in matrix.rows
    )
    left = matrix.workloads_found - len(matrix.rows)
    notes = (
        [f"{left} of {matrix.workloads_found} workloads are not shown: those on fewest of these devices."]
        if left > 0
        else []
    )
    hidden = matrix.devices_found - len(matrix.devices)
    notes += (
        [f"{hidden} of {matrix.devices_found} devices are not shown: those with fewest workloads."]
        if hidden > 0
        else []
    )
    return Table(
        "matrix-table", metric_title(matrix.request.metric).capitalize(), columns, rows,
        notes=(*notes, *say_left_out(matrix.left_out)), rows_left_out=max(0, left),
    )  # fmt: skip


def _unit(matrix: Matrix, row: MatrixRow) -> str | None:
    return unit_of(matrix.unit, row.basis.unit_of_work)


def _say_pick(pick: Pick) -> str:
    return {
        Pick.BEST: "the best result",
        Pick.NEWEST: "the newest result",
        Pick.MEDIAN: "the middle result, of an even number the worse of the two",
    }[pick]


def _summary(matrix: Matrix) -> list[Text]:
    counts = [(word.value, matrix.count(word)) for word in Provenance]
    filled = ", ".join(f"{count} {word}" for word, count in counts if count)
    cells = len(matrix.rows) * len(matrix.devices)
    first = (
        f"{say_count(len(matrix.rows), 'workload')} of {matrix.workloads_found} on "
        f"{say_count(len(matrix.devices), 'device')} of {matrix.devices_found}: of {cells} cells {filled}, "
        f"{matrix.count(None)} empty."
    )
    wins: dict[str, int] = {}
    for row in matrix.rows:
        for device, cell in zip(matrix.devices, row.cells, strict=True):
            # What is predicted wins nothing: nobody measured it.
            if cell.relative == 1.0 and cell.provenance is not Provenance.PREDICTED:
                wins[device.label] = wins.get(device.label, 0) + 1
    if not wins:
        return [Text((first,))]
    label = min(wins, key=lambda one: (-wins[one], one))
    return [Text((first, f"{label} is best in most rows: {wins[label]} of {len(matrix.rows)}, of the devices shown."))]


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description="A metric over workloads and devices, as a heat map and a table",
        build=build,
        options=OPTIONS,
    ),
)
