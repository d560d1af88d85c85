"""Pictures made of letters: a sparkline, and a history with its levels, breaks and changes.

Pure functions from values to lines of text. Own code: a plotting package (plotext, say) draws axes and curves, but not
what is the point here, dashed breaks, levels and marked changes, and would be a dependency for one picture. Every line
is runs of text with the name of a style, which a terminal may colour and a pipe drops; nothing is said by colour alone.
Where the output cannot hold Unicode, letters stand in. May import: standard library.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

Line = tuple[tuple[str, str], ...]
"""Runs of text, each with the name of its style; no style is an empty name."""

NARROWEST, WIDEST = 40, 400
_HEADROOM = 0.06
_ROWS_PER_TICK = 2
_LABEL_GAP = 2
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What is drawn with. ``heights`` rise from lowest to highest; ``level`` are a line at the top, middle and foot."""

    point: str
    left_out: str
    above: str
    below: str
    level: tuple[str, str, str]
    border: str
    cut: str
    mark: str
    heights: str
    gap: str
    dash: str

    def plain(self, text: str) -> str:
        """Return a text as this output can hold it."""
        return text if self is UNICODE else text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")


UNICODE = Glyphs("●", "×", "▴", "▾", ("▔", "─", "▁"), "│", "┊", "▼", "▁▂▃▄▅▆▇█", " ", "–")
ASCII = Glyphs("o", "x", "^", "v", ("-", "-", "_"), "|", ":", "V", "_.-=+*#@", " ", "-")
_PLAIN = str.maketrans({
    "–": "-", "−": "-", "×": "x", "÷": "/", "·": "-", "µ": "u", "…": "...", "→": "->", "±": "+-", "²": "2", "≥": ">=",
    "≤": "<=", "●": "o", "▼": "V", "▴": "^", "▾": "v", "┊": ":", "─": "-", "│": "|", "↑": "^", "↓": "v", "✓": "ok",
})  # fmt: skip


