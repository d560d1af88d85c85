"""The loop that assay is compared with: what a careful person would write by hand, in a fresh process.

Usage: python benchmarks/bare_loop.py WORKLOAD BATCH THREADS SECONDS. Prints JSON with the median in ns.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time


def main() -> None:
    """Build the same model with the same weights and inputs, then time it in a plain loop."""
    workload_name, batch, threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    import torch

    from assay.workloads.base import find_workload
    from assay.workloads.inputs import make_inputs
    from assay.workloads.weights import build_seeded

    torch.set_num_threads(threads)
    workload = find_workload(workload_name)
    with torch.device("meta"):
        workload.family.build(workload.size)
    model = build_seeded(lambda: workload.family.build(workload.size), dtype=torch.float32, seed=0)
    arrays = make_inputs(workload, batch=batch, shape=workload.resolve_shape({}), seed=0)
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    samples = []
    with torch.inference_mode():
        warm_until = time.perf_counter() + 1.0
        while time.perf_counter() < warm_until:
            model(**inputs)
        gc.collect()
        gc.disable()  # as timeit does
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            start = time.perf_counter_ns()
            model(**inputs)
            samples.append(time.perf_counter_ns() - start)
    print(json.dumps({"median_ns": statistics.median(samples), "samples": len(samples)}))


if __name__ == "__main__":
    main()
