"""What a preloaded fork server would change: the launches it saves time on, and the medians it gives.

A fork server imports torch and transformers once, single-threaded, and forks a child a launch. It saves the import
of each launch. The question is whether its launches are as good a replication: are the medians the same, and do
they spread as much as those of fresh processes? Launches of both kinds alternate. Usage:
python benchmarks/fork_server.py [--launches N] [WORKLOAD ...]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO

from assay.core.case import Case
from assay.runner.plan import default_threads
from assay.runner.protocol import Job, Measured
from assay.runner.supervise import run_launch, worker_environment
from assay.runner.timing import Timing
from assay.workloads.resolve import resolve_workload
from ratios import ratio_of

TIMING = Timing(min_time_s=1.0, max_time_s=3.0, warmup_max_s=2.0)

SERVER = """
import json, os, sys, time
import torch  # one thread only before the forks: no pool exists yet, so nothing is lost in them
from assay.engines.base import LoadRequest, engines
from assay.core.words import Precision
from assay.runner.measure import take_samples, time_call, warm_up
from assay.runner.timing import Timing
from assay.workloads.resolve import resolve_workload

setup = json.loads(sys.stdin.readline())
engine = engines.get("torch")
for name in setup["workloads"]:
    engine.import_libraries(resolve_workload(name))
print("ready", flush=True)
for line in sys.stdin:
    name = line.strip()
    child = os.fork()
    if child == 0:
        workload = resolve_workload(name)
        session = engine.load(LoadRequest(
            workload=workload, device="cpu", precision=Precision.FP32, batch=1,
            shape=workload.resolve_shape({}), threads=setup["threads"], seed=0))
        time_call(session)
        timing = Timing(**setup["timing"])
        warm = warm_up(session, timing)
        timed = take_samples(session, timing, call_ns=warm.last_call_ns)
        print(json.dumps(timed.median_call_ns), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def main() -> None:
    """Alternate both kinds of launch and print ratio, spread and seconds a launch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=12)
    parser.add_argument("workloads", nargs="*", default=["bert/tiny", "resnet/tiny", "unet/tiny"])
    options = parser.parse_args()
    threads = default_threads()
    setup = {"workloads": options.workloads, "threads": threads, "timing": TIMING.to_dict()}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=worker_environment(os.environ, threads),
    ) as server:
        if server.stdin is None or server.stdout is None:
            raise AssertionError("Popen was asked for pipes")
        ask(server.stdin, server.stdout, json.dumps(setup))
        for workload in options.workloads:
            pairs = [
                (spawn_one(workload, threads), fork_one(server.stdin, server.stdout, workload))
                for _ in range(options.launches)
            ]
            report(workload, [spawned for spawned, _ in pairs], [forked for _, forked in pairs])
        server.stdin.close()


def ask(questions: IO[str], answers: IO[str], line: str) -> str:
    """Send one line to the server and wait for its answer."""
    questions.write(line + "\n")
    questions.flush()
    return answers.readline()


def fork_one(questions: IO[str], answers: IO[str], workload: str) -> tuple[float, float]:
    """One launch by the server: median in ns, seconds it took."""
    begin = time.perf_counter()
    median = float(json.loads(ask(questions, answers, workload)))
    return median, time.perf_counter() - begin


def spawn_one(workload_name: str, threads: int) -> tuple[float, float]:
    """One launch as assay makes it: median in ns, seconds it took."""
    workload = resolve_workload(workload_name)
    shape = workload.resolve_shape({})
    case = Case.make(workload=workload.name, engine="torch", device="cpu", shape=shape)
    outcome = run_launch(Job(case, shape, threads, 0, TIMING, time.perf_counter_ns()), limit_s=120)
    if not isinstance(outcome.outcome, Measured):
        sys.exit(f"{workload_name}: {outcome.outcome}")
    return outcome.outcome.median_ns, outcome.wall_ns / 1e9


def report(workload: str, spawned: Sequence[tuple[float, float]], forked: Sequence[tuple[float, float]]) -> None:
    """Print one workload's figures."""
    ratio = ratio_of([median for median, _ in forked], [median for median, _ in spawned])
    spreads = [statistics.stdev([math.log(median) for median, _ in side]) for side in (spawned, forked)]
    seconds = [statistics.median([wall for _, wall in side]) for side in (spawned, forked)]
    print(
        f"{workload}: {len(spawned)} launches a side · fork/spawn {ratio.of_means:.3f} "
        f"(95 % CI {ratio.lo:.3f} to {ratio.hi:.3f}) · between-launch sd: spawn {100 * spreads[0]:.1f} %, "
        f"fork {100 * spreads[1]:.1f} % · a launch takes: spawn {seconds[0]:.1f} s, fork {seconds[1]:.1f} s"
    )


if __name__ == "__main__":
    main()
