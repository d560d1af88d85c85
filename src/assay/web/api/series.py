"""``/series``: one case on one class of hardware, over time. May import: core, analysis, catalog, store, web."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field

from assay.analysis.trend import Begin, Trend, find_series, find_trends
from assay.core.errors import NotFoundError
from assay.core.words import Direction, Provenance, Verdict
from assay.store import Store
from assay.store.query import LATEST_VIEW, fetch_rows
from assay.store.rows import case_from_row, optional_aware, result_from_row
from assay.store.schema import RESULTS
from assay.store.selection import Selection
from assay.web.api.filters import Moment, result_filter
from assay.web.api.models import (
    AnnotationModel,
    CaseModel,
    ResultModel,
    annotation_of,
    case_of,
    result_fields,
)
from assay.web.api.paging import Cursor, Limit, Page, cut, read_cursor, write_cursor
from assay.web.api.replies import ANNOTATIONS_HOLD_S, Model, answer, api_router, finite, store_of

router = api_router("series")

SeriesId = Annotated[str, Path(min_length=1, max_length=200, description="Id of a series, whole.")]
MetricName = Annotated[str, Query(max_length=200, description="A metric of the registry.", examples=["latency_ns"])]
StatName = Annotated[
    str | None, Query(max_length=50, description="Which statistic of it; the usual one where nothing is said.")
]
_COUNTED = """
SELECT series_id, count(*) AS results, count(*) FILTER (usable) AS usable_results, min(measured_at) AS first_at,
       max(measured_at) AS last_at
