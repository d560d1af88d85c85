"""What became of every file of an import: frozen values that the command prints and programs read.

May import: core, importers.base.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from assay.core.words import Mark, Provenance, Status
from assay.importers.base import Refusal

Word = TypeVar("Word", Status, Mark, Provenance)


class Outcome(StrEnum):
    """What became of one file."""

    TAKEN = "taken"
    WOULD_BE_TAKEN = "would be taken"
    ALREADY_THERE = "already there"
    REFUSED = "refused"
    NOT_RECOGNISED = "not recognised"


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows that were taken, counted in the ways that matter. ``usable`` rows are those that aggregates may use."""

    statuses: Mapping[Status, int] = field(default_factory=dict)
    marks: Mapping[Mark, int] = field(default_factory=dict)
    provenances: Mapping[Provenance, int] = field(default_factory=dict)
    simulated: int = 0
    usable: int = 0
    samples: int = 0

    @classmethod
    def sum(cls, parts: list[Tally]) -> Tally:
        """Add several up."""
        return cls(
            statuses=_sum([part.statuses for part in parts]),
            marks=_sum([part.marks for part in parts]),
            provenances=_sum([part.provenances for part in parts]),
            simulated=sum(part.simulated for part in parts),
            usable=sum(part.usable for part in parts),
            samples=sum(part.samples for part in parts),
        )


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file. ``named`` tells one that was asked for by name from one that was found in a folder or archive.

    ``reason`` says why it was not taken, or what is there already; ``refusals`` are the first few of
    ``rows_refused``. ``wall_ns`` is the time spent on it, reading and writing.
    """

    name: str
    outcome: Outcome
    named: bool = True
    format: str | None = None
    reason: str | None = None
    hint: str | None = None
    sha256: str | None = None
    import_id: str | None = None
    run_id: str | None = None
    rows_seen: int = 0
    rows_taken: int = 0
    rows_refused: int = 0
    tally: Tally = Tally()
    notes: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    wall_ns: int = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Every file of one import, in the order they were read."""

    files: tuple[FileReport, ...]
    wall_ns: int

    @property
    def rows_added(self) -> int:
        """Results that are in the store now and were not before."""
        return sum(one.rows_taken for one in self.files if one.outcome is Outcome.TAKEN)

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """Files by what became of them."""
        return Counter(one.outcome for one in self.files)

    @property
    def tally(self) -> Tally:
        """All rows that were taken, or would be."""
        return Tally.sum([one.tally for one in self.files])

    @property
    def is_complete(self) -> bool:
        """True where nothing that was asked for stayed outside.

        A file of a folder that no importer knows is none that was asked for, unless nothing there was known.
        """
        refused = any(one.outcome is Outcome.REFUSED or one.rows_refused for one in self.files)
        unknown = [one for one in self.files if one.outcome is Outcome.NOT_RECOGNISED]
        return not refused and not any(one.named for one in unknown) and len(unknown) < max(1, len(self.files))


def _sum(parts: list[Mapping[Word, int]]) -> dict[Word, int]:
    total: Counter[Word] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)
