"""What measuring with assay costs: its medians against a bare loop's, the time its loop adds, its supervisor's CPU.

Two comparisons. In one process, a few calls in assay's timed loop and a few in a bare loop alternate on the same
loaded model: what differs between processes and what drifts within seconds are out of the ratio. And launch against
launch, whole processes of both kinds alternating: everything is in it, and its interval is as wide as launches
differ. Both loops run without garbage collection, as ``timeit`` does too; what it would add is printed apart. Usage:
python benchmarks/overhead.py [--launches N] [--pairs N]
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from assay.cli.live import LiveRun
from assay.core.records import LaunchRecord, ResultRecord
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Session, engines
from assay.probes.environment import collect_environment
from assay.runner.execute import RunRequest, execute_plan
from assay.runner.measure import Chunk, take_chunk, warm_up
from assay.runner.plan import Machine, default_threads, make_plan, read_machine
from assay.runner.suite_model import build_suite
from assay.runner.supervise import worker_environment
from assay.runner.timing import Timing
from assay.store import Store
from assay.workloads.base import find_workload
from ratios import ratio_of, ratio_of_pairs

WINDOW_S = 4.0
CHUNK_S = 0.05
WORKLOADS = ("bert/tiny", "bert/base")
NEIGHBOUR = "while True: pass"


def main() -> None:
    """Run the parts and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=10, help="launches a side and workload")
    parser.add_argument(
        "--pairs", type=int, default=300, help="pairs of chunks in one process, a third of it for the slow model"
    )
    options = parser.parse_args()
    show_added_time()
    for workload in WORKLOADS:
        show_ratio_in_one_process(workload, options.pairs if workload == WORKLOADS[0] else options.pairs // 3)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Store.open(Path(folder) / "store"), read_machine())
        show_neighbour(bench)
        for workload in WORKLOADS if options.launches else ():
            show_ratio_of_launches(bench, workload, options.launches)


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
    with garbage_collection_off():
        sides = _alternate(
            200, lambda: _median_in_assay(session, 1000), lambda: statistics.median(_bare_samples(session, 1000))
        )
    in_assay, bare = (statistics.median(side) for side in sides)
    print("time of an empty call, ns (median of 200 alternating chunks of 1000)")
    print(f"  bare loop {bare:.0f} · assay {in_assay:.0f} · added to a sample {in_assay - bare:+.0f}")


def show_ratio_in_one_process(workload_name: str, pairs: int) -> None:
    """Alternate short chunks of both loops on one model, in the order AB BA AB ..."""
    session = load_session(workload_name)
    call_ns = warm_up(session, Timing()).last_call_ns
    calls = max(3, round(CHUNK_S * 1e9 / call_ns))
    with garbage_collection_off():
        sides = _alternate(
            pairs,
            lambda: _median_in_assay(session, calls),
            lambda: statistics.median(_bare_samples(session, calls)),
        )
    # Chunks of a pair are neighbours in time, so their ratios are freer of drift than the sides are.
    ratio = ratio_of_pairs(*sides)
    ours, theirs = (statistics.median(side) / 1e6 for side in sides)
    print(f"{workload_name} batch 1, one process, {pairs} pairs of {calls} calls each, alternating")
    print(f"  assay {ours:.3f} ms · bare loop {theirs:.3f} ms")
    print(
        f"  ratio of medians {ratio.of_medians:.4f} · mean of paired ratios {ratio.of_means:.4f}, "
        f"95 % CI {ratio.lo:.4f} to {ratio.hi:.4f}"
    )
    session.unload()


def _alternate(pairs: int, one: Callable[[], float], other: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Call both ``pairs`` times; which goes first alternates."""
    sides: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            sides[side].append((one, other)[side]())
    return sides


def _median_in_assay(session: Session, calls: int) -> float:
    values: list[int] = []
    take_chunk(session, Chunk(calls, 1, time.perf_counter_ns, deadline=sys.maxsize), values, [])
    return statistics.median(values)


def _bare_samples(session: Session, calls: int) -> list[int]:
    infer, samples = session.infer, []
    for _ in range(calls):
        start = time.perf_counter_ns()
        infer()
        samples.append(time.perf_counter_ns() - start)
    return samples


@contextlib.contextmanager
def garbage_collection_off() -> Iterator[None]:
    """As ``timeit`` does, and as assay does while it takes samples."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def load_session(workload_name: str) -> Session:
    """Load a workload into this process, as a worker does."""
    workload = find_workload(workload_name)
    engine = engines.get("torch")
    engine.import_libraries(workload)
    return engine.load(
        LoadRequest(
            workload=workload,
            device="cpu",
            precision=Precision.FP32,
            batch=1,
            shape=workload.resolve_shape({}),
            threads=default_threads(),
            seed=0,
        )
    )


def show_ratio_of_launches(bench: Bench, workload: str, launches: int) -> None:
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
