"""The templates of the pages: those of this package above those of the reports, whose macros draw every number.

Autoescaping is the reports' own: nothing is marked safe but what the project draws. May import: report, web.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.report.values import Figure, Table
from assay.web.navigation import NAVIGATION
from assay.web.settings import ServeSettings
from assay.web.static_files import static_url

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).with_name("templates")
_MOST_POINTS = 60
"""Numbers that stand under a figure of a page."""
_OWN_IDS = frozenset({"main", "results", "page-head", "status", "choose", "top-q"})
_NOT_IN_SCRIPTS = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


@cache
def environment() -> Environment:
    """Return the environment with the reports' filters and macros and the pages' own beside them."""
    from jinja2 import FileSystemLoader

    from assay.report.marks import marks_of
    from assay.report.renderers.html import block_environment

    made = block_environment(FileSystemLoader(FOLDER))
    made.filters |= {"script_json": script_json, "marks": marks_of, "anchor": own_anchor, "figure_rows": _figure_rows}
    made.globals |= {"navigation_groups": NAVIGATION}
    return made


def render(template: str, *, settings: ServeSettings, **values: Any) -> str:
    """Fill a template."""
    made = environment().get_template(template)
    return made.render(settings=settings, static=lambda name: static_url(name, settings), **values)


def _figure_rows(figure: Figure) -> Table:
    """The first numbers of a figure: its CSV, to which a link stands beside it, has all."""
    from assay.report.figure_data import figure_table

    table = figure_table(figure)
    return replace(table, rows=table.rows[:_MOST_POINTS], rows_left_out=max(0, len(table.rows) - _MOST_POINTS))


def own_anchor(key: str) -> str:
    """Return a key of a report as an id of the page, apart from those of the page's own parts."""
    from assay.report.renderers.html import anchor

    found = anchor(key)
    return f"{found}-block" if found in _OWN_IDS else found


def script_json(content: Any) -> Any:
    """Return JSON that may stand inside a ``script`` element: nothing in it can end the element or begin a comment."""
    from markupsafe import Markup

    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.translate(_NOT_IN_SCRIPTS))  # noqa: S704  (made here, of what cannot be markup)
