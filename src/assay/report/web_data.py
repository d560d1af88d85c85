"""Browsers' results as reports draw them: cells of a side, its phases, its memory, and what the browser is.

May import: core, store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.analysis.usable_numbers import read_shape
from assay.analysis.web_sides import Side
from assay.core.records import ResultRecord
from assay.report.cells import metric_cell
from assay.report.values import Cell, Column, Ref, RefKind, Table
from assay.report.wording import plural
from assay.store.selection import ANY

if TYPE_CHECKING:
    from assay.store import Store

PHASES: Mapping[str, str] = {
    "browser_launch": "browser",
    "page": "page",
    "runtime_init": "runtime",
    "fetch": "fetch",
    "compile": "session",
    "first_infer": "first call",
}
"""Phases until a browser gives its first answer, by their keys in a launch's costs, in the order they happen."""
OUTSIDE = ("spawn", "import", "load", "compile", "first_infer")
"""The same outside: process, libraries, model, graph, first call."""
NO_SOURCE = "its source does not say"
_BACKEND = "What the browser computed with"
_SIZES = "Precision, batch, sizes of the inputs, and options that are not the usual"


def ref_of(side: Side) -> Ref:
    """Lead to the result."""
    return Ref(RefKind.RESULT, side.result_id)


def side_cell(side: Side) -> Cell:
    """The number of one side, with why it may not be used."""
    is_usable = side.is_usable and not side.is_software
    if side.value is None:
        return Cell(reason=side.why or "it has no such number", is_usable=is_usable, ref=ref_of(side))
    why = "; ".join(filter(None, (side.why, "a software adapter" if side.is_software else None))) or None
    return Cell(
        side.value, side.provenance, side.verdict, lo=side.lo, hi=side.hi, n=side.n, reason=why, is_usable=is_usable,
        ref=ref_of(side),
    )  # fmt: skip


def browser_cell(side: Side) -> Cell:
    """Which browser, by name and main version: ``chromium 141``."""
    if side.browser is None:
        return Cell(reason=NO_SOURCE)
    version = (side.browser_version or "").partition(".")[0]
    name = side.browser if not version or version in side.browser else f"{side.browser} {version}"
    visitor = side.options.get("visitor")
    return Cell(f"{name} on {visitor}" if visitor else name)


def threads_cell(side: Side) -> Cell:
    """CPU threads that computed; of a graphics adapter they are no part of the work."""
    if not side.is_on_cpu:
        return Cell(reason="an adapter computes")
    return said(side.threads, "the browser does not say")


def said(value: str | int | None, why_not: str) -> Cell:
    """A word that is known, or why it is not."""
    return Cell(value, reason=why_not if value is None else None)


@dataclass(frozen=True, slots=True)
class Works:
    """What ran where, for the rows of one table: what all of them share is said once, in ``shared``, and left out.

    ``columns`` are those of ``cells``.
    """

    columns: tuple[Column, ...]
    shared: tuple[str, ...]

    @classmethod
    def of(cls, sides: Sequence[Side]) -> Works:
        """Find what some sides share; of a single one everything stays."""
        words = [sizes_of(side) for side in sides]
        shared = [word for word in words[0] if all(word in each for each in words)] if len(sides) > 1 else []
        columns = [Column("workload", "workload"), Column("backend", "backend", description=_BACKEND)]
        if len({threads_cell(side).value for side in sides}) > 1 or len(sides) == 1:
            columns.append(Column("threads", "threads", description="CPU threads that computed"))
        elif sides[0].is_on_cpu and sides[0].threads is not None:
            shared.append(plural(sides[0].threads, "thread"))
        browsers = {browser_cell(side).value for side in sides}
        if len(browsers) > 1 or len(sides) == 1:
            columns.append(Column("browser", "browser"))
        else:
            shared += [str(one) for one in browsers if one is not None]
        if any(set(each) - set(shared) for each in words):
            columns.append(Column("sizes", "sizes", description=_SIZES))
        return cls(tuple(columns), tuple(shared))

    def cells(self, side: Side) -> tuple[Cell, ...]:
        """What ran where, without what is shared."""
        sizes = ", ".join(word for word in sizes_of(side) if word not in self.shared)
        every = {
            "workload": Cell(side.workload, ref=Ref(RefKind.WORKLOAD, side.workload)),
            "backend": Cell(side.backend, ref=ref_of(side)),
            "threads": threads_cell(side),
            "browser": browser_cell(side),
            "sizes": Cell(sizes),
        }
        return tuple(every[column.key] for column in self.columns)

    def caption(self, more: str = "") -> str:
        """What is shared, before what else is to be said."""
        return " ".join(part for part in (f"All: {', '.join(self.shared)}." if self.shared else "", more) if part)


