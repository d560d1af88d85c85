"""Settle suspects by fresh launches: only those make a regression (METHOD 6, *confirm*).

Five launches of the earlier code and five of the present one, interleaved, are judged by rule A; what the check saw
before counts for nothing in it. Where there is one code only, five fresh launches are judged by the reference again:
then nothing can be confirmed, but a false alarm can be taken back. May import: core, analysis, runner, store, trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.analysis.against import Against
from assay.analysis.check import check_run, make_report, settle_chance
from assay.analysis.compare import compare_runs
from assay.analysis.history import TRIAL_TAG
from assay.analysis.values import CheckReport, Comparison
from assay.core.errors import AssayError, UsageError
from assay.core.records import EnvironmentRecord, FindingRecord, RunRecord
from assay.core.words import Change, RunStatus, Verdict
from assay.runner.execute import execute_plan
from assay.runner.plan import make_plan, read_machine
from assay.runner.program import WorkerProgram
from assay.runner.progress import standing_in
from assay.runner.request import FinishedRun, RunRequest
from assay.runner.suite_model import Suite
from assay.store import Store
from assay.trials.ab import run_trial
from assay.trials.confirm_plan import FRESH_LAUNCHES, ConfirmationPlan, FreshLaunches
from assay.trials.values import SideSpec, Trial, TrialRequest

METHOD = "fresh-welch"
CONFIRM_TAG = "confirm"
BEFORE, NOW = "before", "now"


@dataclass(frozen=True, slots=True)
class Launchers:
    """How the launches are made; the command line draws them as they go on. None: without a display."""

    trial: Callable[[TrialRequest], Trial] | None = None
    run: Callable[[RunRequest], FinishedRun] | None = None


def confirm_suspects(
    store: Store,
    run: RunRecord,
    report: CheckReport,
    plan: ConfirmationPlan,
    *,
    against: Against,
    folder: Path,
    here: EnvironmentRecord,
    launchers: Launchers = Launchers(),
) -> CheckReport:
    """Make the launches of a plan and return the report with what they say of each suspect.

    ``against`` is what the check held the run against, ``folder`` where the user stands, ``here`` the environment. What
    is not launched, or cannot be, keeps its verdict with the reason, unless so many tests give one like it by chance.
    Raises StoreError.
    """
    settled: dict[str, FindingRecord] = {}
    was_interrupted = False
    for fresh in plan.launches:
        if was_interrupted or plan.suite is None:
            settled |= _unsettled(fresh, "the confirmation was interrupted")
            continue
        suite = replace(plan.suite, launches=FRESH_LAUNCHES)
        try:
            if fresh.before is None:
                finished = _launch_alone(store, suite, fresh, folder, here, launchers)
                was_interrupted = finished.run.status is RunStatus.INTERRUPTED
                settled |= _judge_alone(store, run, fresh, finished, against, folder)
            else:
                trial = _launch_both(store, suite, fresh, folder, launchers)
                was_interrupted = any(one.run.status is RunStatus.INTERRUPTED for one in trial.runs)
                settled |= _judge_both(store, fresh, trial)
        except AssayError as error:
            settled |= _unsettled(fresh, f"it could not be launched again: {error.message}")
    for finding in report.findings:
        if finding.finding_id in plan.refused:
            reason = f"not confirmed: {plan.refused[finding.finding_id]}"
            settled[finding.finding_id] = replace(finding, reasons=(*finding.reasons, reason))
    findings = [settled.get(one.finding_id, one) for one in report.findings]
    return make_report(replace(report, notes=(*report.notes, *_notes(findings))), settle_chance(findings))


def _launch_both(store: Store, suite: Suite, fresh: FreshLaunches, folder: Path, launchers: Launchers) -> Trial:
    request = TrialRequest(
        suite=suite,
        sides=(SideSpec(BEFORE, ref=fresh.before), SideSpec(NOW, ref=fresh.now)),
        folder=folder,
        case_ids=fresh.case_ids,
        tags=(CONFIRM_TAG,),
        note="to confirm a suspicion",
    )
    return run_trial(request, store) if launchers.trial is None else launchers.trial(request)


def _launch_alone(
    store: Store, suite: Suite, fresh: FreshLaunches, folder: Path, here: EnvironmentRecord, launchers: Launchers
) -> FinishedRun:
    program = WorkerProgram(folder=None if folder.resolve() == Path.cwd() else folder)
    with standing_in(program.folder):
        plan = make_plan(suite, read_machine())
    chosen = tuple(one for one in plan.cases if one.case.case_id in fresh.case_ids)
    if not chosen:
        raise UsageError("the suite of the run makes other cases here now")
    request = RunRequest(
        plan=replace(plan, cases=chosen),
        environment=here,
        tags=(CONFIRM_TAG, TRIAL_TAG),
        note="to see whether a suspicion is still there",
        folder=folder,
        program=program,
    )
    return execute_plan(request, store) if launchers.run is None else launchers.run(request)


def _judge_both(store: Store, fresh: FreshLaunches, trial: Trial) -> dict[str, FindingRecord]:
    """Take the verdict of rule A on the fresh launches, metric by metric."""
    run_ids = tuple(one.run.run_id for one in trial.runs)
    settled = {}
    for metric, stat in {(one.metric, one.stat): None for one in fresh.findings}:
        report = compare_runs(store, trial.sides, metric=metric, stat=stat, is_interleaved=True)
        by_series = {one.series_b: one for one in report.comparisons}
        for finding in fresh.findings:
            if (finding.metric, finding.stat) == (metric, stat):
                settled[finding.finding_id] = _settle(finding, by_series.get(finding.series_id), run_ids)
    return settled


def _settle(finding: FindingRecord, said: Comparison | None, run_ids: tuple[str, ...]) -> FindingRecord:
    found = replace(finding, confirmed_by=run_ids)
    if said is None or said.estimate is None:
        why = "; ".join(said.reasons) if said is not None and said.reasons else "they gave no result"
        return _add(found, f"fresh launches could not be compared: {why}")
    estimate = said.estimate
    span = f"{_percent(estimate.ratio)} ({_percent(estimate.lo95)} .. {_percent(estimate.hi95)})"
    match said.change:
        case Change.REGRESSED:
            confirmed = replace(
                found, change=Change.REGRESSED, method=METHOD, value=said.value_b, reference_value=said.value_a,
                ratio=estimate.ratio, is_worse=True, ci_lo=estimate.lo95, ci_hi=estimate.hi95, p=estimate.p, q=None,
                p_slower=estimate.p_greater, reference_n=estimate.n_a, launches=estimate.n_b, floor=said.floor,
            )  # fmt: skip
            return _add(
                confirmed, f"confirmed by {estimate.n_a} + {estimate.n_b} interleaved launches: {span}", *said.reasons
            )
        case Change.UNCHANGED | Change.IMPROVED:
            reason = f"not confirmed: {estimate.n_a} + {estimate.n_b} interleaved launches gave {span}"
            return _add(replace(found, change=Change.UNCHANGED), reason)
        case _:
            reason = f"{estimate.n_a} + {estimate.n_b} interleaved launches do not decide: {span}"
            return _add(replace(found, launches_needed=said.launches_needed), reason, *said.reasons)


def _judge_alone(
    store: Store, run: RunRecord, fresh: FreshLaunches, finished: FinishedRun, against: Against, folder: Path
) -> dict[str, FindingRecord]:
    """Judge fresh launches of the same code by the same reference, the judged run left out of it."""
    series_ids = {one.series_id for one in fresh.findings}
    disturbed = {one.series_id: one for one in finished.results if one.verdict is Verdict.CONTAMINATED}
    metrics = [f"{one.metric}.{one.stat}" for one in fresh.findings]
    again = check_run(
        store, finished.run, against=against, metrics=metrics, folder=folder, series_ids=series_ids,
        leave_out=[run.run_id], settles_chance=False,
    )  # fmt: skip
    said = {(one.series_id, one.metric, one.stat): one for one in again.findings}
    settled = {}
    for finding in fresh.findings:
        found = replace(finding, confirmed_by=(finished.run.run_id,))
        one = said.get((finding.series_id, finding.metric, finding.stat))
        if finding.series_id in disturbed:
            reasons = "; ".join(disturbed[finding.series_id].verdict_reasons[:2])
            settled[finding.finding_id] = _add(found, f"fresh launches of the same code were disturbed: {reasons}")
        elif one is None or one.ratio is None:
            why = "; ".join(one.reasons) if one is not None and one.reasons else "they gave no result"
            settled[finding.finding_id] = _add(found, f"fresh launches could not be judged: {why}")
        elif one.change is Change.SUSPECT:
            reason = f"the same code is still worse ({_percent(one.ratio)}): has the machine changed?"
            settled[finding.finding_id] = _add(found, reason)
        else:
            reason = f"not confirmed: fresh launches of the same code gave {_percent(one.ratio)}"
            settled[finding.finding_id] = _add(replace(found, change=Change.UNCHANGED), reason)
    return settled


def _unsettled(fresh: FreshLaunches, reason: str) -> Mapping[str, FindingRecord]:
    return {one.finding_id: _add(one, f"not confirmed: {reason}") for one in fresh.findings}


def _notes(findings: Sequence[FindingRecord]) -> tuple[str, ...]:
    again = [one for one in findings if one.confirmed_by]
    if not again:
        return ()
    confirmed = sum(one.change is Change.REGRESSED for one in again)
    taken_back = sum(one.change is Change.UNCHANGED for one in again)
    return (f"{len(again)} launched again: {confirmed} confirmed, {taken_back} taken back",)


def _add(finding: FindingRecord, *reasons: str) -> FindingRecord:
    return replace(finding, reasons=(*finding.reasons, *reasons))


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"
