"""The metric registry: name, unit, direction, meaning, formula, source.

Nothing in assay shows or compares a number whose metric is not in here; units and "which way is better" are
asked from this table and nowhere else. May import: core.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay.core.registry import Registry
from assay.core.words import Direction


@dataclass(frozen=True, slots=True)
class Metric:
    """One kind of number. ``headline`` metrics get columns of their own in the results table."""

    name: str
    unit: str
    direction: Direction
    description: str
    formula: str
    source: str
    headline: bool = False


metrics: Registry[Metric] = Registry("metric")

_METHOD = "docs/method.md"


def _define(
    name: str,
    unit: str,
    direction: Direction,
    description: str,
    formula: str,
    *,
    source: str = _METHOD,
    headline: bool = False,
) -> Metric:
    return metrics.add(name, Metric(name, unit, direction, description, formula, source, headline))


LATENCY = _define(
    "latency_ns", "ns", Direction.LOWER, "Time of one call of the model on one batch, steady state",
    "median over launches of (median over samples of sample / calls_per_sample)", headline=True,
)  # fmt: skip
THROUGHPUT = _define(
    "throughput_per_s", "1/s", Direction.HIGHER, "Units of work (samples, tokens, seconds of audio) done per second",
    "units_per_call / latency", headline=True,
)  # fmt: skip
MEMORY_PEAK = _define(
    "memory_peak_bytes", "B", Direction.LOWER, "Peak resident host memory while inferring, net of the process before loading",
    "max over launches of (VmHWM of the memory pass - resident size before load)", headline=True,
)  # fmt: skip
MEMORY_LOAD_PEAK = _define(
    "memory_load_peak_bytes", "B", Direction.LOWER, "Peak resident host memory while loading, net of the process before loading",
    "max over launches of (VmHWM of load - resident size before load)",
)  # fmt: skip
DEVICE_MEMORY_PEAK = _define(
    "device_memory_peak_bytes", "B", Direction.LOWER, "Peak of the framework's device allocator while inferring",
    "max over launches of the allocator's peak after a reset",
)  # fmt: skip
DEVICE_MEMORY_DRIVER = _define(
    "device_memory_driver_bytes", "B", Direction.LOWER, "Memory in use on the whole device by the driver's account, other processes included",
    "max over launches of the driver's used memory after the memory pass",
)  # fmt: skip
IMPORT_TIME = _define(
    "import_ns", "ns", Direction.LOWER, "Time to import the engine's libraries in a fresh process", "median over launches",
)  # fmt: skip
LOAD_TIME = _define(
    "load_ns", "ns", Direction.LOWER, "Time to build the model and place it on the device", "median over launches",
)  # fmt: skip
FIRST_INFER_TIME = _define(
    "first_infer_ns", "ns", Direction.LOWER, "Time of the first (cold) call", "median over launches",
)  # fmt: skip
SPAWN_TIME = _define(
    "spawn_ns", "ns", Direction.LOWER, "Time from starting the worker process to its first word", "median over launches",
)  # fmt: skip
