"""A fleet of real processes on this machine: cases, losses, drift.

    python benchmarks/fleet.py ray [--cases 200] [--nodes 3]
    python benchmarks/fleet.py returns [--cases 40] [--nodes 2]
    python benchmarks/fleet.py drift [--nodes 3]

``ray`` starts a head and nodes (``ray start``), gives them tiny cases through ``assay fleet run``, kills a worker
process, later the head, starts another cluster, resumes, and says what became of every case; then the same cases
without losses, and one after the other in one process. ``returns`` kills the head and its nodes and starts others at
the same address, while the driver waits: it is to go on by itself. ``drift`` gives one node a setting and a slowdown of
its own, which ``assay fleet drift`` is to find. Needs assay[fleet] and the tests' engine ``plain``. The store:
fleet_store.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
PLUGIN = HERE.parent / "tests" / "plugin"
MODELS = """
import os
import time

SLOWER = float(os.environ.get("FLEET_BENCHMARK_SLOWER", "1"))


def tiny(batch=1):
    return time.sleep, (0.002 * SLOWER * (1 + batch % 7),)
"""
SUITE = """\
name: tiny
launches: 1
launch_limit_s: 60
timing: {{min_time_s: 0.05, max_time_s: 0.2, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.1}}
cases:
  - model: ["fleet_models:tiny"]
    engine: plain
    batch: [{batches}]
