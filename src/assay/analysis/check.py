"""Did it get worse: one run against its history or another run, series by series (METHOD 6, *check*).

Reads; launches nothing and writes nothing. Confirmation by fresh launches is ``trials.confirm``, keeping the findings
is the store's. May import: core, catalog, stats, store, analysis.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assay.analysis.against import AGAINST_HISTORY, Against, Kind, Reference, find_reference
from assay.analysis.against_history import METHOD as BY_HISTORY
from assay.analysis.against_history import Past, describe_histories, judge_by_history
from assay.analysis.against_run import METHOD as BY_RUN
from assay.analysis.against_run import OtherRun, judge_by_run
from assay.analysis.environments import TABLES_READ, Environments
from assay.analysis.expected import AD_HOC_SUITES, Earlier, read_expected, read_of_runs, read_previous
from assay.analysis.floors import Floors, read_floors
from assay.analysis.history import HISTORY, read_histories
from assay.analysis.launch_values import read_launch_values
from assay.analysis.levels import describe_annotation, find_mute, read_levels
from assay.analysis.question import MetricChoice, Question, screen_result
from assay.analysis.values import CheckReport
from assay.core.ids import new_id
from assay.core.records import AnnotationRecord, FindingRecord, ResultRecord, RunRecord
from assay.core.words import Change, RunStatus, Status
from assay.stats.multiple import benjamini_hochberg
from assay.store.query import fetch_rows
from assay.store.rows import result_from_row

if TYPE_CHECKING:
    from assay.store import Store

DEFAULT_METRICS = ("latency_ns",)
FALSE_DISCOVERY_RATE = 0.05
_WORST_FIRST = (
    Change.REGRESSED, Change.FAILED, Change.MISSING, Change.SUSPECT, Change.INCONCLUSIVE, Change.INCOMPARABLE,
    Change.NEW, Change.IMPROVED, Change.UNCHANGED,
)  # fmt: skip


def check_run(
    store: Store,
    run: RunRecord,
    *,
    against: Against = AGAINST_HISTORY,
    metrics: Sequence[str] = DEFAULT_METRICS,
    folder: Path | None = None,
    series_ids: Collection[str] | None = None,
    leave_out: Collection[str] = (),
    settles_chance: bool = True,
) -> CheckReport:
    """Judge every series of a run, worst first.

    ``metrics`` are names, with a statistic where it is not the usual one (``latency_ns.p90``). ``folder`` is where git
    is asked for a fork point; None: here. ``series_ids`` narrows the check to some series, of which none is then
    missed. ``leave_out`` are runs that belong to no history. ``settles_chance`` False leaves suspects that so many
    tests give by chance alone, for fresh launches to settle. Raises NotFoundError or UsageError for a reference that is
    not there, UnknownNameError for a metric that nobody knows.
    """
    choices = [MetricChoice.parse(text) for text in dict.fromkeys(metrics)]
    reference = None
    if against.kind is not Kind.HISTORY:
        reference = find_reference(store, run, against, folder=folder or Path.cwd())
    check = _Check(store, run, reference, series_ids, leave_out)
    findings = [one for place, choice in enumerate(choices) for one in check.ask(choice, is_first=place == 0)]
    findings = _with_chances(findings)
    if settles_chance:
        findings = settle_chance(findings)
    findings = [_muted(one, check.annotations) for one in findings]
    return make_report(check.report_without_findings(), findings)


def make_report(report: CheckReport, findings: Sequence[FindingRecord]) -> CheckReport:
    """Return the report with these findings, worst first, each with an id of its own in that order."""
    ordered = sorted(findings, key=_badness)
    return replace(report, findings=tuple(replace(one, finding_id=new_id()) for one in ordered))


def settle_chance(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Make inconclusive the suspects that so many tests give by chance: those with q at or above .05 (METHOD 6).

    Those that fresh launches were made for are left to what these said.
    """
    tests = sum(one.p is not None for one in findings)

    def settle(finding: FindingRecord) -> FindingRecord:
        if finding.change is not Change.SUSPECT or finding.confirmed_by:
            return finding
        if finding.q is None or finding.q < FALSE_DISCOVERY_RATE:
            return finding
        reason = f"1 of {tests} series: such a difference is expected by chance (q {finding.q:.2f})"
        return replace(finding, change=Change.INCONCLUSIVE, reasons=(*finding.reasons, reason))

    return [settle(one) for one in findings]


