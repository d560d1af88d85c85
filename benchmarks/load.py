"""Load on `assay serve`: requests a second, latencies, errors and memory, while a benchmark writes into the same store.

Everything is on loopback and bounded: ``--minutes``, ``--clients``. The store is a copy of the one named, or of what
`assay` finds; the writer appends a copy of one of its runs under new ids every two seconds, as a real run would.

    python benchmarks/load.py --store DIR --minutes 10
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from assay.core.ids import new_id
from assay.core.records import RunBundle
from assay.core.words import Provenance
from assay.store import Store

ROUTES = (
    "/", "/runs", "/runs?page=2", "/trends", "/devices", "/workloads", "/matrix", "/kpi", "/store", "/method",
    "/runs.json", "/runs.csv", "/api/v1/runs", "/api/v1/results?limit=50", "/api/v1/series?limit=50", "/api/v1/health",
    "/metrics",
)  # fmt: skip
SAMPLE_S = 10.0


@dataclass(slots=True)
class Tally:
    """What the clients saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    received_bytes: int = 0
    ages_s: list[float] = field(default_factory=list)
    """Of answers from a state that the store had left meanwhile: how old, as they said."""


def main() -> int:
    """Run it and print the tables; 1 where anything was answered with an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="the store to copy (default: assay's own)")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--no-writer", action="store_true", help="nothing writes meanwhile")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-load-") as folder:
        location = Path(folder) / "store"
        shutil.copytree(Store.open(asked.store, create=False).location, location)
        return _measure(location, asked)


def _measure(location: Path, asked: argparse.Namespace) -> int:
    runs_before = len(Store.open(location).runs())
    port = _free_port()
    # All clients share one address here, so the limit of one client would be what is measured.
    serve = ("serve", "--store", str(location), "--port", str(port), "--requests-per-minute", "0")
    server = subprocess.Popen(
        [sys.executable, "-m", "assay.cli.main", *serve],
        stdout=subprocess.DEVNULL,
    )
    stop = multiprocessing.get_context("spawn").Event()
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=(str(location), stop))
    try:
        _wait_until_up(port)
        if not asked.no_writer:
            writer.start()
        tally, memory, elapsed_s, cpu_s = asyncio.run(
            _drive(f"http://127.0.0.1:{port}", psutil.Process(server.pid), asked.minutes * 60, asked.clients)
        )
    finally:
        stop.set()
        if writer.pid is not None:
            writer.join(30)
        server.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        server.kill()
    written = len(Store.open(location).runs()) - runs_before
    _print(tally, memory, elapsed_s, cpu_s, asked, written, server.returncode)
    return 1 if tally.errors else 0


async def _drive(
    url: str, server: psutil.Process, seconds: float, clients: int
) -> tuple[Tally, list[tuple[float, int, int]], float, float]:
    tally, memory, began = Tally(), [], time.monotonic()
    cpu_before = _cpu_s(server)
    routes = [*ROUTES, *await _own_pages(url)]
    deadline = began + seconds
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        workers = [asyncio.create_task(_ask(client, routes, deadline, tally, seed)) for seed in range(clients)]
        while not all(worker.done() for worker in workers):
            memory.append((time.monotonic() - began, server.memory_info().rss, server.num_fds()))
            await asyncio.wait(workers, timeout=SAMPLE_S)
        await asyncio.gather(*workers)
    memory.append((time.monotonic() - began, server.memory_info().rss, server.num_fds()))
    return tally, memory, time.monotonic() - began, _cpu_s(server) - cpu_before


async def _own_pages(url: str) -> list[str]:
    """Pages of single runs and series, as the API lists them."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        runs = (await client.get("/api/v1/runs?limit=5")).json()
        series = (await client.get("/api/v1/series?limit=5")).json()
    return [
        *(f"/runs/{one['run_id']}" for one in runs["items"]),
        *(f"/series/{one['series_id']}" for one in series["items"]),
    ]


