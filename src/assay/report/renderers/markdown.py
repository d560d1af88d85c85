"""Reports as GitHub Flavored Markdown: for issues, pull requests and wikis.

Every name and reason is escaped, so that it is shown as it is. Figures are their words and numbers.
May import: core, report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay.core.units import MISSING
from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.cleaning import clean_line, isolate, shorten
from assay.report.display import better_words, count_provenance, format_number, made_words
from assay.report.figure_data import figure_table
from assay.report.flat_table import FlatCell, FlatTable, flatten_cell, flatten_table
from assay.report.markdown_text import code_cell, escape_line
from assay.report.marks import facts_footnotes, marks_of, table_facts
from assay.report.parts import narrow_report
from assay.report.values import Block, Facts, Figure, Report, Table, Text, Tone

_MOST_LETTERS = 300
"""Characters of a name or a reason in a table."""
_MOST_WORDS = 2_000
"""Characters of a paragraph."""
_MOST_POINTS = 100
"""Rows of the numbers under a figure; CSV and JSON have all."""
_FOLDED_FROM = 7
"""Notes from which on they are folded."""
_TONES = {Tone.GOOD: "", Tone.WARNING: "**Warning:** ", Tone.BAD: "**Problem:** "}


def escape(text: str, limit: int = _MOST_LETTERS) -> str:
    """Return a text that is shown as it is, on one line, at most ``limit`` characters before escaping."""
    flat = shorten(clean_line(text), limit)
    return isolate(escape_line(flat)) if flat else ""


def code(text: str, limit: int = _MOST_LETTERS) -> str:
    """Return a text as code inside a table cell."""
    flat = shorten(clean_line(text), limit)
    return code_cell(flat) if flat else ""


def render_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    parts = [*_head(report)]
    for section in report.sections:
        parts.append(f"## {escape(section.title)}")
        for block in section.blocks:
            parts += _block(block, section.title)
    if report.how_to_read:
        parts.append("## How to read this")
        items = (f"- **{escape(name)}**: {escape(meaning, _MOST_WORDS)}" for name, meaning in report.how_to_read)
        parts.append("\n".join(items))
    if report.sources:
        parts.append("## Sources")
        parts.append("\n".join(_source(source.name, source.detail) for source in report.sources))
    return "\n\n".join(part for part in parts if part) + "\n"


def _source(name: str, detail: str) -> str:
    return f"- {escape(name)}" + (f": {escape(detail, _MOST_WORDS)}" if detail else "")


def _head(report: Report) -> Iterator[str]:
    yield f"# {escape(report.title)}"
    yield f"{escape(made_words(report))}; {count_provenance(report.provenance())}"
    yield "\n".join(f"- **{escape(name)}**: {escape(asked, _MOST_WORDS)}" for name, asked in report.scope)
    for text in report.summary:
        yield from _text(text)
    yield "\n".join(f"- {escape(mark.sign)} **{mark.word}**: {mark.meaning}" for mark in marks_of(report))


def _block(block: Block, heading: str) -> Iterator[str]:
    if isinstance(block, Text):
        yield from _text(block)
        return
    if block.title and block.title != heading:
        yield f"### {escape(block.title)}"
    if isinstance(block, Facts):
        yield from _facts(block)
    elif isinstance(block, Table):
        yield from _table(block)
    else:
        yield from _figure(block)


def _text(block: Text) -> Iterator[str]:
    sign = _TONES.get(block.tone)
    for number, paragraph in enumerate(block.paragraphs):
        said = escape(paragraph, _MOST_WORDS)
        yield said if sign is None else f"> {'' if number else sign}{said}"


def _facts(block: Facts) -> Iterator[str]:
    notes = facts_footnotes(block)
    rows = [f"| {escape(name)} | {_shown(flatten_cell(cell, None, notes))} |" for name, cell in block.items]
    yield "\n".join(["| | |", "| :-- | :-- |", *rows])
    yield _notes(notes.texts)


def _table(block: Table) -> Iterator[str]:
    yield escape(block.caption, _MOST_WORDS)
    if block.rows:
        flat = flatten_table(block)
        yield table_facts(block).text
        yield "\n".join(_grid(flat))
    else:
        yield escape(block.when_empty, _MOST_WORDS)
    if block.rows_left_out:
        yield f"{format_number(block.rows_left_out)} more rows are not shown."
    yield escape(better_words(block), _MOST_WORDS) if block.rows else ""
    for note in block.notes:
        yield escape(note, _MOST_WORDS)
    yield _notes(flatten_table(block).notes if block.rows else ())


def _figure(block: Figure) -> Iterator[str]:
    yield escape(block.caption, _MOST_WORDS)
    if block.empty is not None:
        yield escape(block.empty, _MOST_WORDS)
        return
    yield escape(block.alt, _MOST_WORDS)
    for note in block.notes:
        yield escape(note, _MOST_WORDS)
    flat = flatten_table(figure_table(block))
    if not flat.rows:
        return
    left_out = len(flat.rows) - _MOST_POINTS
    lines = list(_grid(FlatTable(flat.columns, flat.rows[:_MOST_POINTS], (), "")))
    more = f"\n\n{format_number(left_out)} more points are not listed; the CSV file has all." if left_out > 0 else ""
    body = "\n".join(lines) + more + "".join(f"\n\n{part}" for part in (_notes(flat.notes),) if part)
    yield f"<details><summary>The numbers of this figure</summary>\n\n{body}\n\n</details>"


def _grid(table: FlatTable) -> Iterator[str]:
    yield f"| {' | '.join(escape(column.title) for column in table.columns)} |"
    yield f"| {' | '.join('--:' if column.is_number else ':--' for column in table.columns)} |"
    for row in table.rows:
        yield f"| {' | '.join(_shown(cell) for cell in row)} |"


def _shown(cell: FlatCell) -> str:
    text = MISSING if cell.text == MISSING else code(cell.text) if cell.is_code else escape(cell.text)
    note = "" if cell.note is None else f"<sup>{cell.note}</sup>"
    return " ".join(part for part in (text, escape(cell.tail), note) if part)


def _notes(notes: Sequence[str]) -> str:
    lines = "\n".join(f"{number}. {escape(note)}" for number, note in enumerate(notes, start=1))
    if len(notes) < _FOLDED_FROM:
        return lines
    return f"<details><summary>{len(notes)} notes on single values</summary>\n\n{lines}\n\n</details>"


def _render_file(report: Report, options: RenderOptions) -> bytes:
    return render_markdown(narrow_report(report, options)).encode()


renderers.add(
    "markdown",
    Renderer(
        "markdown", (".md", ".markdown"), "text/markdown; charset=utf-8",
        "Markdown for issues, pull requests and wikis.", _render_file,
    ),
)  # fmt: skip
