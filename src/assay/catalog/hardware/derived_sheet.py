"""Derived metrics that follow from data sheets and prices alone: nothing in them is estimated.

May import: core, catalog.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from assay.catalog.hardware.derived_metric import DerivedMetric
from assay.catalog.hardware.generations import RULE
from assay.core.words import Direction

_UP, _DOWN, _NEITHER = Direction.HIGHER, Direction.LOWER, Direction.NEITHER
_ROOFLINE = "S. Williams, A. Waterman, D. Patterson, Roofline, CACM 52 (4), 2009"
_GREEN500 = "operations a second for a watt, as the Green500 list ranks by (W. Feng, K. Cameron, 2007)"
_OURS = "a quotient of two figures of the data sheet"
_PER_USD = "a quotient of a figure of the data sheet and a price"
_BALANCE = "J. McCalpin, Memory Bandwidth and Machine Balance, 1995"


def _divide(above: float, below: float) -> float | str:
    return above / below if below else "it would be divided by 0"


def _ratio(
    name: str, title: str, unit: str, above: str, below: str, *, source: str = _OURS, direction: Direction = _UP
) -> DerivedMetric:
    return DerivedMetric(name, title, unit, f"{above} / {below}", source, direction, (above, below), _divide)


def _scaled(factor: float) -> Callable[[float, float], float | str]:
    return partial(_divide_scaled, factor)


def _divide_scaled(factor: float, above: float, below: float) -> float | str:
    return above * factor / below if below else "it would be divided by 0"


def _divide_twice(above: float, above_power: float, below: float, below_power: float) -> float | str:
    if not (above_power and below and below_power):
        return "it would be divided by 0"
    return (above / above_power) / (below / below_power)


def _gain(name: str, title: str, key: str) -> DerivedMetric:
    return DerivedMetric(
        name, title, "1", f"{key} / before_{key}", f"of the device before: {RULE}", _UP, (key, f"before_{key}"), _divide
    )


POWER = (
    _ratio("fp64_per_w", "64-bit rate per watt", "FLOP/s/W", "peak64", "tdp", source=_GREEN500),
    _ratio("fp32_per_w", "32-bit rate per watt", "FLOP/s/W", "peak32", "tdp", source=_GREEN500),
    _ratio("rate16_per_w", "16-bit rate per watt", "FLOP/s/W", "peak16", "tdp", source=_GREEN500),
    _ratio("rate8_per_w", "8-bit rate per watt", "OP/s/W", "peak8", "tdp", source=_GREEN500),
    _ratio("rate4_per_w", "4-bit rate per watt", "OP/s/W", "peak4", "tdp", source=_GREEN500),
    _ratio("bandwidth_per_w", "bandwidth per watt", "B/s/W", "bandwidth", "tdp"),
    _ratio("memory_per_w", "memory per watt", "B/W", "memory", "tdp"),
)
MONEY = (
    _ratio("fp32_per_usd", "32-bit rate per dollar", "FLOP/s/USD", "peak32", "purchase", source=_PER_USD),
    _ratio("rate16_per_usd", "16-bit rate per dollar", "FLOP/s/USD", "peak16", "purchase", source=_PER_USD),
    _ratio("rate8_per_usd", "8-bit rate per dollar", "OP/s/USD", "peak8", "purchase", source=_PER_USD),
    _ratio("memory_per_usd", "memory per dollar", "B/USD", "memory", "purchase", source=_PER_USD),
    _ratio("bandwidth_per_usd", "bandwidth per dollar", "B/s/USD", "bandwidth", "purchase", source=_PER_USD),
    DerivedMetric(
        "usd_per_h", "price of an hour", "USD/h", "rent * 3600", "the offer that the note names", _DOWN, ("rent",),
        lambda rent: rent * 3600,
    ),
    _ratio("rate16_per_rent", "16-bit work per dollar of rent", "FLOP/USD", "peak16", "rent", source=_PER_USD),
    DerivedMetric(
        "memory_per_rent", "memory for an hour per dollar of rent", "GB h/USD", "memory / 1e9 / (rent * 3600)",
        _PER_USD, _UP, ("memory", "rent"), _scaled(1 / 3600e9),
    ),
    DerivedMetric(
        "rent_to_own", "hours of rent that cost as much as the device", "h", "purchase / (rent * 3600)",
        "a quotient of two prices", _NEITHER, ("purchase", "rent"), _scaled(1 / 3600),
    ),
)  # fmt: skip
BALANCE = (
    _ratio("bytes_per_flop32", "bytes per FLOP, 32 bit", "B/FLOP", "bandwidth", "peak32", source=_BALANCE),
    _ratio("bytes_per_flop16", "bytes per FLOP, 16 bit", "B/FLOP", "bandwidth", "peak16", source=_BALANCE),
    _ratio(
        "balance32", "machine balance, 32 bit", "FLOP/B", "peak32", "bandwidth", source=_ROOFLINE, direction=_NEITHER
    ),
    _ratio(
        "balance16", "machine balance, 16 bit", "FLOP/B", "peak16", "bandwidth", source=_ROOFLINE, direction=_NEITHER
    ),
    _ratio("balance8", "machine balance, 8 bit", "OP/B", "peak8", "bandwidth", source=_ROOFLINE, direction=_NEITHER),
    _ratio("memory_reads_per_s", "times its memory is read a second", "1/s", "bandwidth", "memory"),
    _ratio("interconnect_to_memory", "interconnect over memory bandwidth", "1", "interconnect", "bandwidth"),
    _ratio("gain16", "16-bit over 32-bit rate", "1", "peak16", "peak32"),
    _ratio("gain8", "8-bit over 16-bit rate", "1", "peak8", "peak16"),
)
SILICON = (
    _ratio("fp32_per_mm2", "32-bit rate per area", "FLOP/s/mm2", "peak32", "die"),
    _ratio("rate16_per_mm2", "16-bit rate per area", "FLOP/s/mm2", "peak16", "die"),
    DerivedMetric(
        "transistors_per_mm2", "transistor density", "M/mm2", "transistors / 1e6 / die", _OURS, _UP,
        ("transistors", "die"), _scaled(1e-6),
    ),
    _ratio("rate16_per_transistor", "16-bit rate per transistor", "FLOP/s", "peak16", "transistors"),
    _ratio("w_per_mm2", "power density", "W/mm2", "tdp", "die", direction=_NEITHER),
    _ratio("flops_per_cycle", "32-bit operations per unit and cycle", "FLOP", "peak32", "cycles", direction=_NEITHER),
    _ratio("l2_to_memory", "L2 cache over memory", "1", "l2", "memory", direction=_NEITHER),
)  # fmt: skip
GENERATION = (
    _gain("generation_rate16", "16-bit rate over the device before", "peak16"),
    _gain("generation_bandwidth", "bandwidth over the device before", "bandwidth"),
    _gain("generation_memory", "memory over the device before", "memory"),
    DerivedMetric(
        "generation_rate16_per_w", "16-bit rate per watt over the device before", "1",
        "(peak16 / tdp) / (before_peak16 / before_tdp)", f"of the device before: {RULE}", _UP,
        ("peak16", "tdp", "before_peak16", "before_tdp"), _divide_twice,
    ),
)  # fmt: skip
