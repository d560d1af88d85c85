"""The Report object: tables and figures as data, with provenance and verdict at every number.

Every renderer (terminal, HTML, Markdown, CSV, XLSX, JSON, PNG, SVG, web pages, notebooks) draws these values and
nothing else, so the same numbers stand in all of them. Values carry base units (ns, B, J, W, 1/s); ``display`` turns
them into text. Strings are what their source wrote and are hostile input to every renderer. May import: core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from assay.core.display import Displayed
from assay.core.words import Change, Direction, Provenance, Verdict

REPORT_SCHEMA_VERSION = 1

Value = str | int | float | bool | datetime | None


class RefKind(StrEnum):
    """What a cell, point or report can lead to."""

    RUN = "run"
    RESULT = "result"
    SERIES = "series"
    DEVICE = "device"
    WORKLOAD = "workload"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Ref:
    """Something that has a page of its own. Renderers that have pages make a link of it; others leave it out."""

    kind: RefKind
    id: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table, with all that is to be known of it.

    A number that is somebody's measurement has a ``provenance``; names, counts of rows and times of day have none.
    ``lo`` and ``hi`` bound it at ``level``; ``n`` counts what it was taken over (launches, unless the column says
    otherwise). ``value`` None means not known, and ``reason`` says why; beside a value ``reason`` is what else is to be
    known of it (marks, what disturbed it). ``is_usable`` False is a number that every ranking leaves out.
    ``unit`` stands in for the column's, where rows differ.
    """

    value: Value = None
    provenance: Provenance | None = None
    verdict: Verdict | None = None
    lo: float | None = None
    hi: float | None = None
    level: float = 0.95
    n: int | None = None
    reason: str | None = None
    change: Change | None = None
    unit: str | None = None
    is_usable: bool = True
    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    ``unit`` is the base unit of its numbers (None: text or a plain count), ``direction`` what is better.
    """

    key: str
    title: str
    unit: str | None = None
    direction: Direction | None = None
    description: str = ""
    is_code: bool = False
    """Identifiers, drawn in a fixed-width face and never scaled."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under columns. ``rows_left_out`` counts what was cut off, which ``notes`` then explain."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()
    rows_left_out: int = 0
    when_empty: str = "Nothing to show."

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.key!r}: a row of {len(row)} cells under {len(self.columns)} columns")


@dataclass(frozen=True, slots=True)
class Facts:
    """Named single values: the environment of a run, the settings of a check. ``unit`` of a cell is its own."""

    key: str
    title: str
    items: tuple[tuple[str, Cell], ...]


class Tone(StrEnum):
    """How a text is meant."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs of plain text; no markup is read in them."""

    paragraphs: tuple[str, ...]
    tone: Tone = Tone.PLAIN


