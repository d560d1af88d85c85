"""Execute a plan: make every launch, keep each in the journal, publish the run.

The journal has every finished launch before the next begins, so a crash, a kill or Ctrl-C loses at most the
launch that was going on. May import: core, store, runner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay.runner.progress import RunInProgress, carry_out
from assay.runner.request import (
    Event,
    FinishedRun,
    Inheritance,
    LaunchBegan,
    LaunchEnded,
    Launcher,
    LaunchSaid,
    Listener,
    Preparing,
    RunRequest,
    Schedule,
    StopRule,
    ignore,
)
from assay.runner.schedule import ScheduledLaunch
from assay.runner.supervise import run_launch
from assay.store import Store

__all__ = [
    "Event",
    "FinishedRun",
    "Inheritance",
    "LaunchBegan",
    "LaunchEnded",
    "LaunchSaid",
    "Launcher",
    "Listener",
    "Preparing",
    "RunRequest",
    "Schedule",
    "StopRule",
    "execute_plan",
]


def execute_plan(
    request: RunRequest, store: Store, *, listener: Listener = ignore, launcher: Launcher = run_launch
) -> FinishedRun:
    """Make every launch of the plan and publish the run; Ctrl-C publishes what is done as interrupted.

    Raises StoreError where the store cannot be written; the journal then still holds every finished launch.
    """
    (finished,) = carry_out([request], store, _in_its_own_order, listener=listener, launcher=launcher)
    return finished


def _in_its_own_order(runs: Sequence[RunInProgress]) -> Iterator[tuple[int, ScheduledLaunch]]:
    (run,) = runs
    suite, plan = run.request.plan.suite, run.request.plan
    schedule = run.request.schedule(plan.ready, launches=suite.launches, seed=suite.seed, done=run.done)
    return ((0, scheduled) for scheduled in schedule)
