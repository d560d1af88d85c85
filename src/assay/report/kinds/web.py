"""Web against native: the same model in a browser and outside of it, by browser and backend.

A pair is the same model, precision, batch and input sizes, on hardware that is known to be the same; only usable
numbers make a ratio. May import: core, catalog, store, analysis, report.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.analysis.usable_numbers import NumberWanted, count_left_out
from assay.core.words import Direction, Provenance
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_column, metric_title, workload_cell
from assay.report.display import format_number
from assay.report.figures.bars import Bar, draw_bars
from assay.report.how_to_read import how_to_read
from assay.report.kinds._over_many import (
    count_words,
    cut,
    drop_idle_columns,
    empty_report,
    provenance_column,
    read_sources,
    say_left_out,
    say_rows_cut,
    selection_of,
    start_report,
)
from assay.report.kinds._web_pairs import IS_WEB, Side, WebPair, pair_sides, read_sides
from assay.report.values import Cell, Column, Ref, RefKind, Report, Section, Table, Text, Tone

if TYPE_CHECKING:
    from assay.store import Store

KIND = "web"
TITLE = "Web against native"
OPTIONS: Mapping[str, str] = {}
_HOW = (
    (
        "Nothing in assay runs a browser yet; its engines web-wasm, web-webgpu and web-webnn will fill this "
        "with measured pairs."
    ),
    (
        "`assay import FILE` reads others' browser results; those that their source calls simulated are "
        "kept, and left out here."
    ),
)
_MOST_ROWS = 200


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError."""
    wanted = NumberWanted.of(request.metric or "latency_ns", request.stat)
    sides = read_sides(store, selection_of(request), wanted)
    web = [side for side in sides if side.where != "native"]
    if not web:
        return empty_report(KIND, TITLE, request, "There are no results of a browser in this selection.", _HOW)
    native = [side for side in sides if side.where == "native"]
    pairs, alone = pair_sides(web, native, wanted.direction)
    sections = [
        Section(
            "browser", "Every result of a browser", (drop_idle_columns(_web_table(web, alone, wanted, request.limit)),)
        )
    ]
    if pairs:
        shown = drop_idle_columns(_pairs_table(pairs, wanted, request.limit), keep=("slowdown",))
        sections.insert(0, Section("groups", "By browser and backend", (drop_idle_columns(_groups_table(pairs)),)))
        sections.insert(0, Section("pairs", "Pairs", (_pairs_figure(pairs), shown)))
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
                (
                    "The same model, precision, batch and input sizes on the same hardware, in a browser and "
                    "outside. Where several engines ran it outside, the fastest stands for native."
                ),
            ),
        ],
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
        Column(
            "slowdown",
            "times as slow",
            unit="1",
            direction=Direction.LOWER,
            description="How many times as long the browser takes; below 1 it is faster",
        ),
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
        Column(
            "mean",
            "times as slow",
            unit="1",
            direction=Direction.LOWER,
            description="Geometric mean over pairs; n counts pairs",
        ),
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
    notes = [
        f"{count_words(count, 'result')} not paired: {why}."
        for why, count in sorted(reasons.items(), key=lambda one: -one[1])
    ]
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
    first = (
        f"{count_words(len(web), 'result')} of browsers, {usable} of them usable, "
        f"{count_words(len(pairs), 'pair')} with native."
    )
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
