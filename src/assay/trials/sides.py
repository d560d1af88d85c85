"""A side as a person asks for it, made ready: its suite, its code, its interpreter, its plan.

May import: core, engines, runner, workloads, trials.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

from assay.core.case import Case
from assay.core.errors import UsageError
from assay.core.records import EnvironmentRecord
from assay.engines.options import OPTIONS
from assay.runner.plan import Machine, Obstacle, Plan, PlannedCase, make_plan
from assay.runner.program import TreeSwap, WorkerProgram
from assay.runner.progress import standing_in
from assay.runner.repository import find_root, read_repository, resolve_ref
from assay.runner.suite_yaml import Positions
from assay.trials.interpreters import environment_there, find_interpreter, foresee, lend_assay
from assay.trials.keys import lay_keys
from assay.trials.values import SideSpec, TrialRequest
from assay.trials.worktrees import AS_IT_IS, Worktree, check_out
from assay.workloads.resolve import resolve_workload


@dataclass(frozen=True, slots=True)
class OpenSide:
    """One side that can be launched, while what it stands on lasts."""

    spec: SideSpec
    plan: Plan
    program: WorkerProgram
    environment: EnvironmentRecord
    worktree: Worktree | None = None


class Workplace:
    """What the sides of one trial share: the machine, its environment, and the folder of the lent assay."""

    def __init__(self, machine: Machine, environment: EnvironmentRecord, opened: contextlib.ExitStack) -> None:
        self.machine = machine
        self.environment = environment
        self.opened = opened
        self._lent: Path | None = None

    def lent_assay(self) -> Path:
        """Return the folder, made when it is first wanted."""
        if self._lent is None:
            self._lent = self.opened.enter_context(lend_assay())
        return self._lent


def check_sides(request: TrialRequest) -> None:
    """Look at what can be seen before anything is made. Raises UsageError for sides that cannot be."""
    labels = [spec.label for spec in request.sides]
    if len(labels) < 2:  # noqa: PLR2004  (one against another)
        raise UsageError(f"A comparison takes two sides or more, got {len(labels)}.")
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise UsageError(f"Two sides are both called {twice!r}.", hint="Give each side a name of its own.")
    for ref in filter(None, map(_other_ref, request.sides)):
        find_root(request.folder)
        resolve_ref(request.folder, ref)


def open_side(spec: SideSpec, request: TrialRequest, here: Workplace) -> OpenSide:
    """Check out, look for the interpreter, and plan: what stands in the way of a case stands in the way on this side.

    Raises UsageError, SuiteError or AssayError.
    """
    suite = lay_keys(request.suite, spec.keys, label=spec.label)
    if spec.ref is not None or spec.python is not None:
        suite = replace(suite, positions=Positions(f"side {spec.label!r}"))
    python = find_interpreter(spec.python, request.folder) if spec.python is not None else None
    ref = _other_ref(spec)
    worktree = None if ref is None else here.opened.enter_context(check_out(request.folder, ref))
    program = _make_program(python, request.folder, worktree, here)
    environment = here.environment
    if python is None:
        with standing_in(program.folder):
            plan = make_plan(suite, here.machine)
    else:
        foresight = foresee(program, suite, here.machine, label=spec.label)
        environment = environment_there(environment, foresight)
        with standing_in(program.folder):
            plan = Plan(suite, tuple(_plan_case(*one) for one in foresight.cases))
    _check_options(plan, spec)
    return OpenSide(spec, _narrow(plan, request, spec), program, environment, worktree)


def leaves_out_changes(side: OpenSide) -> bool:
    """True where a side is of the commit that the user's tree is at, but not of what is uncommitted in that tree."""
    if side.worktree is None:
        return False
    now = read_repository(side.worktree.original)
    return now.dirty is True and now.commit == side.worktree.repository.commit


def _other_ref(spec: SideSpec) -> str | None:
    """The ref that takes a checkout; None for the tree as it is."""
    if spec.ref == "":
        raise UsageError(f"The ref of side {spec.label!r} is empty.", hint=f"{AS_IT_IS} means the tree as it is.")
    return None if spec.ref == AS_IT_IS else spec.ref


def _make_program(python: Path | None, folder: Path, worktree: Worktree | None, here: Workplace) -> WorkerProgram:
    own = WorkerProgram()
    if worktree is not None:
        own = replace(own, folder=worktree.folder, swap=TreeSwap(worktree.original, worktree.root))
    elif folder.resolve() != Path.cwd():
        own = replace(own, folder=folder)
    return own if python is None else replace(own, python=python, search_path=(here.lent_assay(),))


def _plan_case(case: Case, threads: int, obstacle: Obstacle | None) -> PlannedCase:
    return PlannedCase(case, resolve_workload(case.workload), threads, obstacle)


def _check_options(plan: Plan, spec: SideSpec) -> None:
    """An option that no case takes up would leave the side as it is, and its difference would be noise."""
    for name in spec.keys.keys() & OPTIONS.keys():
        if not any(name in dict(planned.case.options) for planned in plan.cases):
            engines = ", ".join(dict.fromkeys(planned.case.engine for planned in plan.cases))
            raise UsageError(
                f"Side {spec.label!r}: the option {name!r} changes none of its cases (engine {engines}).",
                hint="An option counts for the engines, modes and precisions that know it: docs/suites.md.",
            )


def _narrow(plan: Plan, request: TrialRequest, spec: SideSpec) -> Plan:
    if request.case_ids is None:
        kept = plan.cases
    else:
        kept = tuple(planned for planned in plan.cases if planned.case.case_id in request.case_ids)
    if kept:
        return replace(plan, cases=kept)
    raise UsageError(
        f"Side {spec.label!r} has nothing to launch: none of the cases asked for is in its plan.",
        hint="Keys of a side (engine, precision, batch ...) make other cases of those of the suite.",
    )
