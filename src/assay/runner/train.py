"""Time a training: whole steps first, then their parts, then what each phase holds in memory, and whether it learns.

Whole steps follow the rules of ``runner.measure`` (METHOD 2), with an optimizer step in the place of a call. Parts are
timed in a pass of their own (METHOD 3), in which whole steps and steps taken apart take turns: the machine drifts, and
only neighbours can be compared. May import: core, engines, stats, probes, runner.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assay.catalog.metrics import metrics as registry
from assay.core.errors import EngineError
from assay.core.records import MetricValue, SampleSeries
from assay.engines.training_base import TrainingSession
from assay.runner.measure import Clock, Progress, take_samples, time_call, warm_up
from assay.runner.modes import ModeMeasured
from assay.runner.timing import Timing
from assay.stats.summary import Interval, median_interval

PARTS = ("data_wait", "forward", "loss_time", "backward", "optimizer")
"""Series of the split pass, in the order of a step; the metric of each is its name with ``_ns``."""
PHASES = ("forward", "backward", "optimizer")
"""Phases whose memory is told apart. The loss belongs to forward."""
PARTS_TOLERANCE = 0.05
"""Share by which the parts may miss the step before a launch says so."""
LEARNED_BELOW = 0.9
"""A model has learned when the loss at the end is below this share of that at the start."""

_SHARE_HALF_WIDTH = 0.02
"""How well the sum of the parts over the whole is to be known, so that a miss of 5 % is one."""
_MOST_SPLIT_S = 20.0
"""Time for that beyond half of the most: neighbours differ by 10 % and more on a busy CPU, and 5 pairs say nothing."""
_FEWEST_SPLIT_STEPS = 20
_FEWEST_LONG_SPLIT_STEPS = 5
_LONG_STEP_NS = 1_000_000_000
_MEMORY_STEPS = 3
_MORE_STEPS = 10
_FEWEST_LOSSES = 4  # a pool has four batches of different difficulty; fewer steps would compare one with another
_NS = 1_000_000_000
_LOSS_SCALE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SplitSteps:
    """Steps taken apart: the parts of each in ns, as ``PARTS``, micro-batches summed, and whole steps between them."""

    parts: tuple[tuple[int, ...], ...]
    whole: tuple[int, ...]

    def median_ns(self, part: str) -> float:
        """Median time of one part of a step."""
        return statistics.median(step[PARTS.index(part)] for step in self.parts)

    @property
    def share(self) -> float:
        """Sum of the parts over the whole: the median over neighbours, a step taken apart and a whole one."""
        return statistics.median(sum(step) / whole for step, whole in zip(self.parts, self.whole, strict=True))

    @property
    def data_wait_share(self) -> float:
        """Share of all parts that is waiting for data, of the median step."""
        return statistics.median(step[0] / sum(step) for step in self.parts)


@dataclass(frozen=True, slots=True)
class Learned:
    """How the loss went: at the start and at the end, and the steps between."""

    first: float
    last: float
    steps: int

    @property
    def ratio(self) -> float:
        """Loss at the end over loss at the start."""
        return self.last / self.first


def measure_training(
    training: TrainingSession,
    timing: Timing,
    *,
    report: Callable[[Progress], None] = lambda _progress: None,
    began: Callable[[str], None] = lambda _phase: None,
    clock: Clock = time.perf_counter_ns,
    baseline_bytes: int | None = None,
) -> ModeMeasured:
    """Measure a steady training. ``began`` is told of ``warmup``, ``measure``, ``split``, ``phases`` and ``learn``.

    ``baseline_bytes`` is the resident size before loading, which memory by phase is net of. Raises EngineError where
    the loss does not fall, or is no number: a model that does not learn is not being trained.
    """
    session = training.session
    began("warmup")
    warm = warm_up(session, timing, clock)
    began("measure")
    timed = take_samples(session, timing, call_ns=warm.last_call_ns, clock=clock, report=report)
    began("split")
    split = time_parts(training, timing, step_ns=warm.last_call_ns, clock=clock)
    began("phases")
    phases = measure_phases(training, baseline_bytes)
    began("learn")
    losses = learn_on(training)
    learned = judge_losses(losses, training.steps_to_learn)
    latency = SampleSeries("latency", "ns", timed.values, timed.calls_per_sample)
    return ModeMeasured(
        series=(latency, *_part_series(training, split), *_loss_series(losses)),
        median_ns=timed.median_call_ns,
        stop_reason=timed.stop_reason,
        wall_ns=timed.wall_ns,
        warmup_calls=warm.calls,
        warmup_converged=warm.converged,
        warmup_ns=warm.wall_ns,
        metrics=(*_part_metrics(training, split), *phases, *_learning_metrics(training, learned)),
        facts={**training.facts, **_describe(split, learned)},
    )


def time_parts(training: TrainingSession, timing: Timing, *, step_ns: int, clock: Clock) -> SplitSteps:
    """Take whole steps and steps apart in turns, the device waited for around each part, garbage collection off.

    At least 20 of each (5 where a step takes over a second), for half the least time of sampling, and until the share
    of the parts is known to 2 %; after 5 of each no longer than half of the most, or 20 s where that is more. Who goes
    first changes every two pairs, or a pool of four batches would give each its own two.
    """
    most_ns = max(timing.max_time_s / 2, _MOST_SPLIT_S) * _NS
    fewest = _FEWEST_LONG_SPLIT_STEPS if step_ns > _LONG_STEP_NS else _FEWEST_SPLIT_STEPS
    parts: list[tuple[int, ...]] = []
    whole: list[int] = []
    with _without_collection():
        begin = clock()
        while True:
            if len(parts) // 2 % 2:
                parts.append(_time_one(training, clock))
                whole.append(time_call(training.session, clock))
            else:
                whole.append(time_call(training.session, clock))
                parts.append(_time_one(training, clock))
            elapsed_ns = clock() - begin
            is_enough = len(parts) >= fewest and elapsed_ns >= timing.min_time_s * _NS / 2 and _is_known(parts, whole)
            is_late = len(parts) >= _FEWEST_LONG_SPLIT_STEPS and elapsed_ns >= most_ns
            if is_enough or is_late:
                return SplitSteps(tuple(parts), tuple(whole))


def _is_known(parts: Sequence[Sequence[int]], whole: Sequence[int]) -> bool:
    interval = _share_interval(parts, whole)
    return interval is not None and interval.half_width <= _SHARE_HALF_WIDTH


def _share_interval(parts: Sequence[Sequence[int]], whole: Sequence[int]) -> Interval | None:
    """95 % interval of the parts' share of the step; None below 6 pairs."""
    return median_interval([sum(step) / one for step, one in zip(parts, whole, strict=True)])


