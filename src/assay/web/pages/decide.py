"""Which hardware: a workload, what counts, and limits; devices in order of what was measured on them or is predicted.

The `hardware` report ranks what the store has. Below it stand measured and predicted options in one order, of the
models whose graphs an installed family gives. May import: core, analysis, predict, recommend, report, web.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from fastapi import APIRouter

from assay.analysis.ranking import read_prices
from assay.core.errors import AssayError, UsageError
from assay.core.words import Precision, Provenance
from assay.recommend.choosing import LARGEST_LOAD, PRECISIONS, Wish, choose_device
from assay.recommend.decision import Limits, Objective, candidates
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.display import format_number
from assay.report.values import Report, Section, Table, Text, Tone
from assay.web.counting import graph_counts, is_installed
from assay.web.estimators import estimator_of
from assay.web.foretold import decision_sections, state_of_predictions
from assay.web.forms import Control, Field, Form, box, select
from assay.web.inventory import count_choices, read_devices, read_workloads
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
_USUAL_DEVICES = ("nvidia-tesla-t4", "nvidia-l4", "nvidia-a10", "nvidia-h100-sxm5-80gb")
"""What is decided between where the store has neither prices nor devices of the catalogue."""
_HERE = "cpu"
_DIGITS = 5
_MOST_NUMBERS = 200
_MOST_DEVICES = 16
"""Devices that are decided between where none is named, and whose prices are read."""
_WAIT_S = 8.0
"""How long a page waits for the graph of a model that was asked for by its name: the first one loads PyTorch."""
_UNPREDICTED = Text(
    (
        (
            "Devices without a result of this workload are not in this order. Where a model of an installed family is "
            "chosen above, they stand here beside the measured ones, predicted, each with an interval. For any other: "
            "assay recommend --model MODEL --on l4,h100"
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
    report = _with_predictions(ask, report)
    parts = {
        "kicker": "Decide", "teach": _TEACH if not read_workloads(ask) else (), "more": more,
        "ways": _ways(ask, report),
    }  # fmt: skip
    return Page(report, Place.DECIDE, form=_form(ask, options), parts=parts)


def _ways(ask: Ask, report: Report) -> tuple[tuple[str, str], ...]:
    """Where nobody chose a workload, the same page with predictions of the one it shows."""
    name = dict(report.scope).get("workload")
    if ask.settings.is_static or ask.query.exact("workload") is not None or name is None or not is_installed(name):
        return ()
    return (("With predictions", ask.here(workload=name)),)


def _with_predictions(ask: Ask, report: Report) -> Report:
    """Add what is predicted of the workload behind its order, or say why that is not there."""
    name = ask.query.exact("workload")
    # Counting a model takes a moment, so it is done for one that somebody chose.
    sections = _predict(ask, name) if name is not None else []
    if not sections:
        sections = [Section("predictions", "What is not measured", (_UNPREDICTED,))]
    if not report.sections or not report.tables():
        return replace(report, sections=(*sections, *report.sections))
    # Behind the order of what the store has, before its fronts, prices and sheets.
    return replace(report, sections=(report.sections[0], *sections, *report.sections[1:]))


def _predict(ask: Ask, name: str) -> list[Section]:
    if ask.settings.is_static or not is_installed(name):
        return []
    wanted = (name, ())
    counted = graph_counts.find([wanted], wait_s=_WAIT_S)
    if wanted in counted.failed:
        return [_say(f"Nothing is predicted of {name}: {counted.failed[wanted]}", Tone.WARNING)]
    if wanted in counted.waiting:
        return [_say(f"What {name} computes is being counted: load this page again in a moment for what is predicted.")]
    found = choose_device(ask.store, _wish(ask, name), estimator_of(ask.store, ask.readings), most=_MOST_NUMBERS)
    return decision_sections(found, name)


def _say(words: str, tone: Tone = Tone.PLAIN) -> Section:
    return Section("predictions", "What is not measured", (Text((words,), tone),))


def _wish(ask: Ask, name: str) -> Wish:
    """Read what the address asks for, in the words of a decision. Raises UsageError."""
    query = ask.query
    longest_ms, load = query.number("max_latency_ms"), query.number("min_throughput")
    if load is not None and load > LARGEST_LOAD:
        raise UsageError(f"min_throughput is {load:g}; expected at most {LARGEST_LOAD:g}.")
    precision = query.choice_or_none("precision", list(Precision)) if query.exact("precision") is not None else None
    batches = [_read_whole("batch", text) for text in _names(ask, "batch")]
    return Wish(
        name, Objective(query.choice("objective", [word for word, _ in _OBJECTIVES], "throughput")),
        _names(ask, "on") or _usual_devices(ask), PRECISIONS if precision is None else (precision,),
        tuple(batches) or (1,), _names(ask, "engine") or ("torch",),
        limits=Limits(
            None if longest_ms is None else longest_ms * 1e6, query.number("budget"), load
        ), prices_usd_h=_known_prices(query.text("price") or ""),
        counts=tuple(_read_whole("devices", text) for text in _names(ask, "devices")), has_cloud=query.flag("cloud"),
    )  # fmt: skip


def _known_prices(text: str) -> dict[str, float]:
    """Prices of devices that the catalogue knows: others are of names that only the store's results have."""
    from assay.predict.devices import find_profile

    found = {}
    for name, usd in islice(read_prices(text).items(), _MOST_DEVICES):
        with suppress(AssayError):
            found[find_profile(name).name] = usd
    return found


