"""The KPI explorer: any two numbers of the newest results against each other, as a figure and a table.

A number is a metric, a setting of the case, or a figure of the device's data sheet. May import: core, catalog,
analysis, report, web.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.analysis.device_names import name_device
from assay.analysis.kpi import SPECS
from assay.analysis.usable_numbers import ON_SOFTWARE_ADAPTER
from assay.catalog.metrics import metrics as registry
from assay.core.words import Direction, Provenance, Verdict
from assay.report.cells import metric_title, work_unit
from assay.report.figures.cloud import Dot, draw_cloud
from assay.report.values import Axis, Cell, Column, Figure, Ref, RefKind, Scale, Table
from assay.report.wording import plural
from assay.store.rows import case_from_row

if TYPE_CHECKING:
    from assay.catalog.hardware.entry import Hardware
    from assay.web.lists import Conditions
    from assay.web.page import Ask

MOST_POINTS = 1_500
"""Points that a figure shows; of more, the same ones every time, chosen by a hash of their ids."""
_MOST_GROUPS = 7
_OTHERS = "others"
GROUPS = ("family", "workload", "engine", "hardware", "precision", "batch", "provenance", "verdict", "mode")
"""What colours may tell apart."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One number to look at. ``sql`` reads it from a row of results; None is asked of the device's sheet by ``key``."""

    key: str
    title: str
    unit: str | None
    direction: Direction
    sql: str | None


def axes(metrics: Sequence[str], sql_of: Mapping[str, str]) -> dict[str, Choice]:
    """Return everything that can be put on an axis, by key."""
    found = {
        name: Choice(name, metric_title(name), registry.get(name).unit, registry.get(name).direction, sql_of[name])
        for name in metrics
    }
    found["batch"] = Choice("batch", "batch", None, Direction.NEITHER, "batch")
    found["parameters"] = Choice("parameters", "parameters", None, Direction.NEITHER, "parameters")
    for spec in SPECS:
        found[spec.key] = Choice(spec.key, f"{spec.title} (sheet)", spec.unit, Direction.NEITHER, None)
    return found


def explore(
    ask: Ask, conditions: Conditions, x: Choice, y: Choice, *, by: str, is_log: tuple[bool, bool]
) -> tuple[Figure, Table, int]:
    """Return the figure, the table of its points, and how many results have both numbers. Raises StoreError."""
    rows, total = _read(ask, conditions, x, y)
    names = {} if by == "provenance" else _group_names(rows, by)  # what layers are told apart by in any case
    dots = [
        Dot(
            float(row["x"]),
            _cell(row, y, row["y"]),
            _label(row),
            None if by == "provenance" else names.get(str(row["group"]), _OTHERS),
        )
        for row in rows
    ]
    ordered = sorted(dots, key=lambda dot: (dot.group == _OTHERS, dot.group or ""))
    notes = (
        []
        if total <= len(rows)
        else [
            f"{len(rows)} of {plural(total, 'result')} are drawn, chosen by a hash of their ids: the same every time."
        ]
    )
    works = {row["unit_of_work"] for row in rows if row["unit_of_work"]}
    if len(works) > 1 and "throughput_per_s" in (x.key, y.key):
        notes.append(f"Throughput counts different work here: {', '.join(sorted(works)[:6])}. Narrow it to compare.")
    figure = draw_cloud(
        dots=ordered,
        x=Axis(x.title, x.unit, Scale.LOG if is_log[0] else Scale.LINEAR, x.direction),
        y=Axis(y.title, y.unit, Scale.LOG if is_log[1] else Scale.LINEAR, y.direction),
        title=f"{y.title.capitalize()} against {x.title}",
        alt=f"{plural(len(rows), 'result')}: {y.title} against {x.title}, coloured by {by}.",
        key="explorer",
        notes=notes,
        empty=None if rows else f"No result that fits has both {x.title} and {y.title}.",
    )
    return figure, _table(rows, x, y, by, total), total


