from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord, RunBundle
from assay.core.words import Verdict
from assay.store import Store


class Said(Protocol):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Said]


def timed(result: ResultRecord, latency_ns: float, run_id: str) -> ResultRecord:
    """The same case as if it had taken so long, in launches that agree."""
    numbers = [("latency_ns", latency_ns, "ns"), ("throughput_per_s", result.units_per_call * 1e9 / latency_ns, "1/s")]  # type: ignore[operator]  # it was measured
    metrics = tuple(
        MetricValue(name, value, unit, ci_lo=value * 0.99, ci_hi=value * 1.01, n=5) for name, value, unit in numbers
    )
    return dataclasses.replace(result, result_id=new_id(), run_id=run_id, metrics=metrics, verdict=Verdict.TRUSTED)


@pytest.fixture
def advised(here: Here, kept: str, tmp_path: Path) -> str:
    """A store with batch 1 in the last run, batch 2 in one before it, and both on another machine's software."""
    assert here is not None  # it sets the environment
    source, store = Store.open(kept), Store.open(tmp_path / "advised")
    run = source.find_run("last~1")
    environment = source.environment(run.env_id)
    facts = {**environment.facts, "python": {**environment.facts["python"], "version": "3.99.0"}}
    other = EnvironmentRecord(
        "another", environment.host_id, environment.hardware_class, facts, environment.first_seen_at
    )
    single, double = sorted(source.results(run_id=run.run_id), key=lambda one: one.case.batch or 0)
    made = [
        (other, timed(double, 1e6, "")),
        (environment, timed(double, 1.5e6, "")),
        (environment, timed(single, 1e6, "")),
    ]
    for number, (env, result) in enumerate(made):
        run_id, started = new_id(), run.started_at + timedelta(hours=number)
        record = dataclasses.replace(run, run_id=run_id, env_id=env.env_id, started_at=started)
        placed = dataclasses.replace(result, run_id=run_id, measured_at=started)
        store.append(RunBundle(record, env, (placed,), ()))
    return store.location


def test_advice_stands_on_what_the_same_software_did(here: Here, advised: str) -> None:
    said = here("recommend", "--store", advised)
    assert said.code == 0
    assert "use batch 2 rather than 1 where throughput counts  [batch]" in said.out
    assert ": 1.33x (1.31 to 1.35); a call takes 1.50 ms instead of 1.00 ms" in said.out, (
        "not the other software's 1 ms"
    )
    assert "1 results; 2 of this machine and software are known" in said.out


def test_every_number_is_printed_where_asked(here: Here, advised: str) -> None:
    said = here("recommend", "--evidence", "--store", advised, "--rule", "batch")
    assert "    latency at batch 2: 1.5e+06 ns (result " in said.out
    content = json.loads(here("recommend", "--json", "--store", advised).out)
    assert [one["rule"] for one in content["advice"]] == ["batch"]
    assert len(content["advice"][0]["evidence"]) == 4
    rows = here("recommend", "--csv", "--store", advised).out.splitlines()
    assert rows[0] == "rule,subject,action,because,gain,gain_of,cost,evidence"


def test_nothing_is_said_without_numbers(here: Here, kept: str) -> None:
    said = here("recommend", "last~1", "--store", kept, "--rule", "engine,batch")
    assert (said.code, "No advice: nothing that was measured speaks for doing otherwise" in said.out) == (0, True)


def test_a_rule_that_nobody_knows(here: Here, kept: str) -> None:
    said = here("recommend", "--rule", "bach", "--store", kept)
    assert (said.code, "Did you mean 'batch'?" in said.err) == (2, True)
