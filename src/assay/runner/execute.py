"""Execute a plan: make every launch, keep each in the journal, publish the run.

The journal has every finished launch before the next begins, so a crash, a kill or Ctrl-C loses at most the
launch that was going on. May import: core, store, probes, runner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from assay import __version__
from assay.core.ids import new_id
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    ResultRecord,
    RunBundle,
    RunRecord,
)
from assay.core.words import RunStatus, Status
from assay.probes.environment import hardware_class, source_hash
from assay.runner.collect import CaseIdentity, summarise_case
from assay.runner.meters import ENERGY_PASS_S, Meters, Watch, read_witnesses, telemetry_series
from assay.runner.plan import Obstacle, Plan, PlannedCase
from assay.runner.prepare import Preparation, describe_recipe, open_workshop, prepare_case
from assay.runner.protocol import Job, Measured, Message
from assay.runner.record import describe_preparation, record_launch
from assay.runner.repository import read_repository
from assay.runner.schedule import ScheduledLaunch, schedule_launches
from assay.runner.serving_settings import Profile
from assay.runner.suite_model import suite_to_dict
from assay.runner.supervise import LaunchOutcome, run_launch
from assay.store import Journal, Store

_MLPERF_LIKE_LIMIT = 100
"""MLPerf's counts take ten minutes at the least and most of a day for a slow model: 600 s become 17 hours."""


@dataclass(frozen=True, slots=True)
class LaunchBegan:
    """A launch is about to be made; ``number`` of ``total`` in this run, from 1."""

    scheduled: ScheduledLaunch
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class Preparing:
    """Before the first launch of a case something is being made: ``what`` says what (an exported graph, say)."""

    planned: PlannedCase
    what: str


@dataclass(frozen=True, slots=True)
class LaunchSaid:
    """The worker spoke, or (None) a second passed."""

    scheduled: ScheduledLaunch
    message: Message | None


@dataclass(frozen=True, slots=True)
class LaunchEnded:
    """A launch is over, and this is the result of its case so far."""

    scheduled: ScheduledLaunch
    launch: LaunchRecord
    result: ResultRecord


