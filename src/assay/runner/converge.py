"""Train until a quality is reached, and say when: time to accuracy, with the curves that show how.

The clock runs from the first step to the end of the evaluation that reached the target, as a person waits for both.
What a step takes is kept beside it. A missed target is a result without a time; a model that does not learn at all is
a failed launch. May import: core, catalog, engines, runner, stats.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assay.catalog.metrics import metrics as registry
from assay.catalog.training_series import BILLIONTH, EVAL_ACCURACY, EVAL_LOSS, EVAL_STEP, EVAL_WALL, LOSS
from assay.core.errors import EngineError
from assay.core.records import MetricValue, SampleSeries
from assay.engines.training_base import Evaluation, TrainingSession
from assay.engines.training_plan import TrainingOptions
from assay.runner.gradient_noise import Moment, keep_weights, measure_noise_scale
from assay.runner.measure import Clock, Progress
from assay.runner.modes import ModeMeasured
from assay.runner.timing import Timing
from assay.stats.convergence import (
    PATIENCE,
    find_not_finite,
    has_diverged,
    has_learned,
    has_plateaued,
    loss_ratio,
    standard_error,
)

TEST, TRAINING, EVALUATION = "test", "training", "evaluation"
"""Phases: on the test split; on the batches trained on; the part of the time that evaluating took."""
_TENTHS = 10
_LARGEST = 2**63 - 1
_SMALLER_RATE = "Try a smaller learning rate: the option learning_rate."


class Ending(StrEnum):
    """Why a training was over."""

    REACHED = "target reached"
    PLATEAU = "plateau"
    EPOCHS = "epoch limit"


@dataclass(slots=True)
class _Course:
    """A training as it goes: everything read so far, in order."""

    training: TrainingSession
    evaluate: Callable[[], Evaluation]
    clock: Clock
    step_ns: list[int] = field(default_factory=list)
    steps_a_reading: int = 1
    losses: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    wall_ns: list[int] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    test_losses: list[float] = field(default_factory=list)
    evaluating_ns: int = 0
    samples: int = 0
    begin_ns: int = 0

    def train_an_epoch(self, steps: int) -> None:
        """Take the steps of one epoch. Raises EngineError for a loss that is not finite."""
        if self.training.session.synchronize is None:
            self._take_each(steps)
        else:
            self._take_queued(steps, self.training.session.synchronize)

    def take_evaluation(self, *, begin_ns: int | None = None) -> None:
        """Evaluate, and note when: on the clock of the training, or before it has begun. Raises EngineError."""
        start = self.clock()
        found = self.evaluate()
        end = self.clock()
        if found.accuracy is None:
            raise EngineError(
                "This training has no accuracy: its workload does not say which class it answers.",
                hint="Leave the option target out to measure its steps.",
            )
        self._check([found.loss], "test loss")
        self.samples = found.samples
        self.steps.append(len(self.losses))
        self.wall_ns.append(0 if begin_ns is None else end - begin_ns)
        self.evaluating_ns += 0 if begin_ns is None else end - start
        self.accuracies.append(found.accuracy)
        self.test_losses.append(found.loss)

    def _take_each(self, steps: int) -> None:
        """Calls that return when they are done are timed one by one."""
        infer, read, clock = self.training.session.infer, self.training.read_loss, self.clock
        for _ in range(steps):
            start = clock()
            loss = infer()
            self.step_ns.append(clock() - start)
            self._check([read(_without_graph(loss))], "loss")

    def _take_queued(self, steps: int, synchronize: Callable[[], None]) -> None:
        """A device that works in the background is waited for once an epoch, as a program would; that is one reading.

        Losses are read afterwards: reading one waits for the device.
        """
        self.steps_a_reading = steps
        infer = self.training.session.infer
        start = self.clock()
        held = [_without_graph(infer()) for _ in range(steps)]
        synchronize()
        self.step_ns.append(self.clock() - start)
        self._check([self.training.read_loss(loss) for loss in held], "loss")

    def _check(self, values: list[float], name: str) -> None:
        """Keep losses of steps, and refuse what is not finite: nothing comes back from there."""
        bad = find_not_finite(values)
        if bad is not None:
            step = len(self.losses) + bad + 1 if name == "loss" else len(self.losses)
            raise EngineError(
                f"the model did not learn: its {name} is {values[bad]} at step {step}, not a finite number.",
                hint=_SMALLER_RATE,
            )
        if name == "loss":
            self.losses += values

    @property
    def best(self) -> int:
        """Place of the best evaluation, the first of equals."""
        return max(range(len(self.accuracies)), key=lambda place: (self.accuracies[place], -place))


def _without_graph(loss: Any) -> Any:
    """A copy that holds no activations, and that the next step of a captured graph does not overwrite."""
    return loss.detach().clone() if hasattr(loss, "detach") else loss


def train_to_target(
    training: TrainingSession,
    asked: TrainingOptions,
    timing: Timing,
    *,
    report: Callable[[Progress], None] = lambda _progress: None,
    began: Callable[[str], None] = lambda _phase: None,
    clock: Clock = time.perf_counter_ns,
) -> ModeMeasured:
    """Train epoch after epoch until the accuracy on the test split is ``asked.target``.

    Evaluates the untrained model, then after each epoch. Stops at the target, after ``asked.epochs``, and on a plateau
    (`assay.stats.convergence`). Of a missed target the time has no value but the reason. There is no warm-up: first
    steps belong to a training. ``began`` is told of ``warmup`` (the first evaluation), ``measure`` and ``noise scale``.

    Raises EngineError where the loss is not finite, diverges or does not fall, and where the untrained model already
    has the target.
    """
    target, evaluate, steps = asked.target, training.evaluate, training.steps_per_epoch
    if target is None or evaluate is None or not steps:
        raise EngineError(
            "There is nothing to train to: a target needs a data set with a test split, and at least one batch of it."
        )
    course = _Course(training, evaluate, clock)
    began("warmup")
    course.take_evaluation()
    if course.accuracies[0] >= target:
        raise EngineError(
            f"The untrained model already has the target: accuracy {course.accuracies[0]:.4g} of {target:.4g}.",
            hint="Ask for more: the option target.",
        )
    began("measure")
    begin_ns = clock()
    first_weights: dict[str, Any] | None = None
    ending: Ending | None = None
    while ending is None:
        course.train_an_epoch(steps)
        course.take_evaluation(begin_ns=begin_ns)
        report(Progress(len(course.losses), statistics.median(course.step_ns) / course.steps_a_reading, None))
        ending = _judge(course, target, asked.epochs)
        if ending is None and first_weights is None:
            paused = clock()
            first_weights = keep_weights(training)
            begin_ns += clock() - paused
    wall_ns = course.wall_ns[-1]
    _check_learned(course, ending)
    began("noise scale")
    moments = (
        [Moment("the end")] if first_weights is None else [Moment("the first epoch", first_weights), Moment("the end")]
    )
    noise = measure_noise_scale(training, moments, limit_s=timing.max_time_s / len(moments), clock=clock)
    return ModeMeasured(
        series=tuple(_series(course)),
        median_ns=statistics.median(course.step_ns) / course.steps_a_reading,
        stop_reason=ending.value,
        wall_ns=wall_ns,
        warmup_calls=0,
        warmup_converged=None,
        warmup_ns=0,
        metrics=(*_metrics(course, target, ending), *noise),
        facts={**training.facts, **_facts(course, target, ending)},
    )


def _judge(course: _Course, target: float, most_epochs: int) -> Ending | None:
    """Say whether it is over, and why. Raises EngineError where the loss has left."""
    if course.accuracies[-1] >= target:
        return Ending.REACHED
    if has_diverged(course.losses):
        first, last = _ends(course.losses)
        raise EngineError(
            f"the model did not learn: its loss diverged from {first:.4g} to {last:.4g} in {len(course.losses)} steps.",
            hint=_SMALLER_RATE,
        )
    if len(course.accuracies) > most_epochs:
        return Ending.EPOCHS
    if has_plateaued(course.accuracies, course.test_losses, samples=course.samples):
        return Ending.PLATEAU
    return None


def _check_learned(course: _Course, ending: Ending) -> None:
    """Refuse a training that brought nothing: its steps were no training, however fast. Raises EngineError."""
    best = course.accuracies[course.best]
    if ending is Ending.REACHED or has_learned(
        course.losses, before=course.accuracies[0], best=best, samples=course.samples
    ):
        return
    first, last = _ends(course.losses)
    raise EngineError(
        f"the model did not learn: its loss went from {first:.4g} to {last:.4g} in {len(course.losses)} steps, and its "
        f"accuracy from {course.accuracies[0]:.4g} to {best:.4g} at best ({ending}).",
        hint="Try another learning rate: the option learning_rate.",
    )


def _ends(losses: list[float]) -> tuple[float, float]:
    """Median loss of the first and of the last tenth of the steps."""
    window = max(1, len(losses) // _TENTHS)
    return statistics.median(losses[:window]), statistics.median(losses[-window:])


# -- what is kept ----------------------------------------------------------------------------------------------


def _series(course: _Course) -> Iterator[SampleSeries]:
    yield SampleSeries("latency", "ns", tuple(course.step_ns), course.steps_a_reading)
    yield SampleSeries(LOSS, BILLIONTH, _billionths(course.losses))
    yield SampleSeries(EVAL_STEP, "1", tuple(course.steps))
    yield SampleSeries(EVAL_WALL, "ns", tuple(course.wall_ns))
    yield SampleSeries(EVAL_ACCURACY, BILLIONTH, _billionths(course.accuracies))
    yield SampleSeries(EVAL_LOSS, BILLIONTH, _billionths(course.test_losses))


def _billionths(values: list[float]) -> tuple[int, ...]:
    """Series are integers of 64 bits; a loss beyond 9 200 million is kept as that."""
    return tuple(max(-_LARGEST, min(_LARGEST, round(value * 1e9))) for value in values)


def _metrics(course: _Course, target: float, ending: Ending) -> Iterator[MetricValue]:
    reached = ending is Ending.REACHED
    missed = None if reached else _say_missed(course, target, ending)
    yield _metric("time_to_train_ns", course.wall_ns[-1] if reached else None, reason=missed)
    yield _metric("steps_to_target", len(course.losses) if reached else None, reason=missed)
    yield _metric("training_time_ns", course.wall_ns[-1])
    yield _metric("training_time_ns", course.evaluating_ns, phase=EVALUATION)
    yield _metric("epochs", len(course.accuracies) - 1)
    yield _metric("best_epoch", course.best)
    yield _metric("accuracy", course.accuracies[-1], phase=TEST)
    yield _metric("accuracy", course.accuracies[course.best], phase=TEST, stat="best")
    yield _metric("loss", course.test_losses[-1], phase=TEST)
    yield _metric("loss", _ends(course.losses)[1], phase=TRAINING)
    yield _metric("loss_ratio", loss_ratio(course.losses), reason="its loss is not above 0 at the start")


def _metric(
    name: str, value: float | None, *, phase: str = "steady", stat: str = "median", reason: str | None = None
) -> MetricValue:
    number = None if value is None else float(value)
    return MetricValue(name, number, registry.get(name).unit, stat, phase, reason=reason if value is None else None)


def _say_missed(course: _Course, target: float, ending: Ending) -> str:
    epochs = len(course.accuracies) - 1
    best = course.accuracies[course.best]
    return f"accuracy {best:.4g} of {target:.4g} at best after {epochs} epoch{'s' * (epochs != 1)} ({ending})"


def _facts(course: _Course, target: float, ending: Ending) -> dict[str, str]:
    last = course.accuracies[-1]
    error = standard_error(last, course.samples)
    return {
        "target": f"accuracy {target:.4g}",
        "test_samples": str(course.samples),
        "accuracy_reached": f"{last:.4g} +- {error:.2g} (standard error of {course.samples} answers)",
        "steps_per_epoch": str(course.training.steps_per_epoch),
        **({} if ending is Ending.REACHED else {"missed": _say_missed(course, target, ending)}),
        **({"patience": f"{PATIENCE} epochs"} if ending is Ending.PLATEAU else {}),
    }
