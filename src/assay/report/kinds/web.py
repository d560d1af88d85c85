"""Web against native: the same model in a browser and outside of it, by browser and backend.

A pair is the same model, precision, batch and input sizes, on hardware that is known to be the same; only usable numbers
make a ratio. May import: core, catalog, store, analysis, report.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.analysis.usable_numbers import TABLES_READ, NumberWanted, count_left_out
from assay.core.words import Direction, Provenance, Verdict
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_column, metric_title, workload_cell
from assay.report.display import format_number
from assay.report.figures.bars import Bar, draw_bars
from assay.report.how_to_read import how_to_read
from assay.report.kinds._shared2 import (
    check_options,
    count_words,
    cut,
    empty_report,
    provenance_column,
    read_sources,
    say_left_out,
    say_rows_cut,
    selection_of,
    start_report,
)
from assay.report.values import Cell, Column, Ref, RefKind, Report, Section, Table, Text, Tone
from assay.store.query import fetch_rows

if TYPE_CHECKING:
    from assay.store import Store

KIND = "web"
TITLE = "Web against native"
OPTIONS: Mapping[str, str] = {}
IS_WEB = (
    "(coalesce(engine, '') LIKE 'web-%' OR lower(coalesce(device, '')) IN ('webgpu', 'webnn', 'wasm') "
    "OR json_exists(options, '$.browser'))"
)
"""A result of a browser: by its engine, its device, or because it names the browser."""
_HOW = (
    "Nothing in assay runs a browser yet; its engines web-wasm, web-webgpu and web-webnn will fill this with measured pairs.",
    "`assay import FILE` reads others' browser results; those that their source calls simulated are kept, and left out here.",
)
_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Side:
    """The newest number of one result series, in a browser or outside."""

    result_id: str
    workload: str
    where: str
    browser: str | None
    engine: str | None
    precision: str | None
    batch: int | None
    shape: str
    hardware: str | None
    provenance: Provenance
    value: float | None
    lo: float | None
    hi: float | None
    n: int | None
    verdict: Verdict | None
    is_usable: bool
    why: str | None


@dataclass(frozen=True, slots=True)
class WebPair:
    """A browser's number beside the fastest native one of the same work: ``slowdown`` is how many times as long it takes.

    ``lo`` and ``hi`` bound it at 95 %, where both numbers have intervals.
    """

    web: Side
    native: Side
    slowdown: float
    lo: float | None
    hi: float | None


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError."""
    check_options(request, OPTIONS, KIND)
    wanted = NumberWanted.of(request.metric or "latency_ns", request.stat)
    sides = _read_sides(store, request, wanted)
    web = [side for side in sides if side.where != "native"]
    if not web:
        return empty_report(KIND, TITLE, request, "There are no results of a browser in this selection.", _HOW)
    native = [side for side in sides if side.where == "native"]
    pairs, alone = pair_sides(web, native, wanted.direction)
    sections = [
        Section("pairs", "Pairs", (_pairs_table(pairs, wanted, request.limit), _pairs_figure(pairs))),
        Section("groups", "By browser and backend", (_groups_table(pairs),)),
        Section("browser", "Every result of a browser", (_web_table(web, alone, wanted, request.limit),)),
    ]
    selection = selection_of(request)
    left_out = say_left_out(count_left_out(store, selection, only=IS_WEB))
    if left_out:
        sections.append(Section("left-out", "What was left out", (Text(left_out),)))
    return start_report(
        KIND,
        TITLE,
        request,
        summary=_summary(web, pairs),
        scope=[("metric", metric_title(wanted.metric, request.stat))],
        sections=sections,
        sources=read_sources(store, selection, only=IS_WEB, usable_only=False),
        how_to_read=[
            *how_to_read("ratio"),
            (
                "pair",
                "The same model, precision, batch and input sizes on the same hardware, in a browser and outside. Where "
                "several engines ran it outside, the fastest stands for native.",
            ),
        ],
    )


def pair_sides(
    web: Sequence[Side], native: Sequence[Side], direction: Direction
) -> tuple[list[WebPair], dict[str, str]]:
    """Pair usable numbers of browsers with the best native one; say for the others, by result, why they have none."""
    by_work: dict[tuple[Any, ...], list[Side]] = {}
    for side in native:
        if side.is_usable and side.value:
            by_work.setdefault(_work(side), []).append(side)
    pairs, alone = [], {}
    for side in web:
        reason = _why_alone(side)
        found = by_work.get(_work(side), [])
        if reason is None and not found:
            reason = "no usable native result of the same model, precision, batch and sizes on the same hardware"
        if reason is not None:
            alone[side.result_id] = reason
            continue
        best = min(found, key=lambda one: _cost(one, direction))
        pairs.append(_pair(side, best, direction))
    return sorted(pairs, key=lambda one: (one.web.workload, one.slowdown)), alone


def _why_alone(side: Side) -> str | None:
    if not side.is_usable:
        return side.why or "it may not be ranked"
    if not side.value:
        return "it has no such number"
    missing = [name for name in ("hardware", "precision", "batch") if getattr(side, name) is None]
    return f"its source does not say {' or '.join(missing)}, so nothing is known to be the same" if missing else None


