"""Web against native: the same model in a browser and outside of it, by browser, backend and family.

A pair is the same model, precision, batch and input sizes, on the same machine with as many threads; only usable
numbers make a ratio. Software adapters stand in a section of their own. May import: core, catalog, store, analysis,
report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.analysis.usable_numbers import count_left_out
from assay.analysis.web_compare import WebQuestion, WebReport, compare_web
from assay.analysis.web_pairs import WebMean, WebPair, count_reasons, group_pairs, mean_of
from assay.analysis.web_sides import IS_WEB, Side
from assay.core.words import Direction, Provenance
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_column, metric_title
from assay.report.display import format_number
from assay.report.figures.bars import Bar, draw_bars
from assay.report.how_to_read import how_to_read
from assay.report.kinds._over_many import (
    cut,
    drop_idle_columns,
    empty_report,
    left_out_sections,
    provenance_column,
    read_sources,
    say_left_out,
    say_rows_cut,
    selection_of,
    start_report,
    worst_verdict,
)
from assay.report.values import Block, Cell, Column, Figure, Ref, RefKind, Report, Section, Table, Text, Tone
from assay.report.web_data import (
    NO_SOURCE,
    Works,
    browser_cell,
    label_sides,
    read_records,
    ref_of,
    said,
    side_cell,
    tidy,
)
from assay.report.web_sections import HOW_PHASES_READ, measured_sections
from assay.report.wording import say_count

if TYPE_CHECKING:
    from assay.store import Store

KIND = "web"
TITLE = "Web against native"
OPTIONS: Mapping[str, str] = {
    "native": "The engine outside that browsers are held against. Default: the fastest that ran the same.",
    "browser": "One browser, by its name: chromium, firefox.",
    "backend": "One backend: wasm, webgpu, 'webnn cpu'.",
    "family": "One family of models: whisper, wav2vec2.",
}
_HOW = (
    (
        "`assay run --suite web` runs small models in a browser and outside of it, in turns; "
        "`assay run -e web-wasm -m bert/tiny` one model."
    ),
    (
        "`assay import FILE` reads others' browser results; those that their source calls simulated are "
        "kept, and left out here."
    ),
)
_MOST_ROWS = 200
_TIMES = ("ns", "1/s")
_WIDEST = 10.0
_HOW_PAIRS_READ = (
    "pair",
    (
        "The same model, precision, batch and input sizes on the same machine, on its CPU with as many threads, in a "
        "browser and outside. Where several engines ran it outside, the fastest stands for native. Above 1 the browser "
        "is behind."
    ),
)


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError, UnknownNameError."""
    report = compare_web(store, _question(request))
    selection = selection_of(request)
    if not report.browsers and not report.backends:
        return empty_report(KIND, TITLE, request, "There are no results of a browser in this selection.", _HOW)
    limit = min(request.limit, _MOST_ROWS)
    sections = _pair_sections(report, limit)
    shown = [*report.web[:limit], *(pair.native for pair in report.pairs)]
    records = read_records(store, [one for one in shown if one.provenance is Provenance.MEASURED])
    measured = measured_sections(report.web[:limit], report.pairs, records, limit)
    sections += measured
    if report.web:
        sections.append(Section("browser", "Every result of a browser", (_web_table(report, limit),)))
    sections += left_out_sections(say_left_out(count_left_out(store, selection, only=IS_WEB)))
    return start_report(
        KIND,
        TITLE,
        request,
        summary=_summary(report),
        scope=[("metric", metric_title(report.wanted.metric, request.stat))],
        sections=sections,
        sources=read_sources(store, selection, only=IS_WEB, usable_only=False),
        how_to_read=[*how_to_read("ratio", "fidelity"), _HOW_PAIRS_READ, *(HOW_PHASES_READ if measured else ())],
    )


def _question(request: ReportRequest) -> WebQuestion:
    chosen = {name: request.options.get(name) for name in OPTIONS}
    return WebQuestion(
        request.metric or "latency_ns", request.stat, where=request.where, run_ids=request.run_ids, **chosen
    )


# -- pairs -----------------------------------------------------------------------------------------------------


def _pair_sections(report: WebReport, limit: int) -> list[Section]:
    if not report.pairs:
        return []
    families = [drop_idle_columns(_families_table(report))] if len({one.web.family for one in report.pairs}) > 1 else []
    groups: list[Block] = [_groups_table(report), *families]
    return [
        Section("groups", "By browser and backend", tuple(groups)),
        Section("pairs", "Pairs", (_pairs_figure(report), _pairs_table(report, limit))),
    ]


