from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from assay.core.case import Case
from assay.core.ids import content_hash, new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import RunStatus, Status
from assay.fleet.drift import Seen, find_deviations, read_drift, report_drift
from assay.fleet.outliers import compare_hosts
from assay.store import Store

NOW = datetime(2026, 11, 20, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "cpu": {"model": "EPYC", "governor": "performance"},
    "gpus": [{"name": "H100", "driver": "560", "power_limit_w": 300.0}],
    "os": {"kernel": "6.8"},
    "python": {"version": "3.11", "packages": {"torch": "2.13.0"}},
}


def _fleet(slow: str | None, ratio: float, *, hosts: int = 8, cases: int = 12, noise: float = 0.005) -> list[Seen]:
    draw = random.Random(7)
    seen = []
    for number in range(hosts):
        host = f"node {number}"
        for case in range(cases):
            value = 1e6 * (case + 1) * math.exp(draw.gauss(0, noise)) * (ratio if host == slow else 1.0)
            seen.append(Seen(host, "1x H100", f"c{case}", value))
    return seen


def _facts(hosts: int = 8) -> dict[str, tuple[str, dict[str, Any]]]:
    return {f"node {number}": ("1x H100", copy.deepcopy(FACTS)) for number in range(hosts)}


def test_a_slow_host_is_named_with_what_is_its_own() -> None:
    facts = _facts()
    facts["node 7"][1]["gpus"][0]["power_limit_w"] = 250.0
    (report,) = report_drift(facts, _fleet("node 7", 1.11))
    assert report.sentences() == ["node 7 is 11 % slow: power cap 250 W (others 300 W)"]
    assert report.speeds[0].host == "node 7"
    assert report.speeds[0].cases == 12


def test_settings_without_slowness_are_told_and_slowness_without_settings() -> None:
    facts = _facts()
    facts["node 2"][1]["cpu"]["governor"] = "powersave"
    facts["node 2"][1]["python"]["packages"]["torch"] = "2.12.0"
    del facts["node 3"][1]["os"]["kernel"]
    (report,) = report_drift(facts, _fleet("node 5", 1.25))
    assert report.sentences() == [
        "node 5 is 25 % slow; its settings are those of the others",
        "node 2 differs: torch 2.12.0 (others 2.13.0); governor powersave (others performance)",
        "node 3 differs: kernel none (others 6.8)",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_equal_hosts_raise_no_alarm(seed: int) -> None:
    draw = random.Random(seed)
    medians = {f"h{host}": {f"c{case}": math.exp(draw.gauss(0, 0.01)) for case in range(10)} for host in range(6)}
    assert not any(one.is_outlier for one in compare_hosts(medians))


def test_too_few_shared_cases_say_nothing_and_of_two_hosts_neither_is_off() -> None:
    assert compare_hosts({"a": {str(n): 1.0 for n in range(4)}, "b": {str(n): 2.0 for n in range(4)}}) == []
    two = compare_hosts({"a": {str(n): 1.0 for n in range(6)}, "b": {str(n): 2.0 for n in range(6)}})
    assert [round(one.ratio, 3) for one in two] == [2.0, 0.5]
    assert not any(one.is_outlier for one in two)


def test_a_fast_outlier_is_fast() -> None:
    (report,) = report_drift(_facts(), _fleet("node 0", 0.8))
    assert report.sentences() == ["node 0 is 20 % fast; its settings are those of the others"]


def test_without_a_majority_nobody_drifts() -> None:
    settings = {"a": {"driver": "1"}, "b": {"driver": "2"}}
    deviations, undecided = find_deviations(settings)
    assert deviations == []
    assert undecided == {"driver": {"a": "1", "b": "2"}}
    four = {name: {"driver": value} for name, value in zip("abcd", "1122", strict=True)}
    assert find_deviations(four)[0] == []


def test_it_is_read_from_a_store(tmp_path: Any, make_result: Callable[..., RunBundle]) -> None:
    store = Store.open(tmp_path / "store")
    for number in range(4):
        facts = copy.deepcopy(FACTS)
        facts["gpus"][0]["power_limit_w"] = 250.0 if number == 3 else 300.0
        for case in range(6):
            slow = 1.11 if number == 3 else 1.0 + number / 2000
            store.append(make_result(f"node {number}", facts, case, 1e6 * slow))
    (report,) = read_drift(store, fleet_id="f1")
    assert report.sentences() == ["node 3 is 11 % slow: power cap 250 W (others 300 W)"]
    assert read_drift(store, fleet_id="another") == []
    assert read_drift(store)[0].hosts == report.hosts


@pytest.fixture
def make_result() -> Callable[..., RunBundle]:
    def make(node: str, facts: dict[str, Any], batch: int, latency_ns: float) -> RunBundle:
        env = EnvironmentRecord(content_hash([node, facts]), content_hash(node), "1x H100", facts, NOW)
        run_id = new_id()
        case = Case.make(workload="bert/base", engine="torch", device="cuda:0", batch=batch + 1)
        run = RunRecord(
            run_id, "s", RunStatus.OK, NOW, NOW, env.env_id, {"fleet": {"node": node}}, 1, "0", "0", tags=("fleet:f1",)
        )  # fmt: skip
        metrics = (MetricValue("latency_ns", latency_ns, "ns"),)
        result = ResultRecord(new_id(), run_id, case.case_id, case, Status.OK, NOW, metrics=metrics)
        return RunBundle(run, env, (result,), ())

    return make
