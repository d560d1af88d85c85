"""Matrix: workloads by devices, one number a cell. What it says is the `matrix` report.

May import: core, catalog, report, web.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from assay.catalog.metrics import metrics as registry
from assay.core.words import Mode, Provenance
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.cells import metric_title
from assay.web.forms import Control, Field, Form, select
from assay.web.inventory import count_choices
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.views import add_page

router = APIRouter()

_METRICS = (
    "throughput_per_s",
    "latency_ns",
    "memory_peak_bytes",
    "energy_j_per_sample",
    "energy_j_per_call",
    "output_tokens_per_s",
    "time_to_first_token_ns",
    "serving_rate_per_s",
    "time_to_train_ns",
    "accuracy",
)
_PICKS = ("best", "newest", "median")
_COLOURS = ("relative", "value")
_SIZES = ("12", "24", "48", "96")


def build(ask: Ask) -> Page:
    """Make the matrix that the address asks for. Raises UsageError, UnknownNameError."""
    query = ask.query
    metric = query.choice("metric", registry.names(), "throughput_per_s")
    where: dict[str, Any] = {}
    if (precision := query.exact("precision")) is not None:
        where["precision"] = precision
    if query.text("batch") is not None:
        where["batch"] = query.whole("batch", 1, high=10**9)
    if (mode := query.choice_or_none("mode", list(Mode))) is not None:
        where["mode"] = mode
    if (provenance := query.choice_or_none("provenance", list(Provenance))) is not None:
        where["provenance"] = provenance
    size = query.choice("size", _SIZES, "24")
    options = {
        "pick": query.choice("pick", _PICKS, "best"),
        "colour": query.choice("colour", _COLOURS, "relative"),
        "workloads": size,
        "devices": size,
    }
    report = build_report(ask.store, "matrix", ReportRequest(where=where, metric=metric, options=options))
    return Page(report, Place.MATRIX, form=_form(ask, metric, size))


def _form(ask: Ask, metric: str, size: str) -> Form:
    query = ask.query
    numbers = [(name, metric_title(name)) for name in _METRICS if name in registry.names()]
    fields = (
        select("metric", "Number", numbers, metric, any_label=None, default="throughput_per_s"),
        select("precision", "Precision", count_choices(ask, "precision", most=60), query.exact("precision")),
        Field(Control.NUMBER, "batch", "Batch", query.text("batch") or ""),
        select("mode", "Mode", [(one.value, one.value) for one in Mode], query.text("mode")),
        select(
            "provenance",
            "Provenance",
            [(one.value, one.value) for one in Provenance],
            query.text("provenance"),
            any_label="all, each marked",
        ),
    )
    more = (
        select(
            "pick",
            "Of several results",
            [(one, f"the {one}") for one in _PICKS],
            query.choice("pick", _PICKS, "best"),
            any_label=None,
            default="best",
        ),
        select(
            "colour",
            "Colours",
            [("relative", "relative to the best of a row"), ("value", "by value")],
            query.choice("colour", _COLOURS, "relative"),
            any_label=None,
            default="relative",
        ),
        select(
            "size", "Rows and columns", [(one, f"up to {one}") for one in _SIZES], size, any_label=None, default="24"
        ),
    )
    return Form(
        ask.url_of("/matrix"),
        fields,
        more,
        reset=ask.url_of("/matrix") if query.values else None,
        submit="Show",
        more_title="Cells, colours and size",
    )


add_page(router, "/matrix", build, name="matrix")
