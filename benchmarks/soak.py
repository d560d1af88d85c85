"""What grows when assay runs for hours: memory, open files, threads, processes, temporary files.

Two things are soaked, each in a process of its own that is looked at from outside:

- ``serve``: a server over a store that grows meanwhile, asked for pages, the API and live events by several clients;
- ``run``: one process that measures a small suite again and again, each launch a worker, and reads the store after it.

Usage: ``python benchmarks/soak.py --of serve --minutes 60`` (and ``--of run``). The last half of the time is held
against the quarter before it, since the beginning fills caches that are meant to be filled. What a server holds is
judged while nobody asks: its clients pause now and then, long enough for threads of libraries to end that wait for
more work. Under load it holds what so many answers take at once, which depends on what else the machine does and is no
leak; that is printed beside it, and has bounds of its own. Prints a line a minute at most and what was found; returns 1
where something grew, a bound was passed, or an answer was none that is expected.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "tests" / "plugin"
SEEDS = ROOT / "tests" / "importers" / "seeds"
SUITE = """\
name: soak
launches: 2
launch_limit_s: 60
timing: {min_time_s: 0.02, max_time_s: 0.05, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.05}
cases:
  - model: ["plain_models:good"]
    engine: plain
    batch: [1, 2]
"""
LOOP = """
import sys
from typer.testing import CliRunner
from assay.cli.main import app
runner, rounds = CliRunner(), 0
while True:
    for words in (["run", "--suite", "soak.yaml", "--json"], ["ls", "--json"], ["show", "last", "--json"]):
        said = runner.invoke(app, words)
        if said.exit_code:
            print("failed", words, said.exit_code, said.output[-300:], said.exception, flush=True)
            sys.exit(1)
    rounds += 1
    print("round", rounds, flush=True)
"""
"""Run in the process that is soaked."""
PATHS = (
    "/", "/runs", "/runs?sort=started", "/runs/last", "/runs/last.json", "/results", "/results.csv", "/trends",
    "/matrix", "/devices", "/workloads", "/kpi", "/store", "/method", "/search?q=resnet", "/api/v1/runs",
    "/api/v1/results?limit=50", "/api/v1/series", "/api/v1/catalog/devices", "/api/v1/health", "/metrics", "/nothing",
    "/api/v1/runs/none",
)  # fmt: skip
EXPECTED = {200, 302, 303, 304, 404, 429}
ALLOWED = {"memory": 0.05, "files": 0.10, "threads": 0.10, "processes": 0.0, "temporary files": 0.0}
"""By how much of itself each may be larger in the last half than in the quarter before it."""
SLACK = {"memory": 8 << 20, "files": 4.0, "threads": 4.0, "processes": 1.0, "temporary files": 2.0}
"""And by how much in any case: small numbers jump."""
RESTS = 24
"""Pauses of a server's clients, as far as the time allows."""
REST_S = 13.0
"""deltalake's threads for files end after 10 s without work (tokio's keep-alive)."""
FEWEST_RESTS = 8
MOST_UNDER_LOAD = {"threads": 128.0, "files": 512.0}
"""Bounds of a server at work: 40 threads for requests, as many that read files for them, and those of a few databases;
files are those of the queries of a moment."""


