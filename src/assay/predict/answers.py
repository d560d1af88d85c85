"""Questions put to everything that can answer, and answers as plain rows: the same for the command line and REST.

May import: core, predict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from assay.core.errors import UsageError
from assay.core.words import Provenance
from assay.predict.numbers import NONE, Numbers
from assay.predict.questions import why_impossible
from assay.predict.values import LEVELS, Abstention, Answer, Interval, Layer, Prediction, Question

COLUMNS = (
    "workload", "device", "engine", "precision", "batch", "mode", "devices", "metric", "provenance", "value", "unit",
    "lo", "hi", "level", "layer", "model", "situation", "calibration_groups", "reason", "flags", "measure",
)  # fmt: skip
"""Columns of a row in CSV; JSON has the reasons, the evidence and all intervals beside them."""
METRIC_WORDS: Mapping[str, str] = {
    "latency": "latency_ns", "throughput": "throughput_per_s", "memory": "memory_peak_bytes",
    "power": "average_power_w", "ttft": "time_to_first_token_ns",
    "tpot": "time_per_output_token_ns", "itl": "inter_token_latency_ns",
}  # fmt: skip
"""Short words for metrics that people ask about."""


class Answering(Protocol):
    """Whatever answers questions: `predict.layers.Estimator`."""

    def numbers(self, questions: Sequence[Question]) -> Numbers:
        """Answer in the questions' order, as arrays."""
        ...


def ask(estimator: Answering, questions: Sequence[Question]) -> list[Answer]:
    """Answer each question in order. What a device cannot compute at all is refused before anybody is asked."""
    return ask_numbers(estimator, questions).answers()


def ask_numbers(estimator: Answering, questions: Sequence[Question]) -> Numbers:
    """``ask``, as arrays: of many answers only those that somebody looks at are made."""
    import numpy as np

    refused = {place: why for place, one in enumerate(questions) if (why := why_impossible(one)) is not None}
    if not refused:
        return estimator.numbers(questions)
    places = np.array([place for place in range(len(questions)) if place not in refused], dtype=np.int64)
    found = estimator.numbers([questions[place] for place in places.tolist()])
    at = np.full(len(questions), NONE, dtype=np.int64)
    at[places] = np.arange(len(places))

    def explain(place: int) -> Answer:
        if place in refused:
            return Abstention(questions[place].metric, refused[place], ("ask for another precision",))
        return found.explain(int(at[place]))

    return found.spread(places, len(questions), explain)


def read_metric(word: str) -> str:
    """Return the metric that a word means: its name, or a short word for it. Raises UnknownNameError."""
    from assay.catalog.metrics import metrics

    name = METRIC_WORDS.get(word, word)
    metrics.get(name)
    return name


def read_level(level: float) -> float:
    """Return the level nearest to what was asked, in shares or per cent. Raises UsageError for one that is not kept."""
    share = level / 100 if level > 1 else level
    found = min(LEVELS, key=lambda one: abs(one - share))
    if abs(found - share) > 1e-6:  # noqa: PLR2004  (50 % and 0.5 are one number, in floats)
        raise UsageError(f"--level: got {level:g}; intervals are kept at {', '.join(f'{one:.0%}' for one in LEVELS)}.")
    return found


def answer_to_row(question: Question, answer: Answer, level: float) -> dict[str, Any]:
    """Return one answer as plain data. An abstention has no ``value``, and a ``reason``."""
    conditions = question.conditions
    row: dict[str, Any] = {
        **dict.fromkeys(COLUMNS),
        "workload": question.workload,
        "device": question.device.name,
        "hw_id": question.device.hw_id,
        "engine": conditions.engine,
        "precision": conditions.precision,
        "batch": conditions.batch,
        "mode": conditions.mode,
        "devices": conditions.devices,
        "metric": answer.metric,
        "flags": [],
        "measure": [],
    }
    if isinstance(answer, Abstention):
        return row | {"reason": answer.reason, "measure": list(answer.measure)}
    held = interval_of(answer, level)
    return row | {
        "provenance": (Provenance.MEASURED if answer.layer is Layer.MEASURED else Provenance.PREDICTED).value,
        "value": answer.value,
        "unit": answer.unit,
        "lo": None if held is None else held.lo,
        "hi": None if held is None else held.hi,
        "level": None if held is None else held.level,
        "layer": answer.layer.value,
        "model": answer.model,
        "situation": None if answer.calibrated_on is None else answer.calibrated_on.value,
        "calibration_n": answer.calibration_n,
        "calibration_groups": answer.calibration_groups,
        "intervals": [asdict(one) for one in answer.intervals],
        "reasons": list(answer.reasons),
        "evidence": [asdict(one) for one in answer.evidence],
        "flags": list(answer.flags),
        "would_change": list(answer.would_change),
        "device_notes": list(question.device.notes),
    }


def interval_of(answer: Prediction, level: float) -> Interval | None:
    """Return the interval of a level, of a measurement its own confidence at its own level; None without."""
    found = answer.interval(level)
    if found is None and answer.layer is Layer.MEASURED and answer.intervals:
        return answer.intervals[0]
    return found
