"""How long the command line takes to start: ``assay --help`` and ``assay ls`` against ``python -c pass``.

The three alternate in one run. Usage: python benchmarks/startup.py [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from assay.store import Store


def main() -> None:
    """Time each command from outside, as a person's shell would, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    assay = str(Path(sys.executable).with_name("assay"))
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"ASSAY_STORE": str(Path(folder) / "store")}
        _fill_store(environ)
        empty = Store.open(Path(folder) / "empty").location  # a store that is named must be there
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "assay --help": [assay, "--help"],
            "assay --version": [assay, "--version"],
            "assay ls (empty store)": [assay, "ls", "--store", empty],
            "assay ls (one run)": [assay, "ls"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True)
                times[name].append(time.perf_counter() - start)
    baseline = statistics.median(times["python -c pass"][1:])
    print(f"{rounds} alternating rounds, the first of each not counted")
    print(f"{'command':<24} {'median':>8} {'best':>8} {'worst':>8}  against python -c pass")
    for name, values in times.items():
        counted = values[1:]
        median = statistics.median(counted)
        row = f"{name:<24} {median:>7.3f}s {min(counted):>7.3f}s {max(counted):>7.3f}s"
        print(f"{row}  {median / baseline:.1f}x, +{median - baseline:.3f}s")


def _fill_store(environ: dict[str, str]) -> None:
    """Put one run of a trivial workload into the store."""
    from datetime import UTC, datetime

    from assay.core.case import Case
    from assay.core.ids import new_id
    from assay.core.records import MetricValue, ResultRecord, RunBundle, RunRecord
    from assay.core.words import RunStatus, Status, Verdict
    from assay.probes.environment import collect_environment

    now = datetime.now(UTC)
    environment = collect_environment()
    run = RunRecord(
        run_id=new_id(), suite="startup", status=RunStatus.OK, started_at=now, finished_at=now,
        env_id=environment.env_id, config={}, cases_planned=1, assay_version="0", source_hash="0",
    )  # fmt: skip
    case = Case.make(workload="bert/tiny", engine="torch", device="cpu")
    result = ResultRecord(
        result_id=new_id(), run_id=run.run_id, series_id="0", case=case, status=Status.OK, measured_at=now,
        verdict=Verdict.TRUSTED, metrics=(MetricValue("latency_ns", 1e6, "ns"),),
    )  # fmt: skip
    Store.open(environ["ASSAY_STORE"]).append(RunBundle(run, environment, (result,), ()))


if __name__ == "__main__":
    main()
