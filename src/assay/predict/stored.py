"""Predictions kept in the store, under their own provenance, for later measurements to be held against.

A prediction is a result of a run of its own: the case that a measurement would have, the hardware's name, the value
with its interval, and in ``source_fields`` the layer, the version that said it, and all intervals. May import: core,
store, probes, predict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.core.case import Case, series_id
from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import Precision, Provenance, RunStatus, Status
from assay.predict.questions import device_word
from assay.predict.values import Abstention, Answer, Layer, Prediction, Question

if TYPE_CHECKING:
    from assay.store import Store

SUITE = "predict"
KEPT_LEVEL = 0.9
"""The interval that stands beside the value; the others are in ``source_fields``."""


def store_predictions(
    store: Store,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    environment: EnvironmentRecord,
    *,
    now: datetime | None = None,
    config: Mapping[str, Any] | None = None,
) -> RunRecord | None:
    """Keep the predictions among the answers as one run; None where there is none. Raises StoreError.

    What was measured already is no prediction, and an abstention is no number: neither is kept.
    """
    made_at = now or datetime.now(UTC)
    run_id = new_id()
    results = tuple(
        _result(question, answer, run_id, made_at)
        for question, answer in zip(questions, answers, strict=True)
        if isinstance(answer, Prediction) and answer.layer is not Layer.MEASURED
    )
    if not results:
        return None
    from assay.probes.environment import source_hash

    run = RunRecord(
        run_id=run_id, suite=SUITE, status=RunStatus.OK, started_at=made_at, finished_at=made_at,
        env_id=environment.env_id, config=dict(config or {}), cases_planned=len(questions), assay_version=__version__,
        source_hash=source_hash(), provenance=Provenance.PREDICTED,
        note=f"{sum(isinstance(one, Abstention) for one in answers)} of {len(answers)} questions had no answer",
    )  # fmt: skip
    store.append(RunBundle(run, environment, results, ()))
    return run


def case_of(question: Question) -> Case:
    """Return the case that a measurement of this question would have."""
    conditions = question.conditions
    return Case.make(
        workload=question.workload,
        engine=conditions.engine,
        device=device_word(question.device),
        mode=conditions.mode,
        precision=Precision(conditions.precision),
        batch=conditions.batch,
        shape=dict(question.graph.shape) if question.graph is not None else None,
        options=dict(conditions.options),
    )


def _result(question: Question, answer: Prediction, run_id: str, made_at: datetime) -> ResultRecord:
    case = case_of(question)
    held = answer.interval(KEPT_LEVEL)
    number = MetricValue(
        answer.metric, answer.value, answer.unit, ci_lo=held.lo if held else None, ci_hi=held.hi if held else None,
        n=answer.calibration_n or None, reason=None if held else "no tested interval at this level",
    )  # fmt: skip
    graph = question.graph
    return ResultRecord(
        result_id=new_id(),
        run_id=run_id,
        series_id=series_id(case.case_id, question.device.name),
        case=case,
        status=Status.OK,
        measured_at=made_at,
        hardware=question.device.name,
        parameters=None if graph is None or not graph.parameters else round(graph.parameters),
        units_per_call=None if graph is None else graph.units_per_call,
        unit_of_work=None if graph is None else graph.unit_of_work,
        metrics=(number,),
        provenance=Provenance.PREDICTED,
        source=answer.model or answer.layer.value,
        source_fields={
            "layer": answer.layer.value,
            "level": KEPT_LEVEL,
            "situation": None if answer.calibrated_on is None else answer.calibrated_on.value,
            "intervals": [asdict(one) for one in answer.intervals],
            "reasons": list(answer.reasons),
            "flags": list(answer.flags),
            "evidence": [asdict(one) for one in answer.evidence],
        },
    )
