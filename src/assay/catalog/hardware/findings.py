"""What a look at the quality of the table finds, one shape for all kinds. May import: standard library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """How something was found, and so how sure it is."""

    CONTRADICTION = "contradiction"
    """Figures of one device that cannot all be right."""
    SLIP = "unit slip"
    """A figure far from those of its architecture, by just a factor that people mix units up by."""
    OUTLIER = "outlier"
    """A proportion unlike that of its architecture's other devices: worth a look, not wrong by itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one device's cells. ``explained`` is why it is right all the same, where that is known."""

    kind: FindingKind
    hw_id: str
    rule: str
    columns: tuple[str, ...]
    problem: str
    explained: str | None = None