class _Check:
    """One check while it is made: what all of its questions share is read once."""

    def __init__(
        self,
        store: Store,
        run: RunRecord,
        reference: Reference | None,
        series_ids: Collection[str] | None,
        leave_out: Collection[str],
    ) -> None:
        self._store, self._run, self._reference = store, run, reference
        self._series_ids, self._leave_out = series_ids, leave_out
        self._check_id, self._now = new_id(), datetime.now(UTC)
        self.annotations: list[AnnotationRecord] = store.annotations()
        self._environments = Environments(store)
        self._floors: Floors = read_floors(store)
        self._results = self._read_results()
        self._notes: list[str] = list(reference.notes) if reference else []
        self._there = {} if reference is None else _results_of(store, reference)
        self._expected = self._read_expected()
        self._compared: list[FindingRecord] = []

    def ask(self, choice: MetricChoice, *, is_first: bool) -> list[FindingRecord]:
        """Answer for one metric. What is missing or failed has no number, and is told with the first metric only."""
        against = HISTORY if self._reference is None else self._reference.text
        method = BY_HISTORY if self._reference is None else BY_RUN
        question = Question(self._check_id, self._now, self._run, choice, against, method)
        findings, judged, lacking = self._screen(question, is_first=is_first)
        findings += self._judge(question, judged, lacking)
        if is_first:
            findings += self._miss(question)
        self._compared += findings
        return findings

    def report_without_findings(self) -> CheckReport:
        """Return what the report says beside its findings; to be called once every question was asked."""
        run, reference = self._run, self._reference
        referred = None if reference is None else reference.run
        if referred is None:
            newest = max((one.reference_run_id for one in self._compared if one.reference_run_id), default=None)
            commits = {one.reference_run_id: one.reference_git_commit for one in self._compared}
        else:
            newest, commits = referred.run_id, {referred.run_id: referred.git_commit}
        broken = {one.environment_break for one in self._compared if one.result_id is not None}
        return CheckReport(
            check_id=self._check_id, run_id=run.run_id, created_at=self._now, suite=run.suite,
            against=HISTORY if reference is None else reference.text, findings=(), expected=len(self._expected),
            git_commit=run.git_commit, git_branch=run.git_branch, git_dirty=run.git_dirty, reference_run_id=newest,
            reference_git_commit=commits.get(newest), notes=tuple(self._notes),
            environment_break=next(iter(broken)) if len(broken) == 1 else None,
        )  # fmt: skip

    def _read_results(self) -> list[ResultRecord]:
        rows = fetch_rows(
            self._store.location,
            "SELECT * FROM results WHERE run_id = ? ORDER BY result_id",
            [self._run.run_id],
            tables=TABLES_READ,
            versions=self._store.versions,
        )
        wanted = self._series_ids
        return [result_from_row(row) for row in rows if wanted is None or row["series_id"] in wanted]

    def _read_expected(self) -> dict[str, Earlier]:
        run, reference = self._run, self._reference
        if reference is None:
            if run.suite in AD_HOC_SUITES:
                self._notes.append(f"runs of {run.suite} have other cases each time, so none is missed")
            return read_expected(self._store, run, self.annotations, leave_out=self._leave_out)
        others = [one for one in reference.runs if one.suite == run.suite]
        if not others:
            self._notes.append(f"{reference.text} is of suite {reference.run.suite}, so no case of it is missed")
        return read_of_runs(self._store, [one.run_id for one in others])

    def _screen(
        self, question: Question, *, is_first: bool
    ) -> tuple[list[FindingRecord], list[ResultRecord], list[ResultRecord]]:
        """Say what can be said without a number; return the results that have one to be judged, and those without."""
        odd = [one for one in self._results if one.status is not Status.OK or not one.is_usable]
        earlier: Mapping[str, Earlier] = self._expected
        if self._reference is None and odd:
            previous = read_previous(self._store, self._run, odd, leave_out=self._leave_out)
            earlier = {**self._expected, **previous}
        findings: list[FindingRecord] = []
        judged: list[ResultRecord] = []
        lacking: list[ResultRecord] = []
        for result in self._results:
            finding = screen_result(question, result, earlier.get(result.case.case_id))
            if finding is not None:
                # What has no number is told once; that the launches were disturbed, of each metric.
                findings += [finding] if is_first or finding.change is Change.INCONCLUSIVE else []
            elif result.status is Status.OK:
                (lacking if question.value_of(result) is None else judged).append(result)
        return findings, judged, lacking

    def _judge(
        self, question: Question, results: Sequence[ResultRecord], lacking: Sequence[ResultRecord]
    ) -> list[FindingRecord]:
        if self._reference is None:
            past = self._read_past(question)
            line = describe_histories(question, past, [one.series_id for one in results])
            if line is not None and line not in self._notes:
                self._notes.append(line)
            had = {one.series_id for one in past.histories.values() if one.values}
            return judge_by_history(question, results, past) + self._lack(question, lacking, had)
        runs = [self._run.run_id, *(one.run_id for one in self._reference.runs)]
        launches = read_launch_values(self._store, runs, question.choice.metric, question.choice.stat)
        other = OtherRun(self._reference, self._there, launches, self._environments, self._floors)
        had = {one.series_id for one in self._there.values() if question.value_of(one) is not None}
        return judge_by_run(question, results, other) + self._lack(question, lacking, had)

    def _lack(self, question: Question, results: Sequence[ResultRecord], had: Collection[str]) -> list[FindingRecord]:
        """Miss numbers that earlier results of the series have; of those that never had one say it once, for all."""
        name = question.choice.text
        never = [one for one in results if one.series_id not in had]
        if never:
            count = f"{len(never)} of {len(self._results)} results have no {name}"
            self._notes.append(f"{count}{_why_lacking(question, never)}")
        return [
            question.begin(
                one, Change.MISSING, f"it has no {name}{_why_lacking(question, [one])}; earlier results have"
            )
            for one in results
            if one.series_id in had
        ]

    def _read_past(self, question: Question) -> Past:
        choice = question.choice
        until = {one.series_id: one.measured_at for one in self._results if one.measured_at is not None}
        levels = read_levels(self._store, self.annotations, choice.metric, until)
        histories = read_histories(
            self._store, self._run, choice.metric, choice.stat,
            env_ids=self._environments.same_as(self._run.env_id), levels=levels, leave_out=self._leave_out,
        )  # fmt: skip
        return Past(histories, levels, self._expected, self._environments, self._floors)

    def _miss(self, question: Question) -> list[FindingRecord]:
        """Find what earlier runs had and this one has no row of."""
        if self._series_ids is not None:
            return []
        here = {one.case.case_id for one in self._results}
        why = ["the run was interrupted"] if self._run.status is RunStatus.INTERRUPTED else []
        return [
            question.missing(one, f"run {one.run_id[-8:]} had it, this run has not", *why)
            for case_id, one in self._expected.items()
            if case_id not in here
        ]


