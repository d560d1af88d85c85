"""Any figure as a picture, drawn by matplotlib: an SVG that follows a page's colours, or a PNG.

Strips are laid under each other: title, legend, plot with its axes, notes. Safe to call from threads, which draw one
after another; the same figure gives the same bytes. May import: core, report.values, report.cleaning, the picture_…
modules beside it, matplotlib (inside functions).
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

from assay.report.cleaning import clean_line, clean_text
from assay.report.renderers.canvas import Canvas, Theme, drawing
from assay.report.renderers.lettering import BODY, SMALL, Ruler
from assay.report.renderers.picture_frame import (
    Frame,
    draw_edges,
    draw_flat_labels,
    draw_flat_title,
    draw_grid,
    draw_upright_labels,
    fit_names,
    heading_strip,
    titles_of,
    upright_room,
)
from assay.report.renderers.picture_heat import heat_strips
from assay.report.renderers.picture_labels import draw_point_names
from assay.report.renderers.picture_lines import draw_flags, draw_flat_lines, flags_height, flat_names_room, place_flags
from assay.report.renderers.picture_marks import Drawer
from assay.report.renderers.picture_words import MARGIN, Strip, legend_strip, text_strip, title_strip
from assay.report.renderers.plan import Plan, make_plan
from assay.report.renderers.plan_words import interval_note
from assay.report.renderers.thinning import MOST_MARKS
from assay.report.renderers.vector import Node, draw_vector, write_vector
from assay.report.values import Figure, FigureKind, Scale, Shape

WIDTH_PX = 760
NARROWEST_PX = 280
_TALL_KINDS = frozenset({FigureKind.ROOFLINE, FigureKind.PARETO, FigureKind.PREDICTED})
_LOWEST, _TALLEST, _TALL = 190.0, 320.0, 430.0
_SLOT, _LOWEST_ROW, _MOST_HEIGHT = 15.0, 22.0, 1500.0
_EDGE = 10.0
_MOST_ALT = 4000


def draw_figure_svg(figure: Figure, *, themed: bool, is_dark: bool = False, width_px: int = WIDTH_PX) -> str:
    """Return a figure as one SVG element.

    ``themed``: for a page, in whose colours it is drawn (the variables of ``palette.css_variables``; light where the
    page sets none), on no paper and without title and caption, which the page writes. Else on light or dark paper, with
    them. Marks have titles, and ``data-ref`` with the kind and id of what they lead to. Raises AssayError where
    matplotlib is missing.
    """
    with drawing():
        return write_vector(
            figure_vector(figure, Theme(is_themed=themed, is_dark=is_dark), width_px, has_words=not themed)
        )


def draw_figure_png(figure: Figure, *, is_dark: bool = False, dpi: int = 160, width_px: int = WIDTH_PX) -> bytes:
    """Return a figure with its title and caption as a PNG of ``width_px`` × dpi / 72 pixels across.

    Raises AssayError where matplotlib is missing.
    """
    with drawing():
        return write_png(figure_pixels(figure, Theme(is_dark=is_dark), width_px, dpi))


def figure_vector(figure: Figure, theme: Theme, width: float, *, has_words: bool) -> Node:
    """Draw a figure as the root of an SVG. Call it within ``drawing``."""
    canvas = compose(
        figure_strips(figure, Ruler(is_vector=True), width, has_words=has_words), theme, width, Ruler(is_vector=True)
    )
    return draw_vector(
        canvas, prefix=f"figure-{_identifier(figure.key)}", title=clean_line(figure.title),
        description=clean_text(figure.alt or figure.caption)[:_MOST_ALT],
    )  # fmt: skip


def figure_pixels(figure: Figure, theme: Theme, width: float, dpi: int) -> Any:
    """Draw a figure as an array of (rows, columns, 4) bytes. Call it within ``drawing``."""
    ruler = Ruler(is_vector=False)
    return draw_pixels(compose(figure_strips(figure, ruler, width, has_words=True), theme, width, ruler), dpi)


def compose(strips: list[Strip], theme: Theme, width: float, ruler: Ruler) -> Canvas:
    """Lay strips under each other on a canvas that is as high as they are."""
    canvas = Canvas(width, height_of(strips), theme, ruler)
    top = _EDGE
    for strip in strips:
        strip.draw(canvas, top)
        top += strip.height
    return canvas


def height_of(strips: list[Strip]) -> int:
    """How high the picture of strips is, in px."""
    return round(sum(strip.height for strip in strips) + 2 * _EDGE)


def draw_pixels(canvas: Canvas, dpi: int) -> Any:
    """Return what is on a canvas as an array of bytes."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas.figure.set_dpi(dpi)
    agg = FigureCanvasAgg(canvas.figure)
    agg.draw()
    return np.asarray(agg.buffer_rgba()).copy()


