"""Several plans at once with a launcher made up here: who goes when, what is kept of each, what survives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.core.records import EnvironmentRecord
from assay.core.words import RunStatus, Status
from assay.probes.devices import Device
from assay.runner.execute import Event, FinishedRun, LaunchBegan, LaunchEnded, RunRequest, execute_plan
from assay.runner.plan import Machine, Plan, make_plan
from assay.runner.program import WorkerProgram
from assay.runner.protocol import Failed, Job, Measured, Message
from assay.runner.repository import RepositoryState
from assay.runner.suite_model import build_suite
from assay.runner.supervise import LaunchOutcome
from assay.runner.together import execute_together
from assay.store import Store

STARTED = datetime(2026, 11, 22, 12, tzinfo=UTC)
FACTS = {
    "cpu": {"model": "some CPU", "usable_cores": 2, "architecture": "x86_64"},
    "memory": {"total_bytes": 16 * 1024**3, "cgroup_cpu_quota": None},
    "gpus": [],
}
ENVIRONMENT = EnvironmentRecord("env-1", "host-1", "some CPU 2c 16GiB", FACTS, STARTED)
OTHER = replace(ENVIRONMENT, env_id="env-2")
MACHINE = Machine((Device("cpu", "cpu", "some CPU", None),), 16 * 1024**3, 16 * 1024**3, threads=2)
ELSEWHERE = WorkerProgram(python=Path("/elsewhere/bin/python"))


@pytest.fixture(autouse=True)
def torch_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def plan(*batches: int, launches: int = 3, seed: int = 7) -> Plan:
    case = {"model": "bert/tiny", "batch": list(batches)}
    return make_plan(build_suite({"name": "fake", "launches": launches, "seed": seed, "cases": [case]}), MACHINE)


def request(
    *batches: int, environment: EnvironmentRecord = ENVIRONMENT, launches: int = 3, **fields: Any
) -> RunRequest:
    return RunRequest(plan(*batches, launches=launches), environment, **fields)


def measured() -> Measured:
    return Measured(
        values=(10_000_000,) * 40, device_values=(), calls_per_sample=1, stop_reason="precise enough",
        median_ns=10_000_000, warmup_calls=30, warmup_converged=True, costs_ns={}, memory_bytes={}, witnesses={},
        effective_precision="fp32", threads=2, hardware="", parameters=123,
    )  # fmt: skip


class Launches:
    """A launcher that keeps the program and batch of every launch, and a listener that keeps the events."""

    def __init__(self, answer: Callable[[Path, Job, int], Measured | Failed] = lambda *_: measured()) -> None:
        self.made: list[tuple[str, int]] = []
        self.events: list[Event] = []
        self._answer = answer

    def __call__(
        self,
        job: Job,
        *,
        limit_s: float,
        on_message: Callable[[Message | None], None],
        program: WorkerProgram = WorkerProgram(),  # noqa: B008  (frozen)
    ) -> LaunchOutcome:
        del limit_s, on_message
        self.made.append(("there" if program == ELSEWHERE else "here", job.case.batch))
        said = self._answer(program.python, job, len(self.made))
        return LaunchOutcome(said, STARTED, 3_000_000_000, supervisor_cpu_share=0.01)

    def execute(self, store: Store, *requests: RunRequest) -> tuple[FinishedRun, ...]:
        return execute_together(requests, store, listener=self.events.append, launcher=self)


def test_every_side_is_a_run_of_its_own(store: Store) -> None:
    state = RepositoryState("c0ffee", "v1", dirty=False)
    sides = (
        request(1, 2, tags=("a",), config={"trial": {"side": "a"}}),
        request(1, 2, environment=OTHER, tags=("b",), note="the other", program=ELSEWHERE, repository=state),
    )
    one, two = Launches().execute(store, *sides)
    assert {run.run_id for run in store.runs()} == {one.run.run_id, two.run.run_id}
    assert (one.run.env_id, one.run.tags, one.run.note) == ("env-1", ("a",), None)
    assert (two.run.env_id, two.run.tags, two.run.note) == ("env-2", ("b",), "the other")
    assert (two.run.git_commit, two.run.git_branch, two.run.git_dirty) == ("c0ffee", "v1", False)
    assert one.run.config["trial"] == {"side": "a"}
    assert build_suite(one.run.config["suite"]) == plan(1, 2).suite
    for finished in (one, two):
        assert finished.run.status is RunStatus.OK
        assert [result.case.batch for result in finished.results] == [1, 2]
        assert all(result.launches_ok == 3 for result in finished.results)
        launches = store.launches(run_id=finished.run.run_id, with_samples=True)
        assert len(launches) == 6
        assert all(launch.samples for launch in launches)
    assert [one.series_id for one in one.results] == [one.series_id for one in two.results]
    assert store.orphans() == []


def test_launches_go_round_by_round_over_all_sides_and_every_second_round_backwards(store: Store) -> None:
    launches = Launches()
    launches.execute(store, request(1, 2, launches=4), request(1, 2, launches=4, program=ELSEWHERE))
    rounds = [launches.made[start : start + 4] for start in range(0, 16, 4)]
    everything = [("here", 1), ("here", 2), ("there", 1), ("there", 2)]
    assert all(sorted(one) == everything for one in rounds)
    assert (rounds[0], rounds[2]) == (rounds[1][::-1], rounds[3][::-1])
    again = Launches()
    again.execute(store, request(1, 2, launches=4), request(1, 2, launches=4, program=ELSEWHERE))
    assert again.made == launches.made, "the order is that of the seed"


def test_events_tell_the_side_and_count_over_all(store: Store) -> None:
    launches = Launches()
    launches.execute(store, request(1, launches=2), request(1, launches=2, program=ELSEWHERE))
    began = [event for event in launches.events if isinstance(event, LaunchBegan)]
    assert [(event.number, event.total) for event in began] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert ["there" if event.side else "here" for event in began] == [where for where, _ in launches.made]
    ended = [event for event in launches.events if isinstance(event, LaunchEnded)]
    assert [event.side for event in ended] == [event.side for event in began]
    assert {event.side: event.launch.run_id for event in ended} == {event.side: event.result.run_id for event in ended}


def test_sides_may_have_different_cases_and_numbers_of_launches(store: Store) -> None:
    launches = Launches()
    one, two = launches.execute(store, request(1, launches=1), request(2, 4, launches=3, program=ELSEWHERE))
    assert sorted(launches.made) == [("here", 1), *[("there", 2)] * 3, *[("there", 4)] * 3]
    assert (one.run.cases_planned, two.run.cases_planned) == (1, 2)


def test_a_case_that_fails_ends_for_its_own_side_only(store: Store) -> None:
    def answer(python: Path, job: Job, _number: int) -> Measured | Failed:
        is_bad = python == ELSEWHERE.python and job.case.batch == 2
        return Failed(Status.OOM, "out of memory in load", "load") if is_bad else measured()

    launches = Launches(answer)
    one, two = launches.execute(store, request(1, 2), request(1, 2, program=ELSEWHERE))
    assert launches.made.count(("there", 2)) == 1
    assert launches.made.count(("here", 2)) == launches.made.count(("there", 1)) == 3
    assert (one.run.status, two.run.status) == (RunStatus.OK, RunStatus.FAILED)
    assert [result.status for result in two.results] == [Status.OK, Status.OOM]


def test_ctrl_c_publishes_every_side_as_interrupted(store: Store) -> None:
    def answer(_python: Path, _job: Job, number: int) -> Measured:
        if number == 4:
            raise KeyboardInterrupt
        return measured()

    runs = Launches(answer).execute(store, request(1, 2), request(1, 2, program=ELSEWHERE))
    assert [finished.run.status for finished in runs] == [RunStatus.INTERRUPTED] * 2
    assert sum(result.launches_ok for finished in runs for result in finished.results) == 3
    assert len(store.runs()) == 2
    assert store.orphans() == []


def test_what_a_kill_leaves_of_every_side_is_recovered(store: Store) -> None:
    class KilledError(BaseException):
        pass

    def answer(_python: Path, _job: Job, number: int) -> Measured:
        if number == 4:
            raise KilledError
        return measured()

    with pytest.raises(KilledError):
        Launches(answer).execute(store, request(1, 2), request(1, 2, environment=OTHER, program=ELSEWHERE))
    assert store.runs() == []
    assert len(store.orphans()) == 2
    recovered = store.recover()
    assert [one.status for one in recovered] == [RunStatus.INTERRUPTED] * 2
    assert sum(one.launches for one in recovered) == 3
    assert {run.env_id for run in store.runs()} == {"env-1", "env-2"}


def test_nothing_to_execute_is_nothing(store: Store) -> None:
    assert execute_together((), store) == ()


def test_a_run_alone_takes_the_same_steps(store: Store) -> None:
    launches = Launches()
    finished = execute_plan(request(1, program=ELSEWHERE), store, listener=launches.events.append, launcher=launches)
    assert launches.made == [("there", 1)] * 3
    assert {event.side for event in launches.events} == {0}
    assert finished.run.status is RunStatus.OK
