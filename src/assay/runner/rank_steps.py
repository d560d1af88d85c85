"""Time the steps of one rank of several: METHOD 2 with every decision taken by rank 0, between the timed regions.

A rank that made one call more than the others would wait for them for ever, so all are told how many come next. May
import: core, engines, stats, runner.
"""

from __future__ import annotations

import functools
import gc
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from assay.engines.training_base import TrainingSession
from assay.runner.measure import Clock, Progress, judge_samples
from assay.runner.rank_group import Group
from assay.runner.timing import Timing
from assay.runner.train import PARTS

_NS = 1_000_000_000
_BLOCK = 10
_BLOCK_TOLERANCE = 0.02
_FEWEST_WARMUP_STEPS = 3
_CHUNK_NS = 250_000_000
_MOST_IN_CHUNK = 1000
_LONG_STEP_NS = 1_000_000_000
_FEWEST_LONG_STEPS = 5
_REASONS = ("", "precise enough", "time cap")
"""What rank 0 tells the others after each chunk, by number; 0 is to go on."""


@dataclass(slots=True)
class Losses:
    """The loss of every step of this rank, in order. Read between the timed regions, since reading one waits."""

    training: TrainingSession
    values: list[float] = field(default_factory=list)
    _unread: list[Any] = field(default_factory=list)

    def keep(self, loss: Any) -> None:
        """Keep a loss that is not read yet, without the graph that led to it."""
        self._unread.append(loss.detach())

    def read(self) -> None:
        """Read what was kept."""
        self.values += [self.training.read_loss(loss) for loss in self._unread]
        self._unread.clear()


def mean_losses(losses: list[list[float]], loss_rank: int | None = None) -> list[float]:
    """The loss of each step: averaged over the ranks, each with its own batch, or that of the one that knows it."""
    if loss_rank is not None:
        return losses[loss_rank]
    return [statistics.fmean(step) for step in zip(*losses, strict=True)]


@dataclass(frozen=True, slots=True)
class RankTimes:
    """The steps that were timed on this rank, in ns and in order, and why there are no more."""

    values: tuple[int, ...]
    stop_reason: str
    wall_ns: int

    @property
    def median_ns(self) -> float:
        """Median time of a step."""
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class RankWarmUp:
    """How the warm-up went; the same on all ranks but for the times. ``converged`` None: too few steps to tell."""

    steps: int
    wall_ns: int
    converged: bool | None
    last_step_ns: int


def make_step(training: TrainingSession, losses: Losses, clock: Clock = time.perf_counter_ns) -> int:
    """Make one step and return what it took, in ns, device included."""
    start = clock()
    loss = training.session.infer()
    if training.session.synchronize is not None:
        training.session.synchronize()
    end = clock()
    losses.keep(loss)
    return end - start


def warm_up_together(
    training: TrainingSession, group: Group, timing: Timing, losses: Losses, clock: Clock = time.perf_counter_ns
) -> RankWarmUp:
    """Step until successive blocks of 10 agree within 2 % on rank 0, within the limits of ``timing``."""
    begin = clock()
    durations: list[int] = []
    converged: bool | None = None
    while True:
        if group.rank == 0:
            converged, is_over = _judge_warm_up(durations, clock() - begin, timing)
            count = 0 if is_over else _next_block(durations)
        else:
            count = 0
        count = group.agree(count)
        if count == 0:
            break
        durations += [make_step(training, losses, clock) for _ in range(count)]
        losses.read()
    state = group.agree(-1 if converged is None else int(converged))
    return RankWarmUp(
        len(durations),
        clock() - begin,
        None if state < 0 else bool(state),
        round(statistics.median(durations[-_BLOCK:])),
    )


