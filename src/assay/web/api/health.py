"""``/health``: whether the server can answer, for load balancers and people. May import: core, store, web."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from fastapi import Request  # noqa: TC002  (FastAPI reads annotations)
from fastapi.responses import Response
from pydantic import Field

from assay import __version__
from assay.core.errors import AssayError
from assay.core.records import SCHEMA_VERSION
from assay.store.query import fetch_rows
from assay.web.api.replies import Model, api_router, check_names, is_trusted, store_of
from assay.web.openapi import UNTAGGED
from assay.web.problem import log

router = api_router("server")


class HealthModel(Model):
    """How the server is. Who has no token learns only whether it works."""

    status: Literal["ok", "failing"]
    checked_at: datetime
    is_store_readable: bool
    reason: str | None = Field(description="Why it fails, or why the rest is null.")
    assay_version: str | None
    schema_version: int | None = Field(description="Of the stores that it writes.")
    runs: int | None = Field(description="Runs in the store, of any provenance.")
    newest_run_at: datetime | None


@router.get(
    "/health",
    operation_id="get_health",
    summary="Is it well",
    response_model=HealthModel,
    responses={503: {"model": HealthModel, "description": "The store cannot be read."}},
    openapi_extra={UNTAGGED: True},
)
def get_health(request: Request) -> Response:
    """Reads the store's list of runs. Needs no token, and is not to be kept."""
    check_names(request)
    store = store_of(request)
    runs, newest, failure = None, None, None
    try:
        row = fetch_rows(
            store.location, "SELECT count(*) AS n, max(started_at) AS at FROM runs", tables=(), versions=store.versions
        )[0]
        runs, newest = row["n"], row["at"]
    except AssayError as error:
        log.error("the store cannot be read: %s", error)
        failure = error.message
    knows = is_trusted(request)
    withheld = "The store cannot be read." if failure else "Details take a token."
    content = HealthModel(
        status="failing" if failure else "ok",
        checked_at=datetime.now(UTC),
        is_store_readable=failure is None,
        reason=failure if knows else withheld,
        assay_version=__version__ if knows else None,
        schema_version=SCHEMA_VERSION if knows else None,
        runs=runs if knows else None,
        newest_run_at=newest.replace(tzinfo=UTC) if knows and newest is not None else None,
    )
    return Response(
        content.model_dump_json().encode(),
        503 if failure else 200,
        {"Cache-Control": "no-store"},
        "application/json",
    )
