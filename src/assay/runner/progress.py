"""One run while it goes on: its launches so far, its journal, and the steps that execution is made of.

Executing one plan and executing several interleaved take the same steps, in another order. May import: core, store,
probes, runner.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from assay import __version__
from assay.core.ids import new_id
from assay.core.records import LaunchRecord, ResultRecord, RunBundle, RunRecord
from assay.core.words import RunStatus, Status
from assay.engines.web.visit import is_visit
from assay.probes.environment import source_hash
from assay.runner.collect import CaseIdentity, summarise_case
from assay.runner.hardware_text import describe_hardware
from assay.runner.meters import ENERGY_PASS_S, Meters, Watch, read_witnesses, telemetry_series
from assay.runner.plan import PlannedCase, seed_of_launch
from assay.runner.prepare import Preparation, describe_recipe, open_workshop, prepare_case
from assay.runner.protocol import Job, Measured
from assay.runner.record import describe_preparation, record_launch
from assay.runner.repository import read_repository
from assay.runner.request import (
    FinishedRun,
    Inheritance,
    LaunchBegan,
    LaunchEnded,
    Launcher,
    LaunchSaid,
    Listener,
    Preparing,
    RunRequest,
)
from assay.runner.schedule import ScheduledLaunch
from assay.runner.serving_settings import Profile
from assay.runner.suite_model import suite_to_dict
from assay.store import Journal, Store
from assay.store.running import PROGRESS

_MLPERF_LIKE_LIMIT = 100
"""MLPerf's counts take ten minutes at the least and most of a day for a slow model: 600 s become 17 hours."""


Arrange = Callable[[Sequence["RunInProgress"]], Iterable[tuple[int, ScheduledLaunch]]]
"""Put the launches of several runs in order: the place of the run among them, and its launch."""


def carry_out(
    requests: Sequence[RunRequest], store: Store, arrange: Arrange, *, listener: Listener, launcher: Launcher
) -> tuple[FinishedRun, ...]:
    """Make the launches of every request in the order that ``arrange`` gives, and publish each as a run of its own.

    Ctrl-C publishes what is done of each as interrupted. Raises StoreError where the store cannot be written; the
    journals then still hold every finished launch.
    """
    store.check_writable()
    meters = {wanted: Meters(wants_energy=wanted) for wanted in {request.plan.suite.energy for request in requests}}
    runs: list[RunInProgress] = []
    with contextlib.ExitStack() as journals:  # however this ends, they are let go, so that they can be recovered
        for side, request in enumerate(requests):
            shared = meters[request.plan.suite.energy]
            runs.append(RunInProgress(request, store, shared, side=side, listener=listener, launcher=launcher))
            journals.enter_context(runs[-1].journal)
        status = None
        try:
            with contextlib.ExitStack() as sensors:
                for one in meters.values():
                    sensors.enter_context(one)
                todo = tuple(arrange(runs))
                for number, (side, scheduled) in enumerate(todo, start=1):
                    runs[side].advance(scheduled, number, len(todo))
        except KeyboardInterrupt:
            status = RunStatus.INTERRUPTED
        return tuple(run.publish(status) for run in runs)


