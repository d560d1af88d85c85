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


def define(
    name: str,
    unit: str,
    direction: Direction,
    description: str,
    formula: str,
    *,
    source: str = _METHOD,
    headline: bool = False,
) -> Metric:
    """Register a metric. Modules of metrics give their own ``source`` once, by ``functools.partial``."""
    return metrics.add(name, Metric(name, unit, direction, description, formula, source, headline))


LATENCY = define(
    "latency_ns", "ns", Direction.LOWER, "Time of one call of the model on one batch, steady state",
    "median over launches of (median over samples of sample / calls_per_sample)", headline=True,
)  # fmt: skip
THROUGHPUT = define(
    "throughput_per_s", "1/s", Direction.HIGHER, "Units of work (samples, tokens, seconds of audio) done per second",
    "units_per_call / latency", headline=True,
)  # fmt: skip
MEMORY_PEAK = define(
    "memory_peak_bytes", "B", Direction.LOWER, "Peak resident host memory while inferring, net of the process before loading",
    "max over launches of (VmHWM of the memory pass - resident size before load)", headline=True,
)  # fmt: skip
MEMORY_LOAD_PEAK = define(
    "memory_load_peak_bytes", "B", Direction.LOWER, "Peak resident host memory while loading, net of the process before loading",
    "max over launches of (VmHWM of load - resident size before load)",
)  # fmt: skip
DEVICE_MEMORY_PEAK = define(
    "device_memory_peak_bytes", "B", Direction.LOWER, "Peak of the framework's device allocator while inferring",
    "max over launches of the allocator's peak after a reset",
)  # fmt: skip
DEVICE_MEMORY_DRIVER = define(
    "device_memory_driver_bytes", "B", Direction.LOWER, "Memory in use on the whole device by the driver's account, other processes included",
    "max over launches of the driver's used memory after the memory pass",
)  # fmt: skip
IMPORT_TIME = define(
    "import_ns", "ns", Direction.LOWER, "Time to import the engine's libraries in a fresh process", "median over launches",
)  # fmt: skip
LOAD_TIME = define(
    "load_ns", "ns", Direction.LOWER, "Time to build the model and place it on the device", "median over launches",
)  # fmt: skip
FIRST_INFER_TIME = define(
    "first_infer_ns", "ns", Direction.LOWER, "Time of the first (cold) call", "median over launches",
)  # fmt: skip
SPAWN_TIME = define(
    "spawn_ns", "ns", Direction.LOWER, "Time from starting the worker process to its first word", "median over launches",
)  # fmt: skip
COMPILE_TIME = define(
    "compile_ns", "ns", Direction.LOWER, "Time to compile the model for the device, counted apart from loading", "median over launches",
)  # fmt: skip
COMPILE_CACHED_TIME = define(
    "compile_cached_ns", "ns", Direction.LOWER, "Time to load what was compiled before, where at least one graph came from the compiler's cache", "median over the launches that hit the cache",
)  # fmt: skip
EXPORT_TIME = define(
    "export_ns", "ns", Direction.LOWER, "Time to export, convert and quantize the model for the engine, in a process of its own", "sum over the artefacts of the case, as it was when each was made",
)  # fmt: skip
MODEL_SIZE = define(
    "model_bytes", "B", Direction.LOWER, "Size of the model that is run: its weights as stored, quantized or not", "bytes of the model file, or of all tensors of the module",
)  # fmt: skip
FIDELITY_MAX_ERROR = define(
    "fidelity_max_relative_error", "1", Direction.LOWER, "Largest difference from the float32 reference, relative to the largest magnitude of that output", "max over outputs of max|got - expected| / max|expected|; the worst launch",
)  # fmt: skip
FIDELITY_MEAN_ERROR = define(
    "fidelity_mean_relative_error", "1", Direction.LOWER, "Mean difference from the float32 reference, relative to the largest magnitude of that output", "max over outputs of mean|got - expected| / max|expected|; the worst launch",
)  # fmt: skip
FIDELITY_COSINE = define(
    "fidelity_cosine", "1", Direction.HIGHER, "Cosine similarity of an output with the float32 reference", "min over outputs of <got, expected> / (|got| |expected|); the worst launch",
)  # fmt: skip
FIDELITY_TOP1 = define(
    "fidelity_top1_agreement", "1", Direction.HIGHER, "Share of positions whose largest entry is the same as in the float32 reference", "min over outputs of mean(argmax got == argmax expected) along the last axis; the worst launch",
)  # fmt: skip
TOKEN_AGREEMENT = define(
    "token_agreement", "1", Direction.HIGHER, "Share of the generated tokens that are those of float32 eager greedy decoding; texts that part once seldom meet again", "min over launches of mean(token == reference token)",
)  # fmt: skip
TOKENS_IN_COMMON = define(
    "tokens_before_difference", "1", Direction.HIGHER, "Tokens that every text has in common with its reference before the first that differs", "min over launches and texts",
)  # fmt: skip
FIDELITY_TOLERANCE = define(
    "fidelity_tolerance", "1", Direction.NEITHER, "Largest relative error that passes at the precision asked for", "docs/method.md, by precision",
)  # fmt: skip
ENERGY_PER_SAMPLE = define(
    "energy_j_per_sample", "J", Direction.LOWER, "Energy of one unit of work, what the device draws when idle included", "(energy over the load window) / (calls x units_per_call); docs/telemetry.md", source="docs/telemetry.md",
)  # fmt: skip
ENERGY_NET_PER_SAMPLE = define(
    "energy_net_j_per_sample", "J", Direction.LOWER, "Energy of one unit of work beyond what the idle device draws", "(energy over the load window - idle power x its length) / (calls x units_per_call)", source="docs/telemetry.md",
)  # fmt: skip
ENERGY_PER_CALL = define(
    "energy_j_per_call", "J", Direction.LOWER, "Energy of one call, idle draw included", "energy over the load window / calls", source="docs/telemetry.md",
)  # fmt: skip
ENERGY_NET_PER_CALL = define(
    "energy_net_j_per_call", "J", Direction.LOWER, "Energy of one call beyond the idle draw", "(energy over the load window - idle power x its length) / calls", source="docs/telemetry.md",
)  # fmt: skip
AVERAGE_POWER = define(
    "average_power_w", "W", Direction.NEITHER, "Mean power over the load window", "energy over the load window / its length", source="docs/telemetry.md",
)  # fmt: skip
PEAK_POWER = define(
    "peak_power_w", "W", Direction.NEITHER, "Highest power over the load window", "highest reading of the power sensor, else the highest mean over a second of the counter", source="docs/telemetry.md",
)  # fmt: skip
IDLE_POWER = define(
    "idle_power_w", "W", Direction.NEITHER, "Mean power over the idle window, model loaded", "energy over the idle window / its length", source="docs/telemetry.md",
)  # fmt: skip

# Metrics of one subject have a module of their own, which registers them when it is imported.
from assay.catalog import (  # noqa: E402
    audio_metrics,  # noqa: F401
    import_metrics,  # noqa: F401
    probe_metrics,  # noqa: F401
    process_metrics,  # noqa: F401
    serving_metrics,  # noqa: F401
    training_metrics,  # noqa: F401
)
