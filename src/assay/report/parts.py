"""One table or figure out of a report, where that is all that is wanted.

May import: core, report.values, report.base.
"""

from __future__ import annotations

from dataclasses import replace

from assay.core.errors import UnknownNameError
from assay.report.base import RenderOptions
from assay.report.values import Block, Figure, Report, Table


def find_table(report: Report, key: str) -> Table:
    """Return the table of a key. Raises UnknownNameError, which names those that there are."""
    for table in report.tables():
        if table.key == key:
            return table
    raise UnknownNameError(f"table of this {report.kind} report", key, [table.key for table in report.tables()])


def find_figure(report: Report, key: str) -> Figure:
    """Return the figure of a key. Raises UnknownNameError, which names those that there are."""
    for figure in report.figures():
        if figure.key == key:
            return figure
    raise UnknownNameError(f"figure of this {report.kind} report", key, [figure.key for figure in report.figures()])


def narrow_report(report: Report, options: RenderOptions) -> Report:
    """Return the report with nothing but the table and the figure that the options name; all where they name none."""
    wanted: list[Block] = []
    if options.table is not None:
        wanted.append(find_table(report, options.table))
    if options.figure is not None:
        wanted.append(find_figure(report, options.figure))
    if not wanted:
        return report
    kept = (
        replace(section, blocks=tuple(block for block in section.blocks if any(block is one for one in wanted)))
        for section in report.sections
    )
    return replace(report, sections=tuple(section for section in kept if section.blocks))
