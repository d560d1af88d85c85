"""What a whole list of written names resolves to: how many mean a device, which may mean several, which are unknown.

Before a foreign table is imported, this says what will be lost and why. May import: standard library, core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assay.catalog.hardware.match import Match, match_hardware


class Outcome(StrEnum):
    """What came of a name."""

    RESOLVED = "resolved"
    """It means one device."""
    AMBIGUOUS = "ambiguous"
    """It fits several devices, or one with something that nothing explains, or a family."""
    UNKNOWN = "unknown"
    """No device of the catalogue has it."""


@dataclass(frozen=True, slots=True)
class NamedDevice:
    """One written name, how many rows have it, and what it means."""

    text: str
    rows: int
    match: Match

    @property
    def outcome(self) -> Outcome:
        """Resolved, ambiguous or unknown."""
        if self.match.hw_id is not None:
            return Outcome.RESOLVED
        return Outcome.AMBIGUOUS if self.match.is_ambiguous or self.match.family is not None else Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many different names, and how many rows, had one outcome."""

    outcome: Outcome
    names: int
    rows: int


def match_names(texts: Iterable[str], *, vendor: str | None = None, kind: str | None = None) -> list[NamedDevice]:
    """Resolve every different name of ``texts``, in the order of first appearance; empty ones are left out.

    ``vendor`` and ``kind`` (cpu, gpu, accelerator) narrow every name down, as for one.
    """
    counts = Counter(text.strip() for text in texts)
    counts.pop("", None)
    return [NamedDevice(text, rows, match_hardware(text, vendor=vendor, kind=kind)) for text, rows in counts.items()]


def count_outcomes(named: Sequence[NamedDevice]) -> list[OutcomeCount]:
    """Count names and rows by outcome; all three are there, with zero where nothing came out so."""
    return [
        OutcomeCount(
            outcome,
            sum(one.outcome is outcome for one in named),
            sum(one.rows for one in named if one.outcome is outcome),
        )
        for outcome in Outcome
    ]