def _time_one(training: TrainingSession, clock: Clock) -> tuple[int, ...]:
    """One step in its parts. The calls are those of a whole step, in the same order."""
    wait = training.session.synchronize or _do_nothing
    sums = [0] * len(PARTS)
    wait()
    for _ in range(training.accumulate):
        marks = [clock()]
        batch = training.next_batch()
        wait()
        marks.append(clock())
        outputs = training.forward(batch)
        wait()
        marks.append(clock())
        loss = training.loss(outputs, batch)
        wait()
        marks.append(clock())
        training.backward(loss)
        wait()
        marks.append(clock())
        for index, (before, after) in enumerate(itertools.pairwise(marks)):
            sums[index] += after - before
        del batch, outputs, loss
    begin = clock()
    training.update()
    wait()
    sums[-1] = clock() - begin
    return tuple(sums)


def measure_phases(training: TrainingSession, baseline_bytes: int | None) -> tuple[MetricValue, ...]:
    """Peak memory of each phase, over a few steps: the allocator's on an accelerator, this process's on the CPU."""
    read = _find_peak_reader(training, baseline_bytes)
    if isinstance(read, str):
        return tuple(_metric("memory_phase_peak_bytes", None, phase=phase, reason=read) for phase in PHASES)
    peaks = dict.fromkeys(PHASES, 0)

    def measure(phase: str, action: Callable[[], object]) -> None:
        peaks[phase] = max(peaks[phase], read(action))

    for _ in range(_MEMORY_STEPS):
        for _ in range(training.accumulate):
            batch = training.next_batch()
            held: list[object] = []  # as in a whole step, outputs live until the gradients are there
            measure("forward", lambda: held.append(_forward_with_loss(training, batch)))  # noqa: B023  (called at once)
            measure("backward", lambda: training.backward(held[0][1]))  # type: ignore[index]  # noqa: B023
            held.clear()
        measure("optimizer", training.update)
    return tuple(_metric("memory_phase_peak_bytes", float(peaks[phase]), phase=phase) for phase in PHASES)


def _forward_with_loss(training: TrainingSession, batch: object) -> tuple[object, object]:
    outputs = training.forward(batch)
    return outputs, training.loss(outputs, batch)


def _find_peak_reader(
    training: TrainingSession, baseline_bytes: int | None
) -> Callable[[Callable[[], object]], int] | str:
    """What runs an action and returns the peak within it, in bytes; or why there is none."""
    from assay.probes.memory import peak_rss_bytes, reset_peak_rss

    session = training.session
    wait, reset, read = session.synchronize or _do_nothing, session.reset_device_memory, session.device_memory
    if reset is not None and read is not None:

        def on_device(action: Callable[[], object]) -> int:
            wait()
            reset()
            action()
            wait()
            return int(read()["allocator_peak"])

        return on_device
    if session.synchronize is not None:
        return "the device's allocator keeps no peak"
    if baseline_bytes is None or not reset_peak_rss():
        return "this system cannot reset the peak of a process"

    def on_host(action: Callable[[], object]) -> int:
        reset_peak_rss()
        action()
        return max(0, (peak_rss_bytes() or 0) - baseline_bytes)

    return on_host


