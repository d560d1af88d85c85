"""What an import asks the store before and after it writes: whether a file, or a measurement, is there already.

SQL stands beside the function that runs it, parameters bound. May import: core and store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assay.store import schema
from assay.store.query import fetch_rows
from assay.store.tables import live_files

_FINGERPRINTS_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where an imported measurement stands: the file and the place in it."""

    source: str
    place: str


def known_imports(location: str) -> dict[str, str]:
    """Return every import by its id, with the name of its file."""
    if not live_files(location, schema.IMPORTS):
        return {}
    rows = fetch_rows(location, "SELECT import_id, source FROM imports", tables=[schema.IMPORTS])
    return {row["import_id"]: row["source"] for row in rows}


def known_fingerprints(location: str, wanted: Iterable[str]) -> dict[str, Whereabouts]:
    """Return those of some fingerprints that results in the store have, each with one place where it is."""
    if not live_files(location, schema.IMPORTS):
        return {}  # only imported results have fingerprints
    asked = sorted(set(wanted))
    found: dict[str, Whereabouts] = {}
    for start in range(0, len(asked), _FINGERPRINTS_AT_ONCE):
        rows = fetch_rows(
            location,
            """
            SELECT fingerprint, arg_min(source, result_id) AS source, arg_min(source_place, result_id) AS place
            FROM results WHERE fingerprint IN (SELECT unnest(?::VARCHAR[])) GROUP BY fingerprint
            """,
            [asked[start : start + _FINGERPRINTS_AT_ONCE]],
            tables=[schema.RESULTS],
        )
        found |= {row["fingerprint"]: Whereabouts(row["source"] or "", row["place"] or "") for row in rows}
    return found


def published_attempts(location: str, run_ids: Iterable[str]) -> dict[str, str]:
    """Return the ``write_id`` of the attempt that counts, for those of some runs that are visible."""
    rows = fetch_rows(
        location,
        "SELECT run_id, write_id FROM runs WHERE run_id IN (SELECT unnest(?::VARCHAR[]))",
        [list(run_ids)],
        tables=(),
    )
    return {row["run_id"]: row["write_id"] for row in rows}
