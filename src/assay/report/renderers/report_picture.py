"""A whole report as one picture: its title, all its figures under each other, and when and by what it was made.

May import: core, report.base, report.values, report.parts, report.display, picture and what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterable

from assay.core.errors import UsageError
from assay.report.base import RenderOptions, renderers
from assay.report.display import format_number, format_time
from assay.report.parts import find_figure
from assay.report.renderers.canvas import Canvas
from assay.report.renderers.lettering import SMALL, Ruler
from assay.report.renderers.picture import WIDTH_PX, figure_strips
from assay.report.renderers.picture_words import MARGIN, Strip, text_strip
from assay.report.values import Figure, Report

_HEADING = 19.0
_FORMATS = ("png", "svg")


def chosen_figures(report: Report, options: RenderOptions) -> tuple[Figure, ...]:
    """Return the figures to be drawn: all, or the one that the options name.

    Raises UsageError for a figure that the report has not, for a table, and for a report without figures.
    """
    others = ", ".join(name for name in renderers.names() if name not in _FORMATS)
    if options.table is not None:
        raise UsageError(
            f"A picture holds figures, and {options.table!r} is a table.", hint=f"Formats that hold tables: {others}."
        )
    if options.figure is not None:
        return (find_figure(report, options.figure),)
    figures = report.figures()
    if not figures:
        raise UsageError(
            f"The report {report.title!r} has no figure, so there is no picture of it.",
            hint=f"Formats that work: {others}.",
        )
    return figures


def report_strips(report: Report, figures: Iterable[Figure], ruler: Ruler, options: RenderOptions) -> list[Strip]:
    """The strips of a report's picture; one figure by its name stands alone, without the report's title."""
    width = WIDTH_PX
    strips: list[Strip | None] = []
    if options.figure is None:
        made = f"{report.kind} report · {format_time(report.generated_at)}"
        strips = [
            text_strip(ruler, width, [report.title], size=_HEADING, role="ink", is_bold=True, most=3, after=2),
            text_strip(ruler, width, [made], after=2),
            _rule(width),
        ]
    for number, figure in enumerate(figures):
        if number:
            strips.append(_rule(width))
        strips += figure_strips(figure, ruler, width, has_words=True)
    origin = f"assay {report.assay_version} · {format_time(report.generated_at)}"
    if counts := report.provenance():
        told = ", ".join(f"{format_number(count)} {word.value}" for word, count in counts.items())
        origin = f"{origin} · numbers of the report's tables: {told}"
    strips += [_rule(width), text_strip(ruler, width, [origin, _meaning()], after=0)]
    return [strip for strip in strips if strip is not None]


def _meaning() -> str:
    return (
        "Filled marks and full lines: measured. Diamonds and dashes: imported. Triangles, dots and hatching: predicted."
    )


def _rule(width: float) -> Strip:
    """A fine line between figures, with room around it."""

    def draw(canvas: Canvas, top: float) -> None:
        colour = canvas.theme.colour("grid")
        canvas.segments([(MARGIN, top + SMALL, width - MARGIN, top + SMALL)], edgecolor=colour, linewidth=1.0)

    return Strip(2 * SMALL, draw)
