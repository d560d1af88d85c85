"""How tests read a report: its tables, columns, figures and words."""

from __future__ import annotations

from assay.report.values import Cell, Figure, Report, Table, Text


def table(report: Report, key: str) -> Table:
    """The one table of this key."""
    (found,) = [one for one in report.tables() if one.key == key]
    return found


def figure(report: Report, key: str) -> Figure:
    """The one figure of this key."""
    (found,) = [one for one in report.figures() if one.key == key]
    return found


def column(found: Table, key: str) -> list[Cell]:
    """The cells of a column, in order."""
    place = [one.key for one in found.columns].index(key)
    return [row[place] for row in found.rows]


def words(report: Report) -> str:
    """The summary and every text, a line a paragraph."""
    texts = [*report.summary, *(block for block in report.blocks() if isinstance(block, Text))]
    return "\n".join(line for text in texts for line in text.paragraphs)