def choose_glyphs(encoding: str | None) -> Glyphs:
    """Unicode where the output can encode it, else ASCII."""
    try:
        "".join((*UNICODE.level, UNICODE.point, UNICODE.heights)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def draw_sparkline(values: Sequence[float | None], width: int, glyphs: Glyphs = UNICODE) -> str:
    """One line of block characters, at most ``width`` of them; None leaves a gap.

    Heights go from the lowest to the highest value, on logarithms as all comparing does. Where there are more values
    than letters, each letter is the mean of as many neighbours as fall to it.
    """
    logs = [None if value is None else math.log(value) for value in values]
    binned = [_mean(logs[start:stop]) for start, stop in _bins(len(logs), width)]
    known = [value for value in binned if value is not None]
    if not known:
        return glyphs.gap * len(binned)
    low, span = min(known), max(known) - min(known)
    steps = len(glyphs.heights) - 1

    def letter(value: float | None) -> str:
        if value is None:
            return glyphs.gap
        # What never changes is drawn at half height: neither low nor high.
        return glyphs.heights[round(steps * ((value - low) / span if span > 0 else 0.5))]

    return "".join(letter(value) for value in binned)


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line at ``value`` over the values from ``first`` to ``last``."""

    first: int
    last: int
    value: float


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that stands between values, before the one at ``place``: a text above the plot, or a name of a cut."""

    place: int
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """What to draw: values by place from left to right, each used or left out, None where there is no number.

    ``changes`` are marked above the plot; ``cuts`` are dashed lines through it, named below it. ``labels`` are of the
    values (their dates), and are shown below where there is room. The vertical axis spans the values that are used, so
    it does not begin at zero; it is named in ``unit``, which is ``scale`` of the values' own.
    """

    values: Sequence[float | None]
    is_used: Sequence[bool]
    labels: Sequence[str]
    levels: Sequence[Level] = ()
    changes: Sequence[Mark] = ()
    cuts: Sequence[Mark] = ()
    unit: str = ""
    scale: float = 1.0


def draw_plot(plot: Plot, *, width: int, height: int = 12, glyphs: Glyphs = UNICODE) -> list[Line]:
    """Draw into ``width`` columns: changes, ``height`` rows of values, names of cuts, labels. No line is longer.

    Points that are left out and lie beyond the others are drawn at the edge as ``▴`` or ``▾``. Raises ValueError for
    fewer columns than ``NARROWEST``, or where no value is used.
    """
    if width < NARROWEST:
        raise ValueError(f"got {width} columns; a plot takes at least {NARROWEST}")
    used = [value for value, good in zip(plot.values, plot.is_used, strict=True) if good and value is not None]
    if not used:
        raise ValueError("got no value that is used; there is nothing to draw")
    axis = _Axis.over([*used, *(level.value for level in plot.levels)], height)
    names = {row: glyphs.plain(name) for row, name in _name_rows(plot, axis).items()}
    margin = max((len(name) for name in names.values()), default=0)
    canvas = _Canvas(width - margin - 2, height)
    columns = _columns(len(plot.values), canvas.width)
    for cut in plot.cuts:
        canvas.fill_column(_between(columns, cut.place), glyphs.cut, "cut")
    for level in plot.levels:
        row, third = axis.row_and_third(level.value)
        for column in range(columns[level.first], columns[level.last] + 1):
            canvas.put(column, row, glyphs.level[third], "level")
    _draw_points(canvas, plot, axis, columns, glyphs)
    pad = " " * (margin + 2)
    edges = [((f"{names.get(row, ''):>{margin}} {glyphs.border}", "axis"), *canvas.runs(row)) for row in range(height)]
    return [
        *_place_texts(plot.changes, columns, canvas.width, pad, glyphs, glyphs.mark),
        *edges,
        *_place_texts(plot.cuts, columns, canvas.width, pad, glyphs, ""),
        ((pad + _label_line(plot.labels, columns, canvas.width), "axis"),),
    ]


def plain_text(line: Line) -> str:
    """The text of a line without its styles."""
    return "".join(text for text, _ in line).rstrip()


@dataclass(frozen=True, slots=True)
class _Axis:
    """From a value to a row, the highest value at row 0. Linear, with a little room above and below."""

    low: float
    high: float
    height: int

    @classmethod
    def over(cls, values: Sequence[float], height: int) -> _Axis:
        low, high = min(values), max(values)
        room = _HEADROOM * (high - low) or abs(high) * _HEADROOM or 1.0
        return cls(low - room, high + room, height)

    def row_and_third(self, value: float) -> tuple[int, int]:
        """The row of a value, and the third of that row from its top."""
        third = math.floor((self.high - value) / (self.high - self.low) * 3 * self.height)
        third = min(max(third, 0), 3 * self.height - 1)
        return third // 3, third % 3


class _Canvas:
    """Cells with a letter and a style; what is put later covers what was there."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._cells = [[(" ", "")] * width for _ in range(height)]

    def put(self, column: int, row: int, letter: str, style: str) -> None:
        self._cells[row][column] = (letter, style)

    def fill_column(self, column: int, letter: str, style: str) -> None:
        for row in range(self.height):
            self.put(column, row, letter, style)

    def runs(self, row: int) -> list[tuple[str, str]]:
        found = [
            ("".join(letter for letter, _ in cells), style)
            for style, cells in itertools.groupby(self._cells[row], key=lambda cell: cell[1])
        ]
        return found[:-1] if found[-1][0].isspace() else found


def _draw_points(canvas: _Canvas, plot: Plot, axis: _Axis, columns: Sequence[int], glyphs: Glyphs) -> None:
    # Those left out first: where both fall on one cell, the one that counts is seen.
    for wanted in (False, True):
        for place, value in enumerate(plot.values):
            if value is None or plot.is_used[place] is not wanted:
                continue
            row, _ = axis.row_and_third(value)
            letter = glyphs.point if wanted else glyphs.left_out
            if not axis.low <= value <= axis.high:
                letter = glyphs.above if value > axis.high else glyphs.below
            canvas.put(columns[place], row, letter, "point" if wanted else "left out")


def _name_rows(plot: Plot, axis: _Axis) -> dict[int, str]:
    """Name the rows that round numbers of the plot's unit fall on."""
    low, high = axis.low / plot.scale, axis.high / plot.scale
    step = _round_step((high - low) / max(1, axis.height // _ROWS_PER_TICK))
    digits = max(0, -math.floor(math.log10(step) + _EPSILON))
    numbers = [step * count for count in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return {axis.row_and_third(one * plot.scale)[0]: f"{one:.{digits}f} {plot.unit}".rstrip() for one in numbers}


def _round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - _EPSILON))


def _columns(count: int, width: int) -> list[int]:
    """The column of each value: spread over the whole width, several to a column where there are more."""
    if count == 1:
        return [width // 2]
    return [round(place * (width - 1) / (count - 1)) for place in range(count)]


def _between(columns: Sequence[int], place: int) -> int:
    """The column between a value and the one before it."""
    return (columns[max(0, place - 1)] + columns[place]) // 2 if columns[place] else 0


def _place_texts(
    marks: Sequence[Mark], columns: Sequence[int], width: int, pad: str, glyphs: Glyphs, sign: str
) -> list[Line]:
    """Write each mark where it stands, in as few lines as keep the texts apart; the sign points at the place."""
    lines: list[list[tuple[int, str, str]]] = []
    for mark in sorted(marks, key=lambda one: one.place):
        column = _between(columns, mark.place)
        text = glyphs.plain(f"{sign} {mark.text}" if sign else mark.text)[:width]
        # Near the right edge the text stands before its sign, so that the sign stays in its place.
        if sign and column + len(text) > width:
            text = glyphs.plain(f"{mark.text} {sign}")[-width:]
            column -= len(text) - 1
        column = max(0, min(column, width - len(text)))
        for line in lines:
            if line[-1][0] + len(line[-1][1]) + 1 <= column:
                line.append((column, text, mark.style))
                break
        else:
            lines.append([(column, text, mark.style)])
    return [_assemble(line, pad) for line in lines]


def _assemble(texts: Sequence[tuple[int, str, str]], pad: str) -> Line:
    runs: list[tuple[str, str]] = [(pad, "")]
    end = 0
    for column, text, style in texts:
        runs += [(" " * (column - end), ""), (text, style)]
        end = column + len(text)
    return tuple(runs)


def _label_line(labels: Sequence[str], columns: Sequence[int], width: int) -> str:
    """The first label, the last, and between them as many as stand well apart."""
    line = [" "] * width
    taken: list[tuple[int, int]] = []
    order = [0, len(labels) - 1, *range(1, len(labels) - 1)]
    for place in dict.fromkeys(order):
        text = labels[place][:width]
        start = max(0, min(columns[place] - len(text) // 2, width - len(text)))
        apart = _LABEL_GAP if place in (0, len(labels) - 1) else 2 * len(text)
        if any(start < end + apart and first < start + len(text) + apart for first, end in taken):
            continue
        line[start : start + len(text)] = text
        taken.append((start, start + len(text)))
    return "".join(line).rstrip()


def _bins(count: int, width: int) -> list[tuple[int, int]]:
    """Where each of at most ``width`` bins of neighbours begins and ends."""
    bins = min(count, max(1, width))
    edges = [round(number * count / bins) for number in range(bins + 1)] if bins else [0]
    return list(itertools.pairwise(edges))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
