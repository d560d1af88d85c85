"""``/compare``: two or more runs beside each other, or the parts of one (METHOD: comparing).

May import: core, analysis, web.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field

from assay.analysis.compare import compare_groups
from assay.analysis.pairing import explain_no_pair
from assay.analysis.sides import SideResults, find_named_run, gather_sides, split_run
from assay.analysis.values import CompareReport, Comparison, Side
from assay.core.errors import UsageError
from assay.core.words import Change, Direction, Provenance
from assay.store import Store
from assay.web.api.replies import Model, answer, api_router, finite, store_of
from assay.web.api.series import MetricName, StatName

router = api_router("analysis")

Ref = Annotated[str, Field(min_length=1, max_length=200)]
_MOST_SIDES = 8


class SideModel(Model):
    """One of the things that are compared."""

    label: str = Field(description="What the address calls it.")
    run_ids: list[str]
    env_ids: list[str]
    hardware: list[str]
    provenance: Provenance
    git_commit: str | None
    described: dict[str, str] = Field(description="Facts in which the sides differ.")


class ComparisonModel(Model):
    """One case of one side beside the first side's. Values are the results' own, in `unit`."""

    case: str = Field(description="The case in words.")
    side: int = Field(description="Position among `sides`.")
    change: Change
    reasons: list[str] = Field(description="Why this verdict, and what else is to be known.")
    baseline_value: float | None
    value: float | None
    ratio: float | None = Field(description="Side over baseline; null where no interval could be had.")
    ratio_lo: float | None = Field(description="Lower end of its 95 % interval.")
    ratio_hi: float | None = Field(description="Upper end of it.")
    speedup: float | None = Field(description="How many times better the side is, by the metric's direction.")
    p: float | None = Field(description="Of the test that the ratio is 1.")
    p_greater: float | None = Field(description="Probability that a launch of the side has the greater value.")
    baseline_launches: int | None
    launches: int | None
    floor: float | None = Field(description="Smallest relative change that counts.")
    launches_needed: int | None = Field(description="Launches a side that would decide.")
    baseline_result_id: str | None
    result_id: str | None
    baseline_series_id: str | None
    series_id: str | None


class MeanModel(Model):
    """The geometric mean of the ratios of one side over the cases that both have."""

    side: int
    ratio: float
    ratio_lo: float | None
    ratio_hi: float | None
    n: int = Field(description="Cases it is over.")
    of: int = Field(description="Cases that both sides have.")


class CompareModel(Model):
    """What `assay compare` answers."""

    metric: str
    stat: str
    unit: str
    direction: Direction
    is_interleaved: bool = Field(description="Whether the launches took turns: only then can anything have regressed.")
    varied: list[str] = Field(description="Fields of the case in which the sides differ on purpose.")
    sides: list[SideModel] = Field(description="The first is the baseline.")
    comparisons: list[ComparisonModel]
    means: list[MeanModel]
    counts: dict[Change, int] = Field(description="How many comparisons have which verdict.")
    notes: list[str] = Field(description="What is to be known of the whole.")


@router.get("/compare", operation_id="compare", summary="Compare runs", response_model=CompareModel)
def compare(  # noqa: PLR0913  (as many as `assay compare` has)
    request: Request,
    *,
    a: Annotated[Ref, Query(description="The baseline: an id, `last~1`, `baseline:NAME`, `tag:NAME`.")] = "last~1",
    b: Annotated[
        list[Ref] | None, Query(max_length=_MOST_SIDES, description="The others, named alike; `last` where none is.")
    ] = None,
    by: Annotated[
        str | None, Query(max_length=100, description="Compare the parts of run `a` alone: `engine`, `batch` ...")
    ] = None,
    across: Annotated[
        list[str] | None, Query(max_length=20, description="Fields in which the sides differ on purpose.")
    ] = None,
    metric: MetricName = "latency_ns",
    stat: StatName = None,
    phase: Annotated[str | None, Query(max_length=50, description="Which phase, of a metric with several.")] = None,
    with_imported: Annotated[bool, Query(description="Let imported numbers stand beside measured ones.")] = False,
) -> Response:
    """Case by case, with a verdict each. Stored runs are compared as they are, and nothing is launched."""

    def build() -> CompareModel:
        store = store_of(request)
        groups, more_across = _groups(store, a, b, by)
        report = compare_groups(
            store, groups, metric=metric, stat=stat, across=[*(across or ()), *more_across], phase=phase,
            with_imported=with_imported,
        )  # fmt: skip
        return compare_model(report, _notes(groups, report))

    return answer(request, build)


def compare_model(report: CompareReport, notes: list[str]) -> CompareModel:
    """Return a comparison as the API gives it."""
    return CompareModel(
        metric=report.metric, stat=report.stat, unit=report.unit, direction=report.direction,
        is_interleaved=report.is_interleaved, varied=list(report.varied),
        sides=[_side(one) for one in report.sides],
        comparisons=[_comparison(one, report) for one in report.comparisons],
        means=[
            MeanModel(
                side=one.side, ratio=one.ratio, ratio_lo=finite(one.lo95), ratio_hi=finite(one.hi95), n=one.n, of=one.of
            )
            for one in report.means
        ],
        counts=report.counts(), notes=notes,
    )  # fmt: skip


def _groups(
    store: Store, a: str, b: list[str] | None, by: str | None
) -> tuple[tuple[SideResults, ...], tuple[str, ...]]:
    if by is None:
        return gather_sides(store, [find_named_run(store, ref) for ref in (a, *(b or ("last",)))]), ()
    if b:
        raise UsageError(f"`by` compares the parts of one run, and {len(b) + 1} were given.", hint="Leave out `b`.")
    return split_run(store, find_named_run(store, a), by), (by,)


def _notes(groups: tuple[SideResults, ...], report: CompareReport) -> list[str]:
    notes = [f"{one.side.label} has no results" for one in groups if not one.results]
    if any(one.result_a is not None and one.result_b is not None for one in report.comparisons):
        return notes
    apart = explain_no_pair([one.results for one in groups], [one.side.label for one in groups])
    left = {name: text for name, text in apart.items() if name not in report.varied}
    why = "; ".join(f"{name} is {text}" for name, text in left.items()) or "no case has all fields as on the other side"
    advice = f"; `across={next(iter(left))}` pairs across it on purpose" if left else ""
    return [*notes, f"the sides have no case in common: {why}{advice}"]


def _side(side: Side) -> SideModel:
    return SideModel(
        label=side.label, run_ids=list(side.run_ids), env_ids=list(side.env_ids), hardware=list(side.hardware),
        provenance=side.provenance, git_commit=side.git_commit, described=dict(side.described),
    )  # fmt: skip


def _comparison(one: Comparison, report: CompareReport) -> ComparisonModel:
    estimate = one.estimate
    speedup = one.speedup(report.direction)
    return ComparisonModel(
        case=one.case_label, side=one.side, change=one.change, reasons=list(one.reasons),
        baseline_value=finite(one.value_a), value=finite(one.value_b),
        ratio=finite(estimate.ratio) if estimate else None, ratio_lo=finite(estimate.lo95) if estimate else None,
        ratio_hi=finite(estimate.hi95) if estimate else None, speedup=finite(speedup),
        p=finite(estimate.p) if estimate else None, p_greater=finite(estimate.p_greater) if estimate else None,
        baseline_launches=estimate.n_a if estimate else None, launches=estimate.n_b if estimate else None,
        floor=finite(one.floor), launches_needed=one.launches_needed, baseline_result_id=one.result_a,
        result_id=one.result_b, baseline_series_id=one.series_a, series_id=one.series_b,
    )  # fmt: skip
