"""A report's figures as one PNG file, drawn without a browser.

May import: core, report.base, report.values, report_picture, picture and what lies below it.
"""

from __future__ import annotations

import math

from assay.core.errors import UsageError
from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.renderers.canvas import Theme, drawing
from assay.report.renderers.lettering import Ruler
from assay.report.renderers.picture import WIDTH_PX, compose, draw_pixels, height_of, write_png
from assay.report.renderers.report_picture import chosen_figures, report_strips
from assay.report.values import Report

DPI = 160
_COARSEST_DPI = 60
_MOST_PIXELS = 64_000_000
_LONGEST_SIDE = 60_000
"""What matplotlib draws is less than 2^16 pixels along each side."""


def render_png(report: Report, options: RenderOptions = RenderOptions(), *, dpi: int = DPI) -> bytes:  # noqa: B008  (a frozen value)
    """Return a report's figures as one PNG on light or dark paper, coarser where it would be very large.

    Raises UsageError for a report without figures, a figure that it has not, or more figures than one picture can hold;
    AssayError where matplotlib is missing.
    """
    figures = chosen_figures(report, options)
    ruler = Ruler(is_vector=False)
    with drawing():
        strips = report_strips(report, figures, ruler, options)
        height = height_of(strips)
        finest = min(math.sqrt(_MOST_PIXELS / (WIDTH_PX * height)), _LONGEST_SIDE / height) * 72
        if finest < _COARSEST_DPI:
            raise UsageError(
                f"Its {len(figures)} figures make a picture {height} px high, which is too high.",
                hint=f"Draw one figure ({figures[0].key!r}, say), or choose svg or html.",
            )
        canvas = compose(strips, Theme(is_dark=options.is_dark), WIDTH_PX, ruler)
        return write_png(draw_pixels(canvas, min(dpi, math.floor(finest))))


renderers.add(
    "png",
    Renderer("png", (".png",), "image/png", "All figures as one picture, or one figure by its key.", render_png),
)
