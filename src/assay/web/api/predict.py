"""``/predict``, ``/predictors`` and ``/predictions``: numbers that no one measured yet, and what they come from.

Only workloads that are installed can be asked about, and those that predictors know by name from what others published:
a name must never make the server import somebody's module, read a file or fetch anything. Graphs are counted without
weights, once. May import: core, predict, recommend, web.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field, StringConstraints

from assay.core.errors import UsageError
from assay.core.words import Precision, Provenance
from assay.predict.answers import answer_to_row, ask, read_level, read_metric
from assay.recommend.fleets import MOST_DEVICES
from assay.store.selection import Selection
from assay.web.api.filters import LONGEST_TEXT, result_filter
from assay.web.api.models import ResultModel
from assay.web.api.paging import Cursor, Limit, Page
from assay.web.api.replies import Model, answer, api_router, finite, is_trusted, store_of
from assay.web.api.results import page_of_results
from assay.web.counting import check_asked, count_all
from assay.web.estimators import estimator_of
from assay.web.openapi import UNTAGGED
from assay.web.reading import readings_of

if TYPE_CHECKING:
    from assay.predict.layers import Estimator

router = api_router("predictions")

MOST_QUESTIONS = 400
_Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]


class IntervalModel(Model):
    """Holds the outcome in a share of `level` of such questions, as tested."""

    level: float
    lo: float | None
    hi: float | None


class PredictionEvidence(Model):
    """Something measured or imported that a prediction rests on."""

    what: str
    value: float | None
    unit: str
    result_id: str | None
    why: str


class AnswerModel(Model):
    """One answer. `value` is null where nothing was foretold, and `reason` then says why."""

    workload: str
    device: str
    hw_id: str | None
    engine: str
    precision: str
    batch: int
    mode: str
    devices: int
    metric: str
    provenance: Provenance | None = Field(description="`measured` where the store has it already.")
    value: float | None
    unit: str | None
    lo: float | None = Field(description="Lower end at the level that was asked for.")
    hi: float | None
    level: float | None
    layer: str | None = Field(description="Who answered: measured, transfer, learned, roofline.")
    model: str | None = Field(description="The predictor that answered, and its version.")
    situation: str | None = Field(description="The split that the interval was tested on.")
    calibration_n: int | None
    calibration_groups: int | None
    intervals: list[IntervalModel]
    reasons: list[str]
    evidence: list[PredictionEvidence]
    flags: list[str] = Field(description="What to be wary of.")
    would_change: list[str]
    reason: str | None = Field(description="Why there is no number.")
    measure: list[str] = Field(description="What to measure so that there is a number.")


class AnswersModel(Model):
    """Answers in the order of workloads, batches, devices, engines and precisions."""

    level: float
    answers: list[AnswerModel]
    broken: dict[str, str] = Field(description="Predictors that could not be loaded, and why.")


class PredictorModel(Model):
    """One version of a predictor."""

    kind: str
    version: str
    origin: Literal["prior", "own"] = Field(description="Shipped with assay, or learned here.")
    is_active: bool = Field(description="It answers for its kind.")
    made_at: datetime | None
    assay_version: str | None
    rows: int | None = Field(description="What it was learned from.")
    splits: dict[str, float] = Field(description="Mean error by split, as validated; |predicted / actual - 1|.")
    broken: str | None


class PredictorsModel(Model):
    """Every version that is here."""

    predictors: list[PredictorModel]


@router.get(
    "/predict",
    operation_id="predict",
    summary="Predict numbers",
    response_model=AnswersModel,
    openapi_extra={UNTAGGED: True},
)
def predict(  # noqa: PLR0913  (as many conditions as a case has)
    request: Request,
    *,
    workload: Annotated[
        list[_Name],
        Query(min_length=1, max_length=20, description="Families and sizes, or published ones: `mlperf/resnet`."),
    ],
    hardware: Annotated[
        list[_Name], Query(min_length=1, max_length=100, description="Devices, as anybody writes them.")
    ],
    precision: Annotated[
        list[Precision] | None, Query(max_length=20, description="`fp32` where none is given.")
    ] = None,
    batch: Annotated[
        list[Annotated[int, Field(ge=1, le=65_536)]] | None, Query(max_length=20, description="1 where none is given.")
    ] = None,
    engine: Annotated[list[_Name] | None, Query(max_length=20, description="`torch` where none is given.")] = None,
    mode: Annotated[Literal["inference", "training"], Query(description="The kind of work.")] = "inference",
    metric: Annotated[
        _Name, Query(description="`latency`, `throughput`, `memory`, `power`, `ttft`, `tpot`, `itl`, or a metric.")
    ] = "latency",
    devices: Annotated[
        int, Query(ge=1, le=MOST_DEVICES, description="How many of the device together: of published ones.")
    ] = 1,
    option: Annotated[
        list[_Name] | None,
        Query(max_length=20, description="What a case is asked under: `scenario=Server`, `users=64`."),
    ] = None,
    level: Annotated[
        float, Query(ge=0.5, le=90, description="Share that the interval is to hold: 0.5, 0.8, 0.9.")
    ] = 0.9,
) -> Response:
    """What was not measured would take, each with an interval that was tested; what was measured is given as that."""

    def build() -> AnswersModel:
        from assay.predict.questions import Asked, make_questions, read_options

        share = read_level(level)
        for name in workload:
            check_asked(name)
        asked = Asked(
            models=tuple(workload), devices=tuple(hardware),
            precisions=tuple(one.value for one in precision or (Precision.FP32,)), batches=tuple(batch or (1,)),
            engines=tuple(engine or ("torch",)), mode=mode, metric=read_metric(metric),
            options=read_options(option or ()), count=devices,
        )  # fmt: skip
        count = len(asked.models) * len(asked.devices) * len(asked.precisions) * len(asked.batches) * len(asked.engines)
        if count > MOST_QUESTIONS:
            raise UsageError(f"{count} numbers were asked for; expected at most {MOST_QUESTIONS} at a time.")
        count_all(asked.models)
        questions = make_questions(asked, store=store_of(request))
        estimator = _estimator_of(request)
        answers = ask(estimator, questions)
        rows = [answer_to_row(question, one, share) for question, one in zip(questions, answers, strict=True)]
        return AnswersModel(level=share, answers=[_answer(row) for row in rows], broken=_say_broken(request, estimator))

    return answer(request, build, is_tagged=False)


@router.get(
    "/predictors",
    operation_id="list_predictors",
    summary="Versions of predictors",
    response_model=PredictorsModel,
    openapi_extra={UNTAGGED: True},
)
def list_predictors(request: Request) -> Response:
    """Every version of every predictor, shipped and learned here, with the errors of its validation."""

    def build() -> PredictorsModel:
        from assay.core.errors import AssayError
        from assay.predict.model_file import read_model
        from assay.predict.models import list_models, shelf_of

        found = []
        for entry in list_models(shelf_of(store_of(request).location)):
            try:
                record, broken = read_model(entry.path), None
            except AssayError as error:
                record, broken = None, error.message.replace(str(entry.path), entry.path.name)
            found.append(
                PredictorModel(
                    kind=entry.kind, version=entry.version, origin="prior" if entry.origin == "prior" else "own",
                    is_active=entry.is_active, made_at=None if record is None else record.made_at,
                    assay_version=None if record is None else record.assay_version,
                    rows=None if record is None else sum(use.rows for use in record.uses),
                    splits={} if record is None else {one.split: one.own.mean_error for one in record.outcomes},
                    broken=broken,
                )
            )  # fmt: skip
        return PredictorsModel(predictors=found)

    return answer(request, build, is_tagged=False)


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


def _estimator_of(request: Request) -> Estimator:
    return estimator_of(store_of(request), readings_of(request))


def _say_broken(request: Request, estimator: Estimator) -> dict[str, str]:
    """Why a file is broken names its place on the server: only those who may know it are told."""
    known = is_trusted(request)
    return {name: why if known else "it could not be loaded" for name, why in estimator.broken.items()}


def _answer(row: dict[str, object]) -> AnswerModel:
    content = {name: row.get(name) for name in AnswerModel.model_fields}
    for name in ("value", "lo", "hi"):
        content[name] = finite(content[name])  # type: ignore[arg-type]  # numbers, or None
    for name in ("intervals", "reasons", "evidence", "flags", "would_change", "measure"):
        content[name] = content[name] or []
    return AnswerModel.model_validate(content)
