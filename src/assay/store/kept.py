"""Which versions of a table must stay readable, because a snapshot names them.

Apart from ``snapshots``, since appending asks too, and that stands below it. May import: store.
"""

from __future__ import annotations

from assay.store.query import fetch_rows
from assay.store.schema import SNAPSHOTS


def kept_versions(location: str, table: str) -> list[int]:
    """Return the versions of a table that snapshots name, whose files must not be removed. Raises StoreError."""
    rows = fetch_rows(location, "SELECT versions FROM snapshots", tables=[SNAPSHOTS])
    return sorted({dict(row["versions"]).get(table, -1) for row in rows} - {-1})