def _work(side: Side) -> tuple[Any, ...]:
    return side.workload, side.precision, side.batch, side.shape, side.hardware, side.provenance


def _cost(side: Side, direction: Direction) -> float:
    value = side.value or math.inf
    return value if direction is Direction.LOWER else -value


def _pair(web: Side, native: Side, direction: Direction) -> WebPair:
    first, second = (web, native) if direction is Direction.LOWER else (native, web)
    value = (first.value or math.nan) / (second.value or math.nan)
    halves = [math.log(one.hi / one.lo) / 2 if one.lo and one.hi else None for one in (web, native)]
    if any(half is None for half in halves):
        return WebPair(web, native, value, None, None)
    half = math.hypot(*(one for one in halves if one is not None))
    return WebPair(web, native, value, value * math.exp(-half), value * math.exp(half))


def _read_sides(store: Store, request: ReportRequest, wanted: NumberWanted) -> list[Side]:
    """Read the newest number of every series of a model that a browser ran. Raises StoreError."""
    where, parameters = selection_of(request).where()
    rows = fetch_rows(
        store.location,
        f"""
        WITH chosen AS (SELECT * FROM results WHERE {where}),
        models AS (SELECT DISTINCT workload FROM chosen WHERE {IS_WEB})
        SELECT result_id, workload, engine, device, precision, batch, shape::VARCHAR AS shape, hardware, provenance,
               options, {IS_WEB} AS is_web, usable, status, reason, marks, verdict,
               {wanted.sql()} AS number
        FROM chosen WHERE workload IN (SELECT workload FROM models) AND mode = 'inference'
        QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY measured_at DESC NULLS LAST, result_id DESC) = 1
        ORDER BY workload, result_id
        """,  # noqa: S608  (words of ours)
        parameters,
        tables=TABLES_READ,
        versions=store.versions,
    )
    return [_side(row) for row in rows]


def _side(row: Mapping[str, Any]) -> Side:
    number = row["number"] or {}
    options = json.loads(row["options"])
    verdict = None if row["verdict"] is None else Verdict(row["verdict"])
    marks = "; ".join(f"{mark}: {why}" for mark, why in dict(row["marks"]).items())
    why = f"{row['status']}: {row['reason'] or 'no reason recorded'}" if row["status"] != "ok" else marks or None
    backend = str(row["engine"] or row["device"] or "").removeprefix("web-")
    if not str(row["engine"] or "").startswith("web-"):
        backend = str(row["device"] or "browser")
    return Side(
        result_id=row["result_id"],
        workload=row["workload"],
        where=backend if row["is_web"] else "native",
        browser=None if options.get("browser") is None else str(options["browser"]),
        engine=row["engine"],
        precision=row["precision"],
        batch=row["batch"],
        shape=row["shape"],
        # Of a device that the machine's facts do not name, the class has its own name before the CPU's.
        hardware=None if row["hardware"] is None else str(row["hardware"]).rpartition(" | ")[2],
        provenance=Provenance(row["provenance"]),
        value=number.get("value"),
        lo=number.get("lo"),
        hi=number.get("hi"),
        n=number.get("n"),
        verdict=verdict,
        is_usable=bool(row["usable"]) and verdict is not Verdict.CONTAMINATED,
        why=why,
    )


# -- sections --------------------------------------------------------------------------------------------------


def _pairs_table(pairs: Sequence[WebPair], wanted: NumberWanted, limit: int) -> Table:
    kept, left = cut(pairs, min(limit, _MOST_ROWS))
    columns = (
        Column("workload", "workload"),
        Column("backend", "backend", description="What the browser computed with"),
        Column("browser", "browser"),
        Column("precision", "precision"),
        Column("batch", "batch"),
        provenance_column(),
        metric_column(wanted.metric, key="web", title=f"{metric_title(wanted.metric)} in the browser"),
        metric_column(wanted.metric, key="native", title=f"{metric_title(wanted.metric)} outside"),
        Column("engine", "engine outside", description="The fastest of those that ran it"),
        Column("slowdown", "times as slow", unit="1", direction=Direction.LOWER,
               description="How many times as long the browser takes; below 1 it is faster"),  # fmt: skip
    )
    rows = [
        (
            workload_cell(pair.web.workload),
            Cell(pair.web.where),
            Cell(pair.web.browser, reason=None if pair.web.browser else "its source does not say"),
            Cell(pair.web.precision),
            Cell(pair.web.batch),
            Cell(pair.web.provenance.value),
            side_cell(pair.web),
            side_cell(pair.native),
            Cell(pair.native.engine, reason=None if pair.native.engine else "its source does not say"),
            _slowdown_cell(pair),
        )
        for pair in kept
    ]
    return Table(
        "pairs", "Pairs", columns, tuple(rows), notes=say_rows_cut(left, len(pairs), "pairs"), rows_left_out=left,
        when_empty="No result of a browser can be paired: the table of browser results says why for each.",
    )  # fmt: skip


