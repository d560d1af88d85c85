"""``/check``: did a run get worse, series by series (METHOD: check). Nothing is launched, and nothing written.

May import: core, analysis, web.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field

from assay.analysis.against import Against, Kind
from assay.analysis.check import DEFAULT_METRICS, check_run
from assay.analysis.history import find_newest_run
from assay.analysis.values import CheckReport, exit_code
from assay.core.errors import NotFoundError, UsageError
from assay.core.records import FindingRecord, RunRecord
from assay.core.words import Change, Provenance
from assay.store import Store
from assay.web.api.replies import Model, answer, api_router, finite, store_of
from assay.web.api.runs import find_run
from assay.web.openapi import UNTAGGED

router = api_router("analysis")


class FindingModel(Model):
    """What is said of one series: the judged number, what it was held against, by which rule."""

    series_id: str
    case: str = Field(description="The case in words.")
    hardware: str | None
    metric: str
    stat: str
    unit: str = Field(description="Unit of the two values.")
    change: Change
    is_worse: bool | None = Field(description="By the metric's direction; null where nothing could be compared.")
    reasons: list[str]
    method: str = Field(description="The rule.", examples=["prediction-interval", "welch"])
    value: float | None
    reference_value: float | None
    ratio: float | None = Field(description="Value over reference.")
    ratio_lo: float | None
    ratio_hi: float | None
    p: float | None
    q: float | None = Field(description="After Benjamini and Hochberg over the check.")
    p_slower: float | None = Field(description="Probability that a launch of the judged run has the greater value.")
    floor: float | None = Field(description="Smallest relative change that counts.")
    launches: int
    launches_needed: int | None
    reference_n: int = Field(description="Values of the reference: results of a history, launches of a run.")
    result_id: str | None
    reference_run_id: str | None
    environment_break: str | None = Field(description="What differs between the environments.")
    muted: str | None = Field(description="Who wants not to hear of it, and why.")


class CheckModel(Model):
    """What `assay check --no-confirm` answers. A suspect becomes a regression by fresh launches only."""

    run_id: str
    suite: str
    against: str
    created_at: datetime
    provenance: Provenance
    exit_code: int = Field(description="What the command would end with: 0, 1, or 4 (docs/checking.md).")
    expected: int = Field(description="Series that should be there.")
    counts: dict[Change, int]
    alarms: int = Field(description="Findings that somebody should look at.")
    git_commit: str | None
    git_branch: str | None
    reference_run_id: str | None
    reference_git_commit: str | None
    environment_break: str | None
    notes: list[str]
    findings: list[FindingModel] = Field(description="Worst first.")


@router.get(
    "/check",
    operation_id="check",
    summary="Check a run against its history",
    response_model=CheckModel,
    openapi_extra={UNTAGGED: True},
)
def check(
    request: Request,
    run: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="The run; the newest that is no trial where none is named."),
    ] = None,
    against: Annotated[
        str,
        Query(
            pattern=r"^(history|(baseline|tag|run):.{1,200})$",
            description="`history`, `baseline:NAME`, `tag:NAME` or `run:RUN`.",
        ),
    ] = "history",
    metric: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]] | None,
        Query(max_length=20, description="Which numbers, with a statistic if need be: `latency_ns.p90`."),
    ] = None,
) -> Response:
    """The findings are not kept: `assay check` on the machine keeps its own, and can have suspects launched again."""

    def build() -> CheckModel:
        store = store_of(request)
        reference = Against.parse(against)
        if reference.kind is Kind.FORK_POINT:  # it would ask git, in a folder of the server's
            raise UsageError("A fork point is looked up with git, which the server does not.")
        report = check_run(store, _judged(store, run), against=reference, metrics=metric or DEFAULT_METRICS)
        return check_model(report)

    return answer(request, build, is_tagged=False)


def check_model(report: CheckReport) -> CheckModel:
    """Return a check as the API gives it."""
    return CheckModel(
        run_id=report.run_id, suite=report.suite, against=report.against, created_at=report.created_at,
        provenance=Provenance.MEASURED, exit_code=exit_code(report), expected=report.expected, counts=report.counts(),
        alarms=len(report.alarms()), git_commit=report.git_commit, git_branch=report.git_branch,
        reference_run_id=report.reference_run_id, reference_git_commit=report.reference_git_commit,
        environment_break=report.environment_break, notes=list(report.notes),
        findings=[_finding(one) for one in report.findings],
    )  # fmt: skip


def _judged(store: Store, ref: str | None) -> RunRecord:
    if ref is None:
        newest = find_newest_run(store)
        if newest is None:
            raise NotFoundError("There is nothing to check: the store holds no measured runs.")
        return newest
    found = find_run(store, ref)
    if found.provenance is not Provenance.MEASURED:
        raise UsageError(f"Run {found.run_id} was {found.provenance}; only measured runs are checked.")
    return found


def _finding(one: FindingRecord) -> FindingModel:
    return FindingModel(
        series_id=one.series_id, case=one.case_label, hardware=one.hardware, metric=one.metric, stat=one.stat,
        unit=one.unit, change=one.change, is_worse=one.is_worse, reasons=list(one.reasons), method=one.method,
        value=finite(one.value), reference_value=finite(one.reference_value), ratio=finite(one.ratio),
        ratio_lo=finite(one.ci_lo), ratio_hi=finite(one.ci_hi), p=finite(one.p), q=finite(one.q),
        p_slower=finite(one.p_slower), floor=finite(one.floor), launches=one.launches,
        launches_needed=one.launches_needed, reference_n=one.reference_n, result_id=one.result_id,
        reference_run_id=one.reference_run_id, environment_break=one.environment_break, muted=one.muted,
    )  # fmt: skip
