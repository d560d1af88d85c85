"""Reports as plain text for a terminal, a log or a mail: aligned, no wider than asked for, no colour.

May import: core, report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.cleaning import clean_line, isolate
from assay.report.display import better_words, count_provenance, format_number, made_words
from assay.report.flat_table import FlatCell, FlatTable, flatten_cell, flatten_table
from assay.report.marks import facts_footnotes, marks_of, table_facts
from assay.report.parts import narrow_report
from assay.report.text_width import clip, pad, text_width, wrap
from assay.report.values import Block, Facts, Figure, Report, Table, Text, Tone

_GAP = "  "
_NARROWEST, _NARROWEST_FIRST = 12, 28
"""Columns of a terminal that names keep, and those that say what a row is."""
_WIDEST = 48
"""Columns that a text takes at most, however wide the terminal."""
_SMALLEST_WIDTH = 40
_MOST_LETTERS = 2_000
"""Of one paragraph; a file of text is to be read."""
_MOST_OF_VALUE = 400
"""Of one named value or one note."""
_TONES = {Tone.WARNING: "! ", Tone.BAD: "!! "}


def render_text(report: Report, width: int = 120, *, draw: Callable[[Figure, int], str] | None = None) -> str:
    """Return a report as text of at most ``width`` columns (at least 40).

    ``draw`` makes text of a figure (None: the project's own drawing); what it leaves empty is told by its words alone.
    """
    width, draw = max(_SMALLEST_WIDTH, width), draw or _find_drawing()
    lines = [*_head(report, width)]
    for section in report.sections:
        lines += ["", *_heading(section.title, "=", width)]
        for block in section.blocks:
            lines += ["", *_block(block, width, section.title, draw)]
    lines += _tail(report, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(report: Report, width: int) -> Iterator[str]:
    yield from wrap(_words(report.title), width)
    yield from wrap(f"{made_words(report)}; {count_provenance(report.provenance())}", width)
    for name, asked in report.scope:
        yield from wrap(f"{_words(name)}: {_words(asked)}", width, "    ", first="  ")
    for text in report.summary:
        yield ""
        yield from _text(text, width)
    marks = marks_of(report)
    if marks:
        yield ""
        for mark in marks:
            yield from wrap(f"{mark.sign}  {mark.word}: {mark.meaning}", width, "   ", first="")


def _tail(report: Report, width: int) -> Iterator[str]:
    if report.how_to_read:
        yield from ("", *_heading("How to read this", "=", width), "")
        for name, meaning in report.how_to_read:
            yield from wrap(f"{_words(name)}: {_words(meaning)}", width, "    ", first="")
    if report.sources:
        yield from ("", *_heading("Sources", "=", width), "")
        for source in report.sources:
            said = f"{_words(source.name)}: {_words(source.detail)}" if source.detail else _words(source.name)
            yield from wrap(said, width, "  ", first="- ")


def _block(block: Block, width: int, heading: str, draw: Callable[[Figure, int], str]) -> Iterator[str]:
    if isinstance(block, Text):
        yield from _text(block, width)
        return
    if block.title and block.title != heading:
        yield from _heading(block.title, "-", width)
    if isinstance(block, Facts):
        yield from _facts(block, width)
    elif isinstance(block, Table):
        yield from _table(block, width)
    else:
        yield from _figure(block, width, draw)


def _text(block: Text, width: int) -> Iterator[str]:
    sign = _TONES.get(block.tone, "")
    for number, paragraph in enumerate(block.paragraphs):
        if number:
            yield ""
        yield from wrap(_words(paragraph), width, " " * len(sign), first=sign)


def _facts(block: Facts, width: int) -> Iterator[str]:
    notes = facts_footnotes(block)
    names = [_words(name, width // 2) for name, _ in block.items]
    column = max((text_width(name) for name in names), default=0)
    for name, (_, cell) in zip(names, block.items, strict=True):
        flat = flatten_cell(cell, None, notes)
        shown = isolate(clip(flat.text, _MOST_OF_VALUE)) + _tail_text(flat)
        yield from wrap(shown, width, " " * (column + 2), first=f"{pad(name, column)}  ")
    yield from _notes(notes.texts, width)


def _table(block: Table, width: int) -> Iterator[str]:
    if block.caption:
        yield from wrap(_words(block.caption), width)
    if not block.rows:
        yield from wrap(_words(block.when_empty), width)
    else:
        counts = table_facts(block).text
        if counts:
            yield from wrap(counts, width)
        if counts or block.caption:
            yield ""
        yield from draw_grid(flatten_table(block), width)
    if block.rows_left_out:
        yield f"{format_number(block.rows_left_out)} more rows are not shown."
    if block.rows and (better := better_words(block)):
        yield from wrap(better, width)
    for note in block.notes:
        yield from wrap(_words(note), width)
    if block.rows:
        yield from _notes(flatten_table(block).notes, width)


def _figure(block: Figure, width: int, draw: Callable[[Figure, int], str]) -> Iterator[str]:
    if block.caption:
        yield from wrap(_words(block.caption), width)
    if block.empty is not None:
        yield from wrap(_words(block.empty), width)
        return
    if drawn := draw(block, width):
        yield from drawn.rstrip("\n").split("\n")
    if block.alt:
        yield from wrap(_words(block.alt), width)
    for note in block.notes:
        yield from wrap(_words(note), width)


def draw_grid(table: FlatTable, width: int) -> Iterator[str]:
    """Yield the lines of a table no wider than ``width``: long names are cut, what does not fit follows below.

    Where the columns do not fit side by side the rest of them follow as further tables, each beginning with the first.
    Numbers stand under each other whatever signs are behind them.
    """
    widest = min(_WIDEST, (width - len(_GAP)) // 2)
    columns = [_Column.of(table, index, widest) for index in range(len(table.columns))]
    _narrow(columns, width)
    for number, group in enumerate(_group(columns, width)):
        if number:
            yield ""
        yield _GAP.join(pad(clip(one.head, one.width), one.width, right=one.is_number) for one in group)
        yield _GAP.join("─" * one.width for one in group)
        for row in range(len(table.rows)):
            yield _GAP.join(one.cell(row) for one in group)


@dataclass(slots=True)
class _Column:
    """One column as it is drawn; ``width`` shrinks until all fit."""

    head: str
    texts: list[str]
    tails: list[str]
    is_number: bool
    width: int

    @classmethod
    def of(cls, table: FlatTable, index: int, widest: int) -> _Column:
        """Return a column as wide as its numbers need, or as its names would like, up to ``widest``."""
        column, cells = table.columns[index], [row[index] for row in table.rows]
        tails = [_tail_text(cell) for cell in cells]
        if column.is_number:
            room = max((text_width(tail) for tail in tails), default=0)
            tails = [pad(tail, room) for tail in tails]
        texts = [cell.text for cell in cells]
        head = _words(column.title)
        width = max((text_width(text + tail) for text, tail in zip(texts, tails, strict=True)), default=0)
        if not column.is_number:
            width = min(width, widest)
        return cls(head, texts, tails, column.is_number, max(width, min(text_width(head), widest)))

    def cell(self, row: int) -> str:
        """One cell as wide as its column: a long name is cut, what stands behind it is not."""
        tail = self.tails[row]
        shown = isolate(clip(self.texts[row], self.width - text_width(tail)))
        return pad(shown + tail, self.width, right=self.is_number)


def _narrow(columns: list[_Column], width: int) -> None:
    """Take from the widest names until all columns fit side by side, if that can be done at all.

    The first column says what a row is, so it gives last and least.
    """
    least = {id(one): _NARROWEST if number else _NARROWEST_FIRST for number, one in enumerate(columns)}
    names = [one for one in columns if not one.is_number and one.width > least[id(one)]]
    excess = sum(one.width for one in columns) + len(_GAP) * (len(columns) - 1) - width
    if excess > sum(one.width - least[id(one)] for one in names):
        return
    for _ in range(excess):
        ready = [one for one in names if one.width > least[id(one)]]
        others = [one for one in ready if one is not columns[0]]
        max(others or ready, key=lambda one: one.width).width -= 1


def _group(columns: list[_Column], width: int) -> list[list[_Column]]:
    """Columns that fit side by side; every group begins with the first column, which says what a row is."""
    first, groups, used = columns[0], [[columns[0]]], columns[0].width
    for column in columns[1:]:
        if used + len(_GAP) + column.width > width and len(groups[-1]) > 1:
            groups.append([first])
            used = first.width
        groups[-1].append(column)
        used += len(_GAP) + column.width
    return groups


def _tail_text(cell: FlatCell) -> str:
    note = "" if cell.note is None else f"[{cell.note}]"
    return "".join(f" {part}" for part in (cell.tail, note) if part)


def _notes(notes: tuple[str, ...], width: int) -> Iterator[str]:
    for number, note in enumerate(notes, start=1):
        label = f"[{number}] "
        yield from wrap(_words(note, _MOST_OF_VALUE), width, " " * len(label), first=label)


def _heading(title: str, rule: str, width: int) -> Iterator[str]:
    shown = _words(title, width)
    yield shown
    yield rule * max(3, text_width(shown))


def _words(text: str, width: int = _MOST_LETTERS) -> str:
    return isolate(clip(clean_line(text), width))


def _find_drawing() -> Callable[[Figure, int], str]:
    try:
        from assay.report.renderers.textplot import plot_figure
    except ImportError:
        return lambda _figure, _width: ""
    return plot_figure


def _render_file(report: Report, options: RenderOptions) -> bytes:
    return render_text(narrow_report(report, options), options.width).encode()


renderers.add(
    "text",
    Renderer(
        "text", (".txt",), "text/plain; charset=utf-8",
        "Aligned plain text for a terminal, a log or a mail.", _render_file,
    ),
)  # fmt: skip
