"""Load one rank's training, and make every pass of METHOD with the other ranks: none of them may part from the others.

May import: core, engines, probes, stats, runner; torch inside functions.
"""

from __future__ import annotations

import functools
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.engines.base import LoadRequest
from assay.engines.parallel import Parallel, Place, choose_parallel
from assay.engines.training_base import TrainingSession
from assay.probes.memory import peak_rss_bytes, reset_peak_rss
from assay.probes.noise import NoiseSnapshot, take_snapshot
from assay.probes.telemetry.load import run_energy_pass
from assay.runner.child import Speaker
from assay.runner.launch_modes import throttled_report
from assay.runner.protocol import Job
from assay.runner.rank_exchange import (
    Exchange,
    measure_alone,
    measure_exposed,
    measure_messages,
    profile_exchange,
)
from assay.runner.rank_group import Group, Seat
from assay.runner.rank_steps import (
    Losses,
    PartTimes,
    RankTimes,
    RankWarmUp,
    lead_or_follow,
    learn_on,
    make_step,
    mean_losses,
    split_steps,
    take_steps,
    warm_up_together,
    work_steps,
)
from assay.runner.train import judge_losses

_MEMORY_STEPS = 3
_FEWEST_SPLIT_STEPS, _MOST_SPLIT_STEPS = 5, 30
_SPLIT_BUDGET_NS = 2_000_000_000
_NO_REDUCTION = "Expected to have finished reduction"
"""What DDP says in the second step where a parameter got no gradient in the first."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same through all passes of one rank."""

    job: Job
    seat: Seat
    group: Group
    place: Place
    request: LoadRequest
    speaker: Speaker


@dataclass(frozen=True, slots=True)
class Ready:
    """A training that made its first steps."""

    training: TrainingSession
    parallel: Parallel
    losses: Losses
    first_ns: int
    load_begin_ns: int
    load_ns: int
    left_out: bool


@dataclass(frozen=True, slots=True)
class Passes:
    """Everything that the passes of one rank read."""

    warm: RankWarmUp
    timed: RankTimes
    whole: PartTimes | None
    silent: PartTimes | None
    exchange: Exchange
    energy: Mapping[str, int]
    memory: Mapping[str, int]
    cpu_ns: int
    snapshots: tuple[NoiseSnapshot, NoiseSnapshot]
    marks_ns: Mapping[str, int]


# -- loading ---------------------------------------------------------------------------------------------------


def load_ready(setting: Setting, strategy: str, *, overlap: bool, memory: dict[str, int]) -> Ready:
    """Load and make two steps; a DDP that misses a gradient is loaded again, told to look for it.

    The second step is where DDP finds out. What looking costs is part of every step then, and a fact says so.
    """
    may_leave_out = False
    while True:
        ready = _load_once(setting, strategy, overlap=overlap, may_leave_out=may_leave_out, memory=memory)
        setting.speaker.begin("first_infer")
        try:
            first_ns = make_step(ready.training, ready.losses)
            make_step(ready.training, ready.losses)
        except RuntimeError as error:
            if may_leave_out or strategy != "ddp" or _NO_REDUCTION not in str(error):
                raise
            may_leave_out = True
            ready.training.session.unload()
            del ready
            gc.collect()
            continue
        ready.losses.read()
        return replace(ready, first_ns=first_ns)


def _load_once(setting: Setting, strategy: str, *, overlap: bool, may_leave_out: bool, memory: dict[str, int]) -> Ready:
    from assay.engines.training import load_training

    setting.speaker.begin("load")
    parallel = choose_parallel(strategy, setting.place, overlap=overlap, may_leave_out=may_leave_out)
    peak_is_fresh = reset_peak_rss()
    began = time.perf_counter_ns()
    if strategy == "pipeline":
        from assay.engines.parallel_pipeline import load_pipeline

        training = load_pipeline(setting.job.case.engine, setting.request, setting.place)
    else:
        training = load_training(setting.job.case.engine, setting.request, shard=parallel.shard, wrap=parallel.wrap)
    if strategy == "tensor":
        _step_one_by_one(training.optimizer)
    if training.session.synchronize is not None:
        training.session.synchronize()
    load_ns = time.perf_counter_ns() - began
    peak = peak_rss_bytes() if peak_is_fresh else None
    if peak is not None and "baseline" in memory:
        memory["load_peak"] = peak - memory["baseline"]
    return Ready(training, parallel, Losses(training), 0, began, load_ns, may_leave_out)


