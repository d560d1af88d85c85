"""Answers over workloads and devices as plain rows: the same for the command line and REST.

May import: core, predict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.core.words import Provenance
from assay.predict.values import Abstention, Answer, Interval, Layer, Prediction, Question

LEVEL = 0.9
"""Of the interval in a cell."""
FORETOLD = ("latency_ns", "throughput_per_s", "memory_peak_bytes", "average_power_w")
"""Metrics of a plain call that predictors tell of."""
UNMEASURED = "not measured, and predictions were not asked for"


def matrix_rows(
    questions: Sequence[Question], answers: Sequence[Answer], *, is_measured_only: bool = False
) -> list[dict[str, Any]]:
    """Return a row for each answer; ``value`` is None with a ``reason`` where there is no number.

    ``relative`` is how near a number comes to the best of its workload and provenance: 1 is the best itself.
    """
    rows = []
    for question, answer in zip(questions, answers, strict=True):
        conditions = question.conditions
        row: dict[str, Any] = {
            "workload": question.workload, "device": question.device.name, "hw_id": question.device.hw_id,
            "precision": conditions.precision, "batch": conditions.batch, "engine": conditions.engine,
            "metric": answer.metric, "value": None,
        }  # fmt: skip
        if isinstance(answer, Abstention):
            row |= {"provenance": None, "reason": answer.reason}
        elif is_measured_only and answer.layer is not Layer.MEASURED:
            row |= {"provenance": None, "reason": UNMEASURED}
        else:
            is_measured = answer.layer is Layer.MEASURED
            held = interval_in_cell(answer)
            row |= {
                "value": answer.value, "unit": answer.unit, "lo": held.lo if held else None,
                "hi": held.hi if held else None, "level": held.level if held else None,
                "provenance": (Provenance.MEASURED if is_measured else Provenance.PREDICTED).value,
                "layer": answer.layer.value, "model": answer.model,
            }  # fmt: skip
        rows.append(row)
    _relate(rows)
    return rows


def interval_in_cell(answer: Prediction) -> Interval | None:
    """Return the interval that a cell shows: that of ``LEVEL``, else the widest there is; it says its level."""
    widest = max(answer.intervals, key=lambda one: one.level, default=None)
    return answer.interval(LEVEL) or widest


def _relate(rows: Sequence[dict[str, Any]]) -> None:
    best: dict[tuple[str, str], float] = {}
    for row in rows:
        if row["value"]:
            key = (row["workload"], row["provenance"])
            row["relative"] = row["value"] if row["metric"] == "throughput_per_s" else 1 / row["value"]
            best[key] = max(best.get(key, 0.0), row["relative"])
    for row in rows:
        if row["value"]:
            row["relative"] /= best[row["workload"], row["provenance"]]
