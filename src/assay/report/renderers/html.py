"""Reports as one HTML file: opened from a disk, without a network or a script, and the same numbers as everywhere.

``block_environment`` is what the web pages draw their blocks with. Nothing in the file asks for anything outside it: a
Content-Security-Policy in its head forbids that, and names its two style and script parts by their hashes.
May import: core, report; jinja2 inside functions.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.core.words import Direction
from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.cell_markup import cell_markup, rows_markup, value_markup, whole_text
from assay.report.cell_view import CellView, view_cell, view_table
from assay.report.cleaning import clean_line, shorten
from assay.report.display import count_provenance, direction_words, format_number, format_time
from assay.report.figure_data import figure_table
from assay.report.marks import facts_footnotes, marks_of
from assay.report.palette import COLOURS, css_variables
from assay.report.parts import narrow_report
from assay.report.values import Facts, Figure, Report, Table, Text

if TYPE_CHECKING:
    import jinja2

MOST_BYTES = 2_000_000
"""What a file may have: mail takes it, a phone opens it."""
MOST_POINTS = 150
"""Rows of the numbers under one figure."""
_FEWEST_ROWS = 20
"""Rows of each table that are kept however large the file."""
_CUTS = 6
INSTALL_HINT = "pip install 'assay[report]'"


def block_environment(*loaders: jinja2.BaseLoader) -> jinja2.Environment:
    """Return the environment that knows ``blocks.html``, its filters and tests; it escapes everything.

    Templates of ``loaders`` are found first. Raises AssayError where jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise AssayError("HTML needs the package jinja2, which is not installed.", hint=INSTALL_HINT) from error
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*loaders, jinja2.FunctionLoader(_find_template)]),
        autoescape=jinja2.select_autoescape(default=True, default_for_string=True, disabled_extensions=()),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "anchor": anchor,
        "better": _better,
        "cell_markup": _safe(cell_markup),
        "clean": clean_line,
        "facts_view": _view_facts,
        "figure_rows": _figure_rows,
        "iso": _iso,
        "number": format_number,
        "rows_markup": _safe(rows_markup),
        "short": _short,
        "table_view": view_table,
        "time": format_time,
        "value_markup": _safe(value_markup),
        "whole": whole_text,
    }
    environment.tests |= {
        "facts_block": lambda value: isinstance(value, Facts),
        "figure_block": lambda value: isinstance(value, Figure),
        "table_block": lambda value: isinstance(value, Table),
        "text_block": lambda value: isinstance(value, Text),
    }
    return environment


def _safe(write: Callable[..., str]) -> Callable[..., str]:
    """Of a function that escapes what it is given: templates take its text as it is."""
    from markupsafe import Markup

    return lambda *arguments, **named: Markup(write(*arguments, **named))  # noqa: S704  (escaped in cell_markup)


@cache
def _own_environment() -> jinja2.Environment:
    return block_environment()


@cache
def report_css() -> str:
    """Return the style sheet of reports and blocks: the palette's variables, then ``report.css``; print is light."""
    light = "".join(f"--{role}:{colour.light};" for role, colour in COLOURS.items())
    printed = f"@media print{{:root:root:root{{color-scheme:light;{light}}}}}\n"
    return css_variables() + printed + _read_template("report.css")


@cache
def report_js() -> str:
    """Return the script of reports: sorting, filtering, theme."""
    return _read_template("report.js")


def anchor(key: str) -> str:
    """Return a key as an address inside a page: letters, digits, dots and hyphens."""
    return re.sub(r"[^\w.-]+", "-", key, flags=re.ASCII).strip("-") or "part"


def render_html(
    report: Report, *, draw: Callable[[Figure], str | None] | None = None, most_bytes: int = MOST_BYTES
) -> str:
    """Return a report as one HTML file of at most ``most_bytes`` bytes.

    ``draw`` makes inline SVG of a figure (None: the project's own drawing, where it can be had). Where the file would
    be larger, the longest tables are cut and the file says so. Raises AssayError where jinja2 is not installed.
    """
    environment = _own_environment()
    draw = draw or find_drawing()
    pictures = {figure.key: _draw(draw, figure) for figure in report.figures() if figure.empty is None}
    rows = max((len(table.rows) for table in report.tables()), default=0)
    text = _render(environment, report, pictures)
    shown = rows
    for _ in range(_CUTS):
        size = len(text.encode())
        if size <= most_bytes or shown <= _FEWEST_ROWS:
            break
        fixed = sum(len(picture.encode()) for picture in pictures.values() if picture)
        share = max(0.05, (most_bytes - fixed) / max(1, size - fixed))
        shown = max(_FEWEST_ROWS, int(0.9 * share * shown))
        text = _render(environment, cut_tables(report, shown), pictures, cut=_cut_note(shown, most_bytes))
    return text


