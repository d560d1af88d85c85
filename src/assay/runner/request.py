"""What is asked of an execution, what it says while it goes on, and what it gives.

May import: core, runner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.core.records import EnvironmentRecord, LaunchRecord, ResultRecord, RunRecord
from assay.runner.plan import Obstacle, Plan, PlannedCase
from assay.runner.program import WorkerProgram
from assay.runner.protocol import Message
from assay.runner.repository import RepositoryState
from assay.runner.schedule import ScheduledLaunch, schedule_launches
from assay.runner.supervise import LaunchOutcome


@dataclass(frozen=True, slots=True)
class LaunchBegan:
    """A launch is about to be made; ``number`` of ``total``, from 1, over all sides where there are several."""

    scheduled: ScheduledLaunch
    number: int
    total: int
    side: int = 0


@dataclass(frozen=True, slots=True)
class Preparing:
    """Before the first launch of a case something is being made: ``what`` says what (an exported graph, say)."""

    planned: PlannedCase
    what: str
    side: int = 0


@dataclass(frozen=True, slots=True)
class LaunchSaid:
    """The worker spoke, or (None) a second passed."""

    scheduled: ScheduledLaunch
    message: Message | None
    side: int = 0


@dataclass(frozen=True, slots=True)
class LaunchEnded:
    """A launch is over, and this is the result of its case so far."""

    scheduled: ScheduledLaunch
    launch: LaunchRecord
    result: ResultRecord
    side: int = 0


Event = Preparing | LaunchBegan | LaunchSaid | LaunchEnded
"""``side`` is the place of the run among those that are executed together; 0 of one alone."""
Listener = Callable[[Event], None]
Launcher = Callable[..., LaunchOutcome]
Schedule = Callable[..., Iterator[ScheduledLaunch]]
StopRule = Callable[[PlannedCase, Sequence[ResultRecord]], Obstacle | None]


def ignore(_event: object) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a resumed run takes over: the interrupted run, and its launches that worked, with their samples."""

    parent: RunRecord
    launches: tuple[LaunchRecord, ...]
    results: tuple[ResultRecord, ...]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to execute and what to write beside it.

    ``schedule`` orders the launches of a run that is executed alone. ``stop_rule`` is asked before a case is prepared,
    with all results so far: it returns why the case is not to be run, or None. ``program`` is what its workers are.
    ``repository`` is the state of the user's code, where git is not to be asked about ``folder``; ``config`` is
    written beside the suite.
    """

    plan: Plan
    environment: EnvironmentRecord
    tags: tuple[str, ...] = ()
    note: str | None = None
    inheritance: Inheritance | None = None
    folder: Path = field(default_factory=Path.cwd)
    schedule: Schedule = schedule_launches
    stop_rule: StopRule | None = None
    program: WorkerProgram = field(default_factory=WorkerProgram)
    repository: RepositoryState | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A published run and its results, in the order of the plan."""

    run: RunRecord
    results: tuple[ResultRecord, ...]
