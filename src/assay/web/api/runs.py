"""``/runs``: which there are, one, its results, its launches, its raw readings. May import: core, store, web."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import StringConstraints

from assay.core.errors import NotFoundError
from assay.core.records import RunRecord
from assay.core.words import RunStatus, Status
from assay.store import Store
from assay.store.query import fetch_rows
from assay.store.rows import environment_from_row, launch_from_row, run_from_row, sample_from_row
from assay.store.schema import ENVIRONMENTS, LAUNCHES, RESULTS, SAMPLES
from assay.store.selection import Selection
from assay.web.api.filters import LONGEST_TEXT, Moment, Origin, result_filter
from assay.web.api.models import (
    LaunchModel,
    ResultModel,
    RunDetail,
    RunModel,
    SamplesModel,
    annotation_of,
    launch_of,
    run_fields,
    samples_of,
)
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
from assay.web.api.results import page_of_results

router = api_router("runs")

RunRef = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        description="An id, a unique beginning or end of one, `last`, or `last~2` for the second before it.",
        examples=["last"],
    ),
]
_Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
_MOST_SERIES = 100
_MOST_READINGS = 200_000
_COLUMNS = "runs.*, environments.hardware_class"
_FROM = "FROM runs LEFT JOIN environments USING (env_id)"


@router.get("/runs", operation_id="list_runs", summary="List runs, newest first", response_model=Page[RunModel])
def list_runs(  # noqa: PLR0913  (as many filters as people need)
    request: Request,
    *,
    suite: Annotated[list[_Text] | None, Query(max_length=50, description="Names of suites.")] = None,
    status: Annotated[list[RunStatus] | None, Query(description="How it ended.")] = None,
    tag: Annotated[_Text | None, Query(description="One of its tags.")] = None,
    provenance: Annotated[
        list[Origin] | None, Query(description="`measured` where nothing is said; an import is a run as well.")
    ] = None,
    git_commit: Annotated[_Text | None, Query(description="The beginning of a commit of the user's code.")] = None,
    git_branch: Annotated[_Text | None, Query(description="A branch of it.")] = None,
    since: Annotated[Moment | None, Query(description="Begun then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Begun before.")] = None,
    include_superseded: Annotated[bool, Query(description="Also runs that another run resumed.")] = True,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Every run is there whole or not at all: one that goes on now is not yet in the list."""
    clauses, parameters = ["TRUE"], list[object]()
    wanted = ["measured"] if provenance is None else provenance
    for column, words in (("suite", suite), ("status", status), ("provenance", None if "any" in wanted else wanted)):
        if words is not None:
            clauses.append(f"{column} IN (SELECT unnest(?::VARCHAR[]))")
            parameters.append([str(word) for word in words])
    for clause, value in (
        ("list_contains(tags, ?)", tag),
        ("starts_with(git_commit, ?)", git_commit),
        ("git_branch = ?", git_branch),
        ("started_at >= ?", None if since is None else since.replace(tzinfo=None)),
        ("started_at < ?", None if until is None else until.replace(tzinfo=None)),
    ):
        if value is not None:
            clauses.append(clause)
            parameters.append(value)
    if not include_superseded:
        clauses.append("NOT superseded")
    place = read_cursor(request, cursor, 2)
    if place is not None:
        clauses.append("(started_at, run_id) < (?, ?)")
        parameters += [read_time(place[0]), place[1]]

    def build() -> Page[RunModel]:
        rows = _read_runs(
            store_of(request),
            f"WHERE {' AND '.join(clauses)} ORDER BY started_at DESC, run_id DESC LIMIT ?",
            [*parameters, limit + 1],
        )
        shown, has_more = cut(rows, limit)
        last = shown[-1] if has_more else None
        return Page(
            items=[RunModel(**run_fields(run_from_row(row), row)) for row in shown],
            next=None if last is None else write_cursor(request, last["started_at"], last["run_id"]),
        )

    return answer(request, build)


@router.get("/runs/{run}", operation_id="get_run", summary="One run", response_model=RunDetail)
def get_run(request: Request, run: RunRef) -> Response:
    """A run with its settings, the facts of its environment, and how its results ended."""

    def build() -> RunDetail:
        store = store_of(request)
        row = find_run_row(store, run)
        record = run_from_row(row)
        statuses = fetch_rows(
            store.location,
            "SELECT status, count(*) AS n FROM results WHERE run_id = ? GROUP BY status ORDER BY n DESC, status",
            [record.run_id],
            tables=[RESULTS],
            versions=store.versions,
        )
        facts = fetch_rows(
            store.location,
            "SELECT * FROM environments WHERE env_id = ?",
            [record.env_id],
            tables=[ENVIRONMENTS],
            versions=store.versions,
        )
        return RunDetail(
            **run_fields(record, row),
            config=plain(record.config),
            environment=plain(environment_from_row(facts[0]).facts) if facts else None,
            statuses={Status(one["status"]): one["n"] for one in statuses},
            annotations=[annotation_of(one) for one in store.annotations(subject_id=record.run_id)],
        )

    return answer(request, build, holds_s=ANNOTATIONS_HOLD_S)


