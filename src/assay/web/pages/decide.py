"""Which hardware: a workload, what counts, and limits; devices in order of what was measured on them.

What it says is the `hardware` report. Nothing is predicted until a predictor is installed, which the page says.
May import: core, report, web.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter

from assay.core.words import Provenance
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.values import Section, Text
from assay.web.forms import Control, Field, Form, select
from assay.web.inventory import read_workloads
from assay.web.lists import counted_choices
from assay.web.navigation import Place
from assay.web.page import Ask, Page
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
_UNPREDICTED = Text(
    (
        (
            "Devices without a result of this workload are not guessed at: no predictor is installed. One that is will "
            "add them with an interval, drawn apart from what was measured, and only where it beats the plain roofline."
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
    report = build_report(ask.store, "hardware", ReportRequest(where=where, options=options))
    report = replace(
        report, sections=(*report.sections, Section("predictions", "What is not measured", (_UNPREDICTED,)))
    )
    teach = _TEACH if not read_workloads(ask) else ()
    return Page(report, Place.DECIDE, form=_form(ask, options), parts={"kicker": "Decide", "teach": teach})


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
        select(
            "precision", "Precision", counted_choices(ask, "results", '"precision"', most=60), query.exact("precision")
        ),
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
            Control.TEXT, "price", "Prices, USD an hour", query.text("price") or "", hint="nvidia-l4=0.71", is_wide=True
        ),
    )
    reset = ask.url_of("/decide") if query.values else None
    return Form(ask.url_of("/decide"), fields, more, submit="Rank", more_title="Conditions and prices", reset=reset)


add_page(router, "/decide", build, name="decide")
