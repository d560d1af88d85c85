"""Compare: two runs case by case, or the parts of one. What it says is the report of `assay compare`.

May import: core, catalog, report, store, web.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from assay.catalog.metrics import metrics as registry
from assay.core.errors import UsageError
from assay.core.words import Provenance
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.cells import metric_title, short_id
from assay.report.display import format_time
from assay.store.rows import aware
from assay.web.forms import Field, Form, select
from assay.web.links import page_url
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.query import Query
from assay.web.reports import Lesson, page_report
from assay.web.views import add_page

if TYPE_CHECKING:
    from starlette.requests import Request

router = APIRouter()

_BY = ("engine", "device", "precision", "batch", "hardware", "workload")
_METRICS = (
    "latency_ns",
    "throughput_per_s",
    "memory_peak_bytes",
    "first_infer_ns",
    "load_ns",
    "compile_ns",
    "energy_net_j_per_sample",
    "time_to_first_token_ns",
    "time_per_output_token_ns",
)
_MOST_RUNS = 100
_TWO = 2
_TEACH = (
    Lesson(
        "Choose two runs above, or one run and what to tell apart in it. Launches that were interleaved say most:",
        ("assay compare HEAD~1 HEAD --suite quick",),
    ),
)
_NO_RUNS = (
    Lesson("There is nothing to compare yet. Two runs of the same suite will do:", ("assay run --suite quick",)),
)


def build(ask: Ask) -> Page:
    """Compare ``b`` with ``a``, or with ``by`` the parts of ``a``.

    Raises UsageError where there is nothing to compare, NotFoundError, UnknownNameError.
    """
    query = ask.query
    a, b = query.text("a"), query.text("b")
    by = query.choice_or_none("by", _BY)
    metric = query.choice("metric", registry.names(), "latency_ns")
    form = _form(ask, a, b, by, metric)
    if a is None or (b is None and by is None):
        report = page_report("comparison", "Compare runs", [])
        return Page(report, Place.COMPARE, form=form, parts={"teach": _TEACH if _runs(ask) else _NO_RUNS})
    refs = (a,) if by is not None else (a, b or "")
    if by is not None and b is not None:
        raise UsageError(
            "Either two runs are compared, or the parts of one.", hint="Leave out the second run, or “by”."
        )
    options = {} if by is None else {"by": by}
    if query.flag("imported"):
        options["with-imported"] = "yes"
    report = build_report(ask.store, "comparison", ReportRequest(run_ids=refs, metric=metric, options=options))
    ways = [] if b is None else [("The other way round", ask.here(a=b, b=a))]
    return Page(report, Place.COMPARE, form=form, parts={"kicker": "Comparison", "ways": ways})


def _form(ask: Ask, a: str | None, b: str | None, by: str | None, metric: str) -> Form:
    runs = _runs(ask)
    numbers = [(name, metric_title(name)) for name in _METRICS]
    fields: tuple[Field, ...] = (
        select("a", "Baseline", runs, a, any_label="choose a run", is_wide=True),
        select("b", "Compared with it", runs, b, any_label="choose a run", is_wide=True),
        select(
            "by", "or parts of the baseline, by", [(one, one) for one in _BY], by, any_label="not at all", is_wide=True
        ),
        select("metric", "Number", numbers, metric, any_label=None, default="latency_ns"),
    )
    return Form(ask.url_of("/compare"), fields, submit="Compare", reset=ask.url_of("/compare") if a or b else None)


def _runs(ask: Ask) -> list[tuple[str, str]]:
    """The newest measured runs, to choose from; any other may be named in the address."""
    rows = ask.kept(
        "runs to compare",
        lambda: ask.rows(
            "SELECT run_id, suite, started_at FROM runs "  # noqa: S608  (words of ours; values are bound)
            f"WHERE provenance = '{Provenance.MEASURED}'"
            f"ORDER BY started_at DESC, run_id DESC LIMIT {_MOST_RUNS}"
        ),
    )
    return [
        (row["run_id"], f"{row['suite']}, {format_time(aware(row['started_at']))}, {short_id(row['run_id'])}")
        for row in rows
    ]


def choose(request: Request) -> Response:
    """Turn ticked runs of a list into the address of their comparison: the earlier one is the baseline.

    Raises UsageError for another number than two.
    """
    settings = request.app.state.settings
    ids = list(dict.fromkeys(Query.of(request.url.query).texts("run")))
    if len(ids) != _TWO:
        raise UsageError(f"{len(ids)} runs are ticked; two are compared.", hint="Go back and tick two.")
    found = {run.run_id: run.started_at for run in (request.app.state.store.find_run(one) for one in ids)}
    first, *others = sorted(found, key=lambda run_id: found[run_id])
    return RedirectResponse(page_url(settings, "/compare", {"a": first, "b": others[0] if others else first}), 303)


router.add_route("/compare/choose", choose, methods=["GET"], name="choose", include_in_schema=False)
add_page(router, "/compare", build, name="compare")
