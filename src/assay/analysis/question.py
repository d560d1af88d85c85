"""One question of a check (a run, a metric, a reference), and the findings that need no number to be compared.

A result that failed, that is not there, that was disturbed: what is said of it is said before any statistics, and in
the same words whatever it is held against. May import: core, catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from assay.analysis.expected import NOT_TRIED, Earlier
from assay.catalog.launch_metrics import usual_stat
from assay.catalog.metrics import metrics as registry
from assay.core.errors import UsageError
from assay.core.records import FindingRecord, MetricValue, ResultRecord, RunRecord
from assay.core.words import Change, Direction, Fidelity, Status, Verdict

_SHOWN_REASONS = 2


@dataclass(frozen=True, slots=True)
class MetricChoice:
    """Which number is judged: a metric, one statistic of it, its unit and better side."""

    metric: str
    stat: str
    unit: str
    direction: Direction

    @classmethod
    def parse(cls, text: str) -> MetricChoice:
        """Read ``latency_ns`` or ``latency_ns.p90``. Raises UnknownNameError; UsageError for what cannot get worse."""
        name, _, stat = text.strip().partition(".")
        metric = registry.get(name)
        if metric.direction is Direction.NEITHER:
            raise UsageError(
                f"{name} has no better side, so it cannot get worse.",
                hint="Expected a metric that has one: latency_ns.",
            )
        return cls(name, stat or usual_stat(name), metric.unit, metric.direction)

    @property
    def text(self) -> str:
        """The way it is written: the statistic only where it is not the usual one."""
        return self.metric if self.stat == usual_stat(self.metric) else f"{self.metric}.{self.stat}"

    def of(self, result: ResultRecord) -> MetricValue | None:
        """Return this number of a result, or None where it was not taken."""
        return result.metric(self.metric, self.stat)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked in one check: is this number of this run worse than the reference's."""

    check_id: str
    created_at: datetime
    run: RunRecord
    choice: MetricChoice
    against: str
    method: str

    def begin(self, result: ResultRecord, change: Change, *reasons: str, **more: Any) -> FindingRecord:
        """Start the finding of a result; ``more`` are further fields of it."""
        finding = FindingRecord(
            **self._shared(), series_id=result.series_id, case_label=result.case.label, change=change,
            result_id=result.result_id, hardware=result.hardware, value=self.value_of(result),
            launches=result.launches_ok, reasons=reasons,
        )  # fmt: skip
        return replace(finding, **more) if more else finding

    def value_of(self, result: ResultRecord) -> float | None:
        """Return the judged number of a result; None where it has none."""
        number = self.choice.of(result)
        return None if number is None else number.value

    def missing(self, earlier: Earlier, *reasons: str) -> FindingRecord:
        """Make the finding of a case that this run does not have."""
        return FindingRecord(
            **self._shared(), series_id=earlier.series_id, case_label=earlier.label, change=Change.MISSING,
            hardware=earlier.hardware, reference_run_id=earlier.run_id, reference_git_commit=earlier.git_commit,
            reasons=reasons,
        )  # fmt: skip

    def _shared(self) -> Mapping[str, Any]:
        return {
            "finding_id": "", "check_id": self.check_id, "created_at": self.created_at, "run_id": self.run.run_id,
            "metric": self.choice.metric, "stat": self.choice.stat, "unit": self.choice.unit, "against": self.against,
            "method": self.method, "git_commit": self.run.git_commit,
        }  # fmt: skip


def screen_result(question: Question, result: ResultRecord, earlier: Earlier | None) -> FindingRecord | None:
    """Return the finding of a result whose number cannot be judged; None where it can.

    ``earlier`` is what it is held against: the same case in the reference, or the newest result before this one.
    """
    if result.status is not Status.OK:
        return _judge_failure(question, result, earlier)
    if result.fidelity is Fidelity.FAILED:
        return _judge_wrong_answers(question, result, earlier)
    excluding = [f"{mark.value}: {reason}" for mark, reason in result.marks.items() if mark.excludes]
    if excluding:
        return question.begin(result, Change.INCOMPARABLE, *excluding)
    if result.verdict is Verdict.CONTAMINATED:
        why = "; ".join(result.verdict_reasons[:_SHOWN_REASONS]) or "no reason is kept"
        return question.begin(result, Change.INCONCLUSIVE, f"the launches were disturbed: {why}; run it again")
    value = question.value_of(result)
    if value is not None and value <= 0:
        return question.begin(result, Change.INCOMPARABLE, f"a value of {value:g} has no ratio to others")
    return None


def _judge_failure(question: Question, result: ResultRecord, earlier: Earlier | None) -> FindingRecord | None:
    said = f"{result.status.text}: {result.reason}"
    if result.status in NOT_TRIED:
        return None if earlier is None else question.begin(result, Change.MISSING, said, **_pointing_to(earlier))
    if earlier is None:
        return question.begin(result, Change.FAILED, said, "there is no earlier result of it")
    if earlier.status.is_failure:
        before = f"it failed before, in run {earlier.run_id[-8:]}: {earlier.reason}"
        return question.begin(result, Change.INCOMPARABLE, said, before, **_pointing_to(earlier))
    return question.begin(result, Change.FAILED, said, _went_well(earlier), **_pointing_to(earlier))


def _judge_wrong_answers(question: Question, result: ResultRecord, earlier: Earlier | None) -> FindingRecord:
    said = f"its answers are wrong: {result.fidelity_reason}"
    if earlier is None:
        return question.begin(result, Change.INCOMPARABLE, said)
    if earlier.fidelity is Fidelity.FAILED:
        before = f"they were in run {earlier.run_id[-8:]}: {earlier.reason or 'the fidelity gate failed'}"
        return question.begin(result, Change.INCOMPARABLE, said, before, **_pointing_to(earlier))
    return question.begin(result, Change.FAILED, said, _went_well(earlier), **_pointing_to(earlier))


def _went_well(earlier: Earlier) -> str:
    return f"it went well in run {earlier.run_id[-8:]}"


def _pointing_to(earlier: Earlier) -> dict[str, Any]:
    return {"reference_run_id": earlier.run_id, "reference_git_commit": earlier.git_commit}
