"""Executing a plan with a launcher made up here: what is kept, in which order, and what survives an interruption."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.core.case import Case, series_id
from assay.core.errors import StoreError
from assay.core.records import EnvironmentRecord
from assay.core.words import RunStatus, Status, Verdict
from assay.probes.devices import Device
from assay.runner.execute import (
    Event,
    FinishedRun,
    Inheritance,
    LaunchBegan,
    LaunchEnded,
    LaunchSaid,
    RunRequest,
    execute_plan,
)
from assay.runner.plan import Machine, Plan, PlannedCase, make_plan
from assay.runner.protocol import Failed, Job, Measured, Message, PhaseBegan
from assay.runner.suite_model import build_suite
from assay.runner.supervise import LaunchOutcome
from assay.store import Store

MS = 1_000_000
STARTED = datetime(2026, 11, 20, 12, tzinfo=UTC)
FACTS = {
    "cpu": {"model": "some CPU", "usable_cores": 2, "architecture": "x86_64"},
    "memory": {"total_bytes": 16 * 1024**3, "cgroup_cpu_quota": None},
    "gpus": [],
}
ENVIRONMENT = EnvironmentRecord("env-1", "host-1", "some CPU 2c 16GiB", FACTS, STARTED)
MACHINE = Machine((Device("cpu", "cpu", "some CPU", None),), 16 * 1024**3, 16 * 1024**3, threads=2)


@pytest.fixture(autouse=True)
def torch_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def plan(*, launches: int = 3, batch: Sequence[int] = (1, 2), **entry: Any) -> Plan:
    case = {"model": "bert/tiny", "batch": list(batch)} | entry
    return make_plan(build_suite({"name": "fake", "launches": launches, "seed": 7, "cases": [case]}), MACHINE)


def on_device(planned: PlannedCase, device: str, options: dict[str, Any] | None = None) -> PlannedCase:
    case = planned.case
    return replace(
        planned,
        case=Case.make(
            workload=case.workload, engine=case.engine or "", device=device, batch=case.batch or 1,
            shape=dict(case.shape), options=options or {},
        ),
    )  # fmt: skip


def measured(latency_ms: int = 10, **fields: Any) -> Measured:
    given: dict[str, Any] = {
        "values": (latency_ms * MS,) * 40,
        "device_values": (),
        "calls_per_sample": 1,
        "stop_reason": "precise enough",
        "median_ns": latency_ms * MS,
        "warmup_calls": 30,
        "warmup_converged": True,
        "costs_ns": {"import": 5},
        "memory_bytes": {"peak": 1000},
        "witnesses": {"cpu_share": 0.5},
        "effective_precision": "fp32",
        "threads": 2,
        "hardware": "",
        "parameters": 123,
    }
    return Measured(**(given | fields))


class FakeLauncher:
    """Answers each job by ``answer``, which may raise, and keeps the jobs it got."""

    def __init__(self, answer: Callable[[Job, int], Measured | Failed]) -> None:
        self.jobs: list[Job] = []
        self.limits: list[float] = []
        self._answer = answer

    def __call__(self, job: Job, *, limit_s: float, on_message: Callable[[Message | None], None]) -> LaunchOutcome:
        self.jobs.append(job)
        self.limits.append(limit_s)
        on_message(PhaseBegan("load"))
        on_message(None)
        return LaunchOutcome(self._answer(job, len(self.jobs)), STARTED, 3_000 * MS, supervisor_cpu_share=0.01)

    @property
    def batches(self) -> list[int]:
        return [job.case.batch for job in self.jobs]


def always_good() -> FakeLauncher:
    return FakeLauncher(lambda _job, _number: measured())


def interrupt_at(number: int) -> FakeLauncher:
    def answer(_job: Job, count: int) -> Measured:
        if count == number:
            raise KeyboardInterrupt
        return measured()

    return FakeLauncher(answer)


def execute(store: Store, launcher: FakeLauncher, made: Plan, **fields: Any) -> FinishedRun:
    listener = fields.pop("listener", lambda _event: None)
    return execute_plan(RunRequest(made, ENVIRONMENT, **fields), store, listener=listener, launcher=launcher)


def journals(store: Store) -> list[Path]:
    return sorted(Path(store.location).glob("journal/*.jsonl"))


# --- a run that works -----------------------------------------------------------------------------------------


def test_a_run_is_kept_whole(store: Store, tmp_path: Path) -> None:
    launcher = always_good()
    finished = execute(store, launcher, plan(), tags=("a", "b"), note="a note", folder=tmp_path)
    assert sorted(launcher.batches) == [1, 1, 1, 2, 2, 2]
    (run,) = store.runs()
    assert run == finished.run
    assert (run.suite, run.status, run.cases_planned, run.env_id) == ("fake", RunStatus.OK, 2, "env-1")
    assert (run.tags, run.note, run.parent_id) == (("a", "b"), "a note", None)
    assert build_suite(run.config["suite"]) == plan().suite  # enough to make the same plan again
    assert run.finished_at >= run.started_at
    assert store.environment("env-1") == ENVIRONMENT
    assert journals(store) == []
    assert store.orphans() == []


def test_results_are_in_the_order_of_the_plan_and_as_stored(store: Store) -> None:
    finished = execute(store, always_good(), plan(batch=(8, 1, 4)))
    assert [result.case.batch for result in finished.results] == [8, 1, 4]
    stored = {result.result_id: result for result in store.results(run_id=finished.run.run_id)}
    assert [stored[result.result_id] for result in finished.results] == list(finished.results)
    for result in finished.results:
        latency = result.metric("latency_ns")
        assert latency is not None
        assert (result.status, latency.value, latency.n) == (Status.OK, 10 * MS, 3)
        assert (result.hardware, result.parameters) == ("some CPU 2c 16GiB", 123)
    columns = store.query("SELECT latency_ns, throughput_per_s, memory_peak_bytes FROM results ORDER BY batch")
    assert columns.to_pylist() == [
        {"latency_ns": 10 * MS, "throughput_per_s": batch * 100, "memory_peak_bytes": 1000} for batch in (1, 4, 8)
    ]


def test_every_launch_is_kept_with_its_samples_and_witnesses(store: Store) -> None:
    finished = execute(store, always_good(), plan(batch=(1,)))
    launches = store.launches(run_id=finished.run.run_id, with_samples=True)
    assert sorted(launch.ordinal for launch in launches) == [0, 1, 2]
    for launch in launches:
        assert launch.origin_run_id == finished.run.run_id
        assert launch.samples[0].values == (10 * MS,) * 40
        assert launch.witnesses == {"supervisor_cpu_share": 0.01, "cpu_share": 0.5}
        assert (launch.verdict, launch.warmup_calls, launch.threads) == (Verdict.TRUSTED, 30, 2)


def test_device_times_are_a_series_of_their_own(store: Store) -> None:
    launcher = FakeLauncher(lambda _job, _number: measured(device_values=(5, 6)))
    finished = execute(store, launcher, plan(batch=(1,), launches=1))
    (launch,) = store.launches(run_id=finished.run.run_id, with_samples=True)
    assert [(one.name, len(one.values)) for one in launch.samples] == [("latency", 40), ("device_latency", 2)]


def test_what_the_engine_said_of_itself_is_kept(store: Store) -> None:
    launcher = FakeLauncher(lambda _job, _number: measured(facts={"mkl": "True"}, hardware="Some GPU"))
    finished = execute(store, launcher, plan(launches=1, batch=[1]))
    (launch,) = store.launches(run_id=finished.run.run_id)
    assert launch.engine_facts == {"mkl": "True", "device_name": "Some GPU"}


def test_the_adapter_that_a_launch_names_is_the_hardware_of_its_series(store: Store) -> None:
    facts = {"adapter": "swiftshader", "adapter_kind": "software"}
    launcher = FakeLauncher(lambda _job, _number: measured(facts=facts))
    made = plan(batch=(1,))
    on_adapter = replace(made, cases=tuple(on_device(one, "webgpu") for one in made.cases))
    finished = execute(store, launcher, on_adapter)
    (result,) = finished.results
    assert result.hardware == "swiftshader (software adapter) | some CPU 2c 16GiB"
    assert result.series_id == series_id(result.case.case_id, result.hardware)
    (stored,) = store.results(run_id=finished.run.run_id)
    assert stored.hardware == result.hardware


def test_sensors_of_this_machine_say_nothing_of_a_visitors_device(store: Store) -> None:
    launcher = FakeLauncher(lambda _job, _number: measured(witnesses={"unwatched": 1.0}))
    made = plan(batch=(1,), launches=1)
    visit = {"browser": "visit", "visitor": "pixel9"}
    visited = replace(made, cases=tuple(on_device(one, "cpu", visit) for one in made.cases))
    finished = execute(store, launcher, visited)
    (result,) = finished.results
    assert result.hardware == "pixel9 (visitor)"
    assert (result.verdict, result.verdict_reasons[0]) == (
        Verdict.NOISY, "1 of 1 launches noisy: nobody could see what else that device did while timing",
    )  # fmt: skip
    (launch,) = store.launches(run_id=finished.run.run_id, with_samples=True)
    assert launch.telemetry == ()


def test_a_launch_is_judged_by_its_witnesses(store: Store) -> None:
    launcher = FakeLauncher(lambda _job, _number: measured(witnesses={"other_cpu_share": 0.9}))
    finished = execute(store, launcher, plan(batch=(1,)))
    assert finished.results[0].verdict is Verdict.CONTAMINATED
    assert finished.results[0].verdict_reasons[0].startswith("3 of 3 launches contaminated: other processes used 90 %")


def test_a_job_says_what_the_plan_says(store: Store) -> None:
    launcher = always_good()
    execute(store, launcher, plan(batch=(4,), launches=1, shape={"seq": 64}, threads=5))
    (job,) = launcher.jobs
    assert (job.case.batch, job.shape, job.threads, job.seed) == (4, {"seq": 64}, 5, 7)
    assert launcher.limits == [600]


def test_events_come_in_order(store: Store) -> None:
    events: list[Event] = []
    execute(store, always_good(), plan(launches=2), listener=events.append)
    kinds = [type(event) for event in events]
    assert kinds == [LaunchBegan, LaunchSaid, LaunchSaid, LaunchEnded] * 4
    began = [event for event in events if isinstance(event, LaunchBegan)]
    assert [(one.number, one.total) for one in began] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [one.scheduled.ordinal for one in began] == [0, 0, 1, 1]
    ended = [event for event in events if isinstance(event, LaunchEnded)]
    assert [one.result.launches_ok for one in ended] == [1, 1, 2, 2]
    assert all(one.launch.status is Status.OK for one in ended)


def test_the_order_is_that_of_the_seed(tmp_path: Path) -> None:
    orders = []
    for name in ("one", "two"):
        launcher = always_good()
        execute(Store.open(tmp_path / name), launcher, plan(batch=(1, 2, 3, 4, 5, 6)))
        orders.append(launcher.batches)
    assert orders[0] == orders[1]


# --- failures -------------------------------------------------------------------------------------------------


def test_a_failure_ends_the_launches_of_its_case_and_of_no_other(store: Store) -> None:
    def answer(job: Job, _number: int) -> Measured | Failed:
        return Failed(Status.OOM, "out of memory in load", "load") if job.case.batch == 2 else measured()

    launcher = FakeLauncher(answer)
    finished = execute(store, launcher, plan(batch=(1, 2, 3)))
    assert sorted(launcher.batches) == [1, 1, 1, 2, 3, 3, 3]
    assert finished.run.status is RunStatus.FAILED
    assert [(one.status, one.launches_ok, one.reason) for one in finished.results] == [
        (Status.OK, 3, None),
        (Status.OOM, 0, "out of memory in load"),
        (Status.OK, 3, None),
    ]
    failed = [one for one in store.launches(run_id=finished.run.run_id) if one.status is Status.OOM]
    assert [(one.reason, one.median_ns, one.wall_ns) for one in failed] == [("out of memory in load", None, 3000 * MS)]


def test_a_case_that_cannot_run_is_a_row_and_no_launch(store: Store) -> None:
    launcher = always_good()
    finished = execute(store, launcher, plan(batch=(1,), device=["cpu", "cuda:0"]))
    assert len(launcher.jobs) == 3
    assert [one.status for one in finished.results] == [Status.OK, Status.UNSUPPORTED]
    assert {one.status for one in store.results()} == {Status.OK, Status.UNSUPPORTED}
    assert finished.run.status is RunStatus.OK  # an absent device is no failure


def test_a_store_that_cannot_be_written_is_said_before_any_launch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_store: Store) -> None:
        raise StoreError("no room")

    monkeypatch.setattr(Store, "check_writable", refuse)
    launcher = always_good()
    with pytest.raises(StoreError, match="no room"):
        execute(store, launcher, plan())
    assert launcher.jobs == []
    assert journals(store) == []


def test_what_was_measured_survives_a_store_that_fails_at_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.store import append as appending

    def refuse(_location: str, _bundle: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(appending, "append_bundle", refuse)
        with pytest.raises(StoreError, match="disk is full"):
            execute(store, always_good(), plan(batch=(1,)))
    assert store.runs() == []
    (recovered,) = store.recover()
    assert (recovered.launches, recovered.status) == (3, RunStatus.OK)  # it had ended, and says so


def test_an_error_of_the_display_leaves_the_journal(store: Store) -> None:
    def break_down(event: Event) -> None:
        if isinstance(event, LaunchEnded):
            raise OSError("the terminal is gone")

    with pytest.raises(OSError, match="terminal"):
        execute(store, always_good(), plan(), listener=break_down)
    (journal,) = journals(store)
    kinds = [json.loads(line)["kind"] for line in journal.read_text().splitlines()]
    assert kinds == ["run", "environment", "progress", "launch", "result"]


# --- interruption and resumption ------------------------------------------------------------------------------


def test_ctrl_c_publishes_what_is_done(store: Store) -> None:
    launcher = interrupt_at(4)
    finished = execute(store, launcher, plan(batch=(1, 2), launches=3))
    assert finished.run.status is RunStatus.INTERRUPTED
    assert store.runs() == [finished.run]
    assert sum(one.launches_ok for one in finished.results) == 3
    assert {one.status for one in finished.results} == {Status.OK}
    assert len(store.launches(run_id=finished.run.run_id)) == 3
    assert journals(store) == []


def test_ctrl_c_in_the_first_launch_leaves_cases_that_say_so(store: Store) -> None:
    finished = execute(store, interrupt_at(1), plan())
    assert {(one.status, one.reason) for one in finished.results} == {
        (Status.SKIPPED, "interrupted before its first launch")
    }
    assert all(one.metrics == () for one in finished.results)


def inherit(store: Store, finished: FinishedRun) -> Inheritance:
    run_id = finished.run.run_id
    return Inheritance(
        finished.run,
        tuple(store.launches(run_id=run_id, with_samples=True)),
        tuple(store.results(run_id=run_id)),
    )


def test_a_resumed_run_makes_only_what_is_missing(store: Store) -> None:
    first = execute(store, interrupt_at(4), plan(batch=(1, 2), launches=3))
    launcher = always_good()
    second = execute(store, launcher, plan(batch=(1, 2), launches=3), inheritance=inherit(store, first))
    assert len(launcher.jobs) == 3
    assert (second.run.status, second.run.parent_id) == (RunStatus.OK, first.run.run_id)
    launches = store.launches(run_id=second.run.run_id, with_samples=True)
    assert sorted(one.ordinal for one in launches) == [0, 0, 1, 1, 2, 2]
    assert sorted(one.origin_run_id for one in launches) == sorted([first.run.run_id, second.run.run_id] * 3)
    assert all(one.samples[0].values == (10 * MS,) * 40 for one in launches)
    assert [one.launches_ok for one in second.results] == [3, 3]
    # Only the second counts from now on, since it holds the launches of the first.
    assert {one.run_id for one in store.results()} == {second.run.run_id}


def test_a_resumed_run_that_is_interrupted_again_can_be_resumed_again(store: Store) -> None:
    finished = execute(store, interrupt_at(3), plan(launches=3))
    made = 2
    for number in (2, 3):
        finished = execute(store, interrupt_at(number), plan(launches=3), inheritance=inherit(store, finished))
        made += number - 1
        assert sum(one.launches_ok for one in finished.results) == made
    launcher = always_good()
    finished = execute(store, launcher, plan(launches=3), inheritance=inherit(store, finished))
    assert len(launcher.jobs) == 6 - made
    assert [one.launches_ok for one in finished.results] == [3, 3]


def test_a_failed_case_is_tried_again_by_the_run_that_resumes(store: Store) -> None:
    def fail_once(_job: Job, number: int) -> Measured | Failed:
        return Failed(Status.TIMEOUT, "still in load", "load") if number == 2 else measured()

    first = execute(store, FakeLauncher(fail_once), plan(batch=(1,), launches=3))
    assert (first.run.status, first.results[0].reason) == (RunStatus.FAILED, "launch 2 of 3: still in load")
    launcher = always_good()
    second = execute(store, launcher, plan(batch=(1,), launches=3), inheritance=inherit(store, first))
    assert len(launcher.jobs) == 2
    assert (second.run.status, second.results[0].launches_ok) == (RunStatus.OK, 3)


def test_launches_of_cases_that_are_no_longer_planned_are_left(store: Store) -> None:
    first = execute(store, interrupt_at(5), plan(batch=(1, 2), launches=3))
    launcher = always_good()
    second = execute(store, launcher, plan(batch=(2, 4), launches=3), inheritance=inherit(store, first))
    assert [one.case.batch for one in second.results] == [2, 4]
    assert {job.case.batch for job in launcher.jobs} == {2, 4}
    assert [one.launches_ok for one in second.results] == [3, 3]


def test_a_killed_run_is_recovered_as_interrupted(store: Store) -> None:
    class KilledError(BaseException):
        pass

    def die(_job: Job, number: int) -> Measured:
        if number == 3:
            raise KilledError
        return measured()

    with pytest.raises(KilledError):
        execute(store, FakeLauncher(die), plan(launches=3))
    assert len(store.orphans()) == 1
    (recovered,) = store.recover()
    assert (recovered.status, recovered.launches, recovered.results) == (RunStatus.INTERRUPTED, 2, 2)
    assert {one.launches_ok for one in store.results()} == {1}
    (run,) = store.runs()
    assert run.status is RunStatus.INTERRUPTED
    assert len(store.launches(run_id=run.run_id)) == 2
