"""In browsers: what a browser costs against native, by browser, backend and family. What it says is the `web` report.

May import: core, catalog, analysis, report, web.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from assay.catalog.metrics import metrics as registry
from assay.core.words import Provenance
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.cells import metric_title
from assay.web.forms import Form, select
from assay.web.inventory import count_choices
from assay.web.navigation import Place
from assay.web.page import MOST_PAGE_ROWS, Ask, Page
from assay.web.reports import Lesson
from assay.web.views import add_page

router = APIRouter()

_METRICS = ("latency_ns", "throughput_per_s", "first_infer_ns", "compile_ns", "memory_peak_bytes", "cpu_time_ns")
_PICKED = ("browser", "backend", "family", "native")
_TEACH = (
    Lesson(
        "Nothing was run in a browser yet. Small models in a browser and outside of it, in turns:",
        ("assay run --suite web", "assay doctor --web"),
    ),
)


def build(ask: Ask) -> Page:
    """Hold the browsers of the address against native. Raises UsageError, UnknownNameError."""
    query = ask.query
    metric = query.choice("metric", registry.names(), "latency_ns")
    provenance = query.choice("provenance", [*Provenance, "any"], Provenance.MEASURED)
    where: dict[str, Any] = {} if provenance == "any" else {"provenance": provenance}
    if (precision := query.exact("precision")) is not None:
        where["precision"] = precision
    options = {name: value for name in _PICKED if (value := query.exact(name)) is not None}
    request = ReportRequest(where=where, metric=metric, options=options, limit=MOST_PAGE_ROWS)
    report = build_report(ask.store, "web", request)
    has_nothing = any(section.key == "empty" for section in report.sections)
    return Page(
        report, Place.WEB, main="browser-results" if not has_nothing else None, form=_form(ask, metric, provenance),
        parts={"teach": _TEACH if has_nothing and not query.values else ()},
    )  # fmt: skip


def _form(ask: Ask, metric: str, provenance: str) -> Form:
    query = ask.query
    numbers = [(name, metric_title(name)) for name in _METRICS if name in registry.names()]
    choices = ask.kept("web choices", lambda: _choices(ask))
    fields = (
        select("browser", "Browser", choices["browser"], query.exact("browser")),
        select("backend", "Backend", choices["backend"], query.exact("backend")),
        select("family", "Family", choices["family"], query.exact("family")),
        select("native", "Against", choices["native"], query.exact("native"), any_label="the fastest"),
    )
    more = (
        select("metric", "Number", numbers, metric, any_label=None, default="latency_ns"),
        select("precision", "Precision", count_choices(ask, "precision", most=60), query.exact("precision")),
        select(
            "provenance",
            "Provenance",
            [("measured", "measured"), ("imported", "imported"), ("any", "all, each marked")],
            provenance,
            any_label=None,
            default="measured",
        ),
    )
    return Form(
        ask.url_of("/web"),
        fields,
        more,
        reset=ask.url_of("/web") if query.values else None,
        submit="Show",
        more_title="Number, precision and provenance",
    )


def _choices(ask: Ask) -> dict[str, list[tuple[str, str]]]:
    """What can be chosen, of results of every provenance."""
    from assay.analysis.web_compare import WebQuestion, compare_web
    from assay.store.selection import ANY

    found = compare_web(ask.store, WebQuestion(where={"provenance": ANY}))
    words = {"browser": found.browsers, "backend": found.backends, "family": found.families, "native": found.engines}
    return {name: [(one, one) for one in several] for name, several in words.items()}


add_page(router, "/web", build, name="web")
