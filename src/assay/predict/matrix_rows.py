"""Answers over workloads and devices as plain rows: the same for the command line and REST.

May import: core, catalog.metrics, predict; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.core.words import Provenance
from assay.predict.numbers import LAYERS, NONE, Numbers
from assay.predict.values import LEVELS, Abstention, Answer, Interval, Layer, Prediction, Question

LEVEL = 0.9
"""Of the interval in a cell."""
_PLACE = LEVELS.index(LEVEL)
FORETOLD = ("latency_ns", "throughput_per_s", "memory_peak_bytes", "average_power_w")
"""Metrics of a plain call that predictors tell of."""
UNMEASURED = "not measured, and predictions were not asked for"


def matrix_rows(
    questions: Sequence[Question], answers: Numbers, *, is_measured_only: bool = False
) -> list[dict[str, Any]]:
    """Return a row for each answer; ``value`` is None with a ``reason`` where there is no number.

    ``relative`` is how near a number comes to the best of its workload and provenance: 1 is the best itself.
    """
    import numpy as np

    from assay.catalog.metrics import metrics

    units = {name: metrics.get(name).unit for name in {one.metric for one in questions}}
    measured = LAYERS.index(Layer.MEASURED)
    values, layers = answers.values.tolist(), answers.layers.tolist()
    by = [NONE] * len(answers) if answers.by is None else answers.by.tolist()
    has: Any = ~np.isnan(answers.lo)
    # The interval of LEVEL, else the widest there is: levels rise.
    level_of = np.where(has[:, _PLACE], _PLACE, has.shape[1] - 1 - np.argmax(has[:, ::-1], axis=1)).tolist()
    held, lo, hi = has.any(axis=1).tolist(), answers.lo.tolist(), answers.hi.tolist()
    rows = []
    for place, question in enumerate(questions):
        conditions = question.conditions
        row: dict[str, Any] = {
            "workload": question.workload, "device": question.device.name, "hw_id": question.device.hw_id,
            "precision": conditions.precision, "batch": conditions.batch, "engine": conditions.engine,
            "metric": question.metric, "value": None,
        }  # fmt: skip
        layer = layers[place]
        if layer == NONE:
            row |= {"provenance": None, "reason": _reason_of(answers.explain(place))}
        elif layer == measured:
            row |= _measured_cell(answers.explain(place))
        elif is_measured_only:
            row |= {"provenance": None, "reason": UNMEASURED}
        else:
            level = level_of[place]
            row |= {
                "value": values[place], "unit": units[question.metric],
                "lo": lo[place][level] if held[place] else None, "hi": hi[place][level] if held[place] else None,
                "level": LEVELS[level] if held[place] else None, "provenance": Provenance.PREDICTED.value,
                "layer": LAYERS[layer].value, "model": answers.models[by[place]] if by[place] != NONE else None,
            }  # fmt: skip
        rows.append(row)
    _relate(rows)
    return rows


def _measured_cell(answer: Answer) -> dict[str, Any]:
    """A measurement has an interval at a level of its own."""
    assert isinstance(answer, Prediction)  # noqa: S101  (its layer says so)
    held = interval_in_cell(answer)
    return {
        "value": answer.value, "unit": answer.unit, "lo": held.lo if held else None, "hi": held.hi if held else None,
        "level": held.level if held else None, "provenance": Provenance.MEASURED.value, "layer": answer.layer.value,
        "model": answer.model,
    }  # fmt: skip


def _reason_of(answer: Answer) -> str:
    return answer.reason if isinstance(answer, Abstention) else ""


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