def cut_tables(report: Report, rows: int) -> Report:
    """Return a report whose tables have at most so many rows; what is left out is counted."""

    def cut(block: Text | Facts | Table | Figure) -> Text | Facts | Table | Figure:
        if not isinstance(block, Table) or len(block.rows) <= rows:
            return block
        return replace(block, rows=block.rows[:rows], rows_left_out=block.rows_left_out + len(block.rows) - rows)

    sections = tuple(replace(one, blocks=tuple(cut(block) for block in one.blocks)) for one in report.sections)
    return replace(report, sections=sections)


def find_drawing() -> Callable[[Figure], str | None]:
    """Return what makes inline SVG of a figure; where nothing can, what returns None for every figure."""
    try:
        from assay.report.renderers.picture import draw_figure_svg
    except ImportError:
        return lambda _figure: None
    return lambda figure: draw_figure_svg(figure, themed=True)


def _draw(draw: Callable[[Figure], str | None], figure: Figure) -> str | None:
    try:
        return draw(figure)
    except AssayError:  # no matplotlib: the numbers of the figure stand in the page
        return None


def _render(
    environment: jinja2.Environment, report: Report, pictures: Mapping[str, str | None], *, cut: str | None = None
) -> str:
    css, js = report_css(), report_js()
    contents = _contents(report)
    return environment.get_template("report.html").render(
        report=report,
        css=css,
        js=js,
        policy=_policy(css, js, [picture for picture in pictures.values() if picture]),
        counts=count_provenance(report.provenance()),
        marks=marks_of(report),
        contents=contents,
        svg=lambda figure: pictures.get(figure.key),
        cut=cut,
    )


def _policy(css: str, js: str, pictures: list[str]) -> str:
    """Forbid everything but this file's own style and script, and the pictures' style attributes."""
    inside = (style for picture in pictures for style in re.findall(r"<style[^>]*>(.*?)</style>", picture, re.DOTALL))
    hashes = " ".join(dict.fromkeys(_hash(style) for style in (css, *inside)))
    return (
        f"default-src 'none'; style-src-elem {hashes}; style-src-attr 'unsafe-inline'; script-src {_hash(js)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _contents(report: Report) -> list[tuple[str, str]]:
    found = [(f"part-{anchor(section.key)}", section.title) for section in report.sections]
    if report.how_to_read:
        found.append(("how-to-read", "How to read this"))
    if report.sources:
        found.append(("sources", "Sources"))
    return found


def _cut_note(rows: int, most_bytes: int) -> str:
    return (
        f"This file would be larger than {most_bytes / 1e6:g} MB, so its tables end after {rows} rows. "
        "The same report as CSV, JSON or XLSX has every row."
    )


def _view_facts(facts: Facts) -> dict[str, Any]:
    notes = facts_footnotes(facts)
    entries: list[tuple[str, CellView]] = [(name, view_cell(cell, notes=notes)) for name, cell in facts.items]
    return {"entries": entries, "notes": notes.texts}


def _figure_rows(figure: Figure) -> Table:
    table = figure_table(figure)
    left_out = max(0, len(table.rows) - MOST_POINTS)
    return replace(table, rows=table.rows[:MOST_POINTS], rows_left_out=left_out)


def _better(direction: Direction | None) -> str | None:
    return direction_words(direction)


def _short(text: str, limit: int = 96) -> str:
    return shorten(clean_line(text), limit)


def _iso(moment: datetime) -> str:
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()


def _find_template(name: str) -> str | None:
    return _read_template(name) if name in {"blocks.html", "report.html"} else None


def _read_template(name: str) -> str:
    return files("assay.report").joinpath("templates", name).read_text(encoding="utf-8")


def _render_file(report: Report, options: RenderOptions) -> bytes:
    return render_html(narrow_report(report, options)).encode()


renderers.add(
    "html",
    Renderer(
        "html", (".html", ".htm"), "text/html; charset=utf-8",
        "One file for any browser: no network, no script needed, prints well.", _render_file,
    ),
)  # fmt: skip
