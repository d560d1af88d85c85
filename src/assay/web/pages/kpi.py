"""The KPI explorer: any two numbers against each other, and the parts of the report ``kpi`` as views beside it.

May import: core, catalog, report, web.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fastapi import APIRouter

from assay.core.words import Mode, Provenance
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.values import Table
from assay.web.explorer import GROUPS, Choice, axes, explore
from assay.web.forms import Form, search, select
from assay.web.inventory import count_choices, read_metrics
from assay.web.lists import Conditions
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.pages.results import metric_sql
from assay.web.reports import Lesson, page_report, section
from assay.web.views import add_page

router = APIRouter()

_VIEWS: Mapping[str, str] = {
    "explorer": "The explorer",
    "together": "Which numbers go together",
    "bias": "Measured against data sheets",
    "sheets": "Data sheets against each other",
}
"""Views by name, and what the ways to them are called."""
_SHOWS = {"together": "results", "bias": "bias", "sheets": "sheets"}
_SCALES = (("", "both logarithmic"), ("x", "only x logarithmic"), ("y", "only y logarithmic"), ("none", "both linear"))
_SEARCHED = ("workload", "engine", "device", '"precision"', "hardware")
_TEACH = (Lesson("There are no numbers yet.", ("assay run --suite quick", "assay import PATH")),)
_SHOWN_ROWS = 100


def build(ask: Ask) -> Page:
    """Show the explorer, or with ``view`` a part of the `kpi` report. Raises UsageError, UnknownNameError."""
    query = ask.query
    view = query.choice("view", list(_VIEWS), "explorer")
    ways = [
        (words, ask.url_of("/kpi", view=None if name == "explorer" else name))
        for name, words in _VIEWS.items()
        if name != view
    ]
    if view != "explorer":
        options = {"show": _SHOWS[view]}
        where = {} if view == "sheets" else _where(ask)
        report = build_report(ask.store, "kpi", ReportRequest(where=where, options=options, limit=100))
        report = replace(report, title=_VIEWS[view])
        return Page(report, Place.KPI, parts={"kicker": "KPI", "ways": ways})
    choices = _axes(ask)
    usual = _usual(choices)
    x = choices[query.choice("x", list(choices), usual[0])]
    y = choices[query.choice("y", list(choices), usual[1])]
    scale = query.choice("scale", ("", "x", "y", "none"), "")
    conditions, provenance = _conditions(ask)
    figure, table, total = explore(
        ask,
        conditions,
        x,
        y,
        by=query.choice("group", GROUPS, "family"),
        is_log=(scale in ("", "x"), scale in ("", "y")),
    )
    shown = _cut(table) if ask.is_page else table
    report = page_report(
        "kpi",
        "KPI explorer",
        [section("explorer", "The figure", figure), section("points", "The points", shown)],
        scope=(("x", x.title), ("y", y.title), ("provenance", provenance), ("points", str(total))),
        topics=("throughput",),
    )
    is_empty = len(choices) == len(_axes_without_metrics())
    return Page(
        report,
        Place.KPI,
        main="points",
        form=_form(ask, choices, x, y, scale),
        parts={"ways": ways, "teach": _TEACH if is_empty else ()},
    )


def _cut(table: Table) -> Table:
    left = max(0, len(table.rows) - _SHOWN_ROWS)
    return replace(table, rows=table.rows[:_SHOWN_ROWS], rows_left_out=table.rows_left_out + left)


def _axes(ask: Ask) -> dict[str, Choice]:
    """What can be put on an axis: the metrics that results have, then settings and data sheets."""
    names = read_metrics(ask)
    return axes(names, {name: metric_sql(name) for name in names})


def _axes_without_metrics() -> dict[str, Choice]:
    return axes((), {})


def _usual(choices: dict[str, Choice]) -> tuple[str, str]:
    """The pair to begin with: latency and throughput, where there are such."""
    names = list(choices)
    first = "latency_ns" if "latency_ns" in choices else names[0]
    second = "throughput_per_s" if "throughput_per_s" in choices else names[min(1, len(names) - 1)]
    return first, second


def _where(ask: Ask) -> dict[str, str]:
    found: dict[str, str] = {}
    if (word := ask.query.choice_or_none("provenance", [*Provenance, "any"])) is not None:
        found["provenance"] = word
    return found


def _conditions(ask: Ask) -> tuple[Conditions, str]:
    query, conditions = ask.query, Conditions()
    provenance = query.choice("provenance", [*Provenance, "any"], Provenance.MEASURED)
    conditions.equal("provenance", None if provenance == "any" else provenance)
    conditions.search(query.text("q"), _SEARCHED)
    for name in ("family", "engine", "hardware"):
        conditions.equal(name, query.exact(name))
    conditions.equal("mode", query.choice_or_none("mode", list(Mode)))
    return conditions, "measured, imported and predicted" if provenance == "any" else f"{provenance} only"


def _form(ask: Ask, choices: dict[str, Choice], x: Choice, y: Choice, scale: str) -> Form:
    query = ask.query
    usual = _usual(choices)
    numbers = [(one.key, one.title) for one in choices.values()]
    fields = (
        select("x", "Across (x)", numbers, x.key, any_label=None, default=usual[0]),
        select("y", "Up (y)", numbers, y.key, any_label=None, default=usual[1]),
        select(
            "group",
            "Coloured by",
            [(one, one) for one in GROUPS],
            query.text("group") or "family",
            any_label=None,
            default="family",
        ),
        select("scale", "Scales", _SCALES[1:], scale or None, any_label=_SCALES[0][1]),
        select(
            "provenance",
            "Provenance",
            [("measured", "measured"), ("imported", "imported"), ("any", "all, each marked")],
            query.text("provenance") or "measured",
            any_label=None,
            default="measured",
        ),
    )
    more = (
        search(query.text("q"), label="Only what has", hint="words of case or hardware"),
        select("family", "Family", count_choices(ask, "family"), query.exact("family")),
        select("engine", "Engine", count_choices(ask, "engine"), query.exact("engine")),
        select("hardware", "Hardware", count_choices(ask, "hardware"), query.exact("hardware")),
        select("mode", "Mode", [(one.value, one.value) for one in Mode], query.text("mode")),
    )
    reset = ask.url_of("/kpi") if query.values else None
    return Form(ask.url_of("/kpi"), fields, more, submit="Draw", reset=reset)


add_page(router, "/kpi", build, name="kpi", is_cut=True)
