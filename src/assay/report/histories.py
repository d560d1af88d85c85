"""Which histories a report looks at, and what was said of them last.

May import: core, analysis, store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assay.analysis.trend_points import SeriesPoints
from assay.core.records import FindingRecord
from assay.store.query import fetch_rows
from assay.store.schema import FINDINGS, RESULTS
from assay.store.selection import Selection

if TYPE_CHECKING:
    from assay.store import Store


def read_last_findings(store: Store, series_ids: Sequence[str] | None = None) -> list[FindingRecord]:
    """Return what the newest check found, of some series where given. Raises StoreError."""
    rows = fetch_rows(
        store.location,
        "SELECT check_id FROM findings ORDER BY created_at DESC, finding_id DESC LIMIT 1",
        tables=[FINDINGS],
        versions=store.versions,
    )
    found = store.findings(check_id=rows[0]["check_id"]) if rows else []
    wanted = None if series_ids is None else set(series_ids)
    return [one for one in found if wanted is None or one.series_id in wanted]


def longest_series(
    store: Store, selection: Selection, series: Sequence[SeriesPoints], most: int
) -> tuple[SeriesPoints, ...]:
    """The series with most results, as many as are traced, in their own order."""
    if len(series) <= most:
        return tuple(series)
    where, parameters = selection.where()
    rows = fetch_rows(
        store.location,
        f"SELECT series_id FROM results WHERE {where} GROUP BY series_id "  # noqa: S608  (a condition of ours)
        "ORDER BY count(*) DESC, max(measured_at) DESC NULLS LAST, series_id LIMIT ?",
        [*parameters, most],
        tables=[RESULTS],
        versions=store.versions,
    )
    wanted = {row["series_id"] for row in rows}
    return tuple(one for one in series if one.series_id in wanted)
