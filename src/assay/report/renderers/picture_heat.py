"""A heat map as a picture: a colour bar, cells with their numbers, hatched where predicted, a dot where not known.

Of more cells than can be hatched one by one the map is an image, in which predicted cells are hatched dot by dot.
May import: core, report.values, canvas, heat, lettering, ticks, palette, picture_frame, picture_words.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from assay.core.words import Provenance
from assay.report.palette import COLOURS, text_role_on
from assay.report.renderers.canvas import Canvas
from assay.report.renderers.heat import (
    HeatScale,
    cell_lines,
    cell_words,
    has_provenance,
    heat_axis,
    heat_scale,
    number_in,
    words_unit,
)  # fmt: skip
from assay.report.renderers.lettering import BODY, SMALL, Ruler
from assay.report.renderers.picture_frame import (
    Frame,
    draw_flat_labels,
    draw_flat_title,
    draw_upright_labels,
    fit_names,
    heading_strip,
    upright_room,
)  # fmt: skip
from assay.report.renderers.picture_words import MARGIN, Entry, Strip, entries_strip
from assay.report.renderers.plan_words import axis_direction, axis_title, ref_text
from assay.report.renderers.ticks import choose_ticks, span_ticks, top_down
from assay.report.values import Cell, Figure, Heat

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CELLS = 2500
"""Cells that are drawn one by one; of more the map is an image."""
_MOST_TITLED = 1200
_TALLEST, _LOWEST, _WIDEST = 27.0, 3.0, 96.0
_MOST_HEIGHT = 1500.0
_BAR_WIDTH, _BAR_HEIGHT = 220.0, 10.0
_GAP = 1.0
_HATCH_PIXELS = 4


def heat_strips(ruler: Ruler, width: float, figure: Figure, heat: Heat) -> list[Strip]:
    """The strips of a heat map: colour bar, keys, name of the upright axis, cells with their labels."""
    scale = heat_scale(heat)
    rows, columns = len(heat.cells), max((len(row) for row in heat.cells), default=0)
    beside = MARGIN + _BAR_WIDTH + 28
    keys = entries_strip(ruler, width, list(_keys(heat)), left=beside if scale is not None else MARGIN)
    strips = [_bar_strip(ruler, heat, scale, keys)] if scale is not None else [keys] if keys is not None else []
    x_ticks, y_ticks = choose_ticks(figure.x, ()), choose_ticks(figure.y, ())
    heading = heading_strip(ruler, width, (axis_title(figure.y, y_ticks), ""))
    strips += [heading] if heading is not None else []
    shown, room = upright_room(ruler, y_ticks, width)
    left = MARGIN + room
    plot_width = min(width - left - MARGIN, _WIDEST * columns)
    height = rows * min(_TALLEST, max(_LOWEST, _MOST_HEIGHT / rows))
    names = fit_names(ruler, x_ticks, plot_width, is_category=True, left=left)
    below = names.height + (BODY + 8 if figure.x.title else 0)

    def draw(canvas: Canvas, top: float) -> None:
        # The first row stands on top, as it does in a table.
        frame = Frame(left, top, plot_width, height, x_ticks, top_down(y_ticks))
        _draw_cells(canvas, frame, figure, heat, scale)
        draw_upright_labels(canvas, frame, shown)
        draw_flat_labels(canvas, frame, names)
        if figure.x.title:
            draw_flat_title(canvas, frame, (axis_title(figure.x, x_ticks), ""), top + height + below - 4)

    return [*strips, Strip(height + below + 4, draw)]


def _bar_strip(ruler: Ruler, heat: Heat, scale: HeatScale, keys: Strip | None) -> Strip:
    """The colour bar with its title and unit above it, its ticks below and the keys beside it."""
    axis = heat_axis(heat, scale)
    ticks = span_ticks(axis, scale.low, scale.high, count=4)
    unit = words_unit(heat)
    title = axis_title(axis, ticks)
    inside = f"numbers in {unit}" if unit and unit != ticks.unit else ""
    direction = axis_direction(axis, is_upright=False)

    def draw(canvas: Canvas, top: float) -> None:
        canvas.text(MARGIN, top + BODY, title)
        x = MARGIN + ruler.width(title) + 12
        for text in (direction, inside):
            canvas.text(x, top + BODY, text, role="muted")
            x += ruler.width(text) + (12 if text else 0)
        bar_top = top + BODY + 8
        step = _BAR_WIDTH / len(scale.colours)
        for number, colour in enumerate(scale.colours):
            canvas.rectangle(MARGIN + number * step, bar_top, step + 0.4, _BAR_HEIGHT, facecolor=colour, linewidth=0)
        end = -1e9
        for place, label in zip(ticks.places, ticks.labels, strict=True):
            middle = MARGIN + _BAR_WIDTH * ticks.share(place)
            half = ruler.width(label, SMALL) / 2
            if middle - half < end + 6:
                continue
            end = middle + half
            canvas.segments(
                [(middle, bar_top + _BAR_HEIGHT, middle, bar_top + _BAR_HEIGHT + 3)],
                edgecolor=canvas.theme.colour("rule"), linewidth=1,
            )  # fmt: skip
            x_label = max(MARGIN + half, middle)
            canvas.text(x_label, bar_top + _BAR_HEIGHT + 4 + SMALL, label, size=SMALL, role="muted", at="center")

        if keys is not None:
            keys.draw(canvas, bar_top - 4)

    return Strip(max(BODY + 8 + _BAR_HEIGHT + SMALL + 14, BODY + 4 + (keys.height if keys is not None else 0)), draw)


# -- cells -----------------------------------------------------------------------------------------------------


def _draw_cells(canvas: Canvas, frame: Frame, figure: Figure, heat: Heat, scale: HeatScale | None) -> None:
    rows, columns = len(heat.cells), max((len(row) for row in heat.cells), default=0)
    if rows * columns > MOST_CELLS:
        if scale is not None:
            canvas.image(frame.left, frame.top, frame.width, frame.height, _pixels(heat, scale, rows, columns))
        return
    wide, high = frame.width / columns, frame.height / rows
    texts = cell_words(heat)
    widest = max((canvas.ruler.width(text, SMALL) for row in texts for text in row), default=0.0)
    is_written = widest + 6 <= wide and high >= SMALL + 4
    has_titles = rows * columns <= _MOST_TITLED
    for row, cells in enumerate(heat.cells):
        for column, cell in enumerate(cells):
            box = (frame.left + column * wide, frame.top + row * high, wide, high)
            title = cell_lines(figure, row, column) if has_titles else None
            _draw_cell(canvas, box, cell, scale, text=texts[row][column] if is_written else "", title=title)


def _draw_cell(
    canvas: Canvas, box: tuple[float, float, float, float], cell: Cell, scale: HeatScale | None, *, text: str,
    title: str | None,
) -> None:  # fmt: skip
    left, top, wide, high = box
    value = number_in(cell)
    area = (left + _GAP / 2, top + _GAP / 2, max(0.5, wide - _GAP), max(0.5, high - _GAP))
    middle = (left + wide / 2, top + high / 2)
    if value is None or scale is None:
        canvas.rectangle(
            *area, title=title, facecolor=canvas.theme.colour("panel"), linewidth=0, ref=ref_text(cell.ref)
        )  # fmt: skip
        radius = max(0.6, min(1.5, wide / 6, high / 6))
        canvas.marks([middle], marker="o", markersize=2 * radius, color=canvas.theme.colour("rule"), markeredgewidth=0)
        return
    colour = scale.colour(value)
    role = text_role_on(colour)
    ink = canvas.theme.colour(role)
    canvas.rectangle(*area, title=title, ref=ref_text(cell.ref), facecolor=colour, linewidth=0)
    if cell.provenance is Provenance.PREDICTED:
        canvas.hatch(*area, colour=(ink, 0.34), title=title, ref=ref_text(cell.ref))
    if cell.provenance is Provenance.IMPORTED and min(wide, high) >= 12:  # noqa: PLR2004
        canvas.marks(
            [(left + wide - 6, top + 6)], marker="D", markersize=3.4, markerfacecolor="none", markeredgecolor=ink,
            markeredgewidth=0.9,
        )  # fmt: skip
    if not cell.is_usable:
        ends = [(area[0], area[1], area[0] + area[2], area[1] + area[3])]
        canvas.segments(ends, edgecolor=(ink, 0.7), linewidth=1.0)
    if text:
        if cell.provenance is Provenance.PREDICTED:
            half = canvas.ruler.width(text, SMALL) / 2 + 2
            canvas.rectangle(
                middle[0] - half, middle[1] - SMALL * 0.6, 2 * half, SMALL * 1.2, title=title, facecolor=colour,
                linewidth=0,
            )  # fmt: skip
        canvas.text(middle[0], middle[1] + SMALL * 0.36, text, size=SMALL, role=role, at="center", title=title)


def _pixels(heat: Heat, scale: HeatScale, rows: int, columns: int) -> Any:
    """The map as (rows × 4, columns × 4, 4) bytes: predicted cells with a dark diagonal, unknown ones clear."""
    import numpy as np

    size = _HATCH_PIXELS
    pixels = np.zeros((rows, columns, 4), dtype=np.uint8)
    is_predicted = np.zeros((rows, columns), dtype=bool)
    for row, cells in enumerate(heat.cells):
        for column, cell in enumerate(cells):
            value = number_in(cell)
            if value is None:
                continue
            colour = scale.colour(value)
            pixels[row, column] = (*bytes.fromhex(colour[1:]), 255)
            is_predicted[row, column] = cell.provenance is Provenance.PREDICTED
    large = pixels.repeat(size, axis=0).repeat(size, axis=1)
    places = np.add.outer(np.arange(rows * size), np.arange(columns * size))
    stripes = (places % size == 0) & is_predicted.repeat(size, axis=0).repeat(size, axis=1)
    light, dark = (bytes.fromhex(COLOURS[role].light[1:]) for role in ("on-dark-cell", "on-light-cell"))
    is_bright = large[..., :3].mean(axis=2) > 127  # noqa: PLR2004
    for channel in range(3):
        ink = np.where(is_bright, dark[channel], light[channel])
        large[..., channel] = np.where(
            stripes, (large[..., channel] * 0.55 + ink * 0.45).astype(np.uint8), large[..., channel]
        )
    return large


# -- keys ------------------------------------------------------------------------------------------------------


def _keys(heat: Heat) -> Iterator[Entry]:
    """What hatch, diamond, dot and stroke mean, of those that occur."""
    cells = [cell for row in heat.cells for cell in row]
    if has_provenance(heat, Provenance.PREDICTED):
        yield Entry("predicted", functools.partial(_draw_key, kind="predicted"))
    if has_provenance(heat, Provenance.IMPORTED):
        yield Entry("imported", functools.partial(_draw_key, kind="imported"))
    if any(number_in(cell) is not None and not cell.is_usable for cell in cells):
        yield Entry("not used in rankings", functools.partial(_draw_key, kind="unused"))
    if any(number_in(cell) is None for cell in cells):
        yield Entry("not known", functools.partial(_draw_key, kind="unknown"))


def _draw_key(canvas: Canvas, left: float, middle: float, width: float, *, kind: str) -> None:
    box = (left + 3, middle - 6, width - 6, 12.0)
    rule = canvas.theme.colour("rule")
    if kind == "unknown":
        canvas.rectangle(*box, facecolor=canvas.theme.colour("panel"), linewidth=0)
        canvas.marks([(left + width / 2, middle)], marker="o", markersize=3, color=rule, markeredgewidth=0)
        return
    canvas.rectangle(*box, facecolor=(rule, 0.22), linewidth=0)
    ink = canvas.theme.colour("ink")
    if kind == "predicted":
        canvas.hatch(*box, colour=(ink, 0.6))
    elif kind == "imported":
        canvas.marks(
            [(left + width / 2, middle)], marker="D", markersize=4.5, markerfacecolor="none", markeredgecolor=ink,
            markeredgewidth=1,
        )  # fmt: skip
    else:
        canvas.segments([(box[0], box[1], box[0] + box[2], box[1] + box[3])], edgecolor=ink, linewidth=1)
