"""The predictor ``memory``: peak memory of a call or a training step, and how well it foretells families left out.

May import: core, predict, stats; numpy and scipy inside functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import DataUse, ExampleSource, Gathered, Payload, PredictorKind, predictors
from assay.predict.memory import MemoryCorrection, MemoryEstimate, estimate_memory, load_correction
from assay.predict.memory_learn import DEVICE_METRIC, FEWEST, HOST_METRIC, gather_memory, learn_correction, parts_of
from assay.predict.scores import SplitOutcome, score_groups, score_predictions
from assay.predict.splits import leave_one_out
from assay.predict.values import LEVELS, Abstention, Answer, Example, Layer, Prediction, Question, Situation

if TYPE_CHECKING:
    from assay.core.records import ResultRecord
    from assay.predict.values import GraphProfile

KIND = "memory"
METRICS = (HOST_METRIC, DEVICE_METRIC)
_SPLITS = {
    "family": "a family whose memory was not measured",
    "model": "a model whose memory was not measured",
    "device": "a machine on which no memory was measured",
}


@dataclass(frozen=True, slots=True)
class MemoryModel:
    """Answers from the graph, corrected by what was learned of engines. Without a correction the analytic sum."""

    correction: MemoryCorrection = field(default_factory=MemoryCorrection)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions of memory; others with an abstention."""
        return [self._answer_one(one) for one in questions]

    def payload(self) -> Payload:
        """What `load_memory` reads back."""
        return Payload({"correction": self.correction.to_dict()})

    def estimate(self, question: Question) -> MemoryEstimate:
        """Return the estimate itself, which knows how probable it is that memory runs out. Raises AssayError."""
        if question.graph is None:
            raise AssayError(f"The graph of {question.workload} is not known.")
        return estimate_memory(question.graph, question.conditions, self.correction, kind=question.device.kind)

    def _answer_one(self, question: Question) -> Answer:
        if question.metric not in METRICS:
            return Abstention(question.metric, f"the predictor of memory tells {' and '.join(METRICS)} only")
        try:
            found = self.estimate(question)
        except AssayError as error:
            return Abstention(question.metric, error.message, (error.hint,) if error.hint else ())
        known = self.correction.calibrations.get(question.conditions.mode) if found.intervals else None
        return Prediction(
            metric=question.metric,
            value=found.value_bytes,
            unit="B",
            intervals=found.intervals,
            layer=Layer.LEARNED if found.intervals else Layer.ROOFLINE,
            reasons=found.reasons,
            calibrated_on=Situation.UNSEEN_FAMILY if known else None,
            calibration_n=known.n if known else 0,
            calibration_groups=known.groups if known else 0,
            flags=found.flags,
            would_change=("a measurement of its memory (assay run measures it in a pass of its own)",),
        )


def gather_kind(source: ExampleSource) -> Gathered:
    """Read the measured peaks of a store."""
    if source.store is None:
        return Gathered((), (), ("no store was given",))
    examples, notes = gather_memory(list(source.store.results(status="ok")), _graph_of)
    digest = hashlib.sha256("\n".join(sorted(one.source for one in examples)).encode()).hexdigest()
    uses = (DataUse("the store's own results", len(examples), digest),) if examples else ()
    return Gathered(tuple(examples), uses, tuple(notes))


def fit_memory(gathered: Gathered, seed: int) -> MemoryModel:
    """Learn what engines need. Raises AssayError where no engine has measurements enough."""
    del seed  # nothing is drawn
    found = learn_correction(gathered.examples)
    if not found.factors:
        raise AssayError(
            f"Of no engine there are {FEWEST} measured peaks of memory ({len(gathered.examples)} in all).",
            hint="Run: assay run --suite standard --max-size tiny",
        )
    return MemoryModel(found)


def load_memory(payload: Payload) -> MemoryModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    content = payload.meta.get("correction")
    if not isinstance(content, dict):
        raise AssayError("A correction of memory cannot be read: it is missing.")
    return MemoryModel(load_correction(content))


def validate_memory(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Leave each family (model, device) out and foretell it from the others, beside the sum alone.

    Raises UnknownNameError for another split, AssayError where there is too little.
    """
    import numpy as np

    if split not in _SPLITS:
        raise UnknownNameError("split", split, _SPLITS)
    examples: Sequence[Example] = gathered.examples
    held, answers = [], []
    for fold in leave_one_out([one.groups[split] for one in examples]):
        try:
            model = fit_memory(Gathered([examples[place] for place in fold.train], ()), seed)
        except AssayError:
            continue
        test = [examples[place] for place in fold.test]
        for one, answer in zip(test, model.answer([one.question for one in test]), strict=True):
            if isinstance(answer, Prediction) and len(answer.intervals) == len(LEVELS):
                held.append(one)
                answers.append(answer)
    if not held:
        raise AssayError(
            f"Nothing could be held out for the split {split!r}: {len(examples)} peaks of memory were measured.",
            hint="Measure more: assay run --suite standard --max-size tiny",
        )
    truth, guess = np.array([one.value for one in held]), np.array([one.value for one in answers])
    bounds = {
        level: (
            np.array([one.intervals[place].lo for one in answers]),
            np.array([one.intervals[place].hi for one in answers]),
        )
        for place, level in enumerate(LEVELS)
    }
    naive = np.array([parts_of(one.question).total for one in held])
    left = len(examples) - len(held)
    return SplitOutcome(
        kind=KIND,
        split=split,
        question=_SPLITS[split],
        metric=HOST_METRIC,
        methods={
            "assay": score_predictions(truth, guess, bounds),
            "analytic sum": score_predictions(truth, naive),
        },
        groups=score_groups([one.groups[split] for one in held], truth, guess, bounds),
        stratified={
            name: score_groups([one.groups[name] for one in held], truth, guess, bounds) for name in ("engine", "mode")
        },
        notes=(f"{left} of {len(examples)} held out were not answered",) if left else (),
    )


def _graph_of(result: ResultRecord) -> GraphProfile:
    from assay.predict.graphs import profile_workload

    case = result.own_case
    return profile_workload(case.workload, batch=case.batch, shape=dict(case.shape) or None)


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Peak memory",
        metrics=METRICS,
        splits=_SPLITS,
        gather=gather_kind,
        fit=fit_memory,
        load=load_memory,
        validate=validate_memory,
        fewest=FEWEST,
        packages=(),
        is_self_taught=True,
    ),
)
