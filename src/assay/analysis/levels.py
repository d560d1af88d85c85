"""What people's words do to a check: the level that a series has been accepted at, and what nobody is to be told.

``accept`` says "this level is the new normal, from here"; ``split`` says "here something else begins"; ``mute`` keeps a
finding in the report and out of the exit code. May import: core, store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from assay.analysis.environments import TABLES_READ
from assay.core.records import AnnotationRecord
from assay.store.query import fetch_rows
from assay.store.rows import aware, utc

if TYPE_CHECKING:
    from assay.store import Store

ACCEPT, SPLIT, MUTE = "accept", "split", "mute"


@dataclass(frozen=True, slots=True)
class Level:
    """Where the history of one series begins anew: at the result measured at ``since``, that one included.

    ``said_at`` is when the newest such word was said: what checks found before it no longer counts. ``text`` is who
    said what, for people.
    """

    since: datetime
    said_at: datetime
    text: str


def read_levels(
    store: Store, annotations: Sequence[AnnotationRecord], metric: str, until: Mapping[str, datetime]
) -> dict[str, Level]:
    """Return the newest level of each series that has one, by series; later ones than ``until`` do not count.

    An accepted or split *result* begins the level, and so does each result of such a *run*. An accepted *series* begins
    with its newest result at that time, which is what the person saw; a split one with whatever is measured afterwards.
    ``until`` are the times of the judged results. Raises StoreError.
    """
    said = [one for one in annotations if one.kind in (ACCEPT, SPLIT) and one.metric in (None, metric)]
    begins = _read_begins(store, said, until) if said else []
    levels: dict[str, Level] = {}
    for series_id, since, one in begins:
        if series_id not in until or since > until[series_id]:
            continue
        known = levels.get(series_id)
        said_at = one.created_at if known is None else max(known.said_at, one.created_at)
        if known is None or since >= known.since:
            levels[series_id] = Level(since, said_at, describe_annotation(one))
        else:
            levels[series_id] = Level(known.since, said_at, known.text)
    return levels


def find_mute(
    annotations: Iterable[AnnotationRecord], metric: str, subjects: Iterable[str | None]
) -> AnnotationRecord | None:
    """Return the newest mute of this metric that is of one of these subjects (series, result, run)."""
    wanted = {subject for subject in subjects if subject is not None}
    found = [
        one for one in annotations if one.kind == MUTE and one.metric in (None, metric) and one.subject_id in wanted
    ]
    return max(found, key=lambda one: one.created_at, default=None)


def describe_annotation(annotation: AnnotationRecord) -> str:
    """Say who said what, and until when it holds: ``known, see issue 12 (ada, until 2026-12-01)``."""
    until = "" if annotation.expires_at is None else f", until {annotation.expires_at:%Y-%m-%d}"
    return f"{annotation.text} ({annotation.author}{until})"


def _read_begins(
    store: Store, said: Sequence[AnnotationRecord], series_ids: Iterable[str]
) -> list[tuple[str, datetime, AnnotationRecord]]:
    """Each series that an annotation is about, and when the level begins by it."""
    by_subject: dict[str, list[AnnotationRecord]] = {}
    for one in said:
        by_subject.setdefault(one.subject_id, []).append(one)
    accepted = [one for one in said if one.subject_kind == "series" and one.kind == ACCEPT]
    begins = [
        (one.subject_id, one.created_at, one) for one in said if one.subject_kind == "series" and one.kind == SPLIT
    ]
    rows = fetch_rows(
        store.location,
        """
        SELECT run_id AS subject_id, NULL AS place, series_id, min(measured_at) AS since FROM results
        WHERE run_id IN (SELECT unnest(?::VARCHAR[])) AND series_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY ALL
        UNION ALL
        SELECT result_id, NULL, series_id, measured_at FROM results WHERE result_id IN (SELECT unnest(?::VARCHAR[]))
        UNION ALL
        SELECT said.series_id, said.place, said.series_id, max(measured_at)
        FROM (
          SELECT unnest(?::VARCHAR[]) AS series_id, unnest(?::TIMESTAMP[]) AS at, unnest(?::BIGINT[]) AS place
        ) AS said
        JOIN results ON results.series_id = said.series_id AND results.measured_at <= said.at GROUP BY ALL
        """,
        [
            [one.subject_id for one in said if one.subject_kind == "run"],
            list(series_ids),
            [one.subject_id for one in said if one.subject_kind == "result"],
            [one.subject_id for one in accepted],
            [utc(one.created_at).replace(tzinfo=None) for one in accepted],
            list(range(len(accepted))),
        ],
        tables=TABLES_READ,
        versions=store.versions,
    )
    for row in rows:
        if row["since"] is None:
            continue
        chosen = by_subject[row["subject_id"]] if row["place"] is None else [accepted[row["place"]]]
        begins += [(row["series_id"], aware(row["since"]), one) for one in chosen]
    return begins
