"""Which hardware: a workload, what counts, and limits; devices in order of what was measured on them.

What it says is the `hardware` report. It ranks what was measured; what is foretold is a command, which the page names.
May import: core, report, web.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter

from assay.core.words import Provenance
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.display import format_number
from assay.report.values import Section, Table, Text
from assay.web.forms import Control, Field, Form, select
from assay.web.inventory import count_choices, read_workloads
from assay.web.navigation import Place
from assay.web.page import MOST_PAGE_ROWS, Ask, Page
from assay.web.reports import Lesson
from assay.web.views import add_page

router = APIRouter()

_OBJECTIVES = (
    ("throughput", "most throughput"),
    ("latency", "least latency"),
    ("energy", "least energy"),
    ("cost", "least cost"),
)
_MOST_WORKLOADS = 300
_BEST = 12
"""Devices that are shown of a longer order: who chooses looks at the first few, and asks for the rest."""
_UNPREDICTED = Text(
    (
        (
            "Devices without a result of this workload are not in this order. What they would do is foretold, with an "
            "interval and apart from what was measured, by: assay recommend --model bert/base --on l4,h100"
        ),
    )
)
_TEACH = (
    Lesson(
        "Nothing was measured or imported yet. Measure the workload that you care about, on each machine:",
        ("assay run --model bert/base",),
    ),
    Lesson("Or import what others measured:", ("assay import PATH",)),
)


def build(ask: Ask) -> Page:
    """Rank devices for the workload of the address; without one, for the workload that most devices ran.

    Raises UsageError for a limit that is no number, NotFoundError.
    """
    query = ask.query
    where: dict[str, Any] = {}
    for name in ("workload", "precision"):
        if (value := query.exact(name)) is not None:
            where[name] = value
    if (provenance := query.choice_or_none("provenance", list(Provenance))) is not None:
        where["provenance"] = provenance
    options = {"objective": query.choice("objective", [word for word, _ in _OBJECTIVES], "throughput")}
    for name in ("max_latency_ms", "min_throughput"):
        if (limit := query.number(name)) is not None:
            options[name] = f"{limit:g}"
    if query.text("accelerators") is not None:
        options["accelerators"] = str(query.whole("accelerators", 1, high=200))
    for name in ("scenario", "price"):
        if (text := query.text(name)) is not None:
            options[name] = text
    is_short = ask.is_page and not query.flag("all") and not ask.settings.is_static
    limit = _BEST if is_short else MOST_PAGE_ROWS
    report = build_report(ask.store, "hardware", ReportRequest(where=where, options=options, limit=limit))
    more = {table.key: _more(ask, table) for table in report.tables() if table.rows_left_out} if is_short else {}
    report = replace(
        report, sections=(*report.sections, Section("predictions", "What is not measured", (_UNPREDICTED,)))
    )
    teach = _TEACH if not read_workloads(ask) else ()
    return Page(
        report, Place.DECIDE, form=_form(ask, options), parts={"kicker": "Decide", "teach": teach, "more": more}
    )


def _more(ask: Ask, table: Table) -> tuple[str, str]:
    """What leads to the rows that a table leaves out."""
    return f"Show all {format_number(len(table.rows) + table.rows_left_out)} devices", f"{ask.here(all=1)}#{table.key}"


def _form(ask: Ask, options: dict[str, str]) -> Form:
    query = ask.query
    workloads = sorted(read_workloads(ask)[:_MOST_WORKLOADS], key=lambda one: one.name.casefold())
    fields = (
        select(
            "workload",
            "Workload",
            [(one.name, one.name, one.total) for one in workloads],
            query.exact("workload"),
            any_label="the one most devices ran",
            is_wide=True,
        ),
        select("objective", "The best has", _OBJECTIVES, options["objective"], any_label=None, default="throughput"),
        Field(Control.NUMBER, "max_latency_ms", "Latency at most", query.text("max_latency_ms") or "", unit="ms"),
        Field(Control.NUMBER, "min_throughput", "Throughput at least", query.text("min_throughput") or "", unit="/s"),
    )
    more = (
        select("precision", "Precision", count_choices(ask, "precision", most=60), query.exact("precision")),
        select(
            "provenance",
            "Provenance",
            [(one.value, one.value) for one in Provenance],
            query.text("provenance"),
            any_label="all, each marked",
        ),
        Field(Control.NUMBER, "accelerators", "Devices in a system", query.text("accelerators") or ""),
        Field(
            Control.TEXT, "scenario", "Scenario of a benchmark", query.text("scenario") or "", hint="Offline, Server"
        ),
        Field(
            Control.TEXT,
            "price",
            "Prices, USD an hour (else stored ones)",
            query.text("price") or "",
            hint="nvidia-l4=0.71",
            is_wide=True,
        ),
    )
    reset = ask.url_of("/decide") if query.values else None
    return Form(ask.url_of("/decide"), fields, more, submit="Rank", more_title="Conditions and prices", reset=reset)


add_page(router, "/decide", build, name="decide", is_cut=True)
