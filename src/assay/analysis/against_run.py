"""Judge results by the launches of one other run: at most a suspicion, for the two were not interleaved.

What the machine did between them is in the difference. So the test is that of METHOD 6, *compare*, and its verdict is
not taken at its word. May import: core, stats, analysis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.analysis.against import Reference
from assay.analysis.environments import Environments
from assay.analysis.launch_values import LaunchValues
from assay.analysis.question import Question
from assay.core.records import FindingRecord, ResultRecord
from assay.core.words import Change, Status, Verdict
from assay.stats.change import estimate_ratio, is_worse_ratio, judge_ratio

if TYPE_CHECKING:
    from assay.analysis.floors import Floors

METHOD = "welch"
_NOT_INTERLEAVED = "the launches were not interleaved"


@dataclass(frozen=True, slots=True)
class OtherRun:
    """The reference's results by case, the launches of both sides by result, and what else judging takes."""

    reference: Reference
    results: Mapping[str, ResultRecord]
    launches: Mapping[str, LaunchValues]
    environments: Environments
    floors: Floors


def judge_by_run(question: Question, results: Sequence[ResultRecord], other: OtherRun) -> list[FindingRecord]:
    """Judge results that have a number, each by the result of the same case in the reference."""
    return [_judge_one(question, result, other) for result in results]


def _judge_one(question: Question, result: ResultRecord, other: OtherRun) -> FindingRecord:
    run = other.reference.by_series.get(result.series_id, other.reference.run)
    there = other.results.get(result.case.case_id)
    pointing: dict[str, Any] = {"reference_run_id": run.run_id, "reference_git_commit": run.git_commit}
    if there is None:
        return question.begin(result, Change.NEW, f"{other.reference.text} has no such case", **pointing)
    broken = other.environments.describe_break(run.env_id, question.run.env_id)
    if broken is not None or there.series_id != result.series_id:
        broken = broken or "another hardware class"
        reason = f"the environment changed: {broken}; a break, not a regression"
        return question.begin(result, Change.INCOMPARABLE, reason, environment_break=broken, **pointing)
    value = question.value_of(there)
    if there.status is not Status.OK or not there.is_usable:
        return question.begin(result, Change.INCOMPARABLE, f"{other.reference.text}: {_why_not(there)}", **pointing)
    if value is None or value <= 0:
        reason = f"{other.reference.text} has no {question.choice.text}"
        return question.begin(result, Change.INCOMPARABLE, reason, **pointing)
    if there.verdict is Verdict.CONTAMINATED:
        reason = f"the launches of {other.reference.text} were disturbed: {'; '.join(there.verdict_reasons[:2])}"
        return question.begin(result, Change.INCONCLUSIVE, reason, **pointing)
    return _test(question, result, there, other, pointing | {"reference_value": value})


def _test(
    question: Question, result: ResultRecord, there: ResultRecord, other: OtherRun, pointing: Mapping[str, Any]
) -> FindingRecord:
    before, now = other.launches.get(there.result_id), other.launches.get(result.result_id)
    if before is None or now is None or not (before.values and now.values):
        known = next((one.reason for one in (before, now) if one is not None and one.reason), None)
        reason = known or f"launches have no {question.choice.text} of their own"
        return question.begin(result, Change.INCONCLUSIVE, reason, **pointing)
    direction = question.choice.direction
    floor = other.floors.floor(result.series_id, question.choice.metric, question.run.env_id)
    finding = question.begin(
        result, Change.INCONCLUSIVE, **pointing, reference_n=len(before.values), launches=len(now.values), floor=floor
    )
    estimate = estimate_ratio(before.values, now.values)
    if estimate is None:
        fewest = min(len(before.values), len(now.values))
        return replace(finding, reasons=(f"{fewest} launch{'es' if fewest != 1 else ''} on one side has no spread",))
    judgement = judge_ratio(estimate, direction=direction, floor=floor)
    change, reasons = judgement.change, judgement.reasons
    if change is Change.REGRESSED:
        change, reasons = Change.SUSPECT, (_NOT_INTERLEAVED,)
    elif change is Change.IMPROVED:
        change, reasons = Change.INCONCLUSIVE, (f"better, but {_NOT_INTERLEAVED}",)
    return replace(
        finding, change=change, reasons=reasons, ratio=estimate.ratio,
        is_worse=is_worse_ratio(estimate.ratio, direction), ci_lo=estimate.lo95, ci_hi=estimate.hi95, p=estimate.p,
        p_slower=estimate.p_greater, launches_needed=judgement.launches_needed,
    )  # fmt: skip


def _why_not(result: ResultRecord) -> str:
    if result.status is not Status.OK:
        return f"{result.status.text}: {result.reason}"
    return f"its answers are wrong: {result.fidelity_reason}" if result.fidelity_reason else "it does not count"