@router.get(
    "/runs/{run}/results",
    operation_id="list_run_results",
    summary="The results of a run",
    response_model=Page[ResultModel],
)
def list_run_results(
    request: Request, run: RunRef, only: Annotated[Selection, Depends(result_filter)], limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:  # fmt: skip
    """Newest first. A run is named, so its results are given whatever their provenance."""
    return answer(
        request,
        lambda: page_of_results(request, only, limit, cursor, run_id=find_run_row(store_of(request), run)["run_id"]),
    )


@router.get(
    "/runs/{run}/launches",
    operation_id="list_run_launches",
    summary="The launches of a run",
    response_model=Page[LaunchModel],
)
def list_run_launches(
    request: Request,
    run: RunRef,
    result_id: Annotated[_Text | None, Query(description="Only those of this result.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """A row for each fresh process, by result and number. Imported runs have launches only where a source has them."""

    def build() -> Page[LaunchModel]:
        record = run_from_row(find_run_row(store_of(request), run))
        rows, next_cursor = _read_of_run(
            request, record, LAUNCHES, "result_id, ordinal, launch_id", result_id, limit, cursor
        )
        return Page(
            items=[launch_of(launch_from_row(row), record.provenance) for row in rows],
            next=next_cursor,
        )

    return answer(request, build)


@router.get(
    "/runs/{run}/samples",
    operation_id="list_run_samples",
    summary="The raw readings of a run",
    response_model=Page[SamplesModel],
)
def list_run_samples(
    request: Request,
    run: RunRef,
    result_id: Annotated[_Text | None, Query(description="Only those of this result.")] = None,
    max_values: Annotated[int, Query(ge=0, le=_MOST_READINGS, description="Most readings of each series.")] = 10_000,
    limit: Annotated[int, Query(ge=1, le=_MOST_SERIES, description="Most series of a page.")] = 20,
    cursor: Cursor = None,
) -> Response:
    """A row for each series of readings of a launch, in the order they were taken. No outlier is left out."""

    def build() -> Page[SamplesModel]:
        record = run_from_row(find_run_row(store_of(request), run))
        rows, next_cursor = _read_of_run(
            request, record, SAMPLES, "result_id, ordinal, launch_id", result_id, limit, cursor
        )
        return Page(
            items=[samples_of(row, sample_from_row(row), record.provenance, max_values) for row in rows],
            next=next_cursor,
        )

    return answer(request, build)


def find_run_row(store: Store, ref: str) -> dict[str, Any]:
    """Return the row of the run that a person means. Raises NotFoundError, UsageError where several fit."""
    rows = _read_runs(store, "WHERE run_id = ?", [ref])
    if not rows:
        rows = _read_runs(store, "WHERE run_id = ?", [store.find_run(ref).run_id])
    if not rows:
        raise NotFoundError(f"There is no run {ref!r}.")
    return rows[0]


def find_run(store: Store, ref: str) -> RunRecord:
    """Return the run that a person means. Raises NotFoundError, UsageError where several fit."""
    return run_from_row(find_run_row(store, ref))


def _read_runs(store: Store, rest: str, parameters: list[object]) -> list[dict[str, Any]]:
    sql = f"SELECT {_COLUMNS} {_FROM} {rest}"
    return fetch_rows(store.location, sql, parameters, tables=[ENVIRONMENTS], versions=store.versions)


def _read_of_run(
    request: Request,
    run: RunRecord,
    table: str,
    order: str,
    result_id: str | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of a run's rows of one table, and the cursor of what follows."""
    place = read_cursor(request, cursor, 4)
    if place is not None and (place[0] != run.run_id or not (place[2] or "").isdigit()):
        raise cursor_of_another_list()
    where, parameters = "run_id = ?", list[object]([run.run_id])
    if result_id is not None:
        where += " AND result_id = ?"
        parameters.append(result_id)
    if place is not None:
        where += f" AND ({order}) > (?, ?::BIGINT, ?)"
        parameters += [place[1], place[2], place[3]]
    store = store_of(request)
    rows = fetch_rows(
        store.location,
        f"SELECT * FROM {table} WHERE {where} ORDER BY {order} LIMIT ?",  # noqa: S608  (names of ours, values bound)
        [*parameters, limit + 1],
        tables=[table],
        versions=store.versions,
    )
    shown, has_more = cut(rows, limit)
    last = shown[-1] if has_more else None
    following = None
    if last is not None:
        following = write_cursor(request, run.run_id, last["result_id"], str(last["ordinal"]), last["launch_id"])
    return list(shown), following
