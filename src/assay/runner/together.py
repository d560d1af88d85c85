"""Execute several plans at once, their launches interleaved: what drifts meets all of them alike (METHOD 1, 6).

May import: core, store, runner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay.runner.progress import RunInProgress, carry_out
from assay.runner.request import FinishedRun, Launcher, Listener, RunRequest, ignore
from assay.runner.schedule import ScheduledLaunch, SideLaunches, schedule_together
from assay.runner.supervise import run_launch
from assay.store import Store


def execute_together(
    requests: Sequence[RunRequest], store: Store, *, listener: Listener = ignore, launcher: Launcher = run_launch
) -> tuple[FinishedRun, ...]:
    """Make the launches of every request, round by round over all of them, and publish each as a run of its own.

    The order is drawn by the first suite's seed; a request's own ``schedule`` is not asked. A case that fails ends for
    its own run only. Ctrl-C publishes every run as interrupted. Raises StoreError where the store cannot be written;
    the journals then still hold every finished launch.
    """
    return carry_out(requests, store, _interleave, listener=listener, launcher=launcher)


def _interleave(runs: Sequence[RunInProgress]) -> Iterator[tuple[int, ScheduledLaunch]]:
    plans = [run.request.plan for run in runs]
    sides = [SideLaunches(plan.ready, plan.suite.launches, run.done) for plan, run in zip(plans, runs, strict=True)]
    return schedule_together(sides, seed=plans[0].suite.seed if plans else 0)
