"""Where one launch's value of a metric stands, so that launches can be compared as results are.

The runner sums launches up to results and the analysis compares them launch by launch; both must mean the same number,
so the places and keys are written here once. May import: core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

COSTS: Mapping[str, str] = {
    "spawn_ns": "spawn",
    "import_ns": "import",
    "load_ns": "load",
    "compile_ns": "compile",
    "compile_cached_ns": "compile_cached",
    "first_infer_ns": "first_infer",
    "browser_launch_ns": "browser_launch",
    "page_ns": "page",
    "runtime_init_ns": "runtime_init",
    "fetch_ns": "fetch",
    "unload_ns": "unload",
}
"""One-off costs of a launch: metric, and its key in ``LaunchRecord.costs_ns``."""
MEMORY: Mapping[str, str] = {
    "memory_peak_bytes": "peak",
    "memory_load_peak_bytes": "load_peak",
    "device_memory_peak_bytes": "device_allocator_peak",
    "device_memory_driver_bytes": "device_driver_used",
    "browser_memory_bytes": "process_tree",
    "renderer_memory_bytes": "process_renderer",
    "gpu_process_memory_bytes": "process_gpu",
}
"""Readings of the memory pass: metric, and its key in ``LaunchRecord.memory_bytes``."""
FIDELITY: Mapping[str, str] = {
    "fidelity_max_relative_error": "max_relative_error",
    "fidelity_mean_relative_error": "mean_relative_error",
    "fidelity_cosine": "cosine",
    "fidelity_top1_agreement": "top1_agreement",
    "token_agreement": "token_agreement",
    "tokens_before_difference": "tokens_before_difference",
}
"""Numbers of the comparison with the reference: metric, and its key in ``LaunchRecord.fidelity``."""
SERIES: Mapping[str, str] = {
    "time_to_first_token_ns": "prefill",
    "prefill_ns": "prefill",
    "generation_ns": "generation",
    "inter_token_latency_ns": "decode_step",
    "time_per_output_token_ns": "decode_step",
}
"""Times of a generation: metric, and the series of samples that a launch's value is the median of."""
RATES: Mapping[str, str] = {
    "throughput_per_s": "latency_ns",
    "real_time_factor": "latency_ns",
    "prefill_tokens_per_s": "prefill_ns",
    "decode_tokens_per_s": "time_per_output_token_ns",
    "output_tokens_per_s": "generation_ns",
    "total_tokens_per_s": "generation_ns",
}
"""Work over time: metric, and the time that it is over. What is done in that time is the same in every launch."""
ONE_A_CASE: Mapping[str, str] = {
    "export_ns": "artefacts are made once for all launches of a case",
    "model_bytes": "every launch of a case runs the same model",
    "fidelity_tolerance": "it is a limit and not a measurement",
}
"""Metrics that no launch has a value of its own of, and why."""


class Place(Enum):
    """Which part of a launch holds its value."""

    MEDIAN = "median_ns"
    COSTS = "costs_ns"
    MEMORY = "memory_bytes"
    FIDELITY = "fidelity"
    SAMPLES = "samples"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class LaunchPlace:
    """Where the value of a launch is read: a part of the launch, and the key in it.

    Of ``SAMPLES`` the key is the series, and the statistic asked for is taken over its values; of a token's time
    (``is_mean_of_steps``) the values are means of the steps of one generation. ``over_time`` names the time that a rate
    is over: the place is then that of the time.
    """

    place: Place
    key: str = ""
    over_time: str | None = None
    is_mean_of_steps: bool = False


def find_place(metric: str, stat: str) -> LaunchPlace:
    """Return where a launch's value of a statistic of a metric stands; those without a rule are the launch's own."""
    for keys, place in ((COSTS, Place.COSTS), (MEMORY, Place.MEMORY), (FIDELITY, Place.FIDELITY)):
        if metric in keys:
            return LaunchPlace(place, keys[metric])
    if metric in SERIES:
        is_mean = metric == "time_per_output_token_ns"
        return LaunchPlace(Place.SAMPLES, SERIES[metric], is_mean_of_steps=is_mean)
    if metric in RATES:
        time = find_place(RATES[metric], stat)
        return LaunchPlace(time.place, time.key, RATES[metric], time.is_mean_of_steps)
    if metric == "latency_ns":
        return LaunchPlace(Place.MEDIAN) if stat == "median" else LaunchPlace(Place.SAMPLES, "latency")
    return LaunchPlace(Place.METRICS)


def usual_stat(metric: str) -> str:
    """Return the statistic that a result sums its launches up by, where nobody asks for another one."""
    if metric in MEMORY or metric == "model_bytes":
        return "max"
    if metric in FIDELITY:
        return "worst"
    return "bound" if metric == "fidelity_tolerance" else "median"


def known_stats(metric: str) -> tuple[str, ...] | None:
    """Return the statistics of which launches have a value; None where the launches themselves say (serving)."""
    if metric in RATES or metric == "time_per_output_token_ns":
        return ("median",)
    if metric in SERIES:
        return ("median", "p90", "p95", "p99")
    if metric == "latency_ns":
        return ("median", "best", "p90", "p95", "p99")
    if metric in COSTS or metric in MEMORY or metric in FIDELITY or metric in ONE_A_CASE:
        return (usual_stat(metric),)
    return None
