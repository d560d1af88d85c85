"""What measuring with assay costs: its medians against a bare loop's, the time its loop adds, its supervisor's CPU.

Launches of both kinds alternate in one run, so that the machine's drift falls on both. Usage:
python benchmarks/overhead.py [--launches N] [--neighbour-only]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from assay.cli.live import LiveRun
from assay.core.records import LaunchRecord, ResultRecord
from assay.engines.base import Session
from assay.probes.environment import collect_environment
from assay.runner.execute import RunRequest, execute_plan
from assay.runner.measure import take_samples
from assay.runner.plan import Machine, make_plan, read_machine
from assay.runner.suite_model import build_suite
from assay.runner.supervise import worker_environment
from assay.runner.timing import Timing
from assay.store import Store
from ratios import ratio_of

WINDOW_S = 4.0
NEIGHBOUR = "while True: pass"


def main() -> None:
    """Run the parts and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=10, help="launches a side and workload")
    parser.add_argument("--neighbour-only", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Store.open(Path(folder) / "store"), read_machine())
        if not options.neighbour_only:
            show_added_time()
            for workload, launches in (("bert/tiny", options.launches), ("bert/base", max(5, options.launches))):
                show_ratio(bench, workload, launches)
        show_neighbour(bench)


class Bench:
    """A throw-away store and this machine."""

    def __init__(self, store: Store, machine: Machine) -> None:
        self.store = store
        self.machine = machine
        self.environment = collect_environment()

    def run(self, workload: str, *, launches: int) -> tuple[ResultRecord, list[LaunchRecord]]:
        """Measure one case with assay, its live display drawing to a terminal that goes nowhere."""
        content = {"name": "overhead", "launches": launches, "cases": [{"model": workload, "batch": 1}]}
        suite = replace(build_suite(content), timing=Timing(max_time_s=WINDOW_S))
        plan = make_plan(suite, self.machine)
        with (
            Path(os.devnull).open("w", encoding="utf-8") as sink,
            LiveRun(Console(file=sink, force_terminal=True), plan.cases, title="", expected_launch_s=10) as live,
        ):
            finished = execute_plan(RunRequest(plan, self.environment), self.store, listener=live)
        return finished.results[0], self.store.launches(run_id=finished.run.run_id)


def show_added_time() -> None:
    """Time that the measuring loop adds to a sample: a call that does nothing, in assay's loop and in a bare one."""
    session = Session(
        infer=lambda: None,
        unload=lambda: None,
        effective_precision="",
        threads=1,
        hardware="",
        parameters=None,
        facts={},
    )
    pairs = [(_time_in_assay(session), _time_bare(session)) for _ in range(20)]
    in_assay, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    print("time of an empty call, ns (median of 20 interleaved runs)")
    print(f"  bare loop {bare:.0f} · assay {in_assay:.0f} · added to a sample {in_assay - bare:+.0f}")


def _time_in_assay(session: Session) -> float:
    # A claimed duration of 1 ms keeps the calls unblocked: one clock pair a call, as for any real model.
    timed = take_samples(session, Timing(min_time_s=0.05, max_time_s=0.1), call_ns=1_000_000)
    return statistics.median(timed.values)


def _time_bare(session: Session) -> float:
    infer, samples = session.infer, []
    until = time.perf_counter() + 0.05
    while time.perf_counter() < until:
        start = time.perf_counter_ns()
        infer()
        samples.append(time.perf_counter_ns() - start)
    return statistics.median(samples)


def show_ratio(bench: Bench, workload: str, launches: int) -> None:
    """Alternate launches of assay and of the bare loop."""
    ours: list[float] = []
    theirs: list[float] = []
    shares: list[float] = []
    verdicts: list[str] = []
    for number in range(launches):
        # Which side goes first alternates too.
        for side in ("assay", "bare") if number % 2 == 0 else ("bare", "assay"):
            if side == "bare":
                theirs.append(run_bare(workload, bench.machine.threads))
                continue
            result, made = bench.run(workload, launches=1)
            latency = result.metric("latency_ns")
            if latency is None or latency.value is None:
                sys.exit(f"{workload} failed: {result.reason}")
            ours.append(latency.value)
            shares.append(made[0].witnesses["supervisor_cpu_share"])
            verdicts.append(str(made[0].verdict))
    ratio = ratio_of(ours, theirs)
    print(f"{workload} batch 1, {launches} launches a side, alternating, {bench.machine.threads} threads")
    print(f"  assay {statistics.median(ours) / 1e6:.3f} ms · bare loop {statistics.median(theirs) / 1e6:.3f} ms")
    print(
        f"  ratio of medians {ratio.of_medians:.4f} · ratio of geometric means {ratio.of_means:.4f}, "
        f"95 % CI {ratio.lo:.4f} to {ratio.hi:.4f}"
    )
    print(f"  supervisor CPU share: median {100 * statistics.median(shares):.2f} %, worst {100 * max(shares):.2f} %")
    print(f"  verdicts: {', '.join(f'{verdicts.count(one)} {one}' for one in dict.fromkeys(verdicts))}")


def run_bare(workload: str, threads: int) -> float:
    """One launch of the bare loop; its median in ns."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("bare_loop.py")), workload, "1", str(threads), str(WINDOW_S)],
        env=worker_environment(os.environ, threads),
        capture_output=True,
        check=True,
        text=True,
    )
    return float(json.loads(done.stdout.strip().splitlines()[-1])["median_ns"])


def show_neighbour(bench: Bench) -> None:
    """Measure beside one spinning process: the verdict must say so."""
    quiet, _ = bench.run("bert/tiny", launches=3)
    neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR])
    try:
        disturbed, _ = bench.run("bert/tiny", launches=3)
    finally:
        neighbour.kill()
        neighbour.wait()
    print("bert/tiny batch 1, 3 launches, without and with one spinning neighbour process")
    for name, result in (("without", quiet), ("with", disturbed)):
        latency = result.metric("latency_ns")
        value = latency.value / 1e6 if latency and latency.value else float("nan")
        print(f"  {name}: {value:.3f} ms, {result.verdict}; {'; '.join(result.verdict_reasons) or 'no reason needed'}")


if __name__ == "__main__":
    main()
