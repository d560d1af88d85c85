"""Cells and rows of tables as HTML, in plain Python: a page has thousands of cells, and templates are slow at that.

Every text goes through ``escape``; tags, classes and signs are constants of the project. May import: report.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from assay.report.cell_view import SHORT, WHOLE, CellView, TableView
from assay.report.cleaning import clean_text, shorten
from assay.report.display import format_number
from assay.report.marks import MARKS, PREDICTED
from assay.report.values import Ref

_SIGNS = {
    mark: f'<span class="r-mark r-mark-{mark.key}" role="img" aria-label="{mark.word}" title="{mark.word}">'
    f"{mark.sign}</span>"
    for mark in MARKS
}
Link = Callable[[Ref], str | None]


def rows_markup(view: TableView, link: Link | None = None) -> str:
    """Return the rows of a table; the first cell of each heads it where the table has such names."""
    lines = []
    for row in view.rows:
        cells = [
            cell_markup(cell, link, is_heading=view.has_row_headings and not place) for place, cell in enumerate(row)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    return "".join(lines)


def cell_markup(view: CellView, link: Link | None = None, *, is_heading: bool = False) -> str:
    """Return one cell of a table."""
    opening, closing = ('th scope="row"', "th") if is_heading else ("td", "td")
    attributes = "".join(
        f' {name}="{escape(text)}"'
        for name, text in (("class", view.classes), ("title", view.title), ("data-v", view.sort))
        if text
    )
    return f"<{opening}{attributes}>{value_markup(view, link)}</{closing}>"


def value_markup(view: CellView, link: Link | None = None) -> str:
    """Return what stands in a cell: the text, its signs with their words, its note, its verdict and its interval.

    ``link`` gives the address of what a value leads to, None where that has no page.
    """
    tail = _tail(view)
    behind = f' <span class="r-change">{escape(view.change)}</span>' if view.change else ""
    return _text(view, link, tail) + behind + _bounds(view)


def whole_text(text: str) -> str:
    """Return the whole of a long text, or as much as a page holds and how much is missing."""
    cleaned = clean_text(text)
    if len(cleaned) <= WHOLE:
        return cleaned
    return f"{cleaned[:WHOLE]}… ({format_number(len(cleaned) - WHOLE)} more characters are in the JSON file)"


def _text(view: CellView, link: Link | None, tail: str) -> str:
    if view.is_missing:
        return f'<span role="img" aria-label="not known">–</span>{tail}'
    href = link(view.ref) if link is not None and view.ref is not None else None
    if view.whole is not None:
        shown = escape(shorten(view.text, SHORT))
        whole = _linked(escape(whole_text(view.whole)), href)
        return f'<details class="r-long"><summary><bdi>{shown}</bdi></summary><bdi>{whole}</bdi></details>{tail}'
    text = escape(view.text)
    if view.is_text and not (view.is_change or view.is_code):
        # What stands behind a name is inside with it, so that no line ends between them.
        return f"<bdi>{_linked(text, href)}{tail}</bdi>" if text else ""
    if view.is_change:
        text = f'<span class="r-change">{text}</span>'
    elif view.is_code:
        text = f"<code>{text}</code>"
    elif view.iso is not None:
        text = f'<time datetime="{view.iso}">{text}</time>'
    elif PREDICTED in view.marks:
        text = f'<span class="r-value">{text}</span>'
    return _linked(text, href) + tail


def _linked(markup: str, href: str | None) -> str:
    return markup if href is None else f'<a href="{escape(href)}">{markup}</a>'


def _tail(view: CellView) -> str:
    if not view.marks and view.note is None:
        return ""
    signs = "".join(_SIGNS[mark] for mark in view.marks)
    note = "" if view.note is None else f'<sup><span class="r-sr"> note </span>{view.note}</sup>'
    return f'<span class="r-tail">{signs}{note}</span>'


def _bounds(view: CellView) -> str:
    if view.interval is None and view.n is None:
        return ""
    interval = "" if view.interval is None else f'<span class="r-sr">, interval </span>{escape(view.interval)}'
    n = "" if view.n is None else f"n {view.n}"
    return f"<small>{' · '.join(part for part in (interval, n) if part)}</small>"
