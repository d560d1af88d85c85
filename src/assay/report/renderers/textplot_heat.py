"""A heat map as text: the numbers themselves in a table, with a sign for where each is from.

May import: core, report.values, report.display, report.palette, report.text_width, heat, textplot_words.
"""

from __future__ import annotations

from assay.core.units import MISSING
from assay.core.words import Provenance
from assay.report.cleaning import clean_line
from assay.report.display import direction_words, format_number
from assay.report.palette import LOOKS, UNUSED_LETTER
from assay.report.renderers.heat import cell_words, number_in, words_unit
from assay.report.renderers.textplot_words import cut
from assay.report.text_width import pad, text_width, wrap
from assay.report.values import Cell, Figure, Heat

_MOST_ROWS = 40
_WIDEST_HEAD = 12
_SIGNED = (Provenance.IMPORTED, Provenance.PREDICTED)


def heat_lines(figure: Figure, heat: Heat, width: int) -> list[str]:
    """Return the lines of a heat map. What does not fit is cut off, and a line says how much that is."""
    texts = [
        [_text(cell, word) for cell, word in zip(*pair, strict=True)]
        for pair in zip(heat.cells, cell_words(heat), strict=True)
    ]
    names = [cut(name, max(8, width // 4)) for name in figure.y.categories[:_MOST_ROWS]]
    heads = [clean_line(name) for name in figure.x.categories]
    margin = max(map(text_width, names), default=0)
    widest = max((text_width(text) for row in texts[:_MOST_ROWS] for text in row), default=1)
    wide = max(widest, min(_WIDEST_HEAD, max(map(text_width, heads), default=0)))
    columns = min(len(heads), max(1, (width - margin) // (wide + 2)))
    title = ", ".join(part for part in (clean_line(heat.title), words_unit(heat)) if part)
    better = direction_words(heat.direction)
    lines = [cut(f"{title}  {better}" if better else title, width)]
    lines.append(" " * margin + "".join("  " + pad(cut(head, wide), wide, right=True) for head in heads[:columns]))
    for name, row in zip(names, texts, strict=False):
        lines.append(pad(name, margin) + "".join("  " + pad(text, wide, right=True) for text in row[:columns]))
    rest = [
        f"{format_number(len(heads) - columns)} more columns" if len(heads) > columns else "",
        f"{format_number(len(heat.cells) - len(names))} more rows" if len(heat.cells) > len(names) else "",
    ]
    if said := " and ".join(part for part in rest if part):
        lines += wrap(f"{said} are not drawn.", width)
    return [*lines, *_legend(heat, width)]


def _text(cell: Cell, word: str) -> str:
    if number_in(cell) is None:
        return MISSING
    return f"{word} {_sign(cell)}".rstrip()


def _sign(cell: Cell) -> str:
    if not cell.is_usable:
        return UNUSED_LETTER
    return LOOKS[cell.provenance].letter if cell.provenance in _SIGNED else ""


def _legend(heat: Heat, width: int) -> list[str]:
    cells = [cell for row in heat.cells for cell in row]
    signs = {_sign(cell) for cell in cells if number_in(cell) is not None}
    meanings = {LOOKS[word].letter: word.value for word in _SIGNED} | {UNUSED_LETTER: "not used in rankings"}
    said = [f"{sign} {meaning}" for sign, meaning in meanings.items() if sign in signs]
    if any(number_in(cell) is None for cell in cells):
        said.append(f"{MISSING} not known")
    return wrap("   ".join(said), width) if said else []