class Scale(StrEnum):
    """How an axis is laid out. On a category axis the values are positions in ``categories``."""

    LINEAR = "linear"
    LOG = "log"
    TIME = "time"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis. ``unit`` is the base unit; ``direction`` is drawn as "lower is better" or "higher is better"."""

    title: str
    unit: str | None = None
    scale: Scale = Scale.LINEAR
    direction: Direction | None = None
    categories: tuple[str, ...] = ()


class Shape(StrEnum):
    """What a layer of a figure is drawn as."""

    POINTS = "points"
    LINE = "line"
    LINE_POINTS = "line-points"
    STEPS = "steps"
    BARS = "bars"
    BAND = "band"
    """Between ``lo`` and ``hi`` along ``x``; ``y`` is empty."""
    BOXES = "boxes"
    """One distribution an ``x``: ``lo``/``hi`` the quartiles, ``y`` the median, ``whiskers`` 5 and 95 per cent."""


class Role(StrEnum):
    """What a layer is for; renderers choose its weight and colour by that."""

    DATA = "data"
    LIMIT = "limit"
    """A roof, a target, a threshold."""
    GUIDE = "guide"
    """An ideal, a diagonal, a level of a segment."""
    FRONT = "front"
    """A Pareto front."""
    HIGHLIGHT = "highlight"


@dataclass(frozen=True, slots=True)
class Layer:
    """One series of a figure: points in base units, intervals, and what each is.

    ``y``, ``lo``, ``hi``, ``base``, ``n``, ``labels`` and ``refs`` are empty or as long as ``x``; None in them is not
    known. ``base`` is where bars begin that stand on others, and ``y`` then the length of each part. A layer has one
    provenance (measured, imported and predicted look different everywhere, so they are layers of their own); None for
    what is drawn and is no number of anybody (a roof that a probe gave does have one). ``is_usable`` False are
    points that rankings leave out: drawn hollow. ``group`` ties layers of one colour together.
    """

    label: str
    shape: Shape
    x: tuple[float | datetime, ...]
    y: tuple[float | None, ...] = ()
    lo: tuple[float | None, ...] = ()
    hi: tuple[float | None, ...] = ()
    whiskers: tuple[tuple[float, float], ...] = ()
    n: tuple[int | None, ...] = ()
    labels: tuple[str, ...] = ()
    refs: tuple[Ref | None, ...] = ()
    provenance: Provenance | None = None
    role: Role = Role.DATA
    group: str | None = None
    is_usable: bool = True
    level: float = 0.95
    base: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("y", "lo", "hi", "base", "whiskers", "n", "labels", "refs"):
            length = len(getattr(self, name))
            if length not in (0, len(self.x)):
                raise ValueError(f"layer {self.label!r}: {length} values of {name} for {len(self.x)} of x")


@dataclass(frozen=True, slots=True)
class Heat:
    """The cells of a heat map, a row for each category of the y axis; ``value`` in ``unit``.

    A predicted cell is hatched, one that is not known is left blank with its reason, by every renderer.
    """

    cells: tuple[tuple[Cell, ...], ...]
    unit: str | None
    title: str
    scale: Scale = Scale.LINEAR
    direction: Direction | None = None
    limits: tuple[float, float] | None = None
    """Values of the two ends of the colours (-1 and 1 of a correlation); None: those that occur."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A line across the figure with its label: a change point, a break, a knee, a memory limit. ``axis`` is x or y."""

    axis: str
    at: float | datetime
    label: str
    role: Role = Role.GUIDE


class FigureKind(StrEnum):
    """What a figure shows; each is built by one function in ``report.figures``."""

    DISTRIBUTION = "distribution"
    TREND = "trend"
    SCALING = "scaling"
    ROOFLINE = "roofline"
    MATRIX = "matrix"
    PARETO = "pareto"
    CURVES = "curves"
    CORRELATION = "correlation"
    PREDICTED = "predicted"
    ENERGY = "energy"
    COMPARISON = "comparison"
    BARS = "bars"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as data. ``alt`` says in words what it shows, for those who cannot see it.

    ``empty`` is why there is nothing to draw, where there is nothing: an empty figure is drawn as that sentence.
    """

    key: str
    kind: FigureKind
    title: str
    x: Axis
    y: Axis
    layers: tuple[Layer, ...] = ()
    heat: Heat | None = None
    markers: tuple[Marker, ...] = ()
    caption: str = ""
    alt: str = ""
    notes: tuple[str, ...] = ()
    empty: str | None = None


Block = Text | Facts | Table | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report under a heading."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where imported or catalogue numbers of a report are from: citation or file, licence and date where known."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report(Displayed):
    """What a question is answered with. ``summary`` says the answer in a few sentences; ``scope`` what was asked.

    ``provenance`` counts the numbers of all tables by where they come from. Every list is in the order it is shown.
    """

    kind: str
    title: str
    generated_at: datetime
    assay_version: str
    summary: tuple[Text, ...] = ()
    scope: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = ()
    sources: tuple[Source, ...] = ()
    how_to_read: tuple[tuple[str, str], ...] = ()
    ref: Ref | None = None
    schema_version: int = REPORT_SCHEMA_VERSION
    extra: Mapping[str, str] = field(default_factory=dict)

    def blocks(self) -> Iterator[Block]:
        """Every block of every section, in order."""
        for section in self.sections:
            yield from section.blocks

    def tables(self) -> tuple[Table, ...]:
        """Every table, in order."""
        return tuple(block for block in self.blocks() if isinstance(block, Table))

    def figures(self) -> tuple[Figure, ...]:
        """Every figure, in order."""
        return tuple(block for block in self.blocks() if isinstance(block, Figure))

    def provenance(self) -> dict[Provenance, int]:
        """How many numbers of the tables have each provenance, of those that occur."""
        cells = (cell for table in self.tables() for row in table.rows for cell in row)
        counted = Counter(cell.provenance for cell in cells if cell.provenance is not None and cell.value is not None)
        return {word: counted[word] for word in Provenance if counted[word]}
