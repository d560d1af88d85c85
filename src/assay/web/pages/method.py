"""The method: how numbers come about, what the signs and words mean, and whose numbers these are.

The same words as docs/method.md and the reports' own entries; rules change there. May import: core, catalog, report,
web.
"""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter

from assay.catalog.hardware.load import load_catalogue, load_sources
from assay.catalog.metrics import metrics as registry
from assay.core.words import Mark
from assay.report.how_to_read import TOPICS, how_to_read
from assay.report.marks import MARKS
from assay.report.values import Cell, Column, Table, Text
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.reports import page_report, section
from assay.web.views import add_page

router = APIRouter()

_STEPS = (
    (
        "The unit is the launch: one fresh process that loads a model and times it. Calls inside one launch are "
        "correlated, so they never count as repetitions."
    ),
    (
        "Each launch notes its one-off costs, warms up until the times settle, then takes at least 30 samples over 2 "
        "seconds. Every raw reading is kept. None is deleted for being far from the others."
    ),
    (
        "Memory, energy and the split of a training step are measured in passes of their own, so that one measurement "
        "does not bend another."
    ),
    (
        "Answers are compared with float32 eager execution of the same weights and inputs. A result whose answers are "
        "wrong keeps its time and takes part in no ranking."
    ),
    (
        "What could have disturbed a launch is recorded beside it: context switches, load of others, clocks, "
        "temperature. From these, and not from the spread alone, comes the verdict."
    ),
)
_RULES: tuple[tuple[str, str, str], ...] = (
    (
        "compare",
        "Are two sides different?",
        (
            "Launches are interleaved, 5 or more a side. Regressed or improved: Welch's test on logarithms at p < 0.01 "
            "and an effect of at least the floor (3 %, or the calibrated floor). Unchanged: the 90 % interval lies "
            "within the floor."
        ),
    ),
    (
        "check",
        "Does the newest result fit its history?",
        "Suspect: outside the one-sided 99 % prediction interval of the last 8 to 30 accepted results, by the floor.",
    ),
    ("confirm", "Is a suspect real?", "5 and 5 fresh interleaved launches; only they make a regression."),
    (
        "trend",
        "Where did the level move?",
        "Change points by permutation CUSUM on normal scores, p < 0.001, segments of 5 or more, 3 % floor.",
    ),
    (
        "environment",
        "Did the machine change?",
        "Another driver, power limit or library begins a new segment: drawn as a break, and never a regression.",
    ),
    (
        "percentiles",
        "When is there a p99?",
        "p90, p95 and p99 are given from 46, 93 and 473 samples on. Below that the number is missing, never guessed.",
    ),
)


def build(ask: Ask) -> Page:  # noqa: ARG001  (the same for every store)
    """Make the page. It reads nothing from the store."""
    sections = [
        section("measured", "How a number is measured", Text(_STEPS)),
        section("rules", "How changes are told", _rules()),
        section("signs", "Signs beside numbers", _signs()),
        section("words", "Words", _words()),
        section("metrics", "Metrics", _metrics()),
        section("catalogue", "Sources of the hardware catalogue", _catalogue()),
    ]
    report = page_report(
        "method",
        "The method",
        sections,
        summary=[
            (
                "How assay measures, decides, and says where each number is from. The whole of it, with the "
                "simulations behind the rules, is docs/method.md."
            )
        ],
    )
    return Page(report, Place.METHOD, template="method.html", main="metrics")


def _rules() -> Table:
    columns = (Column("rule", "rule"), Column("question", "question"), Column("answer", "how it is answered"))
    return Table("rules", "How changes are told", columns, tuple(tuple(Cell(text) for text in row) for row in _RULES))


def _signs() -> Table:
    columns = (Column("sign", "sign"), Column("meaning", "meaning"))
    items = [("no sign", "measured by assay, and nothing disturbed it")]
    items += [(f"{mark.sign} {mark.word}", mark.meaning) for mark in MARKS]
    rows = tuple((Cell(sign), Cell(meaning)) for sign, meaning in items)
    return Table("signs", "Signs beside numbers", columns, rows)


def _words() -> Table:
    meanings: dict[str, str] = dict(how_to_read(*TOPICS))
    marks = {f"marked {mark}": doc for mark, doc in _MARKS.items()}
    columns = (Column("word", "word or sign"), Column("meaning", "meaning"))
    rows = tuple((Cell(word), Cell(meaning)) for word, meaning in (meanings | marks).items())
    return Table("words", "Words", columns, rows)


_MARKS = {
    Mark.SIMULATED: "The source itself says that nothing was measured. Left out of rankings.",
    Mark.CONSTANT: "The numbers are invented: written into a program, or equal where no measurements are. Left out.",
    Mark.FALLBACK: "An accelerator's row that is too equal to the CPU's. Left out of rankings.",
    Mark.REPEATED: "The same measurement is in another row. Left out of rankings.",
    Mark.SINGLE_SHOT: "One timed call, nothing repeated.",
    Mark.UNVERIFIED: "No run stands behind the number that could be looked at.",
    Mark.DERIVED: "Some numbers of the row were computed from others of it; the conversions say which.",
    Mark.CORRECTED: "Some field of the source is known to be wrong and was read as what it must have been.",
}


def _metrics() -> Table:
    columns = (
        Column("metric", "metric", is_code=True),
        Column("unit", "unit"),
        Column("better", "better"),
        Column("meaning", "what it is"),
        Column("formula", "formula"),
    )
    rows = tuple(
        (
            Cell(one.name),
            Cell(one.unit),
            Cell(one.direction.value),
            Cell(one.description),
            Cell(one.formula),
        )
        for one in (registry.get(name) for name in registry.names())
    )
    return Table("metrics", "Metrics", columns, rows, caption="Units are those of the store; tables show scaled ones.")


def _catalogue() -> Table:
    used: Counter[str] = Counter()
    for sheet in load_catalogue().values():
        used.update({source_id for _, source_id in sheet.source_rules})
    columns = (
        Column("publisher", "publisher"),
        Column("title", "title"),
        Column("kind", "kind"),
        Column("date", "date"),
        Column("devices", "devices", unit="count"),
    )
    rows = tuple(
        (Cell(one.publisher), Cell(one.title), Cell(one.kind.value), Cell(one.date), Cell(used[source_id]))
        for source_id, one in sorted(load_sources().items(), key=lambda pair: (-used[pair[0]], pair[0]))
    )
    return Table("catalogue", "Sources of the hardware catalogue", columns, rows)


add_page(router, "/method", build, name="method")