def _pairs_table(report: WebReport, limit: int) -> Table:
    kept, left = cut(report.pairs, limit)
    wanted = report.wanted
    works = Works.of([pair.web for pair in kept])
    columns = (
        *works.columns,
        provenance_column(),
        Column("slowdown", _ratio_words(report), "1", Direction.LOWER, "Above 1 the browser is behind"),
        metric_column(wanted.metric, key="web", title=f"{metric_title(wanted.metric)} in the browser"),
        metric_column(wanted.metric, key="native", title=f"{metric_title(wanted.metric)} outside"),
        Column("engine", "engine outside", description="The one asked for, or the fastest of those that ran it"),
        Column("on", "device outside"),
        Column("model", "model", description="How far it is known that both ran the same one"),
        Column("turns", "in turns", description="Whether the launches of both were made in turns"),
    )
    rows = [
        (
            *works.cells(pair.web),
            Cell(pair.web.provenance.value),
            _slowdown_cell(pair),
            side_cell(pair.web),
            side_cell(pair.native),
            said(pair.native.engine, NO_SOURCE),
            said(pair.native.device, NO_SOURCE),
            Cell(pair.model),
            said(None if pair.took_turns is None else "yes" if pair.took_turns else "no", "not both have launches"),
        )
        for pair in kept
    ]
    table = Table(
        "pairs", "Pairs", columns, tuple(rows), caption=works.caption(),
        notes=say_rows_cut(left, len(report.pairs), "pairs"), rows_left_out=left,
    )  # fmt: skip
    return drop_idle_columns(tidy(table, ("engine", "on", "model", "turns")), keep=("slowdown",))


def _pairs_figure(report: WebReport) -> Figure:
    labels = label_sides([pair.web for pair in report.pairs])
    cells = [_slowdown_cell(pair) for pair in report.pairs]
    drawn = [cell if _is_narrow(cell) else replace(cell, lo=None, hi=None) for cell in cells]
    bars = [
        Bar(label, cell, group=pair.web.backend) for label, cell, pair in zip(labels, drawn, report.pairs, strict=True)
    ]
    is_time = report.wanted.unit in _TIMES
    title = "How many times as long a browser takes" if is_time else f"How many times worse: {report.wanted.metric}"
    figure = draw_bars(
        bars=bars, title=title, metric=_ratio_words(report), unit="1",
        direction=Direction.LOWER, of="model and backend", key="slowdown",
    )  # fmt: skip
    wide = sum(drawn[place] is not cell for place, cell in enumerate(cells))
    if not wide:
        return figure
    said = f"{say_count(wide, 'interval')} wider than tenfold would hide the bars: the table has all of them."
    return replace(figure, notes=(*figure.notes, said))


def _is_narrow(cell: Cell) -> bool:
    """False of an interval that tells next to nothing, as two launches give: beside it every bar is a dash."""
    return cell.lo is None or cell.hi is None or cell.hi <= _WIDEST * cell.lo


def _groups_table(report: WebReport) -> Table:
    groups = group_pairs(report.pairs, lambda one: (browser_cell(one.web).value, one.web.backend, one.web.provenance))
    rows = []
    for pairs in sorted(groups.values(), key=lambda own: mean_of(own).ratio):
        side = pairs[0].web
        rows.append((
            browser_cell(side), Cell(side.backend), Cell(side.provenance.value), *_mean_cells(pairs, side.provenance)
        ))  # fmt: skip
    columns = (Column("browser", "browser"), Column("backend", "backend"), provenance_column(), *_mean_columns(report))
    return drop_idle_columns(Table("by-backend", "By browser and backend", columns, tuple(rows)))


def _families_table(report: WebReport) -> Table:
    groups = group_pairs(
        report.pairs,
        lambda one: (one.web.family, browser_cell(one.web).value, one.web.backend, one.web.provenance),
    )
    rows = []
    for pairs in sorted(groups.values(), key=lambda own: (own[0].web.family, mean_of(own).ratio)):
        side = pairs[0].web
        rows.append((
            Cell(side.family), browser_cell(side), Cell(side.backend), Cell(side.provenance.value),
            *_mean_cells(pairs, side.provenance),
        ))  # fmt: skip
    columns = (
        Column("family", "family", description="Of models"),
        Column("browser", "browser"),
        Column("backend", "backend"),
        provenance_column(),
        *_mean_columns(report),
    )
    return Table("by-family", "By family of models", columns, tuple(rows))


