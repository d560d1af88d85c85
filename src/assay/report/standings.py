"""What a store holds, and which way of doing the same work is best there: counted and ranked by the database.

Rankings stand on usable, undisturbed results only, the newest of each series, and on one provenance. May import: core,
catalog, engines, store, analysis, report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assay.analysis.usable_numbers import ON_SOFTWARE_ADAPTER
from assay.catalog.launch_metrics import usual_stat
from assay.catalog.metrics import metrics as registry
from assay.core.words import Direction, Provenance, Verdict
from assay.engines.options import OPTIONS
from assay.report.cells import device_cell, metric_column, metric_title, workload_cell
from assay.report.figures.bars import Bar, draw_bars
from assay.report.values import Cell, Column, Figure, Ref, RefKind, Table
from assay.report.wording import short_name
from assay.store.query import LATEST_VIEW, METRICS_VIEW, fetch_rows
from assay.store.rows import optional_aware
from assay.store.schema import HEADLINE_PHASE, HEADLINES, RESULTS, headline_columns
from assay.store.selection import Selection

if TYPE_CHECKING:
    from assay.store import Store

_HOW_IT_IS_RUN = tuple(name for name, option in OPTIONS.items() if not option.modes and name != "prune")
"""Options that change how the same work is done, and not the work."""
_MOST_GROUPS = 12
_WIDEST_RANGE = 50.0
_ONE_WAY = "No work was done in two ways yet; `assay run --engine torch,onnxruntime` does some in two."


@dataclass(frozen=True, slots=True)
class Holding:
    """Results of one hardware class and provenance: how many, of how many runs and workloads, and the newest."""

    hardware: str | None
    provenance: Provenance
    results: int
    usable: int
    runs: int
    workloads: int
    engines: int
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Way:
    """One way of doing some work, with its number."""

    result_id: str
    engine: str | None
    device: str | None
    precision: str | None
    hardware: str | None
    options: Mapping[str, Any]
    value: float
    lo: float | None
    hi: float | None
    n: int | None
    verdict: Verdict | None

    @property
    def text(self) -> str:
        """The way in words: ``onnxruntime cpu fp32 threads=2``."""
        words = [self.engine, self.device, self.precision]
        words += [f"{name}={value}" for name, value in self.options.items() if name in _HOW_IT_IS_RUN]
        return " ".join(str(word) for word in words if word)


@dataclass(frozen=True, slots=True)
class Standing:
    """One piece of work and the ways in which it was done: how many there are, the best and the worst."""

    workload: str
    mode: str
    batch: int | None
    settings: str
    ways: int
    best: Way
    worst: Way
    unit_of_work: str | None

    @property
    def times(self) -> float:
        """How many times better the best is than the worst."""
        high, low = max(self.best.value, self.worst.value), min(self.best.value, self.worst.value)
        return high / low if low > 0 else 1.0


def read_holdings(store: Store, where: Mapping[str, Any]) -> tuple[Holding, ...]:
    """Count what a selection finds by hardware and provenance, most results first. Raises UsageError, StoreError."""
    condition, parameters = Selection.of(dict(where)).where()
    rows = fetch_rows(
        store.location,
        f"""
        SELECT hardware, provenance, count(*) AS results, count(*) FILTER (usable) AS usable,
               count(DISTINCT run_id) AS runs, count(DISTINCT workload) AS workloads,
               count(DISTINCT engine) AS engines, max(measured_at) AS newest
        FROM results WHERE {condition} GROUP BY hardware, provenance
        ORDER BY provenance <> 'measured', results DESC, hardware
        """,  # noqa: S608  (a condition of ours)
        parameters,
        tables=[RESULTS],
        versions=store.versions,
    )
    return tuple(
        Holding(**{**row, "provenance": Provenance(row["provenance"]), "newest": optional_aware(row["newest"])})
        for row in rows
    )


def read_standings(
    store: Store, where: Mapping[str, Any], metric: str, stat: str | None = None, *, most: int = _MOST_GROUPS
) -> tuple[Standing, ...]:
    """Rank the ways in which the same work was done, widest apart first, and last what was done in one way only.

    Raises UnknownNameError for the metric, UsageError for a field, StoreError.
    """
    stat = stat or usual_stat(metric)
    direction = registry.get(metric).direction
    if direction is Direction.NEITHER:
        return ()
    condition, parameters = Selection.of({**where, "usable": True}).where()
    best, worst = ("arg_min", "arg_max") if direction is Direction.LOWER else ("arg_max", "arg_min")
    dropped = json.dumps(dict.fromkeys(_HOW_IT_IS_RUN))
    numbers, given = _numbers(metric, stat)
    sql = f"""
    WITH chosen AS (
      SELECT *, shape::VARCHAR AS shape_text, json_merge_patch(options, ?)::VARCHAR AS work
      FROM ({numbers}) WHERE {condition} AND value > 0 AND isfinite(value)
        AND verdict IS DISTINCT FROM '{Verdict.CONTAMINATED.value}' AND NOT {ON_SOFTWARE_ADAPTER}
    ), ways AS (
      SELECT workload, mode, batch, any_value(shape) AS shape, work, unit_of_work, count(*) AS ways,
             {best}({_WAY}, value) AS best, {worst}({_WAY}, value) AS worst
      FROM chosen GROUP BY workload, mode, batch, shape_text, work, unit_of_work
    )
    SELECT * FROM ways
    ORDER BY ways = 1, greatest(best.value, worst.value) / least(best.value, worst.value) DESC, workload, batch LIMIT ?
    """  # noqa: S608  (names of ours, and a condition whose values are bound)
    rows = fetch_rows(
        store.location,
        sql,
        [dropped, *given, *parameters, most],
        tables=[RESULTS, LATEST_VIEW, METRICS_VIEW],
        versions=store.versions,
    )
    return tuple(_standing(row) for row in rows)


def holdings_table(holdings: Sequence[Holding], *, limit: int = _MOST_GROUPS) -> Table:
    """Where results are of, a row for each hardware class and provenance."""
    shown = holdings[:limit]
    left_out = len(holdings) - len(shown)
    columns = (
        Column("hardware", "hardware"),
        Column("provenance", "provenance"),
        Column("results", "results", unit="count"),
        Column("usable", "usable", unit="count", description="Of which rankings may use so many"),
        Column("runs", "runs or files", unit="count"),
        Column("workloads", "workloads", unit="count"),
        Column("engines", "engines", unit="count"),
        Column("newest", "newest"),
    )
    rows = tuple(
        (
            device_cell(one.hardware),
            Cell(one.provenance.value),
            Cell(one.results),
            Cell(one.usable),
            Cell(one.runs),
            Cell(one.workloads),
            Cell(one.engines),
            Cell(one.newest, reason=None if one.newest else "its source does not say when"),
        )
        for one in shown
    )
    return Table(
        "holdings", "What was measured where", columns, rows,
        notes=("Those with most results are shown.",) if left_out else (),
        rows_left_out=left_out, when_empty="The store holds no such results.",
    )  # fmt: skip


def standings_table(standings: Sequence[Standing], metric: str, provenance: Provenance) -> Table:
    """Best and worst way of the same work, a row for each piece of work."""
    several = len({way.hardware for one in standings for way in (one.best, one.worst)}) > 1
    is_ranked = any(one.ways > 1 for one in standings)
    columns: tuple[Column, ...] = (
        Column("workload", "workload"),
        Column("settings", "work", description="Mode, batch, dimensions and what else makes it this work"),
        Column("ways", "ways", unit="count", description="In which it was done: engine, device, precision, options"),
        Column("best-way", "best way"),
        *([Column("best-on", "on")] if several else []),
        metric_column(metric, key="best", title="best"),
    )
    if is_ranked:
        columns += (
            Column("worst-way", "worst way"),
            *([Column("worst-on", "on")] if several else []),
            metric_column(metric, key="worst", title="worst"),
            Column("times", "apart", unit="1", description="How many times better the best is"),
        )
    rows = tuple(
        (
            workload_cell(one.workload),
            Cell(one.settings),
            Cell(one.ways),
            Cell(one.best.text),
            *([device_cell(one.best.hardware)] if several else []),
            _way_cell(one.best, provenance),
            *(_worst_cells(one, provenance, several=several) if is_ranked else ()),
        )
        for one in standings
    )
    return Table(
        "standings", "Best and worst", columns, rows,
        caption="The newest usable, undisturbed result of each series; only ways of the same work are ranked.",
        notes=() if is_ranked or not standings else (_ONE_WAY,),
        when_empty="There is no usable number to rank.",
    )  # fmt: skip


def _worst_cells(one: Standing, provenance: Provenance, *, several: bool) -> tuple[Cell, ...]:
    if one.ways == 1:
        return tuple(Cell("") for _ in range(4 if several else 3))
    on = (device_cell(one.worst.hardware),) if several else ()
    return (Cell(one.worst.text), *on, _way_cell(one.worst, provenance), Cell(one.times))


def holdings_figure(holdings: Sequence[Holding], *, limit: int = _MOST_GROUPS) -> Figure | None:
    """How many results there are of each hardware class, told apart by provenance; None where there are none."""
    if not holdings:
        return None
    bars = [
        Bar(one.hardware or "hardware that is not known", Cell(one.results, one.provenance)) for one in holdings[:limit]
    ]
    return draw_bars(
        bars=bars, title="Results by hardware", metric="results", unit="count", direction=Direction.NEITHER,
        of="hardware", key="results-by-hardware",
    )  # fmt: skip


def standings_figure(standings: Sequence[Standing], metric: str, provenance: Provenance) -> Figure | None:
    """The best number of each piece of work; None where one picture of all would show nothing."""
    values = [one.best.value for one in standings]
    if len(values) < 2 or max(values) > _WIDEST_RANGE * min(values):  # noqa: PLR2004  (one bar compares nothing)
        return None
    bars = [
        Bar(short_name(f"{one.workload} {one.settings}"), _way_cell(one.best, provenance), one.best.engine)
        for one in standings
    ]
    return draw_bars(
        bars=bars, title=f"Best {metric_title(metric)}", metric=metric_title(metric), unit=registry.get(metric).unit,
        direction=registry.get(metric).direction, of="work", key="best",
    )  # fmt: skip


_WAY = (
    "{'result_id': result_id, 'engine': engine, 'device': device, 'precision': \"precision\", 'hardware': hardware, "
    "'options': options, 'value': value, 'lo': lo, 'hi': hi, 'n': n, 'verdict': verdict}"
)


def _numbers(metric: str, stat: str) -> tuple[str, list[object]]:
    """SQL for the newest results with one number of each as ``value, lo, hi, n``, and its parameters."""
    if HEADLINES.get(metric, ("", ""))[0] == stat:
        value, low, high, count = headline_columns(metric)
        return f"SELECT *, {value} AS value, {low} AS lo, {high} AS hi, {count} AS n FROM {LATEST_VIEW}", []  # noqa: S608
    sql = f"""
    SELECT {LATEST_VIEW}.*, number.* EXCLUDE (result_id) FROM {LATEST_VIEW} JOIN (
      SELECT result_id, value, ci_lo AS lo, ci_hi AS hi, n FROM {METRICS_VIEW}
      WHERE name = ? AND stat = ? AND phase = '{HEADLINE_PHASE}'
    ) AS number USING (result_id)
    """  # noqa: S608  (names of ours)
    return sql, [metric, stat]


def _standing(row: Mapping[str, Any]) -> Standing:
    work = json.loads(row["work"] or "{}")
    parts = [] if row["mode"] == "inference" else [row["mode"]]
    parts += [] if row["batch"] is None else [f"batch {row['batch']}"]
    parts += [f"{name} {size}" for name, size in (row["shape"] or {}).items()]
    parts += [f"{name} {value}" for name, value in work.items()]
    return Standing(
        workload=row["workload"], mode=row["mode"], batch=row["batch"], settings=", ".join(parts), ways=row["ways"],
        best=_way(row["best"]), worst=_way(row["worst"]), unit_of_work=row["unit_of_work"],
    )  # fmt: skip


def _way(found: Mapping[str, Any]) -> Way:
    verdict = found["verdict"]
    options = json.loads(found["options"] or "{}")
    return Way(**{**found, "options": options, "verdict": None if verdict is None else Verdict(verdict)})


def _way_cell(way: Way, provenance: Provenance) -> Cell:
    ref = Ref(RefKind.RESULT, way.result_id)
    return Cell(way.value, provenance, way.verdict, lo=way.lo, hi=way.hi, n=way.n, ref=ref)
