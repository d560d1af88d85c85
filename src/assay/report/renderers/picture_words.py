"""The words of a picture, in strips above and below the plot: title, legend, notes.

May import: core, report.values, report.cleaning, canvas, lettering, plan, picture_looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assay.report.renderers.canvas import Canvas
from assay.report.renderers.lettering import BODY, SMALL, TITLE, Ruler
from assay.report.renderers.picture_looks import draw_swatch
from assay.report.renderers.plan import Plan, Series
from assay.report.renderers.plan_words import legend_entries

MARGIN = 14.0
"""Free px around a picture."""
_SWATCH, _SWATCH_GAP, _ENTRY_GAP = 22.0, 6.0, 18.0
_ROW = 17.0
_LONGEST_ENTRY = 300.0
_MOST_ENTRIES = 24
LINE_HEIGHT = 1.36


@dataclass(frozen=True, slots=True)
class Strip:
    """A part of a picture over its whole width: how high it is, and what draws it from its top on."""

    height: float
    draw: Callable[[Canvas, float], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a legend: its text and what draws its swatch (left, middle, width)."""

    text: str
    draw: Callable[[Canvas, float, float, float], None]


def text_strip(
    ruler: Ruler, width: float, paragraphs: Sequence[str], *, size: float = SMALL, role: str = "muted",
    is_bold: bool = False, most: int = 4, after: float = 4.0,
) -> Strip | None:  # fmt: skip
    """Paragraphs of text, each of at most ``most`` lines. None where there is no text."""
    lines = [
        line
        for paragraph in paragraphs
        if paragraph.strip()
        for line in ruler.wrap(paragraph, width - 2 * MARGIN, size, most=most, is_bold=is_bold)
    ]
    if not lines:
        return None
    step = size * LINE_HEIGHT

    def draw(canvas: Canvas, top: float) -> None:
        for number, line in enumerate(lines):
            canvas.text(MARGIN, top + step * number + size, line, size=size, role=role, is_bold=is_bold)

    return Strip(step * len(lines) + after, draw)


def title_strip(ruler: Ruler, width: float, title: str) -> Strip | None:
    """The figure's title."""
    return text_strip(ruler, width, [title], size=TITLE, role="ink", is_bold=True, most=2, after=6)


def legend_strip(ruler: Ruler, width: float, plan: Plan) -> Strip | None:
    """The legend of a plot, in as many rows as it needs; None where it needs none."""
    entries = [Entry(text, _swatch_of(series)) for text, series in legend_entries(plan)]
    return entries_strip(ruler, width, entries)


def entries_strip(ruler: Ruler, width: float, entries: Sequence[Entry], *, left: float = MARGIN) -> Strip | None:
    """Entries from ``left`` on, broken into rows. Of very many the last says how many are not listed."""
    if not entries:
        return None
    left_out = len(entries) - _MOST_ENTRIES if len(entries) > _MOST_ENTRIES else 0
    rows: list[list[tuple[float, str, Entry]]] = [[]]
    x = left
    for entry in entries[: len(entries) - left_out]:
        text = ruler.fit(entry.text, min(_LONGEST_ENTRY, width - left - MARGIN - _SWATCH - _SWATCH_GAP))
        wide = _SWATCH + _SWATCH_GAP + ruler.width(text)
        if rows[-1] and x + wide > width - MARGIN:
            rows.append([])
            x = left
        rows[-1].append((x, text, entry))
        x += wide + _ENTRY_GAP
    if left_out:
        rows.append([])

    def draw(canvas: Canvas, top: float) -> None:
        for number, row in enumerate(rows):
            middle = top + _ROW * number + _ROW / 2
            for start, text, entry in row:
                entry.draw(canvas, start, middle, _SWATCH)
                title = entry.text if text != entry.text else None
                canvas.text(start + _SWATCH + _SWATCH_GAP, middle + BODY * 0.36, text, title=title)
        if left_out:
            last = top + _ROW * (len(rows) - 1) + _ROW / 2 + BODY * 0.36
            canvas.text(left, last, f"and {left_out} more, named on pointing at them", role="muted")

    return Strip(_ROW * len(rows) + 7, draw)


def _swatch_of(series: Series) -> Callable[[Canvas, float, float, float], None]:
    return lambda canvas, left, middle, width: draw_swatch(canvas, series, left, middle, width)
