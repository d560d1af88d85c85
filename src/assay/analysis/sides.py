"""The sides of a comparison, from what a person names: stored runs, or the parts of one run.

May import: core, store, analysis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.analysis.against import Against, Kind, find_reference, runs_behind
from assay.analysis.pairing import case_fields
from assay.analysis.segments import ABSENT, compared_facts
from assay.analysis.values import Side
from assay.core.case import Scalar
from assay.core.errors import NotFoundError, UnknownNameError, UsageError
from assay.core.records import ResultRecord, RunRecord
from assay.store.selection import ANY

if TYPE_CHECKING:
    from assay.store import Store

_BASELINE, _TAG = "baseline:", "tag:"
_COMMIT_DIGITS = 12


@dataclass(frozen=True, slots=True)
class SideResults:
    """One side with the results that belong to it."""

    side: Side
    results: tuple[ResultRecord, ...]


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run as a person named it; ``by_series`` are others that a baseline pins for single series."""

    ref: str
    run: RunRecord
    by_series: Mapping[str, RunRecord]

    @property
    def runs(self) -> tuple[RunRecord, ...]:
        """Every run behind the name, each once."""
        return runs_behind(self.run, self.by_series)


def find_named_run(store: Store, ref: str) -> NamedRun:
    """Return the run that ``last~1``, an id or the end of one, ``baseline:NAME`` or ``tag:NAME`` means.

    Of a tag it is the newest run. Raises NotFoundError or UsageError.
    """
    if ref.startswith(_BASELINE):
        newest = store.find_run("last")
        found = find_reference(store, newest, Against(Kind.BASELINE, ref.removeprefix(_BASELINE)), folder=Path())
        return NamedRun(ref, found.run, found.by_series)
    if ref.startswith(_TAG):
        tag = ref.removeprefix(_TAG)
        run = next((one for one in store.runs() if tag in one.tags), None)
        if run is None:
            raise NotFoundError(
                f"There is no run with the tag {tag!r}.", hint="`assay run --tag NAME` gives one a tag."
            )
        return NamedRun(ref, run, {})
    return NamedRun(ref, store.find_run(ref), {})


def gather_sides(store: Store, named: Sequence[NamedRun]) -> tuple[SideResults, ...]:
    """Return a side for each named run, with its results and what tells its environment from the others'.

    Raises UsageError where two of them are the same run.
    """
    for place, one in enumerate(named):
        same = next((other for other in named[:place] if other.run.run_id == one.run.run_id), None)
        if same is not None:
            raise UsageError(
                f"{same.ref!r} and {one.ref!r} are the same run, {one.run.run_id}.",
                hint="To compare the cases of one run with each other: assay compare RUN --by engine",
            )
    environments = {run.env_id: store.environment(run.env_id).facts for one in named for run in one.runs}
    described = differing_facts([_facts_of(one.run, environments[one.run.env_id]) for one in named])
    found = []
    for one, facts in zip(named, described, strict=True):
        results = _results_of(store, one)
        side = Side(
            label=one.ref,
            run_ids=tuple(run.run_id for run in one.runs),
            env_ids=tuple(dict.fromkeys(run.env_id for run in one.runs)),
            hardware=hardware_of(results),
            git_commit=one.run.git_commit,
            described=facts,
            provenance=one.run.provenance,
        )
        found.append(SideResults(side, results))
    return tuple(found)


def split_run(store: Store, named: NamedRun, field: str, *, baseline: str | None = None) -> tuple[SideResults, ...]:
    """Return a side for each value of a field of the case within one run: its engines, say. The baseline comes first.

    ``baseline`` None is the first value in the order of the plan. Raises UsageError where the run has one value only,
    UnknownNameError for a field or a baseline that it has not.
    """
    results = sorted(_results_of(store, named), key=lambda one: one.result_id)
    names = dict.fromkeys(name for one in results for name in case_fields(one))
    if field not in names:
        raise UnknownNameError("field of a case", field, names)
    groups: dict[Scalar | None, list[ResultRecord]] = {}
    for one in results:
        groups.setdefault(case_fields(one).get(field), []).append(one)
    labels = {value: ABSENT if value is None else str(value) for value in groups}
    if len(groups) < 2:  # noqa: PLR2004  (a comparison has two sides)
        only = next(iter(labels.values()), ABSENT)
        raise UsageError(
            f"Every case of run {named.run.run_id} has the same {field}, {only}: there is nothing to compare.",
            hint=f"Fields that vary there: {', '.join(_varying(results)) or 'none'}.",
        )
    if baseline is not None and baseline not in labels.values():
        raise UnknownNameError(f"{field} of run {named.run.run_id}", baseline, labels.values())
    ordered = sorted(groups, key=lambda value: labels[value] != baseline)  # stable: the others keep the plan's order
    side = Side(
        label="",
        run_ids=tuple(run.run_id for run in named.runs),
        env_ids=tuple(dict.fromkeys(run.env_id for run in named.runs)),
        hardware=(),
        git_commit=named.run.git_commit,
        provenance=named.run.provenance,
    )
    return tuple(
        SideResults(replace(side, label=labels[value], hardware=hardware_of(groups[value])), tuple(groups[value]))
        for value in ordered
    )


def differing_facts(sides: Sequence[Mapping[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    """Keep of what is known of each side the facts in which not all agree; a fact that one lacks is ``none`` there."""
    names = dict.fromkeys(name for facts in sides for name in facts)
    differing = [name for name in names if len({facts.get(name, ABSENT) for facts in sides}) > 1]
    return [tuple((name, facts.get(name, ABSENT)) for name in differing) for facts in sides]


def hardware_of(results: Iterable[ResultRecord]) -> tuple[str, ...]:
    """Every hardware class among some results, each once."""
    return tuple(dict.fromkeys(one.hardware for one in results if one.hardware is not None))


def _results_of(store: Store, named: NamedRun) -> tuple[ResultRecord, ...]:
    results = store.results(run_id=[run.run_id for run in named.runs], provenance=ANY)
    return tuple(one for one in results if one.run_id == named.by_series.get(one.series_id, named.run).run_id)


def _varying(results: Sequence[ResultRecord]) -> list[str]:
    values: dict[str, set[Scalar | None]] = {}
    for one in results:
        for name, value in case_fields(one).items():
            values.setdefault(name, set()).add(value)
    return [name for name, seen in values.items() if len(seen) > 1]


def _facts_of(run: RunRecord, environment: Mapping[str, Any]) -> dict[str, str]:
    """What of a run may move its numbers: the user's code, the environment, and how it was measured."""
    commit = run.git_commit
    changed = " with uncommitted changes" if run.git_dirty else ""
    facts = {"made": f"{run.started_at:%Y-%m-%d %H:%M} UTC"}
    facts |= {} if commit is None else {"commit": f"{commit[:_COMMIT_DIGITS]}{changed}"}
    facts |= compared_facts(environment)
    suite = run.config.get("suite")
    if isinstance(suite, Mapping):
        facts["seed"] = str(suite.get("seed"))
        timing = suite.get("timing")
        facts |= {name: str(value) for name, value in timing.items()} if isinstance(timing, Mapping) else {}
    return facts
