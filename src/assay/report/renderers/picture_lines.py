"""Lines across a plot, upright ones labelled above it and flat ones beside it, so that no two labels touch.

May import: core, report.values, canvas, lettering, plan, ticks, picture_frame, picture_words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.report.renderers.canvas import Canvas
from assay.report.renderers.lettering import SMALL, Measures, Ruler
from assay.report.renderers.picture_frame import Frame
from assay.report.renderers.picture_words import MARGIN
from assay.report.renderers.plan import Line
from assay.report.renderers.ticks import Ticks
from assay.report.values import Role

_LINE_ROWS = 6
_LINE_ROW = 14.0
_LINE_NAMES = 170.0


def line_colour(line: Line) -> str:
    """The role that a line across is drawn in."""
    return {Role.LIMIT: "limit", Role.HIGHLIGHT: "highlight", Role.FRONT: "front"}.get(line.role, "guide")


@dataclass(frozen=True, slots=True)
class Flag:
    """An upright line with its label in a row above the plot: left of the line where right of it is no room."""

    line: Line
    text: str
    row: int
    at: str


def place_flags(ruler: Measures, lines: Sequence[Line], ticks: Ticks, width: float) -> tuple[list[Flag], int]:
    """Give each upright line's label a row in which it touches no other and no line; return also how many rows.

    A label stands right of its line, where the paper ends left of it, and above all lines that begin beneath it. One
    that finds no row is left out, and only told on pointing at its line.
    """
    flags: list[Flag] = []
    taken: list[tuple[float, float, float, int]] = []
    # From the right: what a label covers is then placed already, and the label goes above it.
    for line in sorted((line for line in lines if line.is_upright), key=lambda line: -line.at):
        x = width * ticks.share(line.at)
        text = ruler.fit(line.label, min(width * 0.6, 320.0), SMALL)
        wide = ruler.width(text, SMALL) + 8
        at = "left" if x + wide <= width + MARGIN else "right"
        start, stop = (x, x + wide) if at == "left" else (x - wide, x)
        row = max((there + 1 for other, _, _, there in taken if start < other < stop), default=0)
        while any(there == row and start < b and a < stop for _, a, b, there in taken):
            row += 1
        if row >= _LINE_ROWS or not text:
            flags.append(Flag(line, "", 0, at))
            continue
        taken.append((x, start, stop, row))
        flags.append(Flag(line, text, row, at))
    return flags, max((row + 1 for *_, row in taken), default=0)


def draw_flags(canvas: Canvas, frame: Frame, flags: Sequence[Flag]) -> None:
    """Draw the upright lines from their labels down through the plot."""
    for flag in flags:
        x = frame.x(flag.line.at)
        role = line_colour(flag.line)
        top = frame.top - (_LINE_ROW * (flag.row + 1) - 3 if flag.text else 0)
        style = {} if flag.line.role is Role.LIMIT else {"linestyle": (0, (4.0, 3.0))}
        canvas.line([x, x], [top, frame.bottom], color=canvas.theme.colour(role), linewidth=1.2, **style)
        if flag.text:
            text_role = "highlight" if flag.line.role is Role.HIGHLIGHT else "ink"
            title = flag.line.label if flag.text != flag.line.label else None
            x_text = x + 4 if flag.at == "left" else x - 4
            canvas.text(x_text, top + SMALL - 1, flag.text, size=SMALL, role=text_role, at=flag.at, title=title)


def flags_height(rows: int) -> float:
    """How high the rows of labels above a plot are."""
    return _LINE_ROW * rows


def flat_names_room(ruler: Ruler, lines: Sequence[Line]) -> float:
    """The px that labels of flat lines take on the right."""
    labels = [line.label for line in lines if not line.is_upright and line.label]
    return max((min(ruler.width(label[:300], SMALL), _LINE_NAMES) + 10 for label in labels), default=0.0)


def draw_flat_lines(canvas: Canvas, frame: Frame, lines: Sequence[Line]) -> None:
    """Draw the flat lines, each named right of the plot; names that would touch are moved apart."""
    flat = sorted((line for line in lines if not line.is_upright), key=lambda line: frame.y(line.at))
    height = SMALL * 1.3
    baselines: list[float] = []
    for line in flat:
        wanted = frame.y(line.at) + SMALL * 0.35
        baselines.append(max(wanted, baselines[-1] + height) if baselines else wanted)
    overflow = max(0.0, baselines[-1] - frame.bottom) if baselines else 0.0
    for line, baseline in zip(flat, baselines, strict=True):
        y = frame.y(line.at)
        style = {} if line.role is Role.LIMIT else {"linestyle": (0, (4.0, 3.0))}
        colour = canvas.theme.colour(line_colour(line))
        canvas.line([frame.left, frame.right], [y, y], color=colour, linewidth=1.2, **style)
        moved = baseline - min(overflow, max(0.0, baseline - frame.top - height))
        text = canvas.ruler.fit(line.label, _LINE_NAMES, SMALL)
        text_role = "highlight" if line.role is Role.HIGHLIGHT else "ink"
        title = line.label if text != line.label else None
        canvas.line([frame.right, frame.right + 5], [y, moved - SMALL * 0.35], color=colour, linewidth=0.9)
        canvas.text(frame.right + 9, moved, text, size=SMALL, role=text_role, title=title)
