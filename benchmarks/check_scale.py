"""Shows how long checking a run takes against histories of any length: a run of 2 000 series, 100 000 results and more.

Fills a store of its own with **synthetic results: no machine measured any of them** (the suite, the hardware and every
``simulated`` say so), checks the newest run against history in this process, and removes the store again. Results
scatter by 1 %, and 20 series of that run are slower by 20 %; the table says how many of them, and of the others, were
called suspect. Rerun where nothing else runs:

    python benchmarks/check_scale.py
    python benchmarks/check_scale.py --shape 2000x500 --shape 100x100000
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.analysis.check import check_run
from assay.core.case import Case, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import SCHEMA_VERSION, EnvironmentRecord, MetricValue, ResultRecord, RunRecord
from assay.core.words import Change, RunStatus, Status, Verdict
from assay.store import Store
from assay.store.append import Attempt, append_environment
from assay.store.rows import result_row, run_row
from assay.store.schema import RESULTS, RUNS
from assay.store.tables import arrow_table

HARDWARE = "SYNTHETIC device"
SHAPES = ("2000x50", "2000x500", "2000x5000", "100x100000")
ROWS_AT_ONCE = 1_000_000
SCATTER = 0.01
SLOWER, SLOWED = 1.2, 20
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
_SPAN = timedelta(days=700)


def main() -> None:
    """Print a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", action="append", help="SERIESxRESULTS of each; may be given several times")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", type=Path, help="folder for the store; about 2 GB for 10M results")
    chosen = parser.parse_args()
    print(f"SYNTHETIC results; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before it began")
    print(f"{'shape':>14} {'results':>11} {'filled':>9} {'first check':>12} {'later':>8} {'processor':>10}   suspect")
    for shape in chosen.shape or SHAPES:
        series, each = (int(part) for part in shape.split("x"))
        with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
            measure(str(Path(folder) / "store"), series, each, chosen.repeats)
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def measure(location: str, series: int, each: int, repeats: int) -> None:
    """Fill one store, check its newest run, print the line."""
    started = time.perf_counter()
    run = fill(location, series, each)
    filled = time.perf_counter() - started
    store = Store.open(location)
    times: list[float] = []
    processors: list[float] = []
    report = None
    for _ in range(repeats):
        started, cpu = time.perf_counter(), time.process_time()
        report = check_run(store, run)
        times.append(time.perf_counter() - started)
        processors.append(time.process_time() - cpu)
    assert report is not None  # noqa: S101  (at least one repeat)
    suspects = {one.series_id for one in report.findings if one.change is Change.SUSPECT}
    slowed = {one["series_id"] for one in map(_template, range(min(SLOWED, series)))}
    later = float(np.median(times[1:] or times))
    found = (
        f"{len(suspects & slowed)} of {len(slowed)} slowed, {len(suspects - slowed)} of {series - len(slowed)} others"
    )
    print(
        f"{f'{series} x {each}':>14} {series * each:11,} {filled:7.0f} s {times[0]:10.2f} s {later:6.2f} s "
        f"{np.median(processors[1:] or processors):8.2f} s   {found}"
    )


def fill(location: str, series: int, each: int) -> RunRecord:
    """Append ``each`` runs of every series and return one more, the newest, in which some series are slower."""
    Store.open(location)
    facts = {"os": "SYNTHETIC"}
    append_environment(
        location, EnvironmentRecord(content_hash(facts), HARDWARE, HARDWARE, facts, _FIRST), SCHEMA_VERSION
    )
    draw = np.random.default_rng(20261122)
    levels = np.exp(draw.uniform(math.log(1e5), math.log(1e9), series))
    template = arrow_table(RESULTS, [_template(number) | {"write_id": ""} for number in range(series)])
    template = template.drop_columns(["write_id"])
    runs_at_once = max(1, ROWS_AT_ONCE // series)
    for first in range(0, each, runs_at_once):
        count = min(runs_at_once, each - first)
        values = levels * np.exp(SCATTER * draw.standard_normal((count, series)))
        runs = [_run(_FIRST + _SPAN * (first + place) / each, series) for place in range(count)]
        _append(location, template, runs, values)
    newest = _run(_FIRST + _SPAN, series)
    values = levels * np.exp(SCATTER * draw.standard_normal((1, series)))
    values[0, :SLOWED] *= SLOWER
    _append(location, template, [newest], values)
    return newest


def _append(location: str, template: Any, runs: list[RunRecord], values: Any) -> None:
    """Append runs that each hold every row of the template, with these latencies, in one attempt."""
    count, series = values.shape
    rows = template.take(pa.array(np.tile(np.arange(series), count)))
    starts = np.array([run.started_at.timestamp() * 1e6 for run in runs]).astype(np.int64)
    columns = {
        "run_id": pa.array(np.repeat([run.run_id for run in runs], series)),
        "result_id": pa.array([f"{run.run_id}-{number:06d}" for run in runs for number in range(series)]),
        "measured_at": pa.array(np.repeat(starts, series), pa.timestamp("us", tz="UTC")),
        "latency_ns": pa.array(values.ravel()),
    }
    for name, column in columns.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), column.cast(rows.schema.field(place).type))
    written = {"results_written": series, "launches_written": 0, "samples_written": 0, "write_id": ""}
    with Attempt(location) as attempt:
        attempt.add_arrow(RESULTS, rows)
        table = arrow_table(RUNS, [run_row(run) | written for run in runs])
        attempt.commit_copies(table.drop_columns(["write_id"]))


def _run(started: datetime, cases: int) -> RunRecord:
    return RunRecord(
        run_id=new_id(), suite="SYNTHETIC", status=RunStatus.OK, started_at=started, finished_at=started,
        env_id=content_hash({"os": "SYNTHETIC"}), config={"synthetic": True}, cases_planned=cases, assay_version="0",
        source_hash="SYNTHETIC",
    )  # fmt: skip


def _template(number: int) -> dict[str, Any]:
    case = Case.make(workload="SYNTHETIC/base", engine="torch", device="cpu", shape={"seq": 1 + number})
    numbers = (
        MetricValue("latency_ns", 1.0, "ns", n=5),
        MetricValue("latency_ns", 1.0, "ns", stat="mad", n=5),
        MetricValue("latency_ns", 0.01, "1", stat="cv", n=5),
        MetricValue("load_ns", 1e8, "ns", n=5),
    )
    result = ResultRecord(
        result_id="", run_id="", series_id=series_id(case.case_id, HARDWARE), case=case, status=Status.OK,
        measured_at=_FIRST, verdict=Verdict.TRUSTED, hardware=HARDWARE, launches_planned=5, launches_ok=5,
        metrics=numbers, simulated=True,
    )  # fmt: skip
    return result_row(result)


if __name__ == "__main__":
    main()
