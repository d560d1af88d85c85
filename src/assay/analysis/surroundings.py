"""Environments of a store by one name for all that count as the same. May import: store, analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.analysis.environments import Environments

if TYPE_CHECKING:
    from assay.store import Store


class Surroundings:
    """Which environments count as one (see ``segments``), and what differs between two. Read once."""

    def __init__(self, store: Store) -> None:
        self._environments = Environments(store)
        self._names: dict[str, str] = {}

    def name(self, env_id: str) -> str:
        """Return the same text for every environment whose numbers may be compared with this one's."""
        if env_id not in self._names:
            self._names |= dict.fromkeys(self._environments.same_as(env_id), env_id)
        return self._names[env_id]

    def describe_break(self, before: str, after: str) -> str:
        """Say what differs between two environments."""
        return self._environments.describe_break(before, after) or "facts that have no name"
