"""Matrix: workloads by devices, one number a cell. What it says is the `matrix` report, its empty cells predicted.

Graphs of models are counted beside the requests: the page shows at once what is there, and says what is still to come.
May import: core, catalog, analysis, predict, report, web.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from assay.catalog.metrics import metrics as registry
from assay.core.errors import UsageError
from assay.core.words import Mode, Provenance
from assay.predict.matrix_fill import add_columns, add_rows, fill_matrix, find_devices, find_holes
from assay.report.base import ReportRequest
from assay.report.cells import metric_title
from assay.report.kinds.matrix import read_matrix, report_matrix
from assay.report.values import Text
from assay.web.counting import graph_counts
from assay.web.estimators import estimator_of
from assay.web.foretold import state_of_predictions
from assay.web.forms import Control, Field, Form, select
from assay.web.inventory import count_choices
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.views import add_page

if TYPE_CHECKING:
    from assay.analysis.matrix import Matrix

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
_STORED = "stored"
"""Beside the provenances: whatever the store has, and nothing predicted now."""
_MOST_CELLS = 200
_MOST_NAMED = 12
_WAIT_S = 0.3
"""How long a page waits for graphs that are new."""


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
    provenance = query.choice_or_none("provenance", [*Provenance, _STORED])
    if provenance not in (None, _STORED):
        where["provenance"] = provenance
    size = query.choice("size", _SIZES, "24")
    options = {
        "pick": query.choice("pick", _PICKS, "best"),
        "colour": query.choice("colour", _COLOURS, "relative"),
        "workloads": size,
        "devices": size,
    }
    request = ReportRequest(where=where, metric=metric, options=options)
    matrix = read_matrix(ask.store, request)
    notes: list[Text] = []
    if provenance is None and not ask.settings.is_static:
        matrix, notes = _predict(ask, matrix)
    report = report_matrix(ask.store, request, matrix)
    report = replace(report, summary=(*report.summary, *notes))
    ways = [("Without predictions", ask.here(provenance=_STORED))] if matrix.count(Provenance.PREDICTED) else []
    if provenance is not None:
        ways = [("With predictions", ask.here(provenance=None))]
    return Page(
        report, Place.MATRIX, form=_form(ask, metric, size), parts={"ways": () if ask.settings.is_static else ways}
    )


def _predict(ask: Ask, matrix: Matrix) -> tuple[Matrix, list[Text]]:
    """Add the rows and columns that are asked for, and fill what can be filled now. Raises UsageError."""
    wide = add_rows(add_columns(matrix, find_devices(_names(ask, "on"))), _names(ask, "model"))
    holes = find_holes(ask.store, wide, most=_MOST_CELLS)
    if not holes.cells:
        return fill_matrix(wide, holes, {}, {}, None), []
    counted = graph_counts.find(holes.wanted, wait_s=_WAIT_S)
    estimator = estimator_of(ask.store, ask.readings) if counted.graphs else None
    filled = fill_matrix(wide, holes, counted.graphs, counted.failed, estimator)
    predicted, asked = filled.count(Provenance.PREDICTED), len(holes.cells)
    notes = []
    if counted.waiting:
        names = ", ".join(dict.fromkeys(name for name, _ in counted.waiting))
        notes.append(Text((f"Not predicted yet, as their models are being counted: {names}. Load this page again.",)))
    if predicted:
        said = (
            f"Of {asked} empty cells {predicted} are predicted: hatched in the picture, in italics with a sign in the "
            "table, each with its interval and the conditions of its row. The others say why not. Nobody measured them."
        )
        notes.append(Text((said,)))
    return filled, notes


def _names(ask: Ask, name: str) -> tuple[str, ...]:
    found = tuple(one for text in ask.query.texts(name) for part in text.split(",") if (one := part.strip()))
    if len(found) > _MOST_NAMED:
        raise UsageError(f"{name} has {len(found)} names; expected at most {_MOST_NAMED}.")
    return found


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
            [(_STORED, "all, gaps left empty"), *((one.value, f"{one.value} only") for one in Provenance)],
            query.text("provenance"),
            any_label="all, gaps predicted",
        ),
    )
    more = (
        Field(Control.TEXT, "on", "Also these devices", ", ".join(_names(ask, "on")), hint="l4, h100"),
        Field(Control.TEXT, "model", "Also these models", ", ".join(_names(ask, "model")), hint="t5/small"),
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
        more_title="More devices and models, cells, colours, size",
    )


add_page(router, "/matrix", build, name="matrix", also=state_of_predictions)