def _mean_columns(report: WebReport) -> tuple[Column, ...]:
    return (
        Column("pairs", "pairs", "count"),
        Column("mean", _ratio_words(report), "1", Direction.LOWER, "Geometric mean over pairs; n counts pairs"),
        Column("lowest", "lowest", "1"),
        Column("highest", "highest", "1"),
    )


def _mean_cells(pairs: Sequence[WebPair], provenance: Provenance) -> tuple[Cell, ...]:
    mean: WebMean = mean_of(pairs)
    alone = Cell(reason="there is one pair")
    return (
        Cell(mean.n),
        Cell(mean.ratio, provenance, worst_verdict(one.verdict for one in pairs), lo=mean.lo, hi=mean.hi, n=mean.n),
        Cell(mean.lowest, provenance) if mean.n > 1 else alone,
        Cell(mean.highest, provenance) if mean.n > 1 else alone,
    )


def _slowdown_cell(pair: WebPair) -> Cell:
    return Cell(
        pair.ratio, pair.web.provenance, pair.verdict, lo=pair.lo, hi=pair.hi, n=pair.n, unit="1",
        reason="; ".join(pair.notes) or None, ref=Ref(RefKind.RESULT, pair.web.result_id),
    )  # fmt: skip


def _ratio_words(report: WebReport) -> str:
    return "times as slow" if report.wanted.unit in _TIMES else "times worse"


# -- everything ------------------------------------------------------------------------------------------------


def _web_table(report: WebReport, limit: int) -> Table:
    kept, left = cut(report.web, limit)
    works = Works.of(kept)
    columns = (
        *works.columns,
        provenance_column(),
        metric_column(report.wanted.metric),
        Column("paired", "paired", description="Whether it stands beside a native number, and why not"),
    )
    rows = [
        (
            *works.cells(side),
            Cell(side.provenance.value),
            side_cell(side),
            _paired_cell(side, report),
        )
        for side in kept
    ]
    notes = [f"{say_count(count, 'result')} not paired: {why}." for why, count in count_reasons(report.alone).items()]
    table = Table(
        "browser-results", "Results of browsers", columns, tuple(rows), caption=works.caption(),
        notes=(*say_rows_cut(left, len(report.web), "results"), *notes), rows_left_out=left,
    )  # fmt: skip
    return drop_idle_columns(table, keep=(report.wanted.metric,))


def _paired_cell(side: Side, report: WebReport) -> Cell:
    if side.result_id not in report.alone:
        return Cell("yes", ref=ref_of(side))
    return Cell("no", reason=report.alone[side.result_id], ref=ref_of(side))


def _summary(report: WebReport) -> list[Text]:
    usable = sum(one.is_usable for one in report.web)
    disturbed = sum(one.is_usable and one.is_disturbed for one in report.web)
    software = len(report.software)
    first = (
        f"{say_count(len(report.web), 'result')} of browsers, {usable} of them usable"
        f"{f' ({disturbed} disturbed)' if disturbed else ''}, {say_count(len(report.pairs), 'pair')} with native."
    )
    on_software = (
        [f"{say_count(software, 'result')} of software adapters: they show that it works, and are in no ratio."]
        if software
        else []
    )
    if not report.pairs:
        why = (
            "None of them may be used: their sources call them simulated or invented, or they failed. "
            "No statement about browsers can be made of this store."
            if not usable
            else "None has a usable native result of the same work on the same hardware beside it."
        )
        return [Text((first, *on_software, why), Tone.WARNING), Text(_HOW)]
    said = []
    for browser, backend, mean in report.means():
        name = f"{backend} in {browser}" if browser else backend
        said.append(f"{name}: {_say_mean(mean, report)}.")
    return [Text((first, *said, *on_software))]


def _say_mean(mean: WebMean, report: WebReport) -> str:
    words = "times as long as native" if report.wanted.unit in _TIMES else "times worse than native"
    if mean.n == 1:
        return f"{format_number(mean.ratio)} {words}, of one pair"
    ends = f"lowest {format_number(mean.lowest)}, highest {format_number(mean.highest)}"
    if math.isclose(mean.lowest, mean.highest, rel_tol=1e-3):
        ends = f"all {format_number(mean.lowest)}"
    return f"{format_number(mean.ratio)} {words} on the geometric mean of {mean.n} pairs ({ends})"


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description="The same model in a browser and outside of it, by browser, backend and family of models",
        build=build,
        options=OPTIONS,
    ),
)
