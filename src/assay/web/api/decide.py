"""``/recommend/model``, ``/suggest``, ``/plan``, ``/matrix``: choices between devices, also those never had.

Each number says whether it was measured or is predicted. Only installed families can be asked about (see ``predict``),
and a request is bounded: so many numbers, so many models. May import: core, analysis, predict, recommend, web.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field, StringConstraints

from assay.analysis.ranking import read_prices
from assay.core.errors import UnknownNameError
from assay.core.words import Precision
from assay.predict.answers import ask_numbers, read_metric
from assay.predict.matrix_rows import FORETOLD, matrix_rows
from assay.recommend.capacity import Load, Margin
from assay.recommend.choosing import LARGEST_LOAD, PRECISIONS, Wish, check_count, choose_device
from assay.recommend.decision import Limits, Objective, candidates
from assay.recommend.fleets import MOST_DEVICES
from assay.recommend.rows import describe_abstained, describe_decision, plan_rows
from assay.recommend.suggest import describe, suggest_measurements
from assay.recommend.suggest_probes import describe_probes, suggest_probes
from assay.web.api.decide_models import (
    DecisionModel,
    MatrixCellModel,
    MatrixModel,
    PlansModel,
    SuggestionsModel,
)
from assay.web.api.filters import LONGEST_TEXT
from assay.web.api.replies import answer, api_router, finite, store_of
from assay.web.counting import check_family, count_all
from assay.web.estimators import estimator_of
from assay.web.openapi import UNTAGGED
from assay.web.reading import readings_of

if TYPE_CHECKING:
    from assay.predict.layers import Estimator
    from assay.recommend.decision import Decision

router = api_router("predictions")

MOST_NUMBERS = 200
MOST_MODELS = 8
"""Graphs of a request: each is counted in about a second where it is new."""
_MOST_DEVICES = 100
_LARGEST = 1e18
_Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
_Model = Annotated[_Name, Query(description="An installed family and its size: `bert/base`.")]
_Hardware = Annotated[
    list[_Name] | None,
    Query(max_length=_MOST_DEVICES, description="Devices, as anybody writes them; else those with a stored price."),
]
_Choices = Annotated[
    list[_Name] | None,
    Query(
        max_length=_MOST_DEVICES,
        description="Devices, as anybody writes them, and machines to rent (`p5.48xlarge`); else devices with a price.",
    ),
]
_Precisions = Annotated[
    list[Precision] | None, Query(max_length=20, description="What may be chosen: `fp32` and `fp16` if none is given.")
]
_Batches = Annotated[
    list[Annotated[int, Field(ge=1, le=65_536)]] | None,
    Query(max_length=20, description="What may be chosen; 1 if none is given."),
]
_Engines = Annotated[
    list[_Name] | None, Query(max_length=20, description="What may be chosen; `torch` if none is given.")
]
_Counts = Annotated[
    list[Annotated[int, Field(ge=1, le=MOST_DEVICES)]] | None,
    Query(max_length=20, description="How many of a device may be taken together; 1 if none is given."),
]
_Prices = Annotated[
    str, Query(max_length=2000, description="USD for an hour of one device: `nvidia-l4=0.71, ...`; else stored ones.")
]


def _read_wish(  # noqa: PLR0913  (as many conditions as a choice has)
    *,
    model: _Model,
    objective: Annotated[Objective, Query(description="What the best has least (of throughput: most) of.")] = (
        Objective.LATENCY
    ),
    hardware: _Choices = None,
    precision: _Precisions = None,
    batch: _Batches = None,
    engine: _Engines = None,
    mode: Annotated[Literal["inference", "training"], Query(description="The kind of work.")] = "inference",
    max_latency_ns: Annotated[float | None, Query(gt=0, le=_LARGEST, description="Longest time of a call.")] = None,
    prices: _Prices = "",
) -> Wish:
    return Wish(
        model, objective, tuple(hardware or ()), tuple(one.value for one in precision or ()) or PRECISIONS,
        tuple(batch or (1,)), tuple(engine or ("torch",)), mode, Limits(max_latency_ns), read_prices(prices),
    )  # fmt: skip


_Wish = Annotated[Wish, Depends(_read_wish)]


@router.get(
    "/recommend/model",
    operation_id="recommend_model",
    summary="Which device for a model",
    response_model=DecisionModel,
    openapi_extra={UNTAGGED: True},
)
def recommend_model(
    request: Request,
    wish: _Wish,
    *,
    budget_usd_h: Annotated[float | None, Query(gt=0, le=_LARGEST, description="Most USD an hour.")] = None,
    qps: Annotated[float | None, Query(gt=0, le=LARGEST_LOAD, description="Load: units a second.")] = None,
    devices: _Counts = None,
    cloud: Annotated[
        bool, Query(description="Machines to rent that have one of these devices and a stored price as well.")
    ] = False,
    optimizer: Annotated[
        str | None,
        Query(min_length=1, max_length=LONGEST_TEXT, description="Of `mode=training`: its state takes memory."),
    ] = None,
) -> Response:
    """Devices in order, by what was measured on them or is predicted, with how sure that is and why others lost.

    With `devices` or `cloud` also several of a device, or a machine, as one option: independent replicas where the
    model fits on one, cut over them where it does not or trains; `strategy`, `why` and `plan` say how.
    """

    def build() -> DecisionModel:
        limits = Limits(wish.limits.max_latency_ns, budget_usd_h, qps)
        asked = replace(wish, counts=tuple(devices or ()), has_cloud=cloud, optimizer=optimizer)
        content = describe_decision(_choose(request, asked, limits))
        return DecisionModel.model_validate(_finite(content))

    return answer(request, build, is_tagged=False)


@router.get(
    "/suggest",
    operation_id="suggest",
    summary="What to measure next",
    response_model=SuggestionsModel,
    openapi_extra={UNTAGGED: True},
)
def suggest(
    request: Request, wish: _Wish, limit: Annotated[int, Query(ge=1, le=100, description="At most so many.")] = 5
) -> Response:
    """The measurements that would most likely change the choice of `/recommend/model`, or spare most regret."""

    def build() -> SuggestionsModel:
        found = _choose(request, wish, wish.limits)
        rows = describe(suggest_measurements(found))[:limit]
        probes = describe_probes(suggest_probes(found, _estimator_of(request)))
        return SuggestionsModel.model_validate(_finite({"suggestions": rows, "probes": probes}))

    return answer(request, build, is_tagged=False)


@router.get(
    "/plan",
    operation_id="plan",
    summary="How many devices a load takes",
    response_model=PlansModel,
    openapi_extra={UNTAGGED: True},
)
def plan(
    request: Request,
    wish: _Wish,
    *,
    qps: Annotated[float, Query(gt=0, le=LARGEST_LOAD, description="Load: units a second.")],
    max_wait_s: Annotated[float | None, Query(gt=0, le=86_400, description="Longest wait in the queue.")] = None,
    wait_share: Annotated[float, Query(gt=0, lt=1, description="Share of units that wait no longer.")] = 0.9,
    most_busy: Annotated[float, Query(gt=0, lt=1, description="Share of time that a device may work.")] = 0.8,
    confidence: Annotated[float, Query(gt=0, lt=1, description="How sure it is to be that the load is met.")] = 0.9,
) -> Response:
    """How many of each device carry a load, with room for the queue; a device's options are chosen by throughput.

    `objective` changes nothing here.
    """

    def build() -> PlansModel:
        found = _choose(request, replace(wish, objective=Objective.THROUGHPUT), wish.limits)
        rows, failed = plan_rows(found, Load(qps, max_wait_s, wait_share), Margin(most_busy, confidence))
        left = [{"device": one["device"], "reason": one["reason"]} for one in describe_abstained(found.abstained)]
        left += [{"device": name, "reason": why} for name, why in failed]
        return PlansModel.model_validate(_finite({"plans": rows, "abstained": left}))

    return answer(request, build, is_tagged=False)


@router.get(
    "/matrix",
    operation_id="matrix",
    summary="Workloads by devices",
    response_model=MatrixModel,
    openapi_extra={UNTAGGED: True},
)
def matrix(  # noqa: PLR0913  (as many conditions as a case has)
    request: Request,
    *,
    workload: Annotated[list[_Name], Query(min_length=1, max_length=MOST_MODELS, description="Families and sizes.")],
    hardware: _Hardware = None,
    precision: Annotated[Precision, Query(description="One for all cells.")] = Precision.FP32,
    batch: Annotated[int, Query(ge=1, le=65_536, description="One for all cells.")] = 1,
    engine: Annotated[_Name, Query(description="One for all cells.")] = "torch",
    mode: Annotated[Literal["inference", "training"], Query(description="The kind of work.")] = "inference",
    metric: Annotated[_Name, Query(description="`latency`, `throughput`, `memory`, `power`.")] = "latency",
    predicted: Annotated[bool, Query(description="False leaves what was not measured without a number.")] = True,
) -> Response:
    """What was measured, what is predicted, and where nobody can say, with the reason; under the same conditions."""

    def build() -> MatrixModel:
        from assay.predict.questions import Asked, make_questions

        for name in workload:
            check_family(name)
        name = read_metric(metric)
        if name not in FORETOLD:
            raise UnknownNameError("predicted metric", metric, FORETOLD)
        devices = tuple(dict.fromkeys(candidates(store_of(request), hardware or ())))
        check_count(len(set(workload)) * len(devices), MOST_NUMBERS)
        asked = Asked(
            tuple(dict.fromkeys(workload)), devices, (precision.value,), (batch,), (engine,), mode=mode, metric=name
        )
        count_all(asked.models)
        questions = make_questions(asked, store=store_of(request))
        estimator = _estimator_of(request)
        rows = matrix_rows(questions, ask_numbers(estimator, questions), is_measured_only=not predicted)
        counts = {word: sum(row["provenance"] == word for row in rows) for word in ("measured", "predicted", None)}
        cells = [{field: row.get(field) for field in MatrixCellModel.model_fields} for row in rows]
        content = {
            "metric": name, "precision": precision.value, "batch": batch, "engine": engine,
            "measured": counts["measured"], "predicted": counts["predicted"], "abstained": counts[None], "cells": cells,
        }  # fmt: skip
        return MatrixModel.model_validate(_finite(content))

    return answer(request, build, is_tagged=False)


def _choose(request: Request, wish: Wish, limits: Limits) -> Decision:
    check_family(wish.model)
    count_all([wish.model])
    return choose_device(store_of(request), replace(wish, limits=limits), _estimator_of(request), most=MOST_NUMBERS)


def _estimator_of(request: Request) -> Estimator:
    return estimator_of(store_of(request), readings_of(request))


def _finite(content: Any) -> Any:
    """The same content, with None for what JSON has no word for."""
    if isinstance(content, float):
        return finite(content)
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    return [_finite(one) for one in content] if isinstance(content, list | tuple) else content
