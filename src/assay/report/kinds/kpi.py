"""KPI explorer: which numbers go together, what devices make of what they have, and how kinds of devices spread.

Three parts, of which ``show`` chooses: what was measured and imported (``_kpi_results``), that against data sheets
(``_datasheet_bias``), and data sheets against each other (``_hardware_statistics``). May import: core, catalog, store,
analysis, report.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.analysis.datasheet_values import read_evidence
from assay.analysis.kpi import read_frame
from assay.analysis.usable_numbers import count_left_out
from assay.catalog.hardware.facts import view_facts
from assay.catalog.hardware.own import load_own_cells
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.kinds._datasheet_bias import HOW_BIAS_READ, bias_sections
from assay.report.kinds._hardware_statistics import HOW_SHEETS_READ, hardware_sections
from assay.report.kinds._kpi_results import HOW_RESULTS_READ, results_sections
from assay.report.kinds._over_many import (
    choice_option,
    empty_report,
    left_out_sections,
    read_sources,
    say_left_out,
    selection_of,
    start_report,
)
from assay.report.values import Report, Section, Text
from assay.store.catalogue import read_cells

if TYPE_CHECKING:
    from assay.catalog.hardware.cells import CatalogueCell
    from assay.store import Store
    from assay.store.selection import Selection

KIND = "kpi"
TITLE = "KPI explorer"
OPTIONS: Mapping[str, str] = {
    "by": "What devices are gathered by: architecture, vendor or category. Default: architecture.",
    "show": (
        "What is shown: results (what was measured and imported), bias (measured against data sheets), sheets (data "
        "sheets against each other) or all. Default: results."
    ),
    "spread": "Of which metric the spread is shown: throughput_per_s, latency_ns ... Default: throughput_per_s.",
}
_HOW = (
    (
        "`assay run --suite standard` on several machines, or `assay import FILE` with others' results, gives "
        "numbers to hold against each other."
    ),
    "`assay catalog match NAME` says whether the catalogue knows a device; only of those data sheets take part.",
)
_SHOWN = ("results", "bias", "sheets", "all")
_MOST_SHEETS = 60


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError."""
    show = choice_option(request, "show", _SHOWN, _SHOWN[0])
    by = choice_option(request, "by", ["architecture", "vendor", "category"], "architecture")
    metric = request.options.get("spread", request.metric or "throughput_per_s")
    selection = selection_of(request)
    parts = []
    if show in {"results", "all"}:
        parts.append(_results_part(store, selection, by, metric, request))
    if show in {"bias", "all"}:
        parts.append(_bias_part(store, selection, request))
    if show in {"sheets", "all"}:
        parts.append(_sheets_part(store, request))
    shown = [part for part in parts if part.sections]
    left_out = say_left_out(count_left_out(store, selection)) if show != "sheets" else ()
    if not shown:
        return empty_report(KIND, TITLE, request, parts[0].lacking, (*left_out, *_HOW))
    sections = [section for part in shown for section in part.sections]
    sections += left_out_sections(left_out)
    sources = read_sources(store, selection, only="hardware IS NOT NULL") if show != "sheets" else ()
    return start_report(
        KIND,
        TITLE,
        request,
        summary=[text for part in shown for text in part.summary],
        sections=sections,
        sources=sources,
        how_to_read=[each for part in shown for each in part.how_to_read],
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the report: its sections, what they say in short, how they are read; or what is ``lacking``."""

    sections: tuple[Section, ...] = ()
    summary: tuple[Text, ...] = ()
    how_to_read: tuple[tuple[str, str], ...] = ()
    lacking: str = ""


def _results_part(store: Store, selection: Selection, by: str, metric: str, request: ReportRequest) -> _Part:
    frame = read_frame(store, selection)
    if not len(frame):
        return _Part(lacking="No usable number of this selection says on which hardware it was taken.")
    sections, summary = results_sections(frame, by=by, metric=metric, limit=request.limit)
    return _Part(sections, (summary,), HOW_RESULTS_READ)


def _bias_part(store: Store, selection: Selection, request: ReportRequest) -> _Part:
    evidence = read_evidence(store, selection)
    if not evidence.values:
        return _Part(lacking="No throughput of this selection is of a device whose data sheet the catalogue has.")
    sections, summary = bias_sections(evidence, limit=request.limit)
    return _Part(sections, (summary,), HOW_BIAS_READ)


def _sheets_part(store: Store, request: ReportRequest) -> _Part:
    return _Part(
        _sheet_sections((*load_own_cells(), *read_cells(store)), min(request.limit, _MOST_SHEETS)), (), HOW_SHEETS_READ
    )


@functools.lru_cache(maxsize=2)
def _sheet_sections(cells: tuple[CatalogueCell, ...], limit: int) -> tuple[Section, ...]:
    """The sections on data sheets: seconds of resampling, and the same until the catalogue changes."""
    return hardware_sections(view_facts(cells), limit=limit)


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description=(
            "Correlations, share of peak, measured over data sheet by vendor, generation and precision, work for a "
            "joule, tiers and fronts of data sheets"
        ),
        build=build,
        options=OPTIONS,
    ),
)