FROM results WHERE series_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY series_id
"""


class SeriesModel(Model):
    """One case on one class of hardware, and its newest result."""

    series_id: str
    case: CaseModel
    hardware: str | None
    provenance: Provenance = Field(description="Of the newest result, and so of every number here.")
    results: int = Field(description="How many results it has.")
    usable_results: int = Field(description="How many of them aggregates may use.")
    first_at: datetime | None = Field(description="When its oldest result was measured.")
    last_at: datetime | None = Field(description="When its newest was.")
    newest: ResultModel


class SeriesDetail(SeriesModel):
    """One series, with what people said of it."""

    annotations: list[AnnotationModel]


class PointModel(Model):
    """One result of a series."""

    result_id: str
    run_id: str
    measured_at: datetime | None
    value: float | None = Field(description="In `unit` of the trend.")
    is_used: bool = Field(description="Whether levels and changes rest on it.")
    left_out: str | None = Field(description="Why they do not.")
    verdict: Verdict | None
    env_id: str
    git_commit: str | None
    git_dirty: bool | None


class SegmentModel(Model):
    """Results of one level."""

    places: list[int] = Field(description="Positions among `points`, from 0.")
    level: float = Field(description="Their geometric mean, in `unit`.")
    sd_log: float | None = Field(description="Standard deviation of the logarithms; null of a single result.")
    env_id: str
    begun_by: Begin


class ChangeModel(Model):
    """The level changed between two results."""

    before: int = Field(description="Position of the last of the old level.")
    after: int = Field(description="Position of the first of the new.")
    ratio: float = Field(description="New over old.")
    p: float = Field(description="Probability of such a change by chance (docs/trend.md).")
    is_worse: bool | None = Field(description="By the metric's direction; null where it has none.")
    accepted: str | None = Field(description="Who accepted it, and why.")
    muted: str | None = Field(description="Who muted it, and why.")


class BreakModel(Model):
    """Something else begins here, and nothing regressed by it."""

    kind: Begin
    before: int | None
    after: int
    text: str = Field(description="What differs, or who said what.")
    is_return: bool = Field(description="An environment that the series had before.")


class TrendModel(Model):
    """One series of one metric over time (METHOD: trend). Only measured results have one."""

    series_id: str
    case: str = Field(description="The case in words.")
    hardware: str | None
    provenance: Provenance
    metric: str
    stat: str
    unit: str
    direction: Direction
    points: list[PointModel] = Field(description="Oldest first.")
    segments: list[SegmentModel]
    changes: list[ChangeModel]
    breaks: list[BreakModel]


@router.get("/series", operation_id="list_series", summary="List series", response_model=Page[SeriesModel])
def list_series(
    request: Request, only: Annotated[Selection, Depends(result_filter)], limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """Series whose newest result is selected, by workload; each with that result.

    What was measured, unless `provenance` asks for more, or a run or an import is named.
    """
    return answer(request, lambda: _page(request, only, limit, cursor))


@router.get("/series/{series_id}", operation_id="get_series", summary="One series", response_model=SeriesDetail)
def get_series(request: Request, series_id: SeriesId) -> Response:
    """With its newest result, whatever its provenance."""

    def build() -> SeriesDetail:
        store = store_of(request)
        rows = _newest(store, "series_id = ?", [series_id], 1)
        if not rows:
            raise NotFoundError(f"There is no series {series_id!r}.")
        said = store.annotations(subject_id=series_id)
        return SeriesDetail(**_fields(store, rows)[0], annotations=[annotation_of(one) for one in said])

    return answer(request, build, holds_s=ANNOTATIONS_HOLD_S)


@router.get(
    "/series/{series_id}/trend", operation_id="get_trend", summary="A series over time", response_model=TrendModel
)
def get_trend(
    request: Request,
    series_id: SeriesId,
    metric: MetricName = "latency_ns",
    stat: StatName = None,
    since: Annotated[Moment | None, Query(description="Only results of then or later.")] = None,
) -> Response:
    """Its points, the levels they had, where a level changed by itself, and what else broke it."""

    def build() -> TrendModel:
        store = store_of(request)
        selection = Selection(series_id=[series_id], since=since)
        series = find_series(store, selection)
        if not series:
            since_then = "" if since is None else f" since {since.isoformat()}"
            raise NotFoundError(f"The series {series_id!r} has no measured result{since_then}.")
        return trend_of(find_trends(store, selection, metric=metric, stat=stat, series=series)[0])

    return answer(request, build, holds_s=ANNOTATIONS_HOLD_S)


def trend_of(trend: Trend) -> TrendModel:
    """Return a trend as the API gives it."""
    points = [
        PointModel(
            **{name: getattr(one, name) for name in PointModel.model_fields if name != "value"},
            value=finite(one.value),
        )
        for one in trend.points
    ]
    return TrendModel(
        series_id=trend.series_id, case=trend.case_label, hardware=trend.hardware, provenance=Provenance.MEASURED,
        metric=trend.metric, stat=trend.stat, unit=trend.unit, direction=trend.direction, points=points,
        segments=[
            SegmentModel(
                places=list(one.places), level=one.level, sd_log=one.sd_log, env_id=one.env_id, begun_by=one.begun_by
            )
            for one in trend.segments
        ],
        changes=[
            ChangeModel(**{name: getattr(one, name) for name in ChangeModel.model_fields}) for one in trend.changes
        ],
        breaks=[BreakModel(**{name: getattr(one, name) for name in BreakModel.model_fields}) for one in trend.breaks],
    )  # fmt: skip


def _page(request: Request, only: Selection, limit: int, cursor: str | None) -> Page[SeriesModel]:
    where, parameters = only.where()
    place = read_cursor(request, cursor, 2)
    if place is not None:
        where += " AND (workload, series_id) > (?, ?)"
        parameters += place
    store = store_of(request)
    rows = _newest(store, where, parameters, limit + 1)
    shown, has_more = cut(rows, limit)
    last = shown[-1] if has_more else None
    return Page(
        items=[SeriesModel(**fields) for fields in _fields(store, list(shown))],
        next=None if last is None else write_cursor(request, last["workload"], last["series_id"]),
    )


def _newest(store: Store, where: str, parameters: list[object], limit: int) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM {LATEST_VIEW} WHERE {where} ORDER BY workload, series_id LIMIT ?"  # noqa: S608  (values bound)
    return fetch_rows(store.location, sql, [*parameters, limit], tables=[RESULTS, LATEST_VIEW], versions=store.versions)


def _fields(store: Store, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counted = {
        one["series_id"]: one
        for one in fetch_rows(
            store.location, _COUNTED, [[row["series_id"] for row in rows]], tables=[RESULTS], versions=store.versions
        )
    }
    return [
        {
            "series_id": row["series_id"], "case": case_of(case_from_row(row)), "hardware": row["hardware"],
            "provenance": Provenance(row["provenance"]),
            "results": counted[row["series_id"]]["results"],
            "usable_results": counted[row["series_id"]]["usable_results"],
            "first_at": optional_aware(counted[row["series_id"]]["first_at"]),
            "last_at": optional_aware(counted[row["series_id"]]["last_at"]),
            "newest": ResultModel(**result_fields(result_from_row(row))),
        }
        for row in rows
    ]  # fmt: skip
