"""Reports as JSON: all that a report holds, in base units and unrounded, by a published schema.

The schema is ``docs/report-schema.json``. May import: core, report.
"""

from __future__ import annotations

import json

from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.json_content import report_schema, report_to_content
from assay.report.parts import narrow_report
from assay.report.values import Report

__all__ = ["render_json", "report_schema"]


def render_json(report: Report) -> str:
    """Return a report as one JSON document of the schema of ``report_schema``."""
    return json.dumps(report_to_content(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _render_file(report: Report, options: RenderOptions) -> bytes:
    return render_json(narrow_report(report, options)).encode()


renderers.add(
    "json",
    Renderer("json", (".json",), "application/json", "All of the report as data, by a published schema.", _render_file),
)
