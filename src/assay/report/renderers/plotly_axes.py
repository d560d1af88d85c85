"""Axes for plotly.js: from base units to what is plotted, and the parts of a layout that all plots share.

May import: core, report.values, report.display, report.cleaning, lettering, plan, ticks.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

from assay.report.cleaning import clean_line, isolate
from assay.report.display import choose_unit
from assay.report.renderers.lettering import shorten_middle
from assay.report.renderers.plan_words import axis_direction
from assay.report.renderers.ticks import Ticks, is_plain
from assay.report.renderers.time_ticks import moment_of
from assay.report.values import Axis, Scale

_MOST_NAMES = 60
_LONGEST_NAME = 30
_LONGEST_TITLE = 90
_WIDTH_PX, _LETTER_PX = 520, 6.4
_MOST_LINES = 3
_AROUND_PX = 90
"""About what stands above and below a plot itself."""
_GROUPED = 10_000
_SPARSE_DECADES, _MOST_DECADES = 2.2, 8
_CLEAR = "rgba(0,0,0,0)"


def colour(role: str, opacity: float | None = None) -> str:
    """The name of a role's colour, as ``plotly`` describes it."""
    return f"var:{role}" if opacity is None else f"var:{role}/{opacity:g}"


def escape(text: str) -> str:
    """Return a text in which plotly.js finds no tag, no entity and no formula."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


@dataclass(frozen=True, slots=True)
class PlotAxis:
    """One axis: what values are divided by, and how plotly lays it out."""

    axis: Axis
    ticks: Ticks
    divisor: float
    unit: str
    is_upright: bool

    @classmethod
    def of(cls, axis: Axis, ticks: Ticks, *, is_upright: bool) -> PlotAxis:
        """Choose the unit: on a linear axis by its far end, on a logarithmic one by its middle."""
        if axis.scale in {Scale.CATEGORY, Scale.TIME} or axis.unit == "ratio" or is_plain(axis.unit):
            return cls(axis, ticks, 1.0, ticks.unit, is_upright)
        size = math.sqrt(ticks.low * ticks.high) if ticks.is_log else max(abs(ticks.low), abs(ticks.high))
        scaled = choose_unit(size, axis.unit)
        return cls(axis, ticks, scaled.divisor, scaled.label, is_upright)

    def number(self, value: float) -> float:
        """A value as it is plotted, on an axis of numbers."""
        return value / self.divisor

    def convert(self, value: float | None) -> float | str | None:
        """A value as it is plotted: in the axis' unit, or a time as ISO text in UTC."""
        if value is None:
            return None
        if self.axis.scale is Scale.TIME:
            return f"{moment_of(value):%Y-%m-%d %H:%M:%S.%f}"
        return self.number(value)

    def place(self, value: float) -> float | str | None:
        """Where an annotation stands: on a logarithmic axis plotly wants the exponent."""
        if self.ticks.is_log:
            return math.log10(self.number(value))
        return self.convert(value)

    def length(self, value: float) -> float:
        """A length along the axis: of times in milliseconds."""
        return value * 1000 if self.axis.scale is Scale.TIME else value / self.divisor

    def layout(self) -> dict[str, Any]:
        """Return what ``xaxis`` or ``yaxis`` of a layout is."""
        found: dict[str, Any] = {
            "title": {"text": self._title(), "font": {"color": colour("ink"), "size": 12}, "standoff": 8},
            "gridcolor": colour("grid"), "linecolor": colour("rule"), "tickcolor": colour("rule"), "showline": True,
            "zeroline": False, "automargin": True, "tickfont": {"color": colour("muted"), "size": 11},
        }  # fmt: skip
        low, high = self.ticks.low, self.ticks.high
        if self.axis.scale is Scale.TIME:
            return found | {"type": "date", "range": [self.convert(low), self.convert(high)]}
        if self.axis.scale is Scale.CATEGORY:
            return found | self._names()
        ends = [self.number(low), self.number(high)]
        if self.ticks.is_log:
            found |= {"type": "log", "range": [math.log10(end) for end in ends]}
            if is_plain(self.axis.unit) and not self.ticks.minor:
                texts = [escape(label) for label in self.ticks.labels]
                return found | {"tickmode": "array", "tickvals": list(self.ticks.places), "ticktext": texts}
            if (decades := math.log10(high / low)) > _SPARSE_DECADES:
                found |= {"dtick": max(1, math.ceil(decades / _MOST_DECADES))}
        else:
            found |= {"type": "linear", "range": ends}
        if self.axis.unit == "ratio":
            texts = [escape(label) for label in self.ticks.labels]
            return found | {"tickmode": "array", "tickvals": list(self.ticks.places), "ticktext": texts}
        is_short = is_plain(self.axis.unit)
        is_long = not is_short and max(abs(end) for end in (self.number(low), self.number(high))) >= _GROUPED
        return found | {"exponentformat": "SI" if is_short else "none", "separatethousands": is_long, "nticks": 8}

    def _names(self) -> dict[str, Any]:
        names = [clean_line(name) for name in self.axis.categories]
        every = max(1, math.ceil(len(names) / _MOST_NAMES))
        if self.is_upright or every > 1:
            texts = [escape(isolate(shorten_middle(name, _LONGEST_NAME))) for name in names][::every]
        else:
            texts = ["<br>".join(escape(isolate(line)) for line in lines) for lines in _broken(names)]
        return {
            "type": "linear", "range": [self.ticks.low, self.ticks.high], "tickmode": "array",
            "tickvals": list(range(len(names)))[::every], "ticktext": texts, "showgrid": False,
        }  # fmt: skip

    def _title(self) -> str:
        title = shorten_middle(clean_line(self.axis.title), _LONGEST_TITLE)
        note = "" if self.ticks.note.rpartition(" ")[2] in title else "UTC"
        parts = (
            f"{title[:1].upper()}{title[1:]}",
            clean_line(self.unit),
            note if self.axis.scale is Scale.TIME else "",
        )
        direction = axis_direction(self.axis, is_upright=self.is_upright)
        named = isolate(", ".join(part for part in parts if part))
        return escape("   ".join(part for part in (named, direction) if part))


