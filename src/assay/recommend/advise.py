"""From a store and a run to advice: what else is known of the same machine and software, and every rule over it.

May import: core, store, analysis, recommend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.analysis.environments import Environments
from assay.core.records import EnvironmentRecord, ResultRecord, RunRecord
from assay.recommend.base import Advice, Ground, rules

if TYPE_CHECKING:
    from assay.recommend.explain import ExplainedResult
    from assay.store import Store


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Advice for a run, largest gain first. ``known`` counts the results that rules could stand on."""

    run: RunRecord
    advice: tuple[Advice, ...]
    subjects: int
    known: int


def recommend(store: Store, run: RunRecord, *, only: Sequence[str] = ()) -> Recommendations:
    """Apply the rules (``only`` these) to a run. Raises UnknownNameError for a rule that nobody knows."""
    ground = gather(store, run)
    found: list[Advice] = []
    for name in only or rules.names():
        found += rules.get(name)(ground)
    ordered = sorted(found, key=lambda one: (one.gain is None, -(one.gain or 0.0), one.rule, one.subject))
    return Recommendations(run, tuple(ordered), len(ground.subjects), len(ground.known))


def gather(store: Store, run: RunRecord) -> Ground:
    """Collect what rules stand on: the newest usable result of every series in an environment that is the same."""
    subjects = tuple(store.results(run_id=run.run_id))
    environment = store.environment(run.env_id)
    hardware = sorted({one.hardware for one in subjects if one.hardware})
    same = Environments(store).same_as(run.env_id)
    newest: dict[str, ResultRecord] = {}
    for one in store.results(usable=True, hardware=hardware, env_id=sorted(same)) if hardware else ():
        newest[one.series_id] = one  # they come oldest first
    newest |= {one.series_id: one for one in subjects if one.is_usable}
    explained = _explain(subjects, environment, store)
    return Ground(subjects, tuple(newest.values()), environment.facts, explained)


def _explain(
    subjects: Sequence[ResultRecord], environment: EnvironmentRecord, store: Store
) -> tuple[ExplainedResult, ...]:
    """What bounds the subjects, where there is a probe: without one, counting their costs would be for nothing."""
    from assay.recommend.explain import explain_results
    from assay.runner.probe_device import WORKLOAD

    if not store.results(workload=WORKLOAD, limit=1).count_rows():
        return ()
    return tuple(explain_results(subjects, environment, store))