def _results_of(store: Store, reference: Reference) -> dict[str, ResultRecord]:
    """The reference's results by case; a series that has a baseline of its own takes that one's."""
    found = {one.case.case_id: one for one in store.results(run_id=reference.run.run_id)}
    for series_id, run in reference.by_series.items():
        found |= {one.case.case_id: one for one in store.results(run_id=run.run_id, series_id=series_id)}
    return found


def _why_lacking(question: Question, results: Sequence[ResultRecord]) -> str:
    reasons = {number.reason for one in results if (number := question.choice.of(one)) is not None and number.reason}
    return f": {'; '.join(sorted(reasons)[:2])}" if reasons else ""


def _with_chances(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Give each tested finding its q over all of them."""
    chances = iter(benjamini_hochberg([one.p for one in findings if one.p is not None]))
    return [one if one.p is None else replace(one, q=next(chances)) for one in findings]


def _muted(finding: FindingRecord, annotations: Sequence[AnnotationRecord]) -> FindingRecord:
    subjects = (finding.series_id, finding.result_id, finding.run_id)
    mute = find_mute(annotations, finding.metric, subjects)
    return finding if mute is None else replace(finding, muted=describe_annotation(mute))


def _badness(finding: FindingRecord) -> tuple[bool, bool, int, float, str]:
    """Sort key: alarms that nobody has muted, muted ones, the rest; by verdict, then by how much worse."""
    worse = 0.0
    if finding.ratio and finding.is_worse is not None:
        size = max(finding.ratio, 1 / finding.ratio)
        worse = -size if finding.is_worse else size
    is_alarm = finding.change.is_alarm
    rank = _WORST_FIRST.index(finding.change)
    return not is_alarm, is_alarm and finding.muted is not None, rank, worse, finding.case_label
