"""``/plan/text``: which devices, and how many replicas of a language model, for so many users.

Only installed families and published models can be asked about (see ``predict``). May import: core, analysis, predict,
recommend, web.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field, StringConstraints

from assay.analysis.ranking import read_prices
from assay.predict.serving.protocol import Demand
from assay.recommend.text import COUNTS, TextWish, describe_text_plan, plan_text
from assay.web.api.decide_models import TextPlansModel
from assay.web.api.filters import LONGEST_TEXT
from assay.web.api.replies import answer, api_router, store_of
from assay.web.counting import check_asked
from assay.web.openapi import UNTAGGED
from assay.web.problem import RefusalError

router = api_router("predictions")

_LONGEST_WAIT_S = 3600
_LONGEST_TURN_S = 20.0
_RETRY_AFTER_S = 5
_turn = threading.Lock()
_MOST_TOKENS = 1_000_000
_Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
_Hardware = Annotated[
    list[_Name] | None,
    Query(max_length=100, description="Devices, as anybody writes them; else those with a stored price."),
]
_Counts = Annotated[
    list[Annotated[int, Field(ge=1, le=64)]] | None,
    Query(max_length=20, description="Devices of one replica; 1, 2 and 4 if none is given."),
]


@contextmanager
def _in_turn() -> Iterator[None]:
    """One plan at a time: each learns what is within its limits, a second or two of all cores."""
    if not _turn.acquire(timeout=_LONGEST_TURN_S):
        raise RefusalError(
            503, "busy", "Other plans are being made.", hint=f"Ask again in {_RETRY_AFTER_S} s.",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        )  # fmt: skip
    try:
        yield
    finally:
        _turn.release()


@router.get(
    "/plan/text",
    operation_id="plan_text",
    summary="Which devices for users of a language model",
    response_model=TextPlansModel,
    openapi_extra={UNTAGGED: True},
)
def plan_of_text(  # noqa: PLR0913  (as many conditions as a load has)
    request: Request,
    *,
    model: Annotated[_Name, Query(description="A decoder: an installed family (`llama/8b`) or a published one.")],
    users: Annotated[int, Query(ge=1, le=1_000_000, description="Texts at the same time.")],
    hardware: _Hardware = None,
    devices: _Counts = None,
    isl: Annotated[int, Query(ge=1, le=_MOST_TOKENS, description="Tokens of a prompt.")] = 512,
    max_ttft_s: Annotated[
        float, Query(gt=0, le=_LONGEST_WAIT_S, description="Longest wait for a first token (median).")
    ] = 5.0,
    max_itl_s: Annotated[
        float, Query(gt=0, le=_LONGEST_WAIT_S, description="Longest time between tokens (median).")
    ] = 0.05,
    prices: Annotated[
        str,
        Query(max_length=2000, description="USD for an hour of one device: `nvidia-l4=0.71, ...`; else stored ones."),
    ] = "",
) -> Response:
    """Set-ups by what they are worth: the probability that every user is served in time, weighed against the cost."""

    def build() -> TextPlansModel:
        check_asked(model)
        demand = Demand(users, max_ttft_s * 1e3 / isl, max_itl_s * 1e3)
        wish = TextWish(model, tuple(hardware or ()), demand, tuple(devices or COUNTS), read_prices(prices))
        with _in_turn():
            return TextPlansModel.model_validate(describe_text_plan(plan_text(store_of(request), wish)))

    return answer(request, build, is_tagged=False)