class RunInProgress:
    """The state of one execution: launches so far by case, and the journal. ``side`` is its place among several."""

    def __init__(
        self,
        request: RunRequest,
        store: Store,
        meters: Meters,
        *,
        side: int,
        listener: Listener,
        launcher: Launcher,
    ) -> None:
        self.request = request
        self._store = store
        self._side = side
        self._listener = listener
        # A launcher is told of the program only where it is another, so that one that knows none can be given.
        program = request.program
        self._launcher = launcher if program.is_own else functools.partial(launcher, program=program)
        self._header = _begin_run(request)
        self._identities = {
            planned.case.case_id: CaseIdentity(
                result_id=new_id(),
                run_id=self._header.run_id,
                hardware=describe_hardware(request.environment.facts, planned.case),
                launches_planned=request.plan.suite.launches,
            )
            for planned in request.plan.cases
        }
        self._launches: dict[str, list[LaunchRecord]] = {case_id: [] for case_id in self._identities}
        self._failed: set[str] = set()
        self._parameters: dict[str, int] = {}
        self._preparations: dict[str, Preparation] = {}
        self._meters = meters
        self._workshop = open_workshop(
            scope=self._header.run_id,
            limit_s=request.plan.suite.launch_limit_s,
            launcher=self._launcher,
            is_own=program.is_own,
        )
        self.journal: Journal = store.journal(self._header.run_id)
        self.journal.record(self._header)
        self.journal.record(request.environment)
        self._take_over(request.inheritance)
        for planned in request.plan.cases:
            if planned.obstacle is not None:
                self.journal.record(self._summarise(planned))

    @property
    def done(self) -> dict[str, int]:
        """How many launches of each case there are already, by case id."""
        return {case_id: len(launches) for case_id, launches in self._launches.items()}

    def advance(self, scheduled: ScheduledLaunch, number: int, total: int) -> None:
        """Make one launch and keep it. A case that failed once is not tried again in this run."""
        case_id = scheduled.planned.case.case_id
        if case_id in self._failed:
            return
        self._say(scheduled, number, total)
        if self._prepare(scheduled.planned).obstacle is not None:
            self._failed.add(case_id)
            self.journal.record(self._summarise(scheduled.planned))
            return
        self._listener(LaunchBegan(scheduled, number, total, self._side))
        launch = self._make_launch(scheduled)
        self._launches[case_id].append(launch)
        result = self._summarise(scheduled.planned)
        self.journal.record(launch)
        self.journal.record(result)
        if launch.status is not Status.OK:
            self._failed.add(case_id)
        self._listener(LaunchEnded(scheduled, launch, result, self._side))

    def _say(self, scheduled: ScheduledLaunch, number: int, total: int) -> None:
        """Note in the journal what comes next, for whoever watches (see ``store.running``). Between launches only."""
        case = scheduled.planned.case
        self.journal.write(
            PROGRESS,
            {"number": number, "total": total, "case": case.label, "case_id": case.case_id,
             "began_at": datetime.now(UTC).isoformat()},
        )  # fmt: skip

    def publish(self, status: RunStatus | None) -> FinishedRun:
        """Turn the journal's content into rows. ``status`` None: as the results are."""
        results = self._results()
        if status is None:
            status = RunStatus.FAILED if any(one.status.is_failure for one in results) else RunStatus.OK
        run = replace(self._header, status=status, finished_at=datetime.now(UTC))
        launches = tuple(launch for launches in self._launches.values() for launch in launches)
        self._store.publish(RunBundle(run, self.request.environment, results, launches), self.journal)
        return FinishedRun(run, results)

    def _prepare(self, planned: PlannedCase) -> Preparation:
        """Have made what the case needs, before its first launch in this run."""
        case_id = planned.case.case_id
        rule = self.request.stop_rule
        if rule is not None and case_id not in self._preparations:
            obstacle = rule(planned, self._results())
            if obstacle is not None:
                self._preparations[case_id] = Preparation(obstacle=obstacle)
        if case_id not in self._preparations:
            with standing_in(self.request.program.folder):
                self._preparations[case_id] = prepare_case(
                    planned,
                    self.request.plan.suite.seed,
                    self._workshop,
                    on_message=lambda recipe, _message: self._listener(
                        Preparing(planned, describe_recipe(recipe), self._side)
                    ),
                )
        return self._preparations[case_id]

    def _make_launch(self, scheduled: ScheduledLaunch) -> LaunchRecord:
        planned, suite = scheduled.planned, self.request.plan.suite
        preparation = self._prepare(planned)
        # A visitor's device has no sensors here, and ours know nothing of it.
        device = None if is_visit(dict(planned.case.options)) else planned.case.device
        energy_load_s = self._meters.load_s(device)
        with self._meters.watch(device) as watch:
            job = Job(
                case=planned.case,
                shape=dict(planned.case.shape),
                threads=planned.threads,
                seed=seed_of_launch(planned, suite.seed, scheduled.ordinal),
                timing=suite.timing,
                spawned_ns=perf_counter_ns(),  # once the sensors are open: what opening them takes is not the worker's
                artefacts={recipe: str(made.folder) for recipe, made in preparation.artefacts.items()},
                reference=None if preparation.reference is None else str(preparation.reference),
                energy_load_s=energy_load_s,
            )
            outcome = self._launcher(
                job,
                limit_s=_limit_of(job, suite.launch_limit_s),
                on_message=lambda message: self._listener(LaunchSaid(scheduled, message, self._side)),
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
            energy = self._meters.measure_energy(
                outcome.outcome, watch, device=device, units_per_call=planned.units_per_call
            )
            launch = replace(launch, metrics=(*launch.metrics, *energy))
        return describe_preparation(launch, preparation)

    @staticmethod
    def _read_witnesses(said: object, watch: Watch, device: str | None) -> Mapping[str, float]:
        return read_witnesses(said, watch, device=device) if isinstance(said, Measured) else {}

    def _summarise(self, planned: PlannedCase) -> ResultRecord:
        case_id = planned.case.case_id
        preparation = self._preparations.get(case_id, Preparation())
        launches = self._launches[case_id]
        hardware = describe_hardware(self.request.environment.facts, planned.case, launches)
        return summarise_case(
            replace(self._identities[case_id], hardware=hardware),
            planned if preparation.obstacle is None else replace(planned, obstacle=preparation.obstacle),
            launches,
            now=datetime.now(UTC),
            parameters=self._parameters.get(case_id),
        )

    def _results(self) -> tuple[ResultRecord, ...]:
        return tuple(self._summarise(planned) for planned in self.request.plan.cases)

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
    repository = request.repository or read_repository(request.folder)
    return RunRecord(
        run_id=new_id(),
        suite=suite.name,
        status=RunStatus.INTERRUPTED,
        started_at=now,
        finished_at=now,
        env_id=request.environment.env_id,
        config=_config(request),
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


def _config(request: RunRequest) -> Mapping[str, Any]:
    """What it takes to make the same plan again."""
    suite = request.plan.suite
    return {"suite": suite_to_dict(suite), "shortened": suite.timing.is_shortened, **request.config}


@contextlib.contextmanager
def standing_in(folder: Path | None) -> Iterator[None]:
    """Stand where the workers do: a relative path of a model file means the one that they will read."""
    with contextlib.nullcontext() if folder is None else contextlib.chdir(folder):
        yield