Event = Preparing | LaunchBegan | LaunchSaid | LaunchEnded
Listener = Callable[[Event], None]
Launcher = Callable[..., LaunchOutcome]
Schedule = Callable[..., Iterator[ScheduledLaunch]]
StopRule = Callable[[PlannedCase, Sequence[ResultRecord]], Obstacle | None]


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a resumed run takes over: the interrupted run, and its launches that worked, with their samples."""

    parent: RunRecord
    launches: tuple[LaunchRecord, ...]
    results: tuple[ResultRecord, ...]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to execute and what to write beside it.

    ``schedule`` orders the launches. ``stop_rule`` is asked before a case is prepared, with all results so far: it
    returns why the case is not to be run, or None.
    """

    plan: Plan
    environment: EnvironmentRecord
    tags: tuple[str, ...] = ()
    note: str | None = None
    inheritance: Inheritance | None = None
    folder: Path = field(default_factory=Path.cwd)
    schedule: Schedule = schedule_launches
    stop_rule: StopRule | None = None


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A published run and its results, in the order of the plan."""

    run: RunRecord
    results: tuple[ResultRecord, ...]


def execute_plan(
    request: RunRequest,
    store: Store,
    *,
    listener: Listener = lambda _event: None,
    launcher: Launcher = run_launch,
) -> FinishedRun:
    """Make every launch of the plan and publish the run; Ctrl-C publishes what is done as interrupted.

    Raises StoreError where the store cannot be written; the journal then still holds every finished launch.
    """
    store.check_writable()
    progress = _Run(request, store, listener, launcher)
    with progress.journal:  # however this ends, the journal is let go, so that it can be recovered
        try:
            with progress.meters:
                status = progress.make_launches()
        except KeyboardInterrupt:
            status = RunStatus.INTERRUPTED
        return progress.publish(status)


class _Run:
    """The state of one execution: launches so far by case, and the journal."""

    def __init__(self, request: RunRequest, store: Store, listener: Listener, launcher: Launcher) -> None:
        self._request = request
        self._store = store
        self._listener = listener
        self._launcher = launcher
        self._header = _begin_run(request)
        self._identities = {
            planned.case.case_id: CaseIdentity(
                result_id=new_id(),
                run_id=self._header.run_id,
                hardware=hardware_class(request.environment.facts, planned.case.device),
                launches_planned=request.plan.suite.launches,
            )
            for planned in request.plan.cases
        }
        self._launches: dict[str, list[LaunchRecord]] = {case_id: [] for case_id in self._identities}
        self._parameters: dict[str, int] = {}
        self._preparations: dict[str, Preparation] = {}
        self.meters = Meters(wants_energy=request.plan.suite.energy)
        self._workshop = open_workshop(
            scope=self._header.run_id, limit_s=request.plan.suite.launch_limit_s, launcher=launcher
        )
        self.journal: Journal = store.journal(self._header.run_id)
        self.journal.record(self._header)
        self.journal.record(request.environment)
        self._take_over(request.inheritance)
        for planned in request.plan.cases:
            if planned.obstacle is not None:
                self.journal.record(self._summarise(planned))

    def make_launches(self) -> RunStatus:
        """Make what is left to make. A case that failed once is not tried again in this run."""
        suite = self._request.plan.suite
        done = {case_id: len(launches) for case_id, launches in self._launches.items()}
        schedule = self._request.schedule
        todo = list(schedule(self._request.plan.ready, launches=suite.launches, seed=suite.seed, done=done))
        total = len(todo)
        failed: set[str] = set()
        for number, scheduled in enumerate(todo, start=1):
            case_id = scheduled.planned.case.case_id
            if case_id in failed:
                continue
            if self._prepare(scheduled.planned).obstacle is not None:
                failed.add(case_id)
                self.journal.record(self._summarise(scheduled.planned))
                continue
            self._listener(LaunchBegan(scheduled, number, total))
            launch = self._make_launch(scheduled)
            self._launches[case_id].append(launch)
            result = self._summarise(scheduled.planned)
            self.journal.record(launch)
            self.journal.record(result)
            if launch.status is not Status.OK:
                failed.add(case_id)
            self._listener(LaunchEnded(scheduled, launch, result))
        return RunStatus.FAILED if any(result.status.is_failure for result in self._results()) else RunStatus.OK

    def publish(self, status: RunStatus) -> FinishedRun:
        """Turn the journal's content into rows."""
        run = replace(self._header, status=status, finished_at=datetime.now(UTC))
        results = self._results()
        launches = tuple(launch for launches in self._launches.values() for launch in launches)
        self._store.publish(RunBundle(run, self._request.environment, results, launches), self.journal)
        return FinishedRun(run, results)

    def _prepare(self, planned: PlannedCase) -> Preparation:
        """Have made what the case needs, before its first launch in this run."""
        case_id = planned.case.case_id
        rule = self._request.stop_rule
        if rule is not None and case_id not in self._preparations:
            obstacle = rule(planned, self._results())
            if obstacle is not None:
                self._preparations[case_id] = Preparation(obstacle=obstacle)
        if case_id not in self._preparations:
            self._preparations[case_id] = prepare_case(
                planned,
                self._request.plan.suite.seed,
                self._workshop,
                on_message=lambda recipe, _message: self._listener(Preparing(planned, describe_recipe(recipe))),
            )
        return self._preparations[case_id]

    def _make_launch(self, scheduled: ScheduledLaunch) -> LaunchRecord:
        planned, suite = scheduled.planned, self._request.plan.suite
        preparation, device = self._prepare(planned), planned.case.device
        energy_load_s = self.meters.load_s(device)
        with self.meters.watch(device) as watch:
            job = Job(
                case=planned.case,
                shape=dict(planned.case.shape),
                threads=planned.threads,
                seed=suite.seed,
                timing=suite.timing,
                spawned_ns=perf_counter_ns(),  # once the sensors are open: what opening them takes is not the worker's
                artefacts={recipe: str(made.folder) for recipe, made in preparation.artefacts.items()},
                reference=None if preparation.reference is None else str(preparation.reference),
                energy_load_s=energy_load_s,
            )
            outcome = self._launcher(
                job,
                limit_s=_limit_of(job, suite.launch_limit_s),
                on_message=lambda message: self._listener(LaunchSaid(scheduled, message)),
            )
        identity = self._identities[planned.case.case_id]
        if isinstance(outcome.outcome, Measured) and outcome.outcome.parameters is not None:
            self._parameters[planned.case.case_id] = outcome.outcome.parameters
        launch = record_launch(
            outcome,
            scheduled.ordinal,
            run_id=self._header.run_id,
            result_id=identity.result_id,
            telemetry=telemetry_series(watch),
            more_witnesses=self._read_witnesses(outcome.outcome, watch, device),
        )
        if isinstance(outcome.outcome, Measured):
            energy = self.meters.measure_energy(
                outcome.outcome, watch, device=device, units_per_call=planned.units_per_call
            )
            launch = replace(launch, metrics=(*launch.metrics, *energy))
        return describe_preparation(launch, preparation)

    @staticmethod
    def _read_witnesses(said: object, watch: Watch, device: str) -> Mapping[str, float]:
        return read_witnesses(said, watch, device=device) if isinstance(said, Measured) else {}

    def _summarise(self, planned: PlannedCase) -> ResultRecord:
        case_id = planned.case.case_id
        preparation = self._preparations.get(case_id, Preparation())
        return summarise_case(
            self._identities[case_id],
            planned if preparation.obstacle is None else replace(planned, obstacle=preparation.obstacle),
            self._launches[case_id],
            now=datetime.now(UTC),
            parameters=self._parameters.get(case_id),
        )

    def _results(self) -> tuple[ResultRecord, ...]:
        return tuple(self._summarise(planned) for planned in self._request.plan.cases)

    def _take_over(self, inheritance: Inheritance | None) -> None:
        """Adopt the launches of the interrupted run, each still naming the run that made it."""
        if inheritance is None:
            return
        case_ids = {result.result_id: result.case.case_id for result in inheritance.results}
        for result in inheritance.results:
            if result.parameters is not None:
                self._parameters[result.case.case_id] = result.parameters
        for launch in inheritance.launches:
            case_id = case_ids.get(launch.result_id)
            if case_id not in self._launches or launch.status is not Status.OK:
                continue
            identity = self._identities[case_id]
            adopted = replace(
                launch,
                run_id=self._header.run_id,
                result_id=identity.result_id,
                ordinal=len(self._launches[case_id]),
            )
            self._launches[case_id].append(adopted)
            self.journal.record(adopted)


