"""The environments of a store, told apart by what a comparison cares about. See ``segments``.

May import: core, store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.analysis.segments import describe_break, environment_key
from assay.store.query import fetch_rows
from assay.store.schema import ENVIRONMENTS, FINDINGS, RESULTS

if TYPE_CHECKING:
    from assay.store import Store

TABLES_READ = (RESULTS, FINDINGS, ENVIRONMENTS)
"""What every question of a check reads: one set, since views that were made for a set of tables are used again."""
_NEVER_COMPARED = '"(package_count|packages_hash|source_hash)":[^,}]*'
"""Facts that change with every commit of the user's own package: with them every run has an ``env_id`` of its own."""


class Environments:
    """Which environments count as one, and what differs between two. Read once, for one check."""

    def __init__(self, store: Store) -> None:
        # Grouped by text first: a store may hold an environment a commit, and reading the facts of each takes a minute.
        rows = fetch_rows(
            store.location,
            "SELECT list(env_id) AS env_ids, any_value(facts) AS facts FROM environments "
            "GROUP BY regexp_replace(facts, ?, '', 'g')",
            [_NEVER_COMPARED],
            tables=TABLES_READ,
            versions=store.versions,
        )
        self._facts: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        for row in rows:
            key = environment_key(json.loads(row["facts"]))
            for env_id in row["env_ids"]:
                self._facts[env_id] = row["facts"]
                self._keys[env_id] = key
        self._described: dict[tuple[str, str], str | None] = {}

    def same_as(self, env_id: str) -> frozenset[str]:
        """Return the ids of every environment whose numbers may be compared with this one's, its own among them."""
        key = self._keys.get(env_id)
        return frozenset({env_id} | {one for one, other in self._keys.items() if other == key is not None})

    def describe_break(self, before: str, after: str) -> str | None:
        """Say what differs between two environments, as ``segments.describe_break``; None where nothing does."""
        if (before, after) not in self._described:
            self._described[before, after] = describe_break(self._read(before), self._read(after))
        return self._described[before, after]

    def _read(self, env_id: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self._facts.get(env_id, "{}"))
        return found