def write_png(pixels: Any) -> bytes:
    """Return an array of pixels as a PNG, which holds nothing of when and by what it was made."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(out, format="png")
    return out.getvalue()


def figure_strips(figure: Figure, ruler: Ruler, width: float, *, has_words: bool) -> list[Strip]:
    """The strips of a figure; ``has_words``: with title, caption and notes."""
    width = max(width, NARROWEST_PX)
    body, notes = _body_strips(figure, ruler, width)
    title = title_strip(ruler, width, figure.title) if has_words else None
    said = (figure.caption, *figure.notes) if has_words else ()
    below = text_strip(ruler, width, [*notes, *said], after=2)
    return [strip for strip in (title, *body, below) if strip is not None]


def _body_strips(figure: Figure, ruler: Ruler, width: float) -> tuple[list[Strip | None], list[str]]:
    if figure.empty is None and figure.heat is not None and any(figure.heat.cells):
        return [*heat_strips(ruler, width, figure, figure.heat)], []
    plan = make_plan(figure)
    if figure.empty is not None or plan.is_empty:
        return [_empty_strip(ruler, width, figure)], []
    flat = Frame(0, 0, width * 0.84, 1, plan.x_ticks, plan.y_ticks)
    if plan.x.scale is Scale.CATEGORY and fit_names(ruler, plan.x_ticks, flat.width, is_category=True).is_tilted:
        plan = make_plan(figure, can_turn=True)
    # Where the plot is narrow, fewer ticks along it keep their labels apart.
    plan = make_plan(figure, can_turn=plan.is_turned, x_count=max(3, min(8, int(width / 95))))
    legend = legend_strip(ruler, width, plan)
    heading = heading_strip(ruler, width, titles_of(plan)[1])
    drawn_notes: list[str] = []
    plot = _plot_strip(ruler, width, plan, drawn_notes)
    note = interval_note(plan)
    return [legend, heading, plot, _late_strip(ruler, width, plan, drawn_notes)], [note] if note else []


def _plot_strip(ruler: Ruler, width: float, plan: Plan, notes: list[str]) -> Strip:
    """The plot itself with the labels of both axes, the flags above and the title of the flat axis below."""
    shown, room = upright_room(ruler, plan.y_ticks, width)
    left = MARGIN + room
    plot_width = width - left - MARGIN - flat_names_room(ruler, plan.lines)
    flags, rows = place_flags(ruler, plan.lines, plan.x_ticks, plot_width)
    names = fit_names(ruler, plan.x_ticks, plot_width, is_category=plan.x.scale is Scale.CATEGORY, left=left)
    words = titles_of(plan)[0]
    below = names.height + (BODY + 9 if any(words) else 0) + 3
    height = _plot_height(plan, width)
    above = flags_height(rows) + 4

    def draw(canvas: Canvas, top: float) -> None:
        frame = Frame(left, top + above, plot_width, height, plan.x_ticks, plan.y_ticks)
        draw_grid(canvas, frame, plan)
        draw_edges(canvas, frame)
        draw_flags(canvas, frame, flags)
        draw_flat_lines(canvas, frame, plan.lines)
        notes.extend(Drawer(canvas, frame, plan).draw())
        draw_point_names(canvas, frame, plan)
        draw_upright_labels(canvas, frame, shown)
        draw_flat_labels(canvas, frame, names)
        draw_flat_title(canvas, frame, words, frame.bottom + below - 5)

    return Strip(above + height + below, draw)


def _plot_height(plan: Plan, width: float) -> float:
    """As many rows as there are names on the upright axis, else a share of the width."""
    if plan.y.scale is Scale.CATEGORY:
        slots = max(
            (round(0.8 / one.width) for one in plan.series if one.layer.shape in {Shape.BARS, Shape.BOXES}), default=1
        )
        rows = len(plan.y.categories)
        return min(_MOST_HEIGHT, rows * max(_LOWEST_ROW, slots * _SLOT + 7)) + 6
    if plan.figure.kind in _TALL_KINDS:
        return min(_TALL, 0.62 * width)
    return min(_TALLEST, max(_LOWEST, 0.4 * width))


def _late_strip(ruler: Ruler, width: float, plan: Plan, notes: list[str]) -> Strip | None:
    """A line for what only drawing finds out: that marks were thinned."""
    if sum(len(one.at) for one in plan.series if one.is_marked) <= MOST_MARKS:
        return None

    def draw(canvas: Canvas, top: float) -> None:
        canvas.text(
            MARGIN, top + SMALL, ruler.fit(" ".join(notes), width - 2 * MARGIN, SMALL), size=SMALL, role="muted"
        )

    return Strip(SMALL * 1.5, draw)


def _empty_strip(ruler: Ruler, width: float, figure: Figure) -> Strip:
    """The sentence that says why there is nothing to draw, in a quiet box."""
    lines = ruler.wrap(figure.empty or "There is nothing to draw.", width - 6 * MARGIN, BODY, most=4)
    height = max(72.0, len(lines) * BODY * 1.4 + 40)

    def draw(canvas: Canvas, top: float) -> None:
        canvas.rectangle(MARGIN, top, width - 2 * MARGIN, height, facecolor=canvas.theme.colour("panel"), linewidth=0)
        first = top + height / 2 - (len(lines) - 1) * BODY * 0.7 + BODY * 0.35
        for number, line in enumerate(lines):
            canvas.text(width / 2, first + number * BODY * 1.4, line, role="muted", at="center")

    return Strip(height + 4, draw)


def _identifier(key: str) -> str:
    """A figure's key as part of an id; one that had to be changed is told from others by a digest."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", key)[:60]
    return plain if plain == key else f"{plain}-{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:8]}"
