"""Which suspects of a check can be launched again here, and what the launches would be of.

A suspicion against an earlier commit is settled by that commit beside the present code. Where both are the same code
(a built-in model, no repository, the same commit) fresh launches cannot tell code from code, and only ask whether the
machine still gives what it gave. May import: core, analysis, probes, runner, store, workloads, trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.analysis.segments import describe_break
from assay.analysis.values import CheckReport
from assay.core.case import Case
from assay.core.errors import UsageError
from assay.core.records import EnvironmentRecord, FindingRecord, RunRecord
from assay.core.words import Change
from assay.runner.repository import RepositoryState, read_repository, resolve_ref
from assay.runner.suite_model import Suite, build_suite
from assay.store import Store
from assay.store.query import fetch_rows
from assay.store.schema import LAUNCHES
from assay.trials.worktrees import AS_IT_IS
from assay.workloads.base import families
from assay.workloads.resolve import HUB_PREFIX

FRESH_LAUNCHES = 5
_TWO_SIDES = 2


@dataclass(frozen=True, slots=True)
class FreshLaunches:
    """Launches that would settle some findings, of ``cases`` by series.

    ``before`` and ``now`` are the refs of the two sides, interleaved; ``before`` None means that there is one code
    only, launched alone. ``now`` is ``.`` for the tree as it is.
    """

    findings: tuple[FindingRecord, ...]
    cases: Mapping[str, Case]
    before: str | None = None
    now: str = AS_IT_IS

    @property
    def case_ids(self) -> frozenset[str]:
        """The cases to be launched."""
        return frozenset(self.cases[one.series_id].case_id for one in self.findings)

    @property
    def sides(self) -> int:
        """How many sides are launched."""
        return 1 if self.before is None else _TWO_SIDES


@dataclass(frozen=True, slots=True)
class ConfirmationPlan:
    """What there is to launch, and why some suspects cannot be: by finding id. ``suite`` is the judged run's.

    ``launch_s`` is what a launch of each case took in that run, in seconds, by case id.
    """

    suite: Suite | None = None
    launches: tuple[FreshLaunches, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    launch_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many fresh launches that is."""
        return sum(FRESH_LAUNCHES * one.sides * len(one.case_ids) for one in self.launches)

    @property
    def seconds(self) -> float | None:
        """How long they will take by what the same cases took in the judged run; None where that is not known."""
        times = [(one.sides, self.launch_s.get(case_id)) for one in self.launches for case_id in one.case_ids]
        known = [sides * seconds for sides, seconds in times if seconds is not None]
        return FRESH_LAUNCHES * sum(known) if known and len(known) == len(times) else None


def plan_confirmation(
    store: Store, run: RunRecord, report: CheckReport, *, folder: Path, here: EnvironmentRecord
) -> ConfirmationPlan:
    """Return what would settle the suspects of a report that nobody has muted. Raises StoreError.

    ``folder`` is where the user stands, ``here`` the present environment.
    """
    suspects = [one for one in report.findings if one.change is Change.SUSPECT and one.muted is None]
    if not suspects:
        return ConfirmationPlan()
    obstacle = _find_obstacle(store, run, here)
    if obstacle is not None:
        return ConfirmationPlan(refused={one.finding_id: obstacle for one in suspects})
    wanted = {one.series_id for one in suspects}
    results = [one for one in store.results(run_id=run.run_id) if one.series_id in wanted]
    cases = {one.series_id: one.own_case for one in results}
    tree = read_repository(folder)
    grouped: dict[tuple[str | None, str], list[FindingRecord]] = {}
    refused: dict[str, str] = {}
    for finding in suspects:
        try:
            sides = _choose_sides(finding, cases[finding.series_id], run, tree, folder)
        except UsageError as error:
            refused[finding.finding_id] = error.message
        else:
            grouped.setdefault(sides, []).append(finding)
    launches = tuple(FreshLaunches(tuple(found), cases, *sides) for sides, found in grouped.items())
    content: dict[str, Any] = dict(run.config["suite"])
    return ConfirmationPlan(build_suite(content), launches, refused, _read_launch_times(store, run, results))


def _find_obstacle(store: Store, run: RunRecord, here: EnvironmentRecord) -> str | None:
    """Why nothing of a run can be launched again here."""
    if not isinstance(run.config.get("suite"), Mapping):
        return "the run was not made by `assay run`, so it cannot be launched again"
    there = store.environment(run.env_id)
    if there.hardware_class != here.hardware_class:
        return f"the run was made on other hardware ({there.hardware_class}), so it cannot be launched again here"
    changed = describe_break(there.facts, here.facts)
    return None if changed is None else f"the environment has changed since the run: {changed}"


def _choose_sides(
    finding: FindingRecord, case: Case, run: RunRecord, tree: RepositoryState, folder: Path
) -> tuple[str | None, str]:
    """Return the refs of the sides: before (None: there is one code only) and now. Raises UsageError."""
    before, own = finding.reference_git_commit, is_own_code(case)
    if not own or run.git_commit is None:
        return None, AS_IT_IS
    is_here = tree.commit == run.git_commit and bool(tree.dirty) == bool(run.git_dirty)
    if before is None or (before == run.git_commit and not run.git_dirty):
        if not is_here:
            raise UsageError(f"the code here is no longer that of the run, {_describe(run)}")
        return None, AS_IT_IS
    if run.git_dirty and not is_here:
        raise UsageError(f"the run measured {_describe(run)}, which cannot be had again")
    resolve_ref(folder, before)
    if not is_here:
        resolve_ref(folder, run.git_commit)
    return before, AS_IT_IS if is_here else run.git_commit


def is_own_code(case: Case) -> bool:
    """True of a model that the user's own code makes, which another commit may make another way."""
    return case.family not in families.names() and not case.workload.startswith(HUB_PREFIX)


def _describe(run: RunRecord) -> str:
    changes = " with changes that were not committed" if run.git_dirty else ""
    return f"{str(run.git_commit)[:12]}{changes}"


def _read_launch_times(store: Store, run: RunRecord, results: Sequence[Any]) -> dict[str, float]:
    rows = fetch_rows(
        store.location,
        "SELECT result_id, median(wall_ns) / 1e9 AS wall_s FROM launches WHERE run_id = ? AND wall_ns IS NOT NULL "
        "GROUP BY result_id",
        [run.run_id],
        tables=[LAUNCHES],
        versions=store.versions,
    )
    took = {row["result_id"]: row["wall_s"] for row in rows}
    return {one.case.case_id: took[one.result_id] for one in results if one.result_id in took}
