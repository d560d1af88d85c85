"""``/predict`` and ``/predictions``: numbers that no one measured yet. May import: core, web."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)

from assay.core.words import Provenance
from assay.store.selection import Selection
from assay.web.api.filters import LONGEST_TEXT, result_filter
from assay.web.api.models import ResultModel
from assay.web.api.paging import Cursor, Limit, Page
from assay.web.api.replies import answer, api_router, check_names
from assay.web.api.results import page_of_results
from assay.web.openapi import UNTAGGED
from assay.web.problem import RefusalError

router = api_router("predictions")


@router.get(
    "/predict",
    operation_id="predict",
    summary="Predict a number",
    status_code=501,
    response_model=None,
    responses={501: {"$ref": "#/components/responses/NotYet"}},
    openapi_extra={UNTAGGED: True},
)
def predict(
    request: Request,
    workload: Annotated[str, Query(min_length=1, max_length=LONGEST_TEXT, description="Family and size.")],
    hardware: Annotated[str, Query(min_length=1, max_length=LONGEST_TEXT, description="A device of the catalogue.")],
) -> Response:
    """This version of assay has no predictor, and says so rather than guess."""
    check_names(request)
    raise RefusalError(
        501,
        "not-yet",
        f"This version of assay has no predictor, so it cannot say how {workload[:100]!r} does on {hardware[:100]!r}.",
        hint="/api/v1/recommend/hardware ranks the devices that were measured.",
    )


@router.get(
    "/predictions",
    operation_id="list_predictions",
    summary="List stored predictions, newest first",
    response_model=Page[ResultModel],
)
def list_predictions(
    request: Request, only: Annotated[Selection, Depends(result_filter)], limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """As `/results`, of predicted ones alone: none where nothing was predicted. `provenance` changes nothing."""
    predicted = replace(only, provenance=Provenance.PREDICTED.value)
    return answer(request, lambda: page_of_results(request, predicted, limit, cursor))