async def _ask(client: httpx.AsyncClient, routes: Sequence[str], deadline: float, tally: Tally, seed: int) -> None:
    chosen = random.Random(seed)
    while time.monotonic() < deadline:
        route = chosen.choice(routes)
        kind = route.partition("?")[0]
        kind = kind if kind.count("/") < 2 or kind.startswith("/api") else kind.rpartition("/")[0] + "/{id}"
        began = time.perf_counter()
        try:
            answer = await client.get(route)
            tally.received_bytes += len(answer.content)
            if "x-assay-as-of" in answer.headers:
                tally.ages_s.append(float(answer.headers["age"]))
            if answer.status_code != 200:
                tally.errors[f"{kind}: {answer.status_code}"] += 1
        except httpx.HTTPError as error:
            tally.errors[f"{kind}: {type(error).__name__}"] += 1
        tally.seconds[kind].append(time.perf_counter() - began)


def _write(location: str, stop: multiprocessing.synchronize.Event) -> None:
    """Append a copy of a small run under new ids, every two seconds. Labelled: these rows are no measurements."""
    store = Store.open(location)
    pattern = next((run for run in store.runs() if run.provenance is Provenance.MEASURED), None)
    if pattern is None:
        return
    results = list(store.results(run_id=pattern.run_id))[:20]
    launches = store.launches(run_id=pattern.run_id, with_samples=True)
    environment = store.environment(pattern.env_id)
    while not stop.wait(2.0):
        run_id, now = new_id(), datetime.now(UTC)
        ids = {one.result_id: new_id() for one in results}
        store.append(
            RunBundle(
                replace(pattern, run_id=run_id, started_at=now, finished_at=now, suite="load-test", note="synthetic"),
                environment,
                tuple(replace(one, run_id=run_id, result_id=ids[one.result_id], measured_at=now) for one in results),
                tuple(
                    replace(one, run_id=run_id, launch_id=new_id(), result_id=ids[one.result_id], origin_run_id=run_id)
                    for one in launches
                    if one.result_id in ids
                ),
            )
        )


def _print(
    tally: Tally,
    memory: Sequence[tuple[float, int, int]],
    elapsed_s: float,
    cpu_s: float,
    asked: argparse.Namespace,
    written: int,
    code: int | None,
) -> None:
    every = sorted(second for seconds in tally.seconds.values() for second in seconds)
    load = os.getloadavg()[0]
    print(f"{asked.clients} clients for {elapsed_s:.0f} s; {written} runs written meanwhile; load {load:.1f}")
    print(f"{len(every)} requests, {len(every) / elapsed_s:.1f}/s, {sum(tally.errors.values())} errors")
    print(
        f"p50 {_at(every, 0.5):.0f} ms, p99 {_at(every, 0.99):.0f} ms, {tally.received_bytes / 1e6:.1f} MB received, "
        f"server {cpu_s / elapsed_s:.0%} of a core"
    )
    if tally.ages_s:
        print(f"{len(tally.ages_s)} answers were of a state of some seconds ago, at most {max(tally.ages_s):.0f} s")
    for error, count in sorted(tally.errors.items()):
        print(f"  error {error}: {count}")
    print(f"\n{'route':<28}{'requests':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for route, seconds in sorted(tally.seconds.items()):
        ordered = sorted(seconds)
        print(f"{route:<28}{len(ordered):>9}{_at(ordered, 0.5):>9.0f}{_at(ordered, 0.99):>9.0f}")
    print(f"\n{'seconds':>8}{'RSS MiB':>9}{'files':>7}")
    step = max(1, len(memory) // 12)
    for at, rss, files in [*memory[::step], memory[-1]]:
        print(f"{at:>8.0f}{rss / 2**20:>9.0f}{files:>7}")
    half = [rss for at, rss, _ in memory if at >= elapsed_s / 2]
    if len(half) > 1:
        first, last = statistics.median(half[: len(half) // 2 or 1]), statistics.median(half[len(half) // 2 :])
        print(f"third quarter {first / 2**20:.0f} MiB, last quarter {last / 2**20:.0f} MiB: {last / first - 1:+.1%}")
    print(f"the server ended with {code}")


def _at(ordered: Sequence[float], share: float) -> float:
    return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(port: int, limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/api/v1/health", timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    raise SystemExit("the server did not come up within a minute")


if __name__ == "__main__":
    sys.exit(main())
