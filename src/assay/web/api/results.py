"""``/results``: a filtered list over all runs, and one result whole. May import: core, store, web."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)

from assay.core.errors import NotFoundError
from assay.store import Store
from assay.store.query import fetch_rows
from assay.store.rows import result_from_row
from assay.store.schema import RESULTS
from assay.store.selection import Selection
from assay.web.api.filters import result_filter
from assay.web.api.models import ResultDetail, ResultModel, annotation_of, result_fields
from assay.web.api.paging import (
    Cursor,
    Limit,
    Page,
    cursor_of_another_list,
    cut,
    read_cursor,
    read_time,
    write_cursor,
)
from assay.web.api.replies import ANNOTATIONS_HOLD_S, answer, api_router, plain, store_of

router = api_router("results")

ResultId = Annotated[str, Path(min_length=1, max_length=200, description="Id of a result, whole.")]
_FIRST = "0001-01-01T00:00:00"
"""Stands in a cursor for a result that has no time: they come last."""


@router.get(
    "/results",
    operation_id="list_results",
    summary="List results, newest first",
    response_model=Page[ResultModel],
)
def list_results(
    request: Request, only: Annotated[Selection, Depends(result_filter)], limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """What was measured, unless `provenance` asks for more, or a run or an import is named.

    Results whose source does not say when they were measured come last.
    """
    return answer(request, lambda: page_of_results(request, only, limit, cursor))


@router.get("/results/{result_id}", operation_id="get_result", summary="One result whole", response_model=ResultDetail)
def get_result(request: Request, result_id: ResultId) -> Response:
    """With the source's own record and conversions of an imported one, and what people said of it."""

    def build() -> ResultDetail:
        store = store_of(request)
        rows = fetch_rows(
            store.location, "SELECT * FROM results WHERE result_id = ?", [result_id], tables=[RESULTS],
            versions=store.versions,
        )  # fmt: skip
        if not rows:
            raise NotFoundError(f"There is no result {result_id!r}.")
        result = result_from_row(rows[0])
        said = [
            one
            for subject in (result.result_id, result.run_id, result.series_id)
            for one in store.annotations(subject_id=subject)
        ]
        return ResultDetail(
            **result_fields(result),
            source_fields=plain(result.source_fields),
            conversions=plain(result.conversions),
            fingerprint=result.fingerprint,
            annotations=[annotation_of(one) for one in said],
        )

    return answer(request, build, holds_s=ANNOTATIONS_HOLD_S)


def page_of_results(
    request: Request, only: Selection, limit: int, cursor: str | None, *, run_id: str | None = None
) -> Page[ResultModel]:
    """Return a page of what a selection finds, newest first; with ``run_id`` only of that run."""
    if run_id is not None:
        only = replace(only, run_id=[run_id])
    where, parameters = only.where()
    place = read_cursor(request, cursor, 3)
    if place is not None:
        if place[0] != run_id:
            raise cursor_of_another_list()
        where += " AND (coalesce(measured_at, ?::TIMESTAMP), result_id) < (?::TIMESTAMP, ?)"
        parameters += [_FIRST, read_time(place[1] or _FIRST), place[2]]
    store = store_of(request)
    rows = _read(store, where, [*parameters, limit + 1])
    shown, has_more = cut(rows, limit)
    last = shown[-1] if has_more else None
    return Page(
        items=[ResultModel(**result_fields(result_from_row(row))) for row in shown],
        next=None if last is None else write_cursor(request, run_id, last["measured_at"], last["result_id"]),
    )


def _read(store: Store, where: str, parameters: list[object]) -> list[dict[str, Any]]:
    """Find which rows those are on two columns first, so that of the others only what is shown is ever decoded."""
    sql = f"""
    SELECT * FROM results WHERE result_id IN (
      SELECT result_id FROM results WHERE {where} ORDER BY measured_at DESC NULLS LAST, result_id DESC LIMIT ?
    ) ORDER BY measured_at DESC NULLS LAST, result_id DESC
    """  # noqa: S608  (a condition of ours, its values bound)
    return fetch_rows(store.location, sql, parameters, tables=[RESULTS], versions=store.versions)
