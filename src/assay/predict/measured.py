"""What is in the store already: a question that a usable result answers gets that result, and no prediction is made.

May import: core, store, analysis.device_names, predict.values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.predict.values import Evidence, Interval, Layer, Prediction, Question

if TYPE_CHECKING:
    from assay.store import Store

_Key = tuple[str, str | None, str | None, int | None, str, str]
_FREE = frozenset({"threads"})
"""Options that do not make a plain call another one."""
_LEVEL = 0.95
_METRICS = ("latency_ns", "throughput_per_s", "memory_peak_bytes")
_COLUMNS = ", ".join(f"{name}{end}" for name in _METRICS for end in ("", "_lo", "_hi", "_n"))
_CASE = "workload, engine, precision, batch, mode, hardware, device, options, shape"
_NEWEST = f"""
SELECT result_id, {_CASE}, {_COLUMNS} FROM results
WHERE provenance = 'measured' AND status = 'ok' AND usable AND verdict IS DISTINCT FROM 'contaminated'
QUALIFY row_number() OVER (PARTITION BY {_CASE} ORDER BY measured_at DESC, result_id DESC) = 1
ORDER BY measured_at, result_id
"""  # noqa: S608  (our own columns)
"""One row a case: a store of a million results has some thousand cases, and reading all rows took a minute."""
_UNITS = {"latency_ns": "ns", "throughput_per_s": "1/s", "memory_peak_bytes": "B"}


@dataclass(frozen=True, slots=True)
class KnownNumber:
    """One result's numbers by metric: value, lower and upper bound (None without), launches."""

    result_id: str
    numbers: Mapping[str, tuple[float, float | None, float | None, int | None]]
    shape: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class MeasuredNumbers:
    """The newest usable measurement of each plain case, by workload, engine, precision, batch, mode and device."""

    known: Mapping[_Key, KnownNumber] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> MeasuredNumbers:
        """Read the newest of each case. Raises StoreError."""
        from assay.analysis.device_names import name_device
        from assay.store.query import fetch_rows

        known: dict[_Key, KnownNumber] = {}
        for row in fetch_rows(store.location, _NEWEST, tables=("results",), versions=store.versions):
            if not _is_plain(row["options"]):
                continue
            numbers = {
                name: (row[name], row[f"{name}_lo"], row[f"{name}_hi"], row[f"{name}_n"])
                for name in _METRICS
                if row.get(name) is not None
            }
            if not numbers:
                continue
            shape = tuple(sorted(_content(row["shape"]).items()))
            found = KnownNumber(row["result_id"], numbers, shape)
            device = name_device(row["hardware"], row["device"])
            for name in {device.hw_id or device.label, row["hardware"]}:
                if name:
                    key = (row["workload"], row["engine"], row["precision"], row["batch"], row["mode"], name)
                    known[key] = found
        return cls(known)

    def find(self, question: Question) -> Prediction | None:
        """Return the measured answer, as of the layer ``measured``; None where there is none."""
        conditions = question.conditions
        if not self.known or conditions.devices != 1 or any(name not in _FREE for name, _ in conditions.options):
            return None
        for name in (question.device.hw_id, question.device.name):
            if name is None:
                continue
            key = (
                question.workload, conditions.engine, conditions.precision, conditions.batch, conditions.mode, name,
            )  # fmt: skip
            found = self.known.get(key)
            if found is None or question.metric not in found.numbers:
                continue
            if question.graph is not None and question.graph.shape and dict(question.graph.shape) != dict(found.shape):
                continue
            return _answer(question, found)
        return None


def _answer(question: Question, found: KnownNumber) -> Prediction:
    value, low, high, count = found.numbers[question.metric]
    unit = _UNITS[question.metric]
    intervals = () if low is None or high is None else (Interval(_LEVEL, low, high),)
    launches = "" if count is None else f" over {count} launches"
    evidence = Evidence("this case on this device", value, unit, found.result_id, "it was measured")
    return Prediction(
        question.metric,
        value,
        unit,
        intervals,
        Layer.MEASURED,
        (f"measured{launches}: nothing is foretold",),
        (evidence,),
    )


def _is_plain(options: Any) -> bool:
    return all(name in _FREE for name in _content(options))


def _content(value: Any) -> dict[str, Any]:
    """A stored object, as text or read already."""
    return dict(json.loads(value) if isinstance(value, str) else value or {})