def sizes_of(side: Side) -> tuple[str, ...]:
    """``fp32``, ``batch 1``, ``seq 128``, with the options that tell ways of running apart."""
    words = [side.precision, None if side.batch is None else f"batch {side.batch}"]
    words += [f"{name} {size}" for name, size in read_shape(side.shape)]
    said_elsewhere = ("browser", "threads", "visitor")
    words += [f"{name} {value}" for name, value in side.options.items() if name not in said_elsewhere]
    return tuple(word for word in words if word)


def label_sides(sides: Sequence[Side]) -> tuple[str, ...]:
    """A short name of each side in a figure: model and backend, and what else tells it from others of its model.

    Where a figure has several browsers, every side of one says in which it was.
    """
    by_workload: dict[str, list[Side]] = {}
    for side in sides:
        by_workload.setdefault(side.workload, []).append(side)
    has_browsers = len({side.browser for side in sides if side.browser}) > 1
    return tuple(_label(side, by_workload[side.workload], has_browsers=has_browsers) for side in sides)


def _label(side: Side, others: Sequence[Side], *, has_browsers: bool) -> str:
    words = [side.workload, side.backend or side.engine or "native"]
    if len({one.threads for one in others if one.is_on_cpu}) > 1 and side.is_on_cpu and side.threads is not None:
        words.append(f"×{side.threads}")
    if has_browsers and side.browser:
        words.append(side.browser)
    shared = set.intersection(*(set(sizes_of(one)) for one in others))
    return " ".join([*words, *(word for word in sizes_of(side) if word not in shared)])


def cost_cell(side: Side, name: str) -> Cell:
    """The median over launches of one phase."""
    found = side.known.costs_ns.get(name)
    if found is None:
        return Cell(reason="not measured")
    return Cell(found, side.provenance, n=side.known.launches, ref=ref_of(side))


def total_cell(side: Side, names: Sequence[str]) -> Cell:
    """The sum of some phases, of those that are known."""
    known = [side.known.costs_ns[name] for name in names if name in side.known.costs_ns]
    if not known:
        return Cell(reason="not measured")
    return Cell(sum(known), side.provenance, n=side.known.launches, ref=ref_of(side))


def read_records(store: Store, sides: Sequence[Side]) -> dict[str, ResultRecord]:
    """Return the results of some sides whole, by id: for their other metrics. Raises StoreError."""
    ids = sorted({side.result_id for side in sides})
    if not ids:
        return {}
    return {one.result_id: one for one in store.results(result_id=ids, provenance=ANY, include_superseded=True)}


def record_cell(record: ResultRecord | None, *names: str) -> Cell:
    """The first of some metrics that a result has, for metrics that not every kind of result has."""
    if record is None:
        return Cell(reason="not measured")
    cells = [metric_cell(record, name, is_beside_verdict=True) for name in names]
    return next((cell for cell in cells if cell.value is not None), cells[0])


def tidy(table: Table, shared: Collection[str] = ()) -> Table:
    """Leave out columns that have nothing in any row, and those of ``shared`` that say the same in all of several rows.

    What is the same stands in the caption.
    """
    kept, words = [], []
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        if all(cell.value is None for cell in cells):
            continue
        if column.key in shared and len(cells) > 1 and len({cell.value for cell in cells}) == 1:
            words.append(f"{column.title} {cells[0].value}")
            continue
        kept.append(place)
    same = f"In all rows: {', '.join(words)}." if words else ""
    return replace(
        table,
        columns=tuple(table.columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in table.rows),
        caption=" ".join(part for part in (table.caption, same) if part),
    )