"""
BOOT = (
    "from assay.cli import main, fleet\n"
    "known = [one.name for one in main.app.registered_groups]\n"
    "'fleet' in known or main.app.add_typer(fleet.app, name='fleet')\n"
    "main.main()\n"
)
"""The command line, with ``fleet`` where it is not a part of it."""


def command(*words: object) -> list[str]:
    """Return how ``assay fleet ...`` is started."""
    return [sys.executable, "-P", "-c", BOOT, "fleet", *map(str, words)]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    ray = kinds.add_parser("ray")
    ray.add_argument("--cases", type=int, default=200)
    ray.add_argument("--nodes", type=int, default=3)
    ray.add_argument("--serial", type=int, default=200, help="cases of the serial loop")
    returns = kinds.add_parser("returns")
    returns.add_argument("--cases", type=int, default=40)
    returns.add_argument("--nodes", type=int, default=2)
    drift = kinds.add_parser("drift")
    drift.add_argument("--nodes", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        if asked.kind == "ray":
            bench_ray(Path(folder), asked.cases, asked.nodes, asked.serial)
        elif asked.kind == "returns":
            bench_return(Path(folder), asked.cases, asked.nodes)
        else:
            bench_drift(Path(folder), make_environ(Path(folder)), asked.nodes)


# -- Ray -------------------------------------------------------------------------------------------------------


def bench_ray(folder: Path, cases: int, nodes: int, serial: int) -> None:
    """Cases on a cluster whose worker and head are killed; then the same in a loop; then drift."""
    environ = make_environ(folder)
    suite = write_suite(folder / "tiny.yaml", cases)
    store = folder / "store"
    begin = time.perf_counter()
    with cluster(folder, environ, nodes) as (head, address):
        say(f"head and {nodes} nodes in {time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        words = command("run", suite, "--on", address, "--store", store, "--reconnect", "10s", "--json")
        driver = subprocess.Popen(
            words, env=environ, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        await_answers(store, cases // 4)
        say(f"killed worker process {kill_a_worker(store)} after {count_answers(store)} answers")
        await_answers(store, cases // 2)
        say(f"killing the head after {count_answers(store)} answers")
        kill_tree(head)
        out, err = driver.communicate(timeout=600)
        sitting_s = time.perf_counter() - begin
        first = json.loads(out)
        say(f"driver ended with exit code {driver.returncode}: {err.strip().splitlines()[-1]}")
        show("first sitting", first, sitting_s)
    with cluster(folder, environ, nodes, slow=False) as (_, address):
        begin = time.perf_counter()
        done = first["ok"]
        words = command("run", "--resume", "last", "--on", address, "--store", store, "--json")
        found = subprocess.run(words, env=environ, cwd=folder, capture_output=True, text=True, check=False)
        resumed_s = time.perf_counter() - begin
        say(f"resumed: exit code {found.returncode}")
        second = json.loads(found.stdout)
        show("second sitting", second, resumed_s)
        account(store, second)
        rate = (second["ok"] - done) / resumed_s
        begin = time.perf_counter()
        again = json.loads(
            run(command("run", suite, "--on", address, "--store", folder / "clean", "--json"), environ, folder)
        )
        clean_s = time.perf_counter() - begin
        say(f"undisturbed: {again['ok']} cases in {clean_s:.1f} s, {again['ok'] / clean_s:.2f} cases/s with start-up")
        say(f"undisturbed, first attempt to last: {throughput(folder / 'clean'):.2f} cases/s on {nodes} nodes")
    serial_rate = run_serially(folder, environ, write_suite(folder / "serial.yaml", serial), serial)
    say(f"second sitting {rate:.2f} cases/s; serial loop {serial_rate:.2f} cases/s")
    say(f"throughput against the serial loop: {throughput(folder / 'clean') / serial_rate:.2f}")


def bench_return(folder: Path, cases: int, nodes: int) -> None:
    """A head that is killed with all its nodes and comes back at its address, while one driver waits for it."""
    environ = make_environ(folder)
    store, ports = folder / "store", (free_port(), free_port())
    with cluster(folder, environ, nodes, ports=ports) as (head, address):
        words = command("run", write_suite(folder / "tiny.yaml", cases), "--on", address, "--store", store, "--json")
        driver = subprocess.Popen(
            [*words, "--reconnect", "300s"], env=environ, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        await_answers(store, cases // 2)
        say(f"killing the head after {count_answers(store)} answers")
        kill_tree(head)
    say(f"all of that cluster is gone; the driver {'waits' if driver.poll() is None else 'ended'}")
    with cluster(folder, environ, nodes, ports=ports):
        out, err = driver.communicate(timeout=600)
    say(f"driver ended with exit code {driver.returncode}: {err.strip().splitlines()[-1] if err.strip() else ''}")
    found = json.loads(out)
    say(f"{found['ok']} of {found['cases']} ok; events: {', '.join(one['event'] for one in found['events'])}")
    account(store, found)


def bench_drift(folder: Path, environ: dict[str, str], nodes: int) -> None:
    """Each of 12 cases on each node; the last node has OMP_WAIT_POLICY=active and models 11 % slower.

    Nodes that share a machine disturb each other, so that most results are contaminated: they are counted as well.
    """
    suite = write_suite(folder / "drift.yaml", 12)
    store = folder / "drift"
    with cluster(folder, environ, nodes, slow=True) as (_, address):
        run(command("run", suite, "--on", address, "--store", store, "--each-node", "--json"), environ, folder)
        say(run(command("drift", "last", "--contaminated", "--store", store), environ, folder).strip())


def make_environ(folder: Path) -> dict[str, str]:
    """An environment in which the engine ``plain`` and the models are found, and nothing of the caller's assay is."""
    installed = folder / "installed" / "assay_plain-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-plain\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[assay.engine]\nplain = plain_engine\n")
    (folder / "models").mkdir()
    (folder / "models" / "fleet_models.py").write_text(MODELS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "PYTHON", "RAY_"))}
    return kept | {
        "PYTHONPATH": os.pathsep.join(map(str, (installed.parent, PLUGIN, folder / "models"))),
        "OMP_NUM_THREADS": "1", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_USAGE_STATS_ENABLED": "0",
        "XDG_STATE_HOME": str(folder / "state"), "XDG_DATA_HOME": str(folder / "data"),
        "RAY_raylet_start_wait_time_s": "120", "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # of this benchmark's own clusters
    }  # fmt: skip


def write_suite(path: Path, cases: int) -> Path:
    """Write a suite of so many cases, which differ in their batch."""
    path.write_text(SUITE.format(batches=", ".join(str(number) for number in range(1, cases + 1))))
    return path


