"""Run a trial: the same suite on two or more sides that differ on purpose, their launches interleaved.

May import: core, probes, runner, store, trials.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from assay.core.ids import new_id
from assay.probes.environment import collect_environment
from assay.runner.plan import Plan, read_machine
from assay.runner.request import Launcher, Listener, RunRequest, ignore
from assay.runner.supervise import run_launch
from assay.runner.together import execute_together
from assay.store import Store
from assay.trials.describe import describe_sides
from assay.trials.sides import OpenSide, Workplace, check_sides, open_side
from assay.trials.values import Trial, TrialRequest

PlansListener = Callable[[tuple[Plan, ...]], None]


def run_trial(
    request: TrialRequest,
    store: Store,
    *,
    listener: Listener = ignore,
    on_planned: PlansListener = ignore,
    launcher: Launcher = run_launch,
) -> Trial:
    """Launch every case of the suite on every side and publish each side as a run of its own.

    ``on_planned`` is told the plans of the sides, in their order, before the first launch. Two sides may be equal. Each
    run carries the tags ``trial:ID`` and ``side:LABEL``. After Ctrl-C the runs are published as interrupted and
    returned. Raises UsageError or SuiteError for sides that cannot be made, AssayError where a ref cannot be checked
    out or an interpreter fails, StoreError.
    """
    store.check_writable()
    trial_id = new_id()
    with open_sides(request) as sides:
        on_planned(tuple(side.plan for side in sides))
        requests = [_request_run(side, request, trial_id) for side in sides]
        runs = execute_together(requests, store, listener=listener, launcher=launcher)
        return Trial(runs, describe_sides(sides, runs))


def plan_trial(request: TrialRequest) -> tuple[Plan, ...]:
    """Return what each side would launch, and what stands in the way; launch nothing. Raises as ``run_trial`` does."""
    with open_sides(request) as sides:
        return tuple(side.plan for side in sides)


@contextlib.contextmanager
def open_sides(request: TrialRequest) -> Iterator[tuple[OpenSide, ...]]:
    """Have every side ready to be launched, as long as the context lasts: commits checked out, assay lent."""
    check_sides(request)
    with contextlib.ExitStack() as opened:
        here = Workplace(read_machine(), collect_environment(), opened)
        yield tuple(open_side(spec, request, here) for spec in request.sides)


def _request_run(side: OpenSide, request: TrialRequest, trial_id: str) -> RunRequest:
    spec = side.spec
    labels = [one.label for one in request.sides]
    others = ", ".join(repr(label) for label in labels if label != spec.label)
    note = f"side {spec.label!r} of a trial, interleaved with {others}"
    trial: dict[str, Any] = {"trial_id": trial_id, "side": spec.label, "sides": labels, "keys": dict(spec.keys)}
    return RunRequest(
        plan=side.plan,
        environment=side.environment,
        tags=(*request.tags, f"trial:{trial_id}", f"side:{spec.label}"),
        note=f"{request.note} ({note})" if request.note else note,
        folder=request.folder,
        program=side.program,
        repository=side.worktree.repository if side.worktree is not None else None,
        config={"trial": {**trial, "ref": spec.ref, "has_own_python": spec.python is not None}},
    )
