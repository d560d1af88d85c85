"""From the words of ``assay compare`` to what is launched and what is asked of the launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.cli.compare_sides import put_first
from assay.cli.flags import override_suite
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.analysis.sides import SideResults
    from assay.analysis.values import CompareReport
    from assay.runner.suite_model import Suite
    from assay.store import Store
    from assay.trials.values import SideSpec, Trial, TrialRequest

DEFAULT_LAUNCHES = 5
"""A side: the fewest that METHOD 6 gives a verdict from."""
_FIELD_OF_KEY = {"model": "workload"}
_MOST_METRICS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Question:
    """Which number is compared, and across which fields."""

    metric: str
    stat: str | None
    phase: str | None
    across: tuple[str, ...]
    with_imported: bool = False

    def check(self) -> None:
        """Raise UnknownNameError for a metric or statistic that nobody knows, before anything is launched."""
        from assay.analysis.launch_values import settle_stat

        settle_stat(self.metric, self.stat)

    def ask(
        self,
        store: Store,
        groups: Sequence[SideResults],
        *,
        is_interleaved: bool | None = None,
        more_across: Sequence[str] = (),
    ) -> CompareReport:
        """Compare the groups. Raises UsageError where there is nothing to compare, saying what differs."""
        from assay.analysis.compare import compare_groups

        _refuse_empty(groups, self)
        report = compare_groups(
            store,
            groups,
            metric=self.metric,
            stat=self.stat,
            across=(*self.across, *more_across),
            is_interleaved=is_interleaved,
            phase=self.phase,
            with_imported=self.with_imported,
        )
        _refuse_apart(groups, report)
        return report


@dataclass(frozen=True, slots=True)
class Windows:
    """How long is measured, where the command line says so."""

    launches: int | None
    min_time: float | None
    max_time: float | None
    launch_limit: str | None
    seed: int | None

    def lay_over(self, suite: Suite) -> Suite:
        """Return the suite with these, and five launches a side unless told otherwise."""
        launches = self.launches or DEFAULT_LAUNCHES
        return override_suite(suite, launches, self.min_time, self.max_time, self.launch_limit, self.seed)

    def given(self) -> dict[str, object]:
        """Return what was given, by flag."""
        return {
            "--launches": self.launches, "--min-time": self.min_time, "--max-time": self.max_time,
            "--launch-limit": self.launch_limit, "--seed": self.seed,
        }  # fmt: skip


def refuse(given: Mapping[str, object], why: str, *, hint: str) -> None:
    """Raise UsageError naming the flags that were given and make no sense here."""
    named = [flag for flag, value in given.items() if value not in (None, False, [], (), {}, "")]
    if named:
        raise UsageError(f"{', '.join(named)} {'was' if len(named) == 1 else 'were'} given, {why}.", hint=hint)


def across_of(specs: Sequence[SideSpec], groups: Sequence[SideResults]) -> list[str]:
    """Return the fields that the sides' own flags set apart: one value a side, not the same on all."""
    from assay.analysis.pairing import case_fields

    known = {name for group in groups for result in group.results for name in case_fields(result)}
    names = dict.fromkeys(name for spec in specs for name in spec.keys)
    found = []
    for name in names:
        values = {spec.keys.get(name) for spec in specs}
        field = _FIELD_OF_KEY.get(name, name)
        if len(values) > 1 and field in known and not any(value and "," in value for value in values):
            found.append(field)
    return found


def request_of(specs: Sequence[SideSpec], suite: Suite, windows: Windows, baseline: str | None) -> TrialRequest:
    """Return what launches a suite on every side, the baseline first. Raises UsageError, SuiteError."""
    from assay.trials.values import TrialRequest

    order = put_first([spec.label for spec in specs], baseline)
    return TrialRequest(windows.lay_over(suite), tuple(specs[place] for place in order), Path.cwd())


def request_again(
    store: Store, refs: Sequence[str], question: Question, windows: Windows, baseline: str | None
) -> TrialRequest:
    """Return what launches again the cases that some stored runs have in common. Raises UsageError, NotFoundError."""
    from assay.analysis.pairing import find_varied
    from assay.analysis.sides import find_named_run, gather_sides
    from assay.probes.environment import collect_environment
    from assay.trials.again import ask_again

    order = put_first(refs, baseline)
    named = [find_named_run(store, refs[place]) for place in order]
    groups = gather_sides(store, named)
    _refuse_empty(groups, question)
    results = [group.results for group in groups]
    request = ask_again(
        named,
        results,
        find_varied(results, question.across),
        here=collect_environment(),
        made_in={env_id: store.environment(env_id) for group in groups for env_id in group.side.env_ids},
        folder=Path.cwd(),
    )
    return replace(request, suite=windows.lay_over(request.suite))


def groups_of(trial: Trial) -> list[SideResults]:
    """Return the sides of a trial with the results of their runs."""
    from assay.analysis.sides import SideResults

    return [SideResults(side, finished.results) for side, finished in zip(trial.sides, trial.runs, strict=True)]


def _refuse_empty(groups: Sequence[SideResults], question: Question) -> None:
    """Refuse what cannot give one comparison, with what is there instead."""
    from assay.core.words import Provenance

    for group in groups:
        if not group.results:
            raise UsageError(f"{group.side.label} has no results.", hint="`assay ls` says what each run has.")
        if group.side.provenance is Provenance.IMPORTED and not question.with_imported:
            raise UsageError(
                f"{group.side.label} was imported: it has no launches, which is what a comparison rests on.",
                hint="--with-imported puts its numbers beside the others', without a verdict.",
            )
    metrics = {metric.name for group in groups for result in group.results for metric in result.metrics}
    if metrics and question.metric not in metrics:
        shown = ", ".join(sorted(metrics)[:_MOST_METRICS_SHOWN])
        raise UsageError(f"None of these results has {question.metric}.", hint=f"They have {shown}.")


def _refuse_apart(groups: Sequence[SideResults], report: CompareReport) -> None:
    from assay.analysis.pairing import explain_no_pair

    if any(one.result_a is not None and one.result_b is not None for one in report.comparisons):
        return
    labels = [group.side.label for group in groups]
    apart = explain_no_pair([group.results for group in groups], labels)
    left = {name: text for name, text in apart.items() if name not in report.varied}
    if left:
        described = "; ".join(f"{name} is {text}" for name, text in left.items())
        hint = f"To pair across it on purpose: --across {','.join(left)}"
    else:
        described = "no field differs everywhere, but no case has all fields as on the other side"
        hint = "`assay show RUN` lists the cases of each."
    raise UsageError(f"{' and '.join(labels)} have no case in common: {described}.", hint=hint)
