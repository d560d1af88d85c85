"""How long a plan will take: from what the same cases took before, else from the windows of the method.

An estimate is a range and says what it rests on. May import: core, store, engines, runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from assay.core.records import EnvironmentRecord
from assay.core.words import Mode
from assay.engines.base import engines
from assay.runner.plan import Plan, PlannedCase
from assay.store import Store

_SPAWN_AND_IMPORT_S = (3.0, 10.0)
"""Least and most that starting Python and importing torch and transformers was seen to take."""
_LOAD_S_PER_PARAMETER = (1e-9, 20e-9)
_AFTER_S = 0.5
_SPREAD = (0.9, 1.25)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that one launch, or a whole plan, will take: between ``lo`` and ``hi``."""

    lo: float
    hi: float
    from_history: bool


def estimate_launch(planned: PlannedCase, plan: Plan, history_s: Mapping[str, float]) -> Estimate:
    """Estimate one launch of a case, in seconds."""
    before = history_s.get(planned.case.case_id)
    if before is not None:
        return Estimate(before * _SPREAD[0], before * _SPREAD[1], from_history=True)
    timing = plan.suite.timing
    least_s = engines.get(planned.case.engine).capabilities.least_warmup_s if planned.case.engine else 0.0
    parameters = planned.workload.size.parameters or 0
    lo = _SPAWN_AND_IMPORT_S[0] + parameters * _LOAD_S_PER_PARAMETER[0] + timing.min_time_s
    lo += max(timing.warmup_min_s, least_s)
    if "target" in dict(planned.case.options):  # over when the model is right, not when a window is
        return Estimate(lo, plan.suite.launch_limit_s, from_history=False)
    hi = _SPAWN_AND_IMPORT_S[1] + parameters * _LOAD_S_PER_PARAMETER[1] + timing.max_time_s
    hi += max(timing.warmup_max_s, least_s)
    if planned.case.mode is Mode.TRAINING:  # parts and memory have passes of their own, and it must learn
        lo, hi = lo + timing.min_time_s, hi + 2 * timing.max_time_s
    return Estimate(lo + _AFTER_S, min(hi + _AFTER_S, plan.suite.launch_limit_s), from_history=False)


def estimate_plan(plan: Plan, history_s: Mapping[str, float]) -> Estimate:
    """Estimate all launches of a plan together, in seconds."""
    each = [estimate_launch(planned, plan, history_s) for planned in plan.ready]
    launches = plan.suite.launches
    return Estimate(
        lo=launches * sum(one.lo for one in each),
        hi=launches * sum(one.hi for one in each),
        from_history=bool(each) and all(one.from_history for one in each),
    )


def read_history(store: Store, plan: Plan, environment: EnvironmentRecord) -> dict[str, float]:
    """Median seconds a launch of each case took on this machine, by case id; windows of the same length only."""
    case_ids = [planned.case.case_id for planned in plan.ready]
    if not case_ids:
        return {}
    marks = ", ".join("?" * len(case_ids))
    table = store.query(
        f"""
        SELECT results.case_id, median(launches.wall_ns) / 1e9 AS wall_s
        FROM launches JOIN results USING (result_id) JOIN runs ON runs.run_id = results.run_id
        JOIN environments USING (env_id)
        WHERE launches.status = 'ok' AND environments.host_id = ? AND runs.suite = ?
          AND results.case_id IN ({marks})
        GROUP BY results.case_id
        """,  # noqa: S608  (only question marks are inserted)
        [environment.host_id, plan.suite.name, *case_ids],
    )
    return {row["case_id"]: row["wall_s"] for row in table.to_pylist()}


def find_fresh(store: Store, plan: Plan, environment: EnvironmentRecord, *, within_s: float) -> dict[str, float]:
    """Seconds since each case was last measured in this very environment, for those within ``within_s``.

    A contaminated result is none to rest on, so it does not count.
    """
    case_ids = [planned.case.case_id for planned in plan.ready]
    if not case_ids:
        return {}
    marks = ", ".join("?" * len(case_ids))
    table = store.query(
        f"""
        SELECT results.case_id, min(epoch(?::TIMESTAMP - results.measured_at)) AS age_s
        FROM results JOIN runs USING (run_id)
        WHERE results.status = 'ok' AND results.verdict <> 'contaminated' AND results.provenance = 'measured'
          AND runs.env_id = ?
          AND results.launches_ok >= ? AND results.case_id IN ({marks})
        GROUP BY results.case_id
        """,  # noqa: S608  (only question marks are inserted)
        # Ours, in UTC like the store's: DuckDB's now() is cast by the time zone of the machine.
        [datetime.now(UTC).replace(tzinfo=None), environment.env_id, plan.suite.launches, *case_ids],
    )
    return {row["case_id"]: row["age_s"] for row in table.to_pylist() if row["age_s"] <= within_s}
