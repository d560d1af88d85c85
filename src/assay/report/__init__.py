"""Reports: one object of tables and figures as data, built by kinds and drawn by renderers."""

from assay.report.base import RenderOptions, ReportKind, ReportRequest, renderers, report_kinds
from assay.report.values import Cell, Column, Facts, Figure, Report, Section, Table, Text

__all__ = [
    "Cell",
    "Column",
    "Facts",
    "Figure",
    "RenderOptions",
    "Report",
    "ReportKind",
    "ReportRequest",
    "Section",
    "Table",
    "Text",
    "renderers",
    "report_kinds",
]
