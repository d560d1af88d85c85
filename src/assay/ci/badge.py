"""A check as a badge: an SVG drawn here, or the JSON from which shields.io draws one.

May import: core, analysis.values, ci.
"""

from __future__ import annotations

import json
from xml.sax.saxutils import escape, quoteattr

from assay.analysis.values import CheckReport
from assay.ci.lines import headline
from assay.ci.text import clean_xml, flatten_text
from assay.core.words import Change

_GREEN, _BLUE, _YELLOW, _ORANGE, _RED, _GREY = "#2e7d32", "#1565c0", "#9a6700", "#bf4b00", "#c62828", "#5f6368"
"""Each at least 4.5 to 1 against white letters (WCAG 2.2, 1.4.3)."""
_COLOURS = (
    (Change.REGRESSED, _RED), (Change.FAILED, _ORANGE), (Change.MISSING, _ORANGE), (Change.SUSPECT, _YELLOW),
    (Change.INCONCLUSIVE, _GREY), (Change.IMPROVED, _BLUE), (Change.UNCHANGED, _GREEN),
)  # fmt: skip
_FONT_PX = 11
_HEIGHT_PX = 20
_PAD_PX = 6
_NARROW, _WIDE = "iljtfr.,:;'!|()[] /", "mwMW@%"
CACHE_S = 300
"""How long a badge service may keep the JSON; shields.io allows no less."""


def badge_message(report: CheckReport) -> str:
    """Return the right half of the badge, the two worst of what there is: ``no change``, ``2 regressed, 1 suspect``."""
    return ", ".join(headline(report).split(", ")[:2])


def badge_colour(report: CheckReport) -> str:
    """Return the colour of the worst thing that nobody muted; grey where nothing was compared."""
    changes = {one.change for one in report.findings if one.muted is None}
    return next((colour for change, colour in _COLOURS if change in changes), _GREY)


def render_shields(report: CheckReport, *, label: str = "perf") -> str:
    """Return the JSON of shields.io's endpoint badge, schema version 1."""
    return json.dumps({
        "schemaVersion": 1, "label": flatten_text(label, 60), "message": badge_message(report),
        "color": badge_colour(report), "cacheSeconds": CACHE_S,
    }, ensure_ascii=False) + "\n"  # fmt: skip


def render_svg(report: CheckReport, *, label: str = "perf") -> str:
    """Return the badge as an SVG document without references to anything outside it.

    Text is as wide as a reader's font makes it, so widths are estimated and then set with ``textLength``.
    """
    left, right = clean_xml(flatten_text(label, 60)), badge_message(report)
    wide_left, wide_right = text_width_px(left), text_width_px(right)
    split, total = wide_left + 2 * _PAD_PX, wide_left + wide_right + 4 * _PAD_PX
    spoken = f"{left}: {right}"
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{_HEIGHT_PX}" role="img" aria-label={quoteattr(spoken)}>
<title>{escape(spoken)}</title>
<clipPath id="r"><rect width="{total}" height="{_HEIGHT_PX}" rx="3"/></clipPath>
<g clip-path="url(#r)">
<rect width="{split}" height="{_HEIGHT_PX}" fill="#444"/>
<rect x="{split}" width="{total - split}" height="{_HEIGHT_PX}" fill="{badge_colour(report)}"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="{_FONT_PX}">
<text x="{_PAD_PX}" y="14" textLength="{wide_left}">{escape(left)}</text>
<text x="{split + _PAD_PX}" y="14" textLength="{wide_right}">{escape(right)}</text>
</g>
</svg>
"""


def text_width_px(text: str) -> int:
    """Estimate the width of a text in Verdana at 11 px: narrow, usual and wide letters."""
    return max(1, round(sum(4.3 if letter in _NARROW else 10.3 if letter in _WIDE else 6.9 for letter in text)))