def _broken(names: list[str]) -> list[list[str]]:
    """Names in up to three lines of whole words, where all fit beside each other; else each on one line, cut."""
    letters = max(1, int(_WIDTH_PX / max(1, len(names)) / _LETTER_PX))
    found = [
        textwrap.wrap(name[: 4 * _LONGEST_NAME], letters, break_long_words=False, break_on_hyphens=False) or [""]
        for name in names
    ]
    if all(len(lines) <= _MOST_LINES and max(map(len, lines)) <= letters for lines in found):
        return found
    return [[shorten_middle(name, _LONGEST_NAME)] for name in names]


def plain_layout(x: dict[str, Any], y: dict[str, Any], *, height: int, top: int, is_legend: bool) -> dict[str, Any]:
    """The layout that all plots share: no paper of their own, the page's ink, a legend above the data."""
    legend = {
        "orientation": "h", "x": 0, "xanchor": "left", "y": 1 + top / max(100, height - _AROUND_PX),
        "yanchor": "bottom", "bgcolor": _CLEAR, "font": {"color": colour("ink"), "size": 12},
    }  # fmt: skip
    return {
        "xaxis": x, "yaxis": y, "height": height + top, "paper_bgcolor": _CLEAR, "plot_bgcolor": _CLEAR,
        "font": {"color": colour("ink"), "size": 12},
        "margin": {"l": 56, "r": 16, "t": top + (28 if is_legend else 0), "b": 48},
        "showlegend": is_legend, "legend": legend, "hovermode": "closest",
        "separators": ".\u202f",
        "hoverlabel": {
            "align": "left", "bgcolor": colour("panel"), "bordercolor": colour("rule"),
            "font": {"color": colour("ink"), "size": 12},
        },
    }  # fmt: skip
