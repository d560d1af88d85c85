"""The loop that assay's ONNX Runtime engine is compared with: what a careful user would write, in a fresh process.

Usage: python benchmarks/bare_onnxruntime.py MODEL.onnx INPUTS.npz --threads 2 --seconds 5. Prints the median in ms.
Knows nothing of assay: INPUTS.npz holds one array for each input of the graph, under its name.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from pathlib import Path


def bare_onnxruntime_loop(model: Path, inputs: Path, *, threads: int, seconds: float, warmup_seconds: float) -> float:
    """Return the median time of a call on the CPU, in ms."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    with np.load(inputs, allow_pickle=False) as content:
        feeds = {one.name: content[one.name] for one in session.get_inputs()}
    warm_until = time.perf_counter() + warmup_seconds
    while time.perf_counter() < warm_until:
        session.run(None, feeds)
    gc.collect()
    gc.disable()  # as timeit does
    samples_ns: list[int] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or not samples_ns:
        start = time.perf_counter_ns()
        session.run(None, feeds)
        samples_ns.append(time.perf_counter_ns() - start)
    gc.enable()
    return statistics.median(samples_ns) / 1e6


def main() -> None:
    """Read the arguments, time, print one number."""
    parser = argparse.ArgumentParser(description="Time an ONNX model in a plain loop; prints the median in ms.")
    parser.add_argument("model", type=Path)
    parser.add_argument("inputs", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup-seconds", type=float, default=1.0)
    given = parser.parse_args()
    median_ms = bare_onnxruntime_loop(
        given.model,
        given.inputs,
        threads=given.threads,
        seconds=given.seconds,
        warmup_seconds=given.warmup_seconds,
    )
    print(f"{median_ms:.6f}")


if __name__ == "__main__":
    main()