def _step_one_by_one(optimizer: Any) -> None:
    """Whole and cut parameters cannot be updated in one list: torch refuses to mix them."""
    for group in optimizer.param_groups:
        for name in ("foreach", "fused"):
            if name in group:
                group[name] = False


# -- the passes ------------------------------------------------------------------------------------------------


def make_passes(setting: Setting, ready: Ready, memory: dict[str, int]) -> Passes:
    """METHOD 2, then the passes of METHOD 3, each alone. The silent one comes last: no state matters after it."""
    training, losses, group, timing = ready.training, ready.losses, setting.group, setting.job.timing
    wait = training.session.synchronize or (lambda: None)
    begin = setting.speaker.begin
    begin("warmup")
    warm = warm_up_together(training, group, timing, losses)
    begin("measure")
    marks = {"load": ready.load_begin_ns, "measure_begin": time.perf_counter_ns()}
    before = take_snapshot()
    report = throttled_report(setting.speaker)
    timed = take_steps(training, group, timing, losses, step_ns=warm.last_step_ns, report=report)
    after = take_snapshot()
    marks["measure_end"] = time.perf_counter_ns()
    begin("learn")
    learn_on(training, losses)
    judge_losses(mean_losses(group.gather(losses.values), ready.parallel.loss_rank), training.steps_to_learn)
    begin("split")
    budget = min(_SPLIT_BUDGET_NS, round(timing.max_time_s * 1e9))
    fit = budget // max(1, round(timed.median_ns))
    steps = group.agree(max(_FEWEST_SPLIT_STEPS, min(_MOST_SPLIT_STEPS, fit)))
    whole = split_steps(training, losses, steps) if ready.parallel.has_parts else None
    begin("exchange")
    profiler_ns = profile_exchange(training, losses)
    alone_ns = measure_alone(ready.parallel.exchange, wait, steps)
    messages = measure_messages(group, setting.place.device, wait)
    begin("memory")
    _memory_pass(training, losses, memory)
    energy = _energy_pass(setting, ready)
    begin("exchange")
    loud, silent = _work_silently(ready, steps)
    exposed_ns = measure_exposed(loud, silent) if loud and silent else None
    exchange = Exchange(exposed_ns, alone_ns, profiler_ns, messages)
    return Passes(
        warm=warm,
        timed=timed,
        whole=whole,
        silent=silent,
        exchange=exchange,
        energy=energy,
        memory=memory,
        cpu_ns=_cpu_ns(after) - _cpu_ns(before),
        snapshots=(before, after),
        marks_ns=marks,
    )


def _cpu_ns(snapshot: NoiseSnapshot) -> int:
    """CPU time of this rank and of the processes that load its data."""
    return snapshot.process_cpu_ns + (snapshot.children_cpu_ns or 0)


def _work_silently(ready: Ready, steps: int) -> tuple[PartTimes | None, PartTimes | None]:
    """Forward and backward with and without the exchange, by turns.

    FSDP2 has its parameters whole only from the second silent step on, so its turns are half of the steps. None for a
    strategy that cannot be silent, and for FSDP2 with micro-batches, whose step turns the exchange on again.
    """
    silent, is_fsdp = ready.parallel.silent, ready.parallel.strategy == "fsdp2"
    if silent is None or (is_fsdp and ready.training.accumulate > 1):
        return None, None
    block = -(-steps // 2) if is_fsdp else 1
    return work_steps(ready.training, steps, silent, block=block, discard=2 if is_fsdp else 0)


def _memory_pass(training: TrainingSession, losses: Losses, memory: dict[str, int]) -> None:

    session = training.session
    if session.reset_device_memory is not None:
        session.reset_device_memory()
    name = "peak" if reset_peak_rss() else "peak_since_start"
    for _ in range(_MEMORY_STEPS):
        make_step(training, losses)
    peak = peak_rss_bytes()
    if peak is not None and "baseline" in memory:
        memory[name] = peak - memory["baseline"]
    if session.device_memory is not None:
        memory.update({f"device_{key}": value for key, value in session.device_memory().items()})


def _energy_pass(setting: Setting, ready: Ready) -> Mapping[str, int]:
    """METHOD 3: rank 0 decides how long, and the others make every step with it."""
    load_s = setting.job.energy_load_s
    if load_s is None:
        return {}

    setting.speaker.begin("energy")
    call: Callable[[], object] = functools.partial(make_step, ready.training, ready.losses)
    marks = lead_or_follow(setting.group, call, functools.partial(run_energy_pass, load_s=load_s))
    return {} if marks is None else marks.to_dict()
