"""What is to be known of a run itself, and of what a report was narrowed to.

May import: core, report.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from assay.core.records import ImportRecord, RunRecord
from assay.core.units import format_elapsed
from assay.core.words import RunStatus
from assay.report.cells import run_ref, short_id
from assay.report.values import Cell, Facts, Ref, RefKind


def run_facts(
    run: RunRecord, *, imported: ImportRecord | None = None, key: str = "run", title: str = "The run"
) -> Facts:
    """What a run was: when, of which code, how it ended, and where its file is from if it was imported."""
    items = [
        ("run", Cell(run.run_id, ref=run_ref(run))),
        ("suite", Cell(run.suite)),
        ("ended", Cell(run.status.value, is_usable=run.status is not RunStatus.FAILED)),
        ("provenance", Cell(run.provenance.value)),
        ("began", Cell(run.started_at)),
        ("took", Cell(format_elapsed((run.finished_at - run.started_at).total_seconds()))),
        ("cases planned", Cell(run.cases_planned, unit="count")),
    ]
    if run.git_commit is not None:
        changed = " with uncommitted changes" if run.git_dirty else ""
        items.append(("commit", Cell(f"{run.git_commit}{changed}")))
        items += [("branch", Cell(run.git_branch))] if run.git_branch else []
    items += [("tags", Cell(", ".join(run.tags)))] if run.tags else []
    items += [("note", Cell(run.note))] if run.note else []
    if run.parent_id is not None:
        items.append(("resumes", Cell(short_id(run.parent_id), ref=run_ref(run.parent_id))))
    if imported is not None:
        items += [
            ("file", Cell(imported.source, ref=Ref(RefKind.IMPORT, imported.import_id))),
            ("read as", Cell(imported.format)),
            ("imported", Cell(imported.imported_at)),
            ("size", Cell(imported.size_bytes, unit="B")),
            ("SHA-256", Cell(imported.sha256)),
            ("rows", Cell(f"{imported.rows_taken} of {imported.rows_seen} taken, {imported.rows_refused} refused")),
        ]
        items += [("note of the importer", Cell(note)) for note in imported.notes]
    items.append(("assay", Cell(f"{run.assay_version}, source {run.source_hash}")))
    return Facts(key, title, tuple(items))


def where_scope(where: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What results were narrowed to, in words, a pair a field."""
    return tuple((name, _say(value)) for name, value in where.items() if value is not None)


def _say(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M %Z}".strip()
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(str(one) for one in value)
    return str(value)