@dataclass
class Soaked:
    """What was seen of one process: readings by name, answers by status, what went wrong."""

    readings: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in ALLOWED})
    at_rest: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in ALLOWED})
    """Of a server: while nobody asked it."""
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    """Soak what is asked for, and say what grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=("serve", "run"), default="serve")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=4, help="of the server")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two readings")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environ = prepare(folder)
        soak = soak_server if chosen.of == "serve" else soak_runs
        found = soak(folder, environ, chosen.minutes * 60, chosen.every, chosen.clients)
    for line in judge(found):
        found.wrong.append(line)
    print(f"{chosen.of}, {chosen.minutes:g} minutes: " + ", ".join(f"{n} {what}" for what, n in found.counts.items()))
    print_readings("all the time", found.readings)
    if chosen.of == "serve":
        print_readings(f"at rest, {len(found.at_rest['memory'])} times", found.at_rest)
    for line in found.wrong:
        print(f"wrong: {line}", file=sys.stderr)
    return 1 if found.wrong else 0


def print_readings(title: str, readings: dict[str, list[float]]) -> None:
    """Print what was read, a line for each."""
    print(f"{title:<20} {'first':>10} {'before':>10} {'last half':>10} {'most':>10}")
    for what, values in readings.items():
        before, last = halves(values)
        scale = 1e6 if what == "memory" else 1
        row = [values[0] if values else 0, statistics.median(before), statistics.median(last), max(values, default=0)]
        print(f"{what + (' (MB)' if scale > 1 else ''):<20} " + " ".join(f"{one / scale:>10.1f}" for one in row))


def prepare(folder: Path) -> dict[str, str]:
    """Make the suite, the folders, and an engine without PyTorch; return the environment for processes."""
    (folder / "soak.yaml").write_text(SUITE, encoding="utf-8")
    for name in ("tmp", "site", "home"):
        (folder / name).mkdir()
    info = folder / "site" / "assay_plain-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-plain\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[assay.engine]\nplain = plain_engine\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "PYTHON"))}
    environ = kept | {
        "PYTHONPATH": os.pathsep.join((str(folder / "site"), str(PLUGIN))),
        "ASSAY_STORE": str(folder / "store"),
        "TMPDIR": str(folder / "tmp"),
        "HOME": str(folder / "home"),
    }
    for words in (("run", "--suite", "soak.yaml"), ("import", str(SEEDS / "timm"))):
        subprocess.run(
            [sys.executable, "-P", "-m", "assay.cli.main", *words],
            cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return environ


def soak_server(folder: Path, environ: dict[str, str], seconds: float, every: float, clients: int) -> Soaked:
    """Serve, ask from several threads, and let the store grow meanwhile."""
    found = Soaked()
    port = free_port()
    log = (folder / "server.log").open("wb")
    arguments = ["serve", "--port", str(port), "--requests-per-minute", "0"]
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "assay.cli.main", *arguments], cwd=folder, env=environ, stdout=log, stderr=log
    )
    stop, go = threading.Event(), threading.Event()
    go.set()
    try:
        wait_for(port)
        tasks: list[Callable[[], None]] = [lambda n=n: ask(port, stop, go, found, n) for n in range(clients)]  # type: ignore[misc]
        tasks += [lambda: listen(port, stop, go, found), lambda: grow(folder, environ, stop, found)]
        threads = [threading.Thread(target=task, daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        process = psutil.Process(server.pid)
        watch(process, folder / "tmp", seconds, every, found, alive=lambda: server.poll() is None, go=go)
        stop.set()
        go.set()
        for thread in threads:
            thread.join(timeout=60)
    finally:
        stop.set()
        go.set()
        server.terminate()
        server.wait(timeout=30)
        log.close()
    text = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
    if "Traceback" in text:
        found.wrong.append(f"the server's log has a traceback: {text[text.index('Traceback') :][:800]}")
    left = [one.name for one in (folder / "tmp").rglob("*") if one.is_file()]
    found.wrong += [f"left in the folder for temporary files: {name}" for name in left[:5]]
    return found


def soak_runs(folder: Path, environ: dict[str, str], seconds: float, every: float, clients: int) -> Soaked:
    """Measure again and again in one process."""
    del clients
    found = Soaked()
    said = folder / "loop.log"
    with said.open("wb") as log:
        loop = subprocess.Popen(
            [sys.executable, "-P", "-c", LOOP], cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            watch(psutil.Process(loop.pid), folder / "tmp", seconds, every, found, alive=lambda: loop.poll() is None)
            left = psutil.Process(loop.pid).children(recursive=True) if loop.poll() is None else []
        finally:
            loop.terminate()
            loop.wait(timeout=60)
    text = said.read_text(encoding="utf-8", errors="replace")
    found.counts["rounds"] = text.count("round ")
    if "failed" in text or "Traceback" in text:
        found.wrong.append(text[-800:])
    _, alive = psutil.wait_procs(left, timeout=15)
    found.wrong += [f"a process outlived the run: {one.name()}" for one in alive if one.is_running()]
    journals = list((folder / "store" / "journal").glob("*"))
    if len(journals) > 1:  # the one that was ended in the middle is meant to be there
        found.wrong.append(f"{len(journals)} journals are left")
    return found


def watch(
    process: psutil.Process,
    tmp: Path,
    seconds: float,
    every: float,
    found: Soaked,
    *,
    alive: Callable[[], bool],
    go: threading.Event | None = None,
) -> None:
    """Read what the process holds until the time is over; ``go`` is cleared now and then, for a look at it at rest."""
    begun = said = time.monotonic()
    period = max(2 * REST_S, seconds / RESTS)
    rests = 0
    while time.monotonic() < begun + seconds:
        if not alive():
            found.wrong.append("the process ended by itself")
            return
        values = read_process(process, tmp)
        for what, value in values.items():
            found.readings[what].append(value)
        if time.monotonic() - said > 60:
            said = time.monotonic()
            print(", ".join(f"{what} {value:,.0f}" for what, value in values.items()), flush=True)
        if go is not None and time.monotonic() > begun + (rests + 1) * period - REST_S:
            rests += 1
            go.clear()
            time.sleep(REST_S)
            if alive():
                for what, value in read_process(process, tmp).items():
                    found.at_rest[what].append(value)
            go.set()
        time.sleep(every)


def read_process(process: psutil.Process, tmp: Path) -> dict[str, float]:
    """Read what a process holds now."""
    with process.oneshot():
        return {
            "memory": float(process.memory_info().rss),
            "files": float(process.num_fds() if hasattr(process, "num_fds") else len(process.open_files())),
            "threads": float(process.num_threads()),
            "processes": float(len(process.children(recursive=True))),
            "temporary files": float(sum(1 for one in tmp.rglob("*") if one.is_file())),
        }


def ask(port: int, stop: threading.Event, go: threading.Event, found: Soaked, seed: int) -> None:
    """Ask for one address after another; some clients hang up before the answer is read."""
    draw = random.Random(seed)
    while not stop.is_set():
        go.wait()
        path = draw.choice(PATHS)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", path)
            answer = connection.getresponse()
            if draw.random() < 0.9:
                answer.read()
            found.counts[str(answer.status)] += 1
            if answer.status not in EXPECTED:
                found.wrong.append(f"{path}: {answer.status}")
            connection.close()
        except OSError as error:
            found.wrong.append(f"{path}: {error}")
        time.sleep(0.02)


def listen(port: int, stop: threading.Event, go: threading.Event, found: Soaked) -> None:
    """Follow live events for a moment, hang up, come again."""
    while not stop.is_set():
        go.wait()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/live/events")
            connection.getresponse().read(64)
            connection.close()
            found.counts["live"] += 1
        except (OSError, http.client.HTTPException):
            found.counts["live without an event"] += 1
        time.sleep(0.5)


def grow(folder: Path, environ: dict[str, str], stop: threading.Event, found: Soaked) -> None:
    """Measure something now and then, so that what the server keeps in hand gets old."""
    while not stop.wait(20):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "assay.cli.main", "run", "--suite", "soak.yaml"],
            cwd=folder, env=environ, check=False, capture_output=True, text=True,
        )  # fmt: skip
        found.counts["runs"] += 1
        if done.returncode:
            found.wrong.append(f"a run beside the server: {done.returncode} {done.stderr[-300:]}")


def halves(values: list[float]) -> tuple[list[float], list[float]]:
    """Return the quarter before the middle, and the last half."""
    quarter, middle = len(values) // 4, len(values) // 2
    return values[quarter:middle] or [0.0], values[middle:] or [0.0]


def judge(found: Soaked) -> list[str]:
    """Say what is larger in the last half than it may be; of a server at rest, and what passed a bound at work."""
    is_server = any(found.at_rest.values())
    wrong = []
    for what, values in (found.at_rest if is_server else found.readings).items():
        before, last = (statistics.median(part) for part in halves(values))
        if last > before * (1 + ALLOWED[what]) + SLACK[what]:
            wrong.append(f"{what} grew from {before:,.0f} to {last:,.0f}{' at rest' if is_server else ''}")
    if is_server:
        looks = len(found.at_rest["memory"])
        if looks < FEWEST_RESTS:
            wrong.append(f"{looks} looks at rest are too few to tell; expected {FEWEST_RESTS}: soak longer")
        for what, most in MOST_UNDER_LOAD.items():
            if max(found.readings[what], default=0.0) > most:
                wrong.append(f"{what}: {max(found.readings[what]):,.0f} at work; expected at most {most:,.0f}")
    return wrong


def free_port() -> int:
    """A port on loopback that nobody has now."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Wait until the server answers. Raises TimeoutError after a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/v1/health")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not answer")


if __name__ == "__main__":
    raise SystemExit(main())
