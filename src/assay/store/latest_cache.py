"""The newest result of every series, kept beside the table so that it need not be looked for among millions of rows.

``<store>/cache/latest.json`` names a Parquet file with that row of each series, as it was at one version of
``results``. It is **derived, never the truth**: deleting the folder loses nothing, and whoever cannot use it (another
machine's disk, an earlier state, a cache gone stale) computes the same from the table. A reading takes the cached rows
together with the files that were added since, so the cache may be old and still be exact. It is left aside where rows
it may hold could have gone: rows of ``results`` or ``runs`` were removed since, a run was written twice since, or the
table is another one. Attempts that had not finished when the cache was written are named in it, and their rows are
looked up once they have.

May import: core and store.log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.store.address import is_remote
from assay.store.log import commit_identity, read_changes
from assay.store.schema import RESULTS, RUNS

CACHE = "cache"
_MARKER = "latest.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LatestCache:
    """What a reading needs of a cache that holds.

    ``file`` has the cached rows, ``added`` are the files of ``results`` with every row that came since. ``pending``
    are the attempts that had rows in the table but no run when the cache was written. ``repeated_runs`` counts the runs
    that were there twice then; where that has changed the cache does not hold.
    """

    file: str
    added: tuple[str, ...]
    pending: tuple[str, ...]
    repeated_runs: int


def read_latest_cache(location: str) -> LatestCache | None:
    """Return the cache, or None where there is none that holds. Call it after the snapshot of ``runs`` was taken."""
    content = _read_marker(location)
    if content is None:
        return None
    try:
        added: list[str] = []
        for table in (RUNS, RESULTS):
            version, identity = content["tables"][table]
            folder = Path(location) / table
            if commit_identity(folder, version) != tuple(identity):
                return None
            changes = read_changes(folder, version)
            if changes is None or changes.rows_removed:
                return None
            added = list(changes.files)
        file = Path(location) / CACHE / content["file"]
        if not file.is_file():
            return None
        return LatestCache(str(file), tuple(added), tuple(content["pending"]), int(content["repeated_runs"]))
    except (KeyError, TypeError, ValueError):
        return None


def count_rows_since(location: str) -> tuple[int, int]:
    """Return how many rows and files a reading of the latest results has to look at beside the cache."""
    content = _read_marker(location)
    version = -1
    if content is not None and read_latest_cache(location) is not None:
        version = content["tables"][RESULTS][0]
    changes = read_changes(Path(location) / RESULTS, version)
    return (0, 0) if changes is None else (changes.rows, len(changes.files))


def write_marker(
    location: str, *, file: str, versions: Mapping[str, int], pending: list[str], repeated_runs: int
) -> None:
    """Make a file the cache, in one step."""
    folder = Path(location) / CACHE
    tables = {name: [version, commit_identity(Path(location) / name, version)] for name, version in versions.items()}
    content = {
        "format": _FORMAT,
        "file": file,
        "tables": tables,
        "pending": pending,
        "repeated_runs": repeated_runs,
    }
    draft = folder / f".{file}.json"
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(folder / _MARKER)


def _read_marker(location: str) -> dict[str, Any] | None:
    if is_remote(location):
        return None
    try:
        content = json.loads((Path(location) / CACHE / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("format") == _FORMAT else None
