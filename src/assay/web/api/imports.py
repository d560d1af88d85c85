"""``/imports``: files of others, taken in as data; which there are, and what was not taken of them.

The body is written to a file as it comes, and that file goes through the same importers as `assay import`: nothing in
it is executed, and everything about it is bounded. May import: core, importers, store, web.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from assay.core.errors import NotFoundError
from assay.core.words import Mark, Provenance, Status
from assay.importers.base import importers
from assay.importers.pipeline import import_paths
from assay.importers.report import FileReport, ImportReport, Outcome
from assay.importers.source import Limits
from assay.store import Store
from assay.store.query import fetch_rows
from assay.store.rows import import_from_row, refusal_from_row
from assay.store.schema import IMPORTS, REFUSALS
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
from assay.web.api.replies import Model, answer, api_router, check_names, store_of
from assay.web.problem import RefusalError
from assay.web.turns import take_turns

router = api_router("imports")

TYPES = ("application/json", "application/octet-stream", "application/gzip", "application/zip", "text/csv")
_PIECE_BYTES = 1 << 20
_UNPACKED_PER_BYTE = 20
_MOST_MEMBERS = 1000
_SAFE = r"^[A-Za-z0-9_][A-Za-z0-9_. -]{0,150}$"

ImportId = Annotated[str, Path(min_length=1, max_length=200, description="Id of an import, whole.")]


class ImportModel(Model):
    """One file that was imported."""

    import_id: str
    run_id: str = Field(description="The run that holds its rows.")
    source: str = Field(description="The file, as it was named.")
    format: str
    sha256: str
    size_bytes: int
    imported_at: datetime
    assay_version: str
    rows_seen: int
    rows_taken: int
    rows_refused: int
    notes: list[str]
    provenance: Provenance


class RefusalModel(Model):
    """One row that was not taken."""

    place: str = Field(description="Where in the file: a JSON pointer, or a row.")
    error: str
    raw: str = Field(description="What it says, cut where it is long.")


class TakenFile(Model):
    """What became of one file. An archive holds several."""

    name: str
    outcome: Outcome
    format: str | None
    reason: str | None = Field(description="Why it was not taken, or what is there already.")
    hint: str | None
    import_id: str | None
    run_id: str | None
    sha256: str | None
    rows_seen: int
    rows_taken: int
    rows_refused: int
    rows_usable: int = Field(description="Rows that aggregates may use.")
    statuses: dict[Status, int]
    marks: dict[Mark, int]
    notes: list[str]
    refusals: list[RefusalModel] = Field(description="The first few rows that were not taken.")


class TakenModel(Model):
    """What an import took and refused."""

    rows_added: int
    is_complete: bool = Field(description="Whether nothing of it stayed outside.")
    is_dry_run: bool
    files: list[TakenFile]


@router.post(
    "/imports",
    operation_id="import_file",
    summary="Import a file",
    response_model=TakenModel,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The file itself: JSON, CSV, Parquet, a DuckDB database, or an archive of such (.zip, .gz).",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TYPES},
        }
    },
)
async def import_file(
    request: Request,
    *,
    name: Annotated[
        str, Query(pattern=_SAFE, description="What the file is called; kept as the source of its rows.")
    ] = "upload",
    format: Annotated[  # noqa: A002  (the word that people type)
        str | None, Query(max_length=100, description="What it is, where its content does not say.")
    ] = None,
    dry_run: Annotated[bool, Query(description="Read and report, and write nothing.")] = False,
) -> Response:
    """Takes a token always. What is in the store already is not added again; a file is taken whole or not at all.

    A file of which nothing can be taken is refused with 422, and `detail` says why.
    """
    check_names(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise RefusalError(415, "media-type", f"The body is {kind[:100]!r}; expected one of {', '.join(TYPES)}.")
    # No folder of the server's own: whatever is found here is the upload and nothing else, and it goes away with it.
    folder = await to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="assay-upload-"))
    try:
        path = FilePath(folder.name) / name
        size = await _receive(request, path)
        report = await to_thread.run_sync(_import, request, path, size, format, dry_run)
    finally:
        await to_thread.run_sync(folder.cleanup)
    content = _taken(report, folder.name, is_dry_run=dry_run)
    return Response(content.model_dump_json().encode(), media_type="application/json")


@router.get(
    "/imports", operation_id="list_imports", summary="List imports, newest first", response_model=Page[ImportModel]
)
def list_imports(
    request: Request,
    format: Annotated[str | None, Query(max_length=100, description="Only of this format.")] = None,  # noqa: A002
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Which files are in the store, and how many of their rows were taken."""

    def build() -> Page[ImportModel]:
        place = read_cursor(request, cursor, 2)
        where, parameters = "TRUE", list[object]()
        if format is not None:
            where, parameters = "format = ?", [format]
        if place is not None:
            where += " AND (imported_at, import_id) < (?, ?)"
            parameters += [read_time(place[0]), place[1]]
        rows = _read(
            store_of(request),
            f"SELECT * FROM imports WHERE {where} ORDER BY imported_at DESC, import_id DESC LIMIT ?",  # noqa: S608
            [*parameters, limit + 1],
        )
        shown, has_more = cut(rows, limit)
        last = shown[-1] if has_more else None
        return Page(
            items=[_import_model(row) for row in shown],
            next=None if last is None else write_cursor(request, last["imported_at"], last["import_id"]),
        )

    return answer(request, build)


