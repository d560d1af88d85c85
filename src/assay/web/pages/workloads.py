"""Workloads: those with results, and one with its newest results on every device.

May import: core, report, store, web.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

from fastapi import APIRouter

from assay.core.errors import AssayError, NotFoundError
from assay.core.words import Provenance, Status
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.cells import workload_cell
from assay.report.results_table import choose_metrics, results_table
from assay.report.values import Cell, Column, Figure, Ref, RefKind
from assay.report.wording import count_words, plural
from assay.store.rows import result_from_row
from assay.web.forms import Form, hidden, search, select
from assay.web.inventory import Held, read_workloads
from assay.web.lists import read_choice, read_pager, table_of
from assay.web.navigation import Place
from assay.web.page import Ask, Page, Sorting
from assay.web.reports import Lesson, page_report, section
from assay.web.views import add_page

router = APIRouter()

_COLUMNS = (
    Column("workload", "workload", description="A family at a size, a user's own model, or a source's word"),
    Column("measured", "measured", unit="count", description="Results by assay"),
    Column("imported", "imported", unit="count", description="Results of others"),
    Column("hardware", "hardware", unit="count", description="On how many kinds of hardware"),
    Column("newest", "newest", description="When the newest was measured"),
)
_SORTS = {"workload": False, "measured": True, "imported": True, "hardware": True, "newest": True}
_TEACH = (
    Lesson("There are no results yet. Workloads that assay brings along:", ("assay run --help",)),
    Lesson("A first run of several of them:", ("assay run --suite quick",)),
)


def build(ask: Ask) -> Page:
    """List workloads, or show the one called ``name``."""
    name = ask.query.exact("name")
    return _one(ask, name) if name is not None else _list(ask)


def _list(ask: Ask) -> Page:
    query = ask.query
    every = read_workloads(ask)
    provenance = query.choice_or_none("provenance", [Provenance.MEASURED, Provenance.IMPORTED])
    words = (query.text("q") or "").casefold().split()
    held = [one for one in every if all(word in one.name.casefold() for word in words) and _has(one, provenance)]
    sorting = read_choice(ask, _SORTS, usual="measured")
    held = _sorted(held, sorting)
    pager = read_pager(ask, len(held), "workload" if len(held) == 1 else "workloads")
    shown = held[(pager.page - 1) * pager.size : pager.page * pager.size]
    table = table_of(
        "workloads", "Workloads", _COLUMNS, map(_cells, shown), pager=pager, when_empty="No workload fits."
    )
    report = page_report("workloads", "Workloads", [section("workloads", "Workloads", table)])
    fields = (
        search(query.text("q"), hint="bert, resnet"),
        select("provenance", "Has results that are", [("measured", "measured"), ("imported", "imported")], provenance),
        hidden("sort", query.text("sort")),
    )
    reset = ask.url_of("/workloads") if query.text("q") or provenance else None
    return Page(
        report,
        Place.WORKLOADS,
        template="list.html",
        main="workloads",
        form=Form(ask.url_of("/workloads"), fields, reset=reset),
        pager=pager,
        sorting=sorting,
        parts={"teach": () if every else _TEACH},
    )


def _has(one: Held, provenance: str | None) -> bool:
    counts = {None: one.total, Provenance.MEASURED.value: one.measured, Provenance.IMPORTED.value: one.imported}
    return counts[provenance] > 0


def _cells(one: Held) -> dict[str, Cell]:
    return {
        "workload": workload_cell(one.name),
        "measured": Cell(one.measured),
        "imported": Cell(one.imported),
        "hardware": Cell(one.others),
        "newest": Cell(one.newest, reason=None if one.newest else "its sources do not say when"),
    }


def _sorted(held: list[Held], sorting: Sorting) -> list[Held]:
    """By the chosen column, what is not known last; equal ones stay in the usual order."""
    if sorting.key == "workload":
        return sorted(held, key=lambda one: one.name.casefold(), reverse=sorting.is_descending)
    if sorting.key == "newest":
        known = [(one.newest, place, one) for place, one in enumerate(held) if one.newest is not None]
        ordered = sorted(known, key=lambda each: each[0], reverse=sorting.is_descending)
        return [*(one for _, _, one in ordered), *(one for one in held if one.newest is None)]
    names = {"measured": "measured", "imported": "imported", "hardware": "others"}
    return sorted(held, key=attrgetter(names[sorting.key]), reverse=sorting.is_descending)


def _one(ask: Ask, name: str) -> Page:
    held = next((one for one in read_workloads(ask) if one.name == name), None)
    if held is None:
        raise NotFoundError(
            f"No result is of the workload {name[:80]!r}.", hint="The list of workloads has every name."
        )
    rows = ask.rows(
        "SELECT * FROM latest WHERE workload = ? "  # noqa: S608  (words of ours; values are bound)
        f"ORDER BY provenance DESC, status = 'ok' DESC, measured_at DESC NULLS LAST, result_id DESC LIMIT {ask.size}",
        [name],
    )
    records = [result_from_row(row) for row in rows]
    table = results_table(
        records,
        metrics=choose_metrics(records, most=4),
        title="Newest results",
        with_hardware=True,
        caption="The newest of each series; measured ones come first.",
    )
    if held.total > len(records):
        note = f"{plural(held.total, 'result')} in all; the newest of {plural(len(records), 'series')} are shown."
        table = replace(table, notes=(*table.notes, note))
    failed = sum(one.status is not Status.OK for one in records)
    counts = count_words({"measured": held.measured, "imported": held.imported})
    report = page_report(
        "workload",
        name,
        [section("figure", "By device", _figure(ask, name)), section("results", "Newest results", table)],
        summary=[
            f"{plural(held.total, 'result')} on {plural(held.others, 'kind')} of hardware: {counts}."
            + (f" {plural(failed, 'case')} of those shown did not work." if failed else "")
        ],
        topics=("throughput", "memory"),
        ref=Ref(RefKind.WORKLOAD, name),
    )
    ways = [
        ("All its results", ask.url_of("/results", workload=name, provenance="any")),
        ("Which hardware for it?", ask.url_of("/decide", workload=name)),
    ]
    return Page(
        report, Place.WORKLOADS, main="results", parts={"kicker": "Workload", "ways": ways, "listed": "results"}
    )


def _figure(ask: Ask, name: str) -> Figure | None:
    """The first picture of the `devices` report on this workload, where it has one that is not empty."""
    request = ReportRequest(where={"workload": name}, options={"workloads": "1"}, limit=20)
    try:
        report = build_report(ask.store, "devices", request)
    except AssayError:
        return None
    return next((figure for figure in report.figures() if figure.key.startswith("bars-") and not figure.empty), None)


add_page(router, "/workloads", build, name="workloads")
