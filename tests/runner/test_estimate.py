"""How long a plan takes, and what was measured lately: asked of stores with runs made up here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.core.case import series_id
from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, LaunchRecord, ResultRecord, RunBundle, RunRecord
from assay.core.words import RunStatus, Status, Verdict
from assay.probes.devices import Device
from assay.runner.estimate import Estimate, estimate_launch, estimate_plan, find_fresh, read_history
from assay.runner.plan import Machine, Plan, make_plan
from assay.runner.suite_model import build_suite
from assay.store import Store

GIB = 1024**3
NOW = datetime.now(UTC)
ENVIRONMENT = EnvironmentRecord("env-1", "host-1", "some CPU", {}, NOW)
MACHINE = Machine((Device("cpu", "cpu", "some CPU", None),), 16 * GIB, 16 * GIB, threads=2)
HOUR = 3600.0

Keep = Callable[..., None]


@pytest.fixture(autouse=True)
def torch_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def plan(model: str = "bert/tiny", **suite: Any) -> Plan:
    cases = [{"model": model, "batch": [1, 2]}]
    return make_plan(build_suite({"name": "mine", "launches": 3, "cases": cases} | suite), MACHINE)


@pytest.fixture
def keep(store: Store) -> Keep:
    """Put a finished run of the plan's first case into the store."""

    def put(
        *,
        age_s: float = 60,
        wall_s: tuple[float, ...] = (10, 12, 20),
        suite: str = "mine",
        environment: EnvironmentRecord = ENVIRONMENT,
        status: Status = Status.OK,
        verdict: Verdict = Verdict.TRUSTED,
    ) -> None:
        case = plan().cases[0].case
        moment = datetime.now(UTC) - timedelta(seconds=age_s)
        run = RunRecord(
            new_id(), suite, RunStatus.OK, moment, moment, environment.env_id, {}, 1, "0.1.0", "hash"
        )  # fmt: skip
        result = ResultRecord(
            new_id(), run.run_id, series_id(case.case_id, "some CPU"), case, status, moment, verdict=verdict,
            launches_planned=3, launches_ok=len(wall_s),
        )  # fmt: skip
        launches = tuple(
            LaunchRecord(new_id(), run.run_id, result.result_id, run.run_id, nth, status, moment, round(wall * 1e9))
            for nth, wall in enumerate(wall_s)
        )
        store.append(RunBundle(run, environment, (result,), launches))

    return put


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine nine hours ahead of UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change the time zone of a process")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# --- estimates ------------------------------------------------------------------------------------------------


def test_without_history_the_windows_bound_it() -> None:
    made = plan()
    one = estimate_launch(made.cases[0], made, {})
    parameters = made.cases[0].workload.size.parameters
    assert parameters is not None
    assert one.lo == pytest.approx(3 + parameters * 1e-9 + 0.5 + 2 + 0.5)
    assert one.hi == pytest.approx(10 + parameters * 20e-9 + 10 + 20 + 0.5)
    assert not one.from_history


def test_no_launch_is_estimated_to_take_longer_than_its_limit() -> None:
    made = plan("llama/1b", launch_limit_s=40)
    assert estimate_launch(made.cases[0], made, {}).hi == 40


def test_a_model_of_unknown_size_can_be_estimated() -> None:
    made = plan("my.module:make")
    assert estimate_launch(made.cases[0], made, {}).lo == pytest.approx(6)


def test_history_is_a_range_around_what_it_took() -> None:
    made = plan()
    one = estimate_launch(made.cases[0], made, {made.cases[0].case.case_id: 10.0})
    assert one == Estimate(9.0, 12.5, from_history=True)


def test_a_plan_is_all_its_launches_and_rests_on_history_only_if_all_do() -> None:
    made = plan()
    ids = [planned.case.case_id for planned in made.cases]
    assert estimate_plan(made, dict.fromkeys(ids, 10.0)) == Estimate(54.0, 75.0, from_history=True)
    assert not estimate_plan(made, {ids[0]: 10.0}).from_history


def test_a_plan_of_nothing_takes_no_time() -> None:
    little = Machine(MACHINE.devices, GIB, GIB, threads=1)
    suite = build_suite({"name": "big", "cases": [{"model": "llama/7b", "batch": 1}]})
    assert estimate_plan(make_plan(suite, little), {}) == Estimate(0, 0, from_history=False)


# --- history --------------------------------------------------------------------------------------------------


def test_history_is_the_median_launch_of_the_same_suite_on_this_host(store: Store, keep: Keep) -> None:
    keep(wall_s=(10, 12, 20))
    keep(wall_s=(500,), suite="another")
    keep(wall_s=(500,), environment=EnvironmentRecord("env-2", "host-2", "some CPU", {}, NOW))
    keep(wall_s=(500,), status=Status.TIMEOUT)
    made = plan()
    assert read_history(store, made, ENVIRONMENT) == {made.cases[0].case.case_id: 12.0}


def test_an_empty_store_and_an_empty_plan_have_no_history(store: Store) -> None:
    assert read_history(store, plan(), ENVIRONMENT) == {}
    little = Machine(MACHINE.devices, GIB, GIB, threads=1)
    empty = make_plan(build_suite({"name": "big", "cases": [{"model": "llama/7b"}]}), little)
    assert read_history(store, empty, ENVIRONMENT) == {}
    assert find_fresh(store, empty, ENVIRONMENT, within_s=HOUR) == {}


# --- freshness ------------------------------------------------------------------------------------------------


def test_what_was_measured_lately_in_this_environment_is_fresh(store: Store, keep: Keep) -> None:
    keep(age_s=2 * HOUR)
    keep(age_s=HOUR / 2)
    made = plan()
    fresh = find_fresh(store, made, ENVIRONMENT, within_s=HOUR)
    assert set(fresh) == {made.cases[0].case.case_id}
    assert HOUR / 2 <= fresh[made.cases[0].case.case_id] < HOUR


@pytest.mark.usefixtures("in_tokyo")
def test_freshness_does_not_depend_on_the_time_zone(store: Store, keep: Keep) -> None:
    keep(age_s=HOUR / 2)
    (age,) = find_fresh(store, plan(), ENVIRONMENT, within_s=HOUR).values()
    assert age == pytest.approx(HOUR / 2, abs=300)


@pytest.mark.parametrize(
    "run",
    [
        {"age_s": 3 * HOUR},
        {"status": Status.FAILED},
        {"verdict": Verdict.CONTAMINATED},
        {"wall_s": (10, 12)},
        {"environment": EnvironmentRecord("env-2", "host-1", "some CPU", {}, NOW)},
    ],
    ids=["old", "failed", "contaminated", "fewer launches", "another environment"],
)
def test_what_is_not_fresh(store: Store, keep: Keep, run: dict[str, Any]) -> None:
    keep(**run)
    assert find_fresh(store, plan(), ENVIRONMENT, within_s=HOUR) == {}
