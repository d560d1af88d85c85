"""What comparing and checking answer with: frozen values that the command line, reports and CI render alike.

May import: core, catalog.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from assay.core.display import Displayed
from assay.core.records import FindingRecord
from assay.core.words import Change, Direction, Provenance
from assay.stats.change import RatioEstimate


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things compared: a run, a set of flags, a git ref, an environment, a device.

    ``label`` is what the person called it; ``described`` says what it really is (commit and whether dirty, versions
    that differ, hardware), one entry a fact.
    """

    label: str
    run_ids: tuple[str, ...]
    env_ids: tuple[str, ...]
    hardware: tuple[str, ...]
    git_commit: str | None = None
    described: tuple[tuple[str, str], ...] = ()
    provenance: Provenance = Provenance.MEASURED


@dataclass(frozen=True, slots=True)
class Comparison:
    """One case on two sides: B (``side``) over A (the baseline side), with the verdict of METHOD 6.

    Values are the results' own (medians of launches) in ``unit``. ``speedup`` is how many times better B is, by the
    metric's direction; None where it has none.
    """

    case_label: str
    side: int
    series_a: str | None
    series_b: str | None
    result_a: str | None
    result_b: str | None
    value_a: float | None
    value_b: float | None
    change: Change
    estimate: RatioEstimate | None = None
    floor: float | None = None
    reasons: tuple[str, ...] = ()
    launches_needed: int | None = None

    def speedup(self, direction: Direction) -> float | None:
        """How many times better B is than A; None where that cannot be said."""
        if self.estimate is None or direction is Direction.NEITHER:
            return None
        return 1 / self.estimate.ratio if direction is Direction.LOWER else self.estimate.ratio


@dataclass(frozen=True, slots=True)
class GeometricMean:
    """Of the ratios of one side to the baseline over the cases that both have: ``n`` of ``of``, and a 95 % interval.

    The interval is of the mean over these cases, each as sure as its launches make it; it says nothing of others.
    """

    side: int
    ratio: float
    n: int
    of: int
    lo95: float | None = None
    hi95: float | None = None


@dataclass(frozen=True, slots=True)
class CompareReport(Displayed):
    """What ``assay compare`` answers. ``sides[0]`` is the baseline; ``is_interleaved`` says how far it may go.

    Launches that were not interleaved were made at other times, so a difference may be the machine's: their verdicts
    say so in their reasons.
    """

    sides: tuple[Side, ...]
    metric: str
    stat: str
    unit: str
    direction: Direction
    comparisons: tuple[Comparison, ...]
    means: tuple[GeometricMean, ...]
    is_interleaved: bool
    varied: tuple[str, ...] = ()
    """Fields of the case in which the sides differ on purpose (``engine``)."""

    def counts(self) -> dict[Change, int]:
        """How many comparisons have each verdict, of those that occur."""
        found = Counter(one.change for one in self.comparisons)
        return {change: found[change] for change in Change if found[change]}


@dataclass(frozen=True, slots=True)
class CheckReport(Displayed):
    """What ``assay check`` answers: one finding a series and metric, worst first.

    ``expected`` counts the series that should be there. ``environment_break`` says what differs from the reference's
    environment where everything does; such a check compares nothing and raises no alarm. ``branch`` and commits are
    those of the runs' rows.
    """

    check_id: str
    run_id: str
    created_at: datetime
    suite: str
    against: str
    findings: tuple[FindingRecord, ...]
    expected: int
    git_commit: str | None = None
    git_branch: str | None = None
    git_dirty: bool | None = None
    reference_run_id: str | None = None
    reference_git_commit: str | None = None
    environment_break: str | None = None
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[Change, int]:
        """How many findings have each verdict, of those that occur; muted ones too."""
        found = Counter(one.change for one in self.findings)
        return {change: found[change] for change in Change if found[change]}

    def alarms(self) -> tuple[FindingRecord, ...]:
        """The findings that somebody should look at: those that nobody has muted."""
        return tuple(one for one in self.findings if one.change.is_alarm and one.muted is None)


EXIT_OK = 0
EXIT_REGRESSED = 1
EXIT_OPEN = 3
EXIT_MISSING = 4


def exit_code(report: CheckReport, *, strict: bool = False) -> int:
    """METHOD 6: 1 confirmed regression; 4 expected results missing or failed; 3 suspect or inconclusive with strict.

    A regression outweighs what is missing, which outweighs what is open.
    """
    changes = {one.change for one in report.findings if one.muted is None}
    if Change.REGRESSED in changes:
        return EXIT_REGRESSED
    if changes & {Change.MISSING, Change.FAILED}:
        return EXIT_MISSING
    if strict and changes & {Change.SUSPECT, Change.INCONCLUSIVE}:
        return EXIT_OPEN
    return EXIT_OK