def _pairs_figure(pairs: Sequence[WebPair]) -> Any:
    bars = [
        Bar(f"{pair.web.workload}, {pair.web.where}{f' in {pair.web.browser}' if pair.web.browser else ''}",
            _slowdown_cell(pair), group=pair.web.where)
        for pair in pairs
    ]  # fmt: skip
    return draw_bars(
        bars=bars, title="How many times as long a browser takes", metric="times as slow as native", unit="1",
        direction=Direction.LOWER, of="model and backend", key="slowdown",
    )  # fmt: skip


def _groups_table(pairs: Sequence[WebPair]) -> Table:
    groups: dict[tuple[str, str | None, Provenance], list[float]] = {}
    for pair in pairs:
        groups.setdefault((pair.web.where, pair.web.browser, pair.web.provenance), []).append(pair.slowdown)
    rows = []
    for (backend, browser, provenance), values in sorted(groups.items(), key=lambda one: (one[0][0], one[0][1] or "")):
        several = len(values) > 1
        rows.append((
            Cell(backend),
            Cell(browser, reason=None if browser else "its source does not say"),
            Cell(provenance.value),
            Cell(len(values)),
            Cell(statistics.geometric_mean(values), provenance, n=len(values), unit="1"),
            Cell(min(values), provenance) if several else Cell(reason="there is one pair"),
            Cell(max(values), provenance) if several else Cell(reason="there is one pair"),
        ))  # fmt: skip
    columns = (
        Column("backend", "backend"),
        Column("browser", "browser"),
        provenance_column(),
        Column("pairs", "pairs"),
        Column("mean", "times as slow", unit="1", direction=Direction.LOWER,
               description="Geometric mean over pairs; n counts pairs"),  # fmt: skip
        Column("lowest", "lowest", unit="1"),
        Column("highest", "highest", unit="1"),
    )
    return Table("by-backend", "By browser and backend", columns, tuple(rows), when_empty="There are no pairs.")


def _web_table(web: Sequence[Side], alone: Mapping[str, str], wanted: NumberWanted, limit: int) -> Table:
    kept, left = cut(web, min(limit, _MOST_ROWS))
    columns = (
        Column("workload", "workload"),
        Column("backend", "backend"),
        Column("browser", "browser"),
        Column("batch", "batch"),
        provenance_column(),
        metric_column(wanted.metric),
        Column("paired", "paired", description="Whether it stands beside a native number, and why not"),
    )
    rows = [
        (
            workload_cell(side.workload),
            Cell(side.where),
            Cell(side.browser, reason=None if side.browser else "its source does not say"),
            Cell(side.batch, reason=None if side.batch is not None else "its source does not say"),
            Cell(side.provenance.value),
            side_cell(side),
            Cell("no" if side.result_id in alone else "yes", reason=alone.get(side.result_id)),
        )
        for side in kept
    ]
    reasons: dict[str, int] = {}
    for why in alone.values():
        word = why.partition(":")[0]
        reasons[word] = reasons.get(word, 0) + 1
    notes = [f"{count_words(count, 'result')} not paired: {why}." for why, count in sorted(reasons.items(), key=lambda one: -one[1])]
    return Table(
        "browser-results", "Results of browsers", columns, tuple(rows),
        notes=(*say_rows_cut(left, len(web), "results"), *notes), rows_left_out=left,
    )  # fmt: skip


def side_cell(side: Side) -> Cell:
    """The number of one side, with why it may not be used."""
    ref = Ref(RefKind.RESULT, side.result_id)
    if side.value is None:
        return Cell(reason=side.why or "it has no such number", is_usable=side.is_usable, ref=ref)
    return Cell(
        side.value, side.provenance, side.verdict, lo=side.lo, hi=side.hi, n=side.n, reason=side.why,
        is_usable=side.is_usable, ref=ref,
    )  # fmt: skip


def _slowdown_cell(pair: WebPair) -> Cell:
    reason = None if pair.lo is not None else "without an interval: not both numbers have one"
    return Cell(
        pair.slowdown, pair.web.provenance, lo=pair.lo, hi=pair.hi, unit="1", reason=reason,
        ref=Ref(RefKind.RESULT, pair.web.result_id),
    )  # fmt: skip


def _summary(web: Sequence[Side], pairs: Sequence[WebPair]) -> list[Text]:
    usable = sum(side.is_usable for side in web)
    first = f"{count_words(len(web), 'result')} of browsers, {usable} of them usable, {count_words(len(pairs), 'pair')} with native."
    if not pairs:
        why = (
            "None of them may be used: their sources call them simulated or invented, or they failed. "
            "No statement about browsers can be made of this store."
            if not usable
            else "None has a usable native result of the same work on the same hardware beside it."
        )
        return [Text((first, why), Tone.WARNING), Text(_HOW)]
    values = [pair.slowdown for pair in pairs]
    mean = format_number(statistics.geometric_mean(values))
    fastest, slowest = format_number(min(values)), format_number(max(values))
    return [Text((first, f"A browser takes {mean} times as long on the geometric mean, {fastest} to {slowest} times."))]


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description="The same model in a browser and outside of it, by browser and backend",
        build=build,
        options=OPTIONS,
    ),
)
