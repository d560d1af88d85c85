"""Metrics of programs that a model runs in, and of the CPU time of a call: name, unit, direction, meaning, formula, source.

Importing this module registers them. May import: core, catalog.metrics.
"""

from __future__ import annotations

from assay.catalog.metrics import Metric, metrics
from assay.core.words import Direction

_METHOD = "docs/method.md"
_OVER_LAUNCHES = "median over launches"
_RESIDENT = "max over launches of the sum of resident sizes after the calls of the memory pass"


def _define(name: str, unit: str, description: str, formula: str) -> Metric:
    return metrics.add(name, Metric(name, unit, Direction.LOWER, description, formula, _METHOD))


CPU_TIME = _define(
    "cpu_time_ns", "ns",
    "CPU time of one call, of all threads of all processes that work on it, those that wait in a loop included; imported "
    "ones may be of a whole program, and their phase may tell user from system",
    "median over launches of (CPU time between the readings around the timed window / calls in it); or as the source says",
)  # fmt: skip
BROWSER_LAUNCH_TIME = _define(
    "browser_launch_ns", "ns", "Time from starting a browser to its first request for the page", _OVER_LAUNCHES
)
PAGE_TIME = _define(
    "page_ns", "ns", "Time from the first request for the page until its worker answers", _OVER_LAUNCHES
)
RUNTIME_INIT_TIME = _define(
    "runtime_init_ns", "ns", "Time to load and start the runtime inside the page", _OVER_LAUNCHES
)
FETCH_TIME = _define("fetch_ns", "ns", "Time to bring the model into the page, over the loopback", _OVER_LAUNCHES)
UNLOAD_TIME = _define(
    "unload_ns", "ns", "Time to let go of the model, and to end the program that it ran in", _OVER_LAUNCHES
)
BROWSER_MEMORY = _define(
    "browser_memory_bytes", "B",
    "Resident memory of all processes of the browser; pages that they share count in each", _RESIDENT,
)  # fmt: skip
RENDERER_MEMORY = _define(
    "renderer_memory_bytes", "B",
    "Resident memory of the browser's renderer processes, where a page's WebAssembly memory is", _RESIDENT,
)  # fmt: skip
GPU_PROCESS_MEMORY = _define(
    "gpu_process_memory_bytes", "B",
    "Resident memory of the browser's GPU process, where a software adapter has all of its buffers", _RESIDENT,
)  # fmt: skip
ERROR_VS_NATIVE = _define(
    "error_vs_native", "1",
    "Largest difference of a browser's output from the native runtime's on the same model file and inputs, relative to the "
    "largest magnitude of that output; the fidelity gate does not read it",
    "median over launches of max over outputs of max|got - native| / max|native|",
)  # fmt: skip
