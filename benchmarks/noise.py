"""Shows what the noise witnesses say when a neighbour disturbs a timing, and how much slower it gets.

Times a two-thread matrix product in fresh processes, alternating between a quiet machine and several kinds of
neighbour, and prints every witness beside the slow-down. The limits in assay.probes.noise come from this table
(docs/environment.md). Rerun on a machine where nothing else runs:

    python benchmarks/noise.py --launches 8 --work torch
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.probes.noise import judge_noise, measure_noise, take_snapshot

SIZE = 768
SPIN = "while True: pass"
DUTY = """
import time
while True:
    end = time.perf_counter() + 0.025
    while time.perf_counter() < end: pass
    time.sleep(0.075)
"""
POLITE = f"import os; os.nice(19)\n{SPIN}"
NEIGHBOURS = {"quiet": None, "spin": SPIN, "duty25": DUTY, "nice19": POLITE}
# One thread has room beside one neighbour on two processors: compare with one thread alone.
SCENARIOS = {name: (name, "quiet", 0) for name in NEIGHBOURS} | {
    "one": ("quiet", "one", 1),
    "one+spin": ("spin", "one", 1),
}


def time_work(work: str, threads: int, seconds: float) -> dict[str, Any]:
    """Time matrix products in this process: median ns, the witnesses and the verdict."""
    call = prepare_work(work, threads)
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        call()
    samples: list[int] = []
    before = take_snapshot()
    end_ns = time.perf_counter_ns() + int(seconds * 1e9)
    while (start := time.perf_counter_ns()) < end_ns:
        call()
        samples.append(time.perf_counter_ns() - start)
    after = take_snapshot()
    witnesses = measure_noise(before, after, samples=len(samples), threads=threads)
    verdict, reasons = judge_noise(witnesses)
    middle = statistics.median(samples)
    spread = statistics.stdev(samples) / statistics.fmean(samples)
    return {"ns": middle, "cv": spread, "verdict": verdict.value, "reasons": reasons, "witnesses": witnesses}


def prepare_work(work: str, threads: int) -> Callable[[], object]:
    """Return a function that multiplies two square matrices once."""
    if work == "torch":
        import torch

        torch.set_num_threads(threads)
        matrix = torch.rand(SIZE, SIZE)
        return lambda: torch.mm(matrix, matrix)
    import numpy as np

    table = np.random.default_rng(0).random((SIZE, SIZE), dtype=np.float32)
    return lambda: table @ table


@contextmanager
def neighbour(code: str | None) -> Iterator[None]:
    """Keep another process running, in a session of its own as a stranger's would be."""
    if code is None:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def wait_for_quiet(limit_s: float) -> None:
    """Wait until others use less than 4 % of the machine for half a second, at most ``limit_s``."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = take_snapshot()
        time.sleep(0.5)
        if measure_noise(before, take_snapshot(), samples=1, threads=1).get("other_cpu_share", 0.0) < 0.04:
            return


def launch(arguments: argparse.Namespace, threads: int) -> dict[str, Any]:
    """Time once in a fresh process."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", "--work", arguments.work]
    command += ["--threads", str(threads), "--seconds", str(arguments.seconds)]
    done = subprocess.run(
        command, env={**os.environ, **dict.fromkeys(names, str(threads))}, check=True, capture_output=True, text=True
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def show(scenario: str, row: dict[str, Any]) -> None:
    """Print one launch as a line."""
    values = " ".join(f"{name}={value:.4g}" for name, value in sorted(row["witnesses"].items()))
    print(f"{scenario:8} {row['ns'] / 1e6:7.3f} ms cv={row['cv']:.3f} {row['verdict']:12} {values}", flush=True)


def summarise(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Print median and range of every witness by scenario, and how the verdicts fell."""
    names = sorted({name for listed in rows.values() for row in listed for name in row["witnesses"]})
    print("\nmedian [least .. most] of each witness")
    for name in ["slow-down", "cv", *names]:
        print(f"  {name}")
        for scenario, listed in rows.items():
            undisturbed_ns = read_undisturbed_ns(rows.get(SCENARIOS[scenario][1], listed))
            values = [read_column(row, name, undisturbed_ns) for row in listed]
            known = [value for value in values if value is not None]
            if known:
                span = f"[{min(known):.4g} .. {max(known):.4g}]"
                print(f"    {scenario:8} {statistics.median(known):10.4g}  {span}")
    print("\nverdicts")
    for scenario, listed in rows.items():
        verdicts = [row["verdict"] for row in listed]
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts)))
        print(f"  {scenario:8} {counts}")
        for reason in sorted({reason for row in listed for reason in row["reasons"]})[:6]:
            print(f"           {reason}")


def read_undisturbed_ns(listed: list[dict[str, Any]]) -> float:
    """Return the median of the best quarter: on a shared machine even "quiet" launches may have been disturbed."""
    fastest = sorted(float(row["ns"]) for row in listed)
    return statistics.median(fastest[: max(1, len(fastest) // 4)])


def read_column(row: dict[str, Any], name: str, undisturbed_ns: float) -> float | None:
    """Return one number of a launch."""
    if name == "slow-down":
        return float(row["ns"]) / undisturbed_ns
    value = row["cv"] if name == "cv" else row["witnesses"].get(name)
    return None if value is None else float(value)


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=int, default=8, help="launches a scenario")
    parser.add_argument("--seconds", type=float, default=2.0, help="timed seconds a launch")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="only these (default: all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", choices=["numpy", "torch"], default="numpy")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for a quiet moment before a launch")
    parser.add_argument("--json", type=Path, help="keep every launch in this file")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(time_work(arguments.work, arguments.threads, arguments.seconds)))
        return
    chosen = dict.fromkeys(arguments.scenario or SCENARIOS)
    rows: dict[str, list[dict[str, Any]]] = {scenario: [] for scenario in chosen}
    order = random.Random(0)
    for _ in range(arguments.launches):
        for scenario in order.sample(list(chosen), len(chosen)):
            wait_for_quiet(arguments.wait)
            name, _, threads = SCENARIOS[scenario]
            with neighbour(NEIGHBOURS[name]):
                row = launch(arguments, threads or arguments.threads)
            rows[scenario].append(row)
            show(scenario, row)
    summarise(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