def _limit_of(job: Job, limit_s: float) -> float:
    """The limit of a launch: an energy pass, and MLPerf's own durations, come on top of what the suite allows."""
    if dict(job.case.options).get("profile") == Profile.MLPERF_LIKE.value:
        limit_s *= _MLPERF_LIKE_LIMIT
    return limit_s + (ENERGY_PASS_S + job.energy_load_s if job.energy_load_s else 0.0)


def _begin_run(request: RunRequest) -> RunRecord:
    """The run row as it would stand if everything stopped now."""
    suite = request.plan.suite
    now = datetime.now(UTC)
    repository = read_repository(request.folder)
    return RunRecord(
        run_id=new_id(),
        suite=suite.name,
        status=RunStatus.INTERRUPTED,
        started_at=now,
        finished_at=now,
        env_id=request.environment.env_id,
        config=_config(request.plan),
        cases_planned=len(request.plan.cases),
        assay_version=__version__,
        source_hash=source_hash(),
        parent_id=request.inheritance.parent.run_id if request.inheritance else None,
        git_commit=repository.commit,
        git_branch=repository.branch,
        git_dirty=repository.dirty,
        tags=request.tags,
        note=request.note,
    )


def _config(plan: Plan) -> Mapping[str, Any]:
    """What it takes to make the same plan again."""
    return {"suite": suite_to_dict(plan.suite), "shortened": plan.suite.timing.is_shortened}