@router.get("/imports/{import_id}", operation_id="get_import", summary="One import", response_model=ImportModel)
def get_import(request: Request, import_id: ImportId) -> Response:
    """The file, and what became of its rows, which are the results of its run."""
    return answer(request, lambda: _import_model(_find(store_of(request), import_id)))


@router.get(
    "/imports/{import_id}/refusals",
    operation_id="list_refusals",
    summary="Rows that were not taken",
    response_model=Page[RefusalModel],
)
def list_refusals(request: Request, import_id: ImportId, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Each with its place in the file, and what was wrong with it."""

    def build() -> Page[RefusalModel]:
        store = store_of(request)
        _find(store, import_id)
        place = read_cursor(request, cursor, 2)
        if place is not None and place[0] != import_id:
            raise cursor_of_another_list()
        where, parameters = "import_id = ?", list[object]([import_id])
        if place is not None:
            where += " AND place > ?"
            parameters.append(place[1])
        rows = fetch_rows(
            store.location,
            f"SELECT * FROM import_refusals WHERE {where} ORDER BY place LIMIT ?",  # noqa: S608  (values bound)
            [*parameters, limit + 1],
            tables=[REFUSALS],
            versions=store.versions,
        )
        shown, has_more = cut(rows, limit)
        refusals = [refusal_from_row(row) for row in shown]
        return Page(
            items=[RefusalModel(place=one.place, error=one.error, raw=one.raw) for one in refusals],
            next=write_cursor(request, import_id, refusals[-1].place) if has_more else None,
        )

    return answer(request, build)


async def _receive(request: Request, path: FilePath) -> int:
    """Write the body to a file as it comes; return its size. The gate has an eye on how large it becomes."""
    size, pieces = 0, bytearray()

    def write() -> None:
        with path.open("ab") as file:
            file.write(pieces)
        pieces.clear()

    async for piece in request.stream():
        size += len(piece)
        pieces += piece
        if len(pieces) >= _PIECE_BYTES:
            await to_thread.run_sync(write)
    await to_thread.run_sync(write)
    return size


def _import(request: Request, path: FilePath, size: int, form: str | None, is_dry_run: bool) -> ImportReport:  # noqa: FBT001
    if form is not None:
        importers.get(form)  # before anything is read
    unpacked = max(_PIECE_BYTES, size * _UNPACKED_PER_BYTE)
    limits = Limits(json_bytes=max(_PIECE_BYTES, unpacked), unpacked_bytes=unpacked, members=_MOST_MEMBERS)
    with take_turns(request, "imports"):
        names = {str(path): path.name}
        return import_paths(store_of(request), [path], format=form, dry_run=is_dry_run, limits=limits, names=names)


def _taken(report: ImportReport, folder: str, *, is_dry_run: bool) -> TakenModel:
    """Say what became of the upload. Raises RefusalError where nothing could be taken of anything."""
    good = (Outcome.TAKEN, Outcome.WOULD_BE_TAKEN, Outcome.ALREADY_THERE)
    files = [_file(one, folder) for one in report.files]
    if files and not any(one.outcome in good for one in files):
        first = files[0]
        more = f" (and {len(files) - 1} more files)" if len(files) > 1 else ""
        raise RefusalError(422, "file", f"{first.reason or first.outcome}{more}", hint=first.hint)
    return TakenModel(rows_added=report.rows_added, is_complete=report.is_complete, is_dry_run=is_dry_run, files=files)


def _file(one: FileReport, folder: str) -> TakenFile:
    def own(text: str | None) -> str | None:
        """Without the folder on the server, which is nobody's business and gone already."""
        return None if text is None else text.replace(f"{folder}/", "")

    refusals = [RefusalModel(place=row.place, error=own(row.error) or "", raw=row.raw) for row in one.refusals]
    return TakenFile(
        name=own(one.name) or "", outcome=one.outcome, format=one.format, reason=own(one.reason), hint=own(one.hint),
        import_id=one.import_id, run_id=one.run_id, sha256=one.sha256, rows_seen=one.rows_seen,
        rows_taken=one.rows_taken, rows_refused=one.rows_refused, rows_usable=one.tally.usable,
        statuses=dict(one.tally.statuses), marks=dict(one.tally.marks), notes=[own(note) or "" for note in one.notes],
        refusals=refusals,
    )  # fmt: skip


def _find(store: Store, import_id: str) -> Mapping[str, Any]:
    rows = _read(store, "SELECT * FROM imports WHERE import_id = ?", [import_id])
    if not rows:
        raise NotFoundError(f"There is no import {import_id!r}.")
    return rows[0]


def _read(store: Store, sql: str, parameters: list[object]) -> list[dict[str, Any]]:
    return fetch_rows(store.location, sql, parameters, tables=[IMPORTS], versions=store.versions)


def _import_model(row: Mapping[str, Any]) -> ImportModel:
    one = import_from_row(row)
    return ImportModel(
        **{name: getattr(one, name) for name in ImportModel.model_fields if name not in {"notes", "provenance"}},
        notes=list(one.notes),
        provenance=Provenance.IMPORTED,
    )