def _read(ask: Ask, conditions: Conditions, x: Choice, y: Choice) -> tuple[list[dict[str, Any]], int]:
    """Points with both numbers, positive, of the newest result of each series."""
    numbers = [axis.sql for axis in (x, y) if axis.sql is not None]
    known = " AND ".join([
        "usable", "verdict IS DISTINCT FROM 'contaminated'", f"NOT {ON_SOFTWARE_ADAPTER}",
        *(f"({sql}) > 0" for sql in numbers),
    ])  # fmt: skip
    if len(numbers) < 2:  # noqa: PLR2004  (a pair)
        known += " AND hardware IS NOT NULL"
    group = ask.query.choice("group", GROUPS, "family")
    values = f"{x.sql or 'NULL'} AS x, {y.sql or 'NULL'} AS y"
    rows = ask.rows(
        'SELECT result_id, series_id, workload, engine, device, mode, "precision", batch, shape, options, hardware, '  # noqa: S608  (words of ours; values are bound)
        f'provenance, verdict, unit_of_work, "{group}"::VARCHAR AS "group", {values}, count(*) OVER () AS total '
        f"FROM latest WHERE {known} AND {conditions.where} ORDER BY hash(result_id), result_id LIMIT {MOST_POINTS}",
        conditions.parameters,
    )
    total = rows[0]["total"] if rows else 0
    for axis, name in ((x, "x"), (y, "y")):
        if axis.sql is None:
            for row in rows:
                row[name] = _spec(name_device(row["hardware"], row["device"]).hardware, axis.key)
    kept = [row for row in rows if row["x"] and row["y"]]
    return kept, total if len(kept) == len(rows) else len(kept)


def _spec(sheet: Hardware | None, key: str) -> float | None:
    if sheet is None:
        return None
    if key.startswith("peak_"):
        return sheet.peak(key.removeprefix("peak_"))
    names = {
        "memory_bandwidth": sheet.memory_bandwidth_bytes_per_s,
        "memory": sheet.memory_bytes,
        "tdp": sheet.tdp_w,
        "units": sheet.units,
        "boost": sheet.boost_clock_mhz,
        "l2": sheet.l2_bytes,
    }
    return names.get(key)


def _group_names(rows: Sequence[Mapping[str, Any]], group: str) -> dict[str, str]:
    """The groups that get a colour of their own: those with most points."""
    counts = Counter(str(row["group"]) for row in rows)
    unsaid = f"no {group}"
    return {name: unsaid if name == "None" else name for name, _ in counts.most_common(_MOST_GROUPS)}


def _cell(row: Mapping[str, Any], axis: Choice, value: float) -> Cell:
    is_rate = axis.unit == "1/s" and axis.sql is not None
    return Cell(
        float(value),
        Provenance(row["provenance"]) if axis.sql is not None else None,
        None if row["verdict"] is None else Verdict(row["verdict"]),
        unit=work_unit(row["unit_of_work"]) if is_rate else None,
        ref=Ref(RefKind.RESULT, row["result_id"]),
    )


def _label(row: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (case_from_row(row).label, row["hardware"])))


def _table(rows: Sequence[Mapping[str, Any]], x: Choice, y: Choice, group: str, total: int) -> Table:
    columns = [Column("case", "case"), Column("hardware", "hardware")]
    if group not in {"hardware", "workload"}:
        columns.append(Column(group, group))
    columns += [
        Column(f"x:{x.key}" if x.key == y.key else x.key, x.title, x.unit, x.direction),
        Column(y.key, y.title, y.unit, y.direction),
    ]
    made = []
    for row in sorted(rows, key=lambda one: (one["workload"], one["result_id"])):
        cells = [
            Cell(case_from_row(row).label, ref=Ref(RefKind.RESULT, row["result_id"])),
            Cell(row["hardware"], ref=Ref(RefKind.DEVICE, row["hardware"]))
            if row["hardware"]
            else Cell(reason="not said"),
        ]
        if group not in {"hardware", "workload"}:
            cells.append(Cell(row["group"], reason=None if row["group"] else "not said"))
        made.append((*cells, _cell(row, x, row["x"]), _cell(row, y, row["y"])))
    return Table(
        "points",
        "The points",
        tuple(columns),
        tuple(made),
        rows_left_out=max(0, total - len(made)),
        when_empty="No result has both numbers.",
    )