@contextlib.contextmanager
def cluster(
    folder: Path, environ: dict[str, str], nodes: int, *, slow: bool = False, ports: tuple[int, int] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a head without CPUs and nodes of one CPU each, all processes of this machine; end them in the end."""
    port, client = ports or (free_port(), free_port())
    place = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # sockets have short names or none
    common = ["--node-ip-address=127.0.0.1", "--disable-usage-stats", "--block", f"--object-store-memory={80 << 20}"]
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **more: str) -> subprocess.Popen[bytes]:
        line = [str(Path(sys.executable).with_name("ray")), "start", *common, *words]
        with (folder / f"ray-{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(line, env=environ | more, cwd=folder, stdout=log, stderr=log, start_new_session=True)
            )
        await_text(folder / f"ray-{len(started) - 1}.log", "Ray runtime started")
        return started[-1]

    try:
        head = start(
            "--head", f"--port={port}", f"--ray-client-server-port={client}", "--num-cpus=0",
            "--include-dashboard=false", f"--temp-dir={place}",
        )  # fmt: skip
        for number in range(1, nodes + 1):
            odd = {"OMP_WAIT_POLICY": "active", "FLEET_BENCHMARK_SLOWER": "1.11"} if slow and number == nodes else {}
            start(f"--address=127.0.0.1:{port}", "--num-cpus=1", "--labels", f"assay-node=node-{number}", **odd)
        await_port(client)
        await_nodes(f"ray://127.0.0.1:{client}", nodes + 1, environ)
        yield head, f"ray://127.0.0.1:{client}"
    finally:
        for one in reversed(started):
            kill_tree(one)
        shutil.rmtree(place, ignore_errors=True)


def await_nodes(address: str, count: int, environ: dict[str, str]) -> None:
    """Wait until all nodes have registered."""
    code = (
        "import ray, sys, time\n"
        "ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')\n"
        "while sum(one['Alive'] for one in ray.nodes()) < int(sys.argv[2]): time.sleep(0.2)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, address, str(count)], env=environ, check=True, timeout=180,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def run_serially(folder: Path, environ: dict[str, str], suite: Path, cases: int) -> float:
    """The same cases one after the other in one process, each a run of its own, as the fleet's are. Cases a second."""
    code = (
        "import sys, time\n"
        "from assay.fleet.execute import execute_order\n"
        "from assay.runner.plan import make_plan, read_machine\n"
        "from assay.runner.suite_model import load_suite, suite_to_dict\n"
        "suite = load_suite(sys.argv[1]); content = suite_to_dict(suite)\n"
        "cases = [one.case.to_dict() for one in make_plan(suite, read_machine()).cases]\n"
        "def go(number, case):\n"
        "    order = {'key': f'{number}/1', 'case': case, 'number': 1, 'node': 'here', 'fleet_id': 'serial'}\n"
        "    ended = execute_order({**order, 'store': sys.argv[2], 'suite': content})\n"
        "    assert ended['outcome'] == 'ok', ended\n"
        "go(-1, cases[0])\n"
        "begin = time.perf_counter()\n"
        "for number, case in enumerate(cases): go(number, case)\n"
        "print(time.perf_counter() - begin)\n"
    )
    out = run([sys.executable, "-P", "-c", code, str(suite), str(folder / "serial")], environ, folder)
    seconds = float(out.strip().splitlines()[-1])
    say(f"serial loop: {cases} cases in {seconds:.1f} s")
    return cases / seconds


def count_answers(store: Path) -> int:
    """How many cases the ledger has an answer for."""
    from assay.fleet.ledger import list_ledgers, read_state

    found = list_ledgers(str(store))
    if not found:
        return 0
    state = read_state(found[0])
    return len(state.cases) - len(state.unfinished())


def await_answers(store: Path, count: int) -> None:
    """Wait until so many cases are answered."""
    deadline = time.monotonic() + 900
    while count_answers(store) < count:
        if time.monotonic() > deadline:
            raise SystemExit("the fleet run does not get on")
        time.sleep(0.2)


def kill_a_worker(store: Path) -> int:
    """Kill (-9) a worker process that is at work now, as the ledger names it."""
    from assay.fleet.ledger import list_ledgers, read_state

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        at_work = [one.pid for one in read_state(list_ledgers(str(store))[0]).open_attempts() if one.pid]
        if at_work:
            os.kill(at_work[0], signal.SIGKILL)
            return at_work[0]
        time.sleep(0.01)
    raise SystemExit("no worker was seen at work")


def account(store: Path, found: dict[str, Any]) -> None:
    """Hold the ledger against the store: every case, every attempt, every run."""
    from assay.fleet.ledger import list_ledgers, read_state
    from assay.store import Store

    state = read_state(list_ledgers(str(store))[0])
    attempts = [one for made in state.attempts.values() for one in made]
    finals = [state.final(case_id) for case_id in state.cases]
    table = Store.open(store).query("SELECT case_id, count(*) AS n FROM results WHERE status = 'ok' GROUP BY case_id")
    in_store = {row["case_id"]: row["n"] for row in table.to_pylist()}
    runs = {row["run_id"] for row in Store.open(store).query("SELECT run_id FROM runs").to_pylist()}
    say(
        f"accounted for: {sum(one is not None for one in finals)} of {len(state.cases)} cases in the ledger, "
        f"{len(set(state.cases) & set(in_store))} in the store; {len(attempts)} attempts "
        f"{dict(Counter(str(one.outcome) for one in attempts))}; "
        f"cases with several attempts: {sum(len(made) > 1 for made in state.attempts.values())}; "
        f"cases twice in the store: {sum(n > 1 for n in in_store.values())}; "
        f"answers whose run is missing: {sum(one is not None and one.run_id not in runs for one in finals)}; "
        f"given up: {found['given_up']}"
    )
    for one in attempts:
        if one.outcome != "ok":
            say(f"  {one.label} attempt {one.number} on {one.node} pid {one.pid}: {one.outcome}: {one.error}")


def throughput(store: Path) -> float:
    """Cases a second from the beginning of the first attempt to the end of the last."""
    from datetime import datetime

    from assay.fleet.ledger import list_ledgers, read_state

    state = read_state(list_ledgers(str(store))[0])
    attempts = [one for made in state.attempts.values() for one in made]
    ends = [datetime.fromisoformat(one.ended_at) for one in attempts if one.ended_at]
    return (
        len(state.cases) / (max(ends) - min(datetime.fromisoformat(one.began_at) for one in attempts)).total_seconds()
    )


def show(what: str, found: dict[str, Any], seconds: float) -> None:
    """Print one sitting."""
    say(
        f"{what}: {seconds:.1f} s, {found['ok']} of {found['cases']} ok, {found['attempts']} attempts "
        f"{found['outcomes']}; events: {', '.join(one['event'] for one in found['events'])}"
    )


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill (-9) a process that was started here, and all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def run(words: list[str], environ: dict[str, str], folder: Path) -> str:
    """Run a command to its end and return what it printed."""
    found = subprocess.run(words, env=environ, cwd=folder, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"{words[-6:]} ended with {found.returncode}: {found.stderr[-2000:]}")
    return found.stdout


def free_port() -> int:
    """Return a port of loopback that neither the system nor Ray gives out by itself."""
    draw = random.SystemRandom()
    while True:
        port = 6_500 + draw.randrange(3_400)  # Ray gives its workers 10002 to 19999
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def await_port(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"nobody listens on port {port}")


def await_text(path: Path, text: str) -> None:
    """Wait until a log says something."""
    deadline = time.monotonic() + 180
    while text not in path.read_text(errors="replace"):
        if time.monotonic() > deadline:
            raise SystemExit(f"{path.name} does not say {text!r}: {path.read_text(errors='replace')[-500:]}")
        time.sleep(0.1)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
