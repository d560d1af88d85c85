"""A report's figures as one SVG file: text stays text, and nothing is asked of any other place.

May import: report.base, report.values, report_picture, picture and what lies below it.
"""

from __future__ import annotations

from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.cleaning import clean_line, clean_text
from assay.report.renderers.canvas import Theme, drawing
from assay.report.renderers.lettering import Ruler
from assay.report.renderers.picture import WIDTH_PX, compose
from assay.report.renderers.report_picture import chosen_figures, report_strips
from assay.report.renderers.vector import draw_vector, write_vector
from assay.report.values import Report

_MOST_WORDS = 8000
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def render_svg(report: Report, options: RenderOptions = RenderOptions()) -> str:  # noqa: B008  (a frozen value)
    """Return a report's figures as one SVG on light or dark paper.

    Raises UsageError for a report without figures or a figure that it has not, AssayError where matplotlib is missing.
    """
    figures = chosen_figures(report, options)
    ruler = Ruler(is_vector=True)
    with drawing():
        strips = report_strips(report, figures, ruler, options)
        canvas = compose(strips, Theme(is_dark=options.is_dark), WIDTH_PX, ruler)
        title = figures[0].title if options.figure is not None else report.title
        description = " ".join(clean_text(figure.alt or figure.title) for figure in figures)
        root = draw_vector(canvas, prefix="report", title=clean_line(title), description=description[:_MOST_WORDS])
    return f"{_DECLARATION}{write_vector(root)}\n"


def _render_file(report: Report, options: RenderOptions) -> bytes:
    return render_svg(report, options).encode()


renderers.add(
    "svg",
    Renderer("svg", (".svg",), "image/svg+xml", "All figures as one drawing, or one figure by its key.", _render_file),
)