def _next_block(durations: list[int]) -> int:
    """As many steps as a quarter of a second has room for, but no more than a block."""
    return max(1, min(_BLOCK, _CHUNK_NS // max(1, durations[-1]))) if durations else 1


def _judge_warm_up(durations: list[int], wall_ns: int, timing: Timing) -> tuple[bool | None, bool]:
    steps = len(durations)
    out_of_time = wall_ns >= timing.warmup_max_s * _NS and steps > 0
    at_limit = out_of_time or steps >= timing.warmup_max_calls
    if not at_limit and (steps < _FEWEST_WARMUP_STEPS or wall_ns < timing.warmup_min_s * _NS):
        return None, False
    converged = None
    if steps >= 2 * _BLOCK:
        before, last = statistics.median(durations[-2 * _BLOCK : -_BLOCK]), statistics.median(durations[-_BLOCK:])
        converged = abs(last - before) <= _BLOCK_TOLERANCE * before
    return converged, at_limit or bool(converged)


def take_steps(
    training: TrainingSession,
    group: Group,
    timing: Timing,
    losses: Losses,
    *,
    step_ns: int,
    report: Callable[[Progress], None] = lambda _progress: None,
    clock: Clock = time.perf_counter_ns,
) -> RankTimes:
    """Time whole steps until rank 0 knows its median well enough or the time is up; as many on every rank."""
    step_ns = group.agree(step_ns)
    count = max(1, min(_MOST_IN_CHUNK, _CHUNK_NS // max(1, step_ns)))
    fewest = _FEWEST_LONG_STEPS if step_ns > _LONG_STEP_NS else timing.min_samples
    values: list[int] = []
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    group.agree(0)  # nobody begins while another still collects
    begin = clock()
    try:
        while True:
            for _ in range(count):
                values.append(make_step(training, losses, clock))  # noqa: PERF401  (an error keeps what was timed)
            elapsed_ns = clock() - begin
            losses.read()
            gc.collect()
            reason = group.agree(_judge(values, elapsed_ns, fewest, timing, report) if group.rank == 0 else 0)
            if reason:
                break
    finally:
        if collecting:
            gc.enable()
        gc.unfreeze()
    return RankTimes(tuple(values), _REASONS[reason], clock() - begin)


def _judge(values: list[int], elapsed_ns: int, fewest: int, timing: Timing, report: Callable[[Progress], None]) -> int:
    reason, progress = judge_samples(values, 1, elapsed_ns, fewest, timing)
    report(progress)
    return 0 if reason is None else _REASONS.index(reason)


def learn_on(training: TrainingSession, losses: Losses) -> int:
    """Make the steps that the learning check still needs, untimed; every rank has made as many before."""
    left = max(0, training.steps_to_learn - len(losses.values))
    for _ in range(left):
        make_step(training, losses)
    losses.read()
    return left


def lead_or_follow(group: Group, call: Callable[[], object], lead: Callable[[Callable[[], object]], Any]) -> Any:
    """Let rank 0 make calls for as long as it likes, and have the others make each with it.

    ``lead`` gets what it is to call, and its result is returned on rank 0; the others return None. Each call costs one
    broadcast more, which is why nothing is timed in this way.
    """
    if group.rank == 0:

        def call_with_all() -> object:
            group.agree(1)
            return call()

        result = lead(call_with_all)
        group.agree(0)
        return result
    while group.agree(0):
        call()
    return None


# -- the split pass --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class PartTimes:
    """What the parts of each step took on this rank, in ns, micro-batches of a step summed; and whole steps between."""

    values: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in PARTS})
    whole: list[int] = field(default_factory=list)

    def median_ns(self, *names: str) -> float:
        """Median over steps of the sum of these parts."""
        return statistics.median(map(sum, zip(*(self.values[name] for name in names), strict=True)))


def split_steps(
    training: TrainingSession, losses: Losses, steps: int, clock: Clock = time.perf_counter_ns
) -> PartTimes:
    """Make whole steps and steps taken apart in turns, the device waited for around each part (METHOD 3)."""
    times = PartTimes()
    for _ in range(steps):
        times.whole.append(make_step(training, losses, clock))
        spent = _work(training, clock)
        spent["optimizer"] = _time(training, training.update, clock)[1]
        _add(times, spent)
    return times


def work_steps(
    training: TrainingSession,
    steps: int,
    silent: Callable[[], AbstractContextManager[None]],
    *,
    block: int = 1,
    discard: int = 0,
    clock: Clock = time.perf_counter_ns,
) -> tuple[PartTimes, PartTimes]:
    """Time forward and backward with and without the exchange, in turns of ``block`` steps: (with, without).

    No update is made, since the ranks' weights would part: gradients are thrown away. Of each silent turn the first
    ``discard`` steps do not count, in which parameters may still be gathered.
    """
    loud, quiet = PartTimes(), PartTimes()
    for _ in range(-(-steps // block)):
        for _ in range(block):
            _add(loud, _work(training, clock))
            training.optimizer.zero_grad()
        with silent():
            for number in range(discard + block):
                spent = _work(training, clock)
                training.optimizer.zero_grad()
                if number >= discard:
                    _add(quiet, spent)
    return loud, quiet


def _work(training: TrainingSession, clock: Clock) -> dict[str, int]:
    """All of a step but the update."""
    spent = dict.fromkeys(PARTS, 0)
    for _ in range(training.accumulate):
        batch, took = _time(training, training.next_batch, clock)
        spent["data_wait"] += took
        outputs, took = _time(training, functools.partial(training.forward, batch), clock)
        spent["forward"] += took
        loss, took = _time(training, functools.partial(training.loss, outputs, batch), clock)
        spent["loss_time"] += took
        spent["backward"] += _time(training, functools.partial(training.backward, loss), clock)[1]
    return spent


def _time(training: TrainingSession, action: Callable[[], Any], clock: Clock) -> tuple[Any, int]:
    start = clock()
    result = action()
    if training.session.synchronize is not None:
        training.session.synchronize()
    return result, clock() - start


def _add(times: PartTimes, spent: dict[str, int]) -> None:
    for part, duration in spent.items():
        times.values[part].append(duration)