def _usual_devices(ask: Ask) -> tuple[str, ...]:
    """Devices with a stored price, those of the store that the catalogue knows, and this machine's CPU."""
    held = [one.device.hw_id for one in read_devices(ask) if one.device is not None and one.device.hw_id is not None]
    priced = [name for name in candidates(ask.store, ()) if name != _HERE]
    found = tuple(dict.fromkeys([*priced, *held]))[:_MOST_DEVICES]
    return (*(found or _USUAL_DEVICES), _HERE)


def _names(ask: Ask, name: str) -> tuple[str, ...]:
    return tuple(one for text in ask.query.texts(name) for part in text.split(",") if (one := part.strip()))


def _read_whole(name: str, text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > _DIGITS or int(text) < 1:
        raise UsageError(f"{name} is {text[:40]!r}; expected whole numbers by commas, such as 1, 8.")
    return int(text)


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
            [*((one.name, one.name, one.total) for one in workloads), *_never_run(ask)],
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
        Field(
            Control.TEXT,
            "on",
            "Predict on these devices",
            ", ".join(_names(ask, "on")),
            hint="l4, h100, cpu, g6.12xlarge",
            is_wide=True,
        ),
        Field(
            Control.TEXT, "devices", "Predict on so many at once", ", ".join(_names(ask, "devices")), hint="1, 2, 4, 8"
        ),
        Field(Control.TEXT, "batch", "Predict at batches", ", ".join(_names(ask, "batch")), hint="1, 8"),
        Field(Control.TEXT, "engine", "Predict with engines", ", ".join(_names(ask, "engine")), hint="torch"),
        Field(Control.NUMBER, "budget", "Predicted cost at most", query.text("budget") or "", unit="USD/h"),
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
        box("cloud", "Predict on rented machines with a price too", is_ticked=query.flag("cloud")),
    )
    reset = ask.url_of("/decide") if query.values else None
    return Form(
        ask.url_of("/decide"), fields, more, submit="Rank", more_title="Conditions, devices and prices", reset=reset
    )


def _never_run(ask: Ask) -> list[tuple[str, str]]:
    """Sizes of installed families that the store has no result of: what they would do is predicted all the same."""
    from assay.workloads.base import families

    known = {one.name for one in read_workloads(ask)}
    models = [families.get(name) for name in families.names() if families.get(name).format != "data"]
    names = [f"{family.name}/{size}" for family in models for size in family.sizes]
    return [(name, f"{name}: no result yet") for name in sorted(names) if name not in known]


add_page(router, "/decide", build, name="decide", is_cut=True, also=state_of_predictions)