def learn_on(training: TrainingSession) -> tuple[float, ...]:
    """Step, untimed, as long as learning takes; the loss of every step since loading.

    That is ``steps_to_learn`` in any case, and on to ``most_steps_to_learn`` while the loss has not fallen.
    """
    if training.read_losses is None:
        raise EngineError("This training keeps no losses, so that nobody could say whether it learns.")
    losses = training.read_losses()
    most = training.most_steps_to_learn or training.steps_to_learn
    wanted = training.steps_to_learn
    while True:
        for _ in range(wanted - len(losses)):
            training.session.infer()
        losses = training.read_losses()
        if has_learned(losses, training.steps_to_learn) or len(losses) >= most:
            return losses
        wanted = min(most, len(losses) + _MORE_STEPS)


def has_learned(losses: Sequence[float], steps_to_learn: int) -> bool:
    """Whether the loss has fallen, by the rule of `judge_losses`. What is no number any more will not fall either."""
    first, last = _ends(losses, steps_to_learn)
    return last < LEARNED_BELOW * first or not all(map(math.isfinite, losses))


def _ends(losses: Sequence[float], steps_to_learn: int) -> tuple[float, float]:
    first = statistics.median(losses[: max(_FEWEST_LOSSES, steps_to_learn // 10)])
    return first, statistics.median(losses[-max(_FEWEST_LOSSES, len(losses) // 10) :])


def judge_losses(losses: Sequence[float], steps_to_learn: int) -> Learned:
    """Compare the last tenth of the losses with the beginning: as many as a tenth of the steps that learning takes.

    The beginning is of a fixed length, or a training of a thousand short steps would be compared with what it had
    learned within the first hundred. Raises EngineError where the loss did not fall below 0.9 of its start.
    """
    broken = next((step for step, loss in enumerate(losses, 1) if not math.isfinite(loss)), None)
    if broken is not None:
        raise EngineError(
            f"the model did not learn: its loss was {losses[broken - 1]} at step {broken}.",
            hint="A lower learning rate may help: option learning_rate.",
        )
    first, last = _ends(losses, steps_to_learn)
    learned = Learned(first, last, len(losses))
    if not last < LEARNED_BELOW * first:
        raise EngineError(
            f"the model did not learn: its loss went from {first:.4g} to {last:.4g} in {len(losses)} steps, and should "
            f"have fallen below {LEARNED_BELOW * first:.4g}.",
            hint="A different learning rate may help: option learning_rate.",
        )
    return learned


def scale_losses(losses: Sequence[float]) -> tuple[int, ...]:
    """Losses as the integers that a series holds: times 1e9, rounded."""
    return tuple(round(loss * _LOSS_SCALE) for loss in losses)


def _loss_series(losses: Sequence[float]) -> tuple[SampleSeries, ...]:
    return (SampleSeries("loss", "1e-9", scale_losses(losses)),)


def _part_series(training: TrainingSession, split: SplitSteps) -> Iterator[SampleSeries]:
    for index, part in enumerate(PARTS):
        if part != "loss_time" or training.separates_loss:
            yield SampleSeries(part, "ns", tuple(step[index] for step in split.parts))


def _part_metrics(training: TrainingSession, split: SplitSteps) -> Iterator[MetricValue]:
    for part in PARTS:
        if part == "loss_time" and not training.separates_loss:
            yield _metric("loss_time_ns", None, reason="the model computes its loss in its forward pass")
        else:
            yield _metric(f"{part}_ns", split.median_ns(part), n=len(split.parts))
    yield _metric("parts_share", split.share, n=len(split.parts))
    yield _metric("data_wait_share", split.data_wait_share, n=len(split.parts))


def _learning_metrics(training: TrainingSession, learned: Learned) -> Iterator[MetricValue]:
    yield _metric("loss_ratio", learned.ratio, n=learned.steps)
    yield _metric("loss", learned.last, phase="training", n=learned.steps)
    if training.trainable_parameters is not None:
        yield _metric("trainable_parameters", float(training.trainable_parameters))


def _describe(split: SplitSteps, learned: Learned) -> dict[str, str]:
    facts = {"learned": f"loss {learned.first:.4g} to {learned.last:.4g} in {learned.steps} steps"}
    if abs(split.share - 1) > PARTS_TOLERANCE:
        interval = _share_interval(split.parts, split.whole)
        is_sure = interval is not None and (interval.hi < 1 - PARTS_TOLERANCE or interval.lo > 1 + PARTS_TOLERANCE)
        ends = f"{interval.lo:.3f} to {interval.hi:.3f}, " if interval else ""
        facts["parts"] = (
            f"the parts of a step sum to {split.share:.3f} ({ends}n = {len(split.parts)}) of a whole one: "
            f"{'more than' if is_sure else 'it cannot be told whether that is'} {100 * PARTS_TOLERANCE:.0f} % off"
        )
    return facts


def _metric(
    name: str, value: float | None, *, phase: str = "steady", n: int | None = None, reason: str | None = None
) -> MetricValue:
    return MetricValue(name, value, registry.get(name).unit, phase=phase, n=n, reason=reason)


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _do_nothing() -> None:
    """Wait for a device whose calls are synchronous."""
