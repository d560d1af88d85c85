"""Derived metrics of standard models: rates, energy, cost and carbon from the roofline. All of them are estimates.

May import: core, catalog.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from assay.catalog.hardware.derived_metric import DerivedMetric
from assay.catalog.hardware.standard_models import STANDARD_MODELS, StandardModel
from assay.core.words import Direction

_MILLION = 1e6
_AT_LIMIT = "drawing its power limit all the time"
_REFERENCES = ("reference_peak16", "reference_bandwidth", "reference_memory")


def _least_time(model: StandardModel, peak: float, bandwidth: float, memory: float) -> float | str:
    if memory < model.weight_bytes:
        return f"the weights of {model.title}, {model.weight_bytes / 2**30:.3g} GiB in 16 bits, do not fit its memory"
    return model.least_time_s(peak, bandwidth)


def _per_unit(model: StandardModel, factor: float = 1.0) -> Callable[..., float | str]:
    """What every second of it brings with it, for one unit of work, times ``factor``."""

    def compute(peak: float, bandwidth: float, memory: float, *a_second: float) -> float | str:
        time_s = _least_time(model, peak, bandwidth, memory)
        return time_s if isinstance(time_s, str) else time_s * math.prod(a_second) * factor

    return compute


def _rate(model: StandardModel) -> Callable[..., float | str]:
    def compute(peak: float, bandwidth: float, memory: float) -> float | str:
        time_s = _least_time(model, peak, bandwidth, memory)
        return time_s if isinstance(time_s, str) else 1 / time_s

    return compute


def _of(model: StandardModel) -> tuple[DerivedMetric, ...]:
    needs = ("peak16", "bandwidth", "memory")
    time = f"max({model.flops_per_unit:.4g} FLOP / peak16, {model.bytes_per_unit:.4g} B / bandwidth)"
    where, noted = f"{model.title}, {model.unit}", model.assumptions
    up, down = Direction.HIGHER, Direction.LOWER

    def make(
        name: str, title: str, unit: str, formula: str, direction: Direction, more: tuple[str, ...],
        compute: Callable[..., float | str], note: str = noted,
    ) -> DerivedMetric:  # fmt: skip
        return DerivedMetric(
            f"{name}_{model.key}", title, unit, formula, model.source, direction, (*needs, *more), compute,
            is_estimate=True, note=note,
        )  # fmt: skip

    powered = f"{noted}; {_AT_LIMIT}"
    return (
        make("rate", f"highest rate, {where}", "1/s", f"1 / {time}", up, (), _rate(model)),
        make("energy", f"energy, {where}", "J", f"tdp * {time}", down, ("tdp",), _per_unit(model), powered),
        make(
            "cost", f"cost of a million, {where}", "USD", f"1e6 * rent * {time}", down, ("rent",),
            _per_unit(model, _MILLION),
        ),
        make(
            "carbon", f"carbon of a million, {where}", "g", f"1e6 * tdp * grid * {time}", down, ("tdp", "grid"),
            _per_unit(model, _MILLION), f"{powered}; the device alone, without its machine and cooling",
        ),
    )  # fmt: skip


def _latency_index(*numbers: float) -> float | str:
    """Geometric mean over the models of the least time, the reference's being 1."""
    half = len(numbers) // 2
    logs = []
    for model in STANDARD_MODELS:
        ours, theirs = _least_time(model, *numbers[:half]), _least_time(model, *numbers[half:])
        if isinstance(ours, str):
            return ours
        if isinstance(theirs, str):
            return f"of the reference, {theirs}"
        logs.append(math.log(ours / theirs))
    return math.exp(sum(logs) / len(logs))


ESTIMATES = (
    *(metric for model in STANDARD_MODELS for metric in _of(model)),
    DerivedMetric(
        "latency_index", "relative latency index", "1",
        "geometric mean over the standard models of least time / least time of the reference",
        "P. Fleming, J. Wallace, How not to lie with statistics, CACM 29 (3), 1986 (geometric mean of ratios)",
        Direction.LOWER, ("peak16", "bandwidth", "memory", *_REFERENCES), _latency_index, is_estimate=True,
        note=f"estimate: from the roofline's least times of {', '.join(model.title for model in STANDARD_MODELS)}",
    ),
    DerivedMetric(
        "carbon_per_h", "carbon of an hour", "g/h", "tdp * grid * 3600", "power limit times the region's factor",
        Direction.LOWER, ("tdp", "grid"), lambda tdp, grid: tdp * grid * 3600, is_estimate=True,
        note=f"estimate: {_AT_LIMIT}; the device alone, without its machine and cooling",
    ),
)  # fmt: skip
