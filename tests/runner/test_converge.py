"""Training to a target: scripted trainings on a clock of their own, and a small real one that learns."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from assay.catalog.training_series import EVAL_ACCURACY, EVAL_LOSS, EVAL_STEP, EVAL_WALL, LOSS
from assay.core.errors import EngineError
from assay.core.records import MetricValue
from assay.engines.base import Session
from assay.engines.training_base import Evaluation, TrainingSession
from assay.engines.training_plan import TrainingOptions
from assay.runner.converge import train_to_target
from assay.runner.gradient_noise import keep_weights
from assay.runner.measure import Progress
from assay.runner.modes import ModeMeasured, merge_launch_metrics
from assay.runner.timing import Timing
from assay.workloads.datasets.base import DatasetInfo, DataTask

MS = 1_000_000
STEPS = 20
ASKED = TrainingOptions(dataset="digits", target=0.9, epochs=30)


class Scripted:
    """A training whose losses and accuracies are given: a step takes 10 ms, an evaluation 50 ms."""

    def __init__(
        self,
        losses: Callable[[int], float],
        accuracies: Sequence[float],
        *,
        test_losses: Sequence[float] = (),
        device_ms: int | None = None,
    ) -> None:
        self.now = 0
        self.step = 0
        self.done: list[str] = []
        self._losses, self._accuracies, self._test_losses = losses, list(accuracies), list(test_losses)
        self._device_ms = device_ms

    def clock(self) -> int:
        return self.now

    def infer(self) -> float:
        self.now += 10 * MS
        self.step += 1
        self.done.append("step")
        return self._losses(self.step)

    def evaluate(self) -> Evaluation:
        place = self.done.count("evaluation")
        self.done.append("evaluation")
        self.now += 50 * MS
        losses = self._test_losses or [1.0]
        return Evaluation(
            losses[min(place, len(losses) - 1)], self._accuracies[min(place, len(self._accuracies) - 1)], 360
        )

    def synchronize(self) -> None:
        self.done.append("sync")
        self.now += (self._device_ms or 0) * MS

    def training(self) -> TrainingSession:
        torch = pytest.importorskip("torch")
        module = torch.nn.Linear(4, 2)
        session = Session(
            infer=self.infer,
            unload=lambda: None,
            effective_precision="fp32",
            threads=1,
            hardware="",
            parameters=10,
            facts={},
            synchronize=None if self._device_ms is None else self.synchronize,
        )
        return TrainingSession(
            session=session,
            next_batch=lambda: torch.randn(8, 4),
            forward=module,
            loss=lambda outputs, _batch: outputs.square().mean(),
            backward=lambda loss: loss.backward(),
            update=lambda: None,
            read_loss=float,
            module=module,
            optimizer=torch.optim.SGD(module.parameters(), lr=0.1),
            batch=8,
            evaluate=self.evaluate,
            steps_per_epoch=STEPS,
            facts={"objective": "as scripted"},
        )


def falling(step: int) -> float:
    return 2.3 * 0.98**step


def find(metrics: Sequence[MetricValue], name: str, *, phase: str = "steady", stat: str = "median") -> MetricValue:
    (hit,) = [one for one in metrics if (one.name, one.phase, one.stat) == (name, phase, stat)]
    return hit


def series(measured: ModeMeasured, name: str) -> tuple[int, ...]:
    (hit,) = [one for one in measured.series if one.name == name]
    return hit.values


def run(script: Scripted, asked: TrainingOptions = ASKED, **more: Any) -> ModeMeasured:
    return train_to_target(script.training(), asked, Timing(), clock=script.clock, **more)


# --- when it is over ------------------------------------------------------------------------------------------


def test_the_time_is_that_of_all_steps_and_evaluations_until_the_target() -> None:
    script = Scripted(falling, [0.1, 0.5, 0.8, 0.93])
    measured = run(script)
    assert measured.stop_reason == "target reached"
    assert find(measured.metrics, "time_to_train_ns").value == 3 * (STEPS * 10 + 50) * MS
    assert find(measured.metrics, "steps_to_target").value == 3 * STEPS
    assert find(measured.metrics, "training_time_ns").value == measured.wall_ns == 750 * MS
    assert find(measured.metrics, "training_time_ns", phase="evaluation").value == 150 * MS
    assert find(measured.metrics, "epochs").value == 3
    assert find(measured.metrics, "accuracy", phase="test").value == 0.93
    assert measured.median_ns == 10 * MS
    assert measured.facts["target"] == "accuracy 0.9"
    assert measured.facts["objective"] == "as scripted"


def test_the_curves_begin_with_the_untrained_model_and_end_where_training_did() -> None:
    measured = run(Scripted(falling, [0.1, 0.5, 0.8, 0.93], test_losses=[2.3, 1.5, 1.0, 0.7]))
    assert series(measured, EVAL_STEP) == (0, 20, 40, 60)
    assert series(measured, EVAL_WALL) == (0, 250 * MS, 500 * MS, 750 * MS)
    assert series(measured, EVAL_ACCURACY) == (100_000_000, 500_000_000, 800_000_000, 930_000_000)
    assert series(measured, EVAL_LOSS) == (2_300_000_000, 1_500_000_000, 1_000_000_000, 700_000_000)
    assert series(measured, LOSS) == tuple(round(falling(step) * 1e9) for step in range(1, 61))
    assert measured.series[0].name == "latency"
    assert series(measured, "latency") == (10 * MS,) * 60


def test_a_missed_target_is_no_failure_and_has_no_time() -> None:
    measured = run(Scripted(falling, [0.1, 0.5, 0.7]), dataclasses.replace(ASKED, epochs=2))
    assert measured.stop_reason == "epoch limit"
    missed = find(measured.metrics, "time_to_train_ns")
    assert missed.value is None
    assert missed.reason == "accuracy 0.7 of 0.9 at best after 2 epochs (epoch limit)"
    assert find(measured.metrics, "training_time_ns").value == 500 * MS
    assert find(measured.metrics, "accuracy", phase="test", stat="best").value == 0.7
    assert measured.facts["missed"] == missed.reason


def test_a_plateau_ends_a_training_early() -> None:
    measured = run(Scripted(falling, [0.1, 0.5, 0.8, 0.7], test_losses=[2.3, 1.0]))
    assert measured.stop_reason == "plateau"
    assert find(measured.metrics, "epochs").value == 12  # the best was the second; then ten brought nothing
    assert find(measured.metrics, "best_epoch").value == 2
    assert find(measured.metrics, "accuracy", phase="test").value == 0.7
    assert find(measured.metrics, "accuracy", phase="test", stat="best").value == 0.8


# --- what is refused ------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_a_number_fails_at_its_step() -> None:
    script = Scripted(lambda step: math.nan if step == 25 else falling(step), [0.1, 0.5])
    with pytest.raises(EngineError, match="the model did not learn: its loss is nan at step 25"):
        run(script)
    assert script.step == 25


def test_a_test_loss_that_is_not_a_number_fails() -> None:
    with pytest.raises(EngineError, match="its test loss is inf at step 20"):
        run(Scripted(falling, [0.1, 0.5], test_losses=[2.3, math.inf]))


def test_a_loss_that_diverges_fails() -> None:
    with pytest.raises(EngineError, match="its loss diverged from"):
        run(Scripted(lambda step: 1.05**step, [0.1, 0.1]))


def test_a_loss_that_does_not_fall_fails_however_fast_the_steps_were() -> None:
    script = Scripted(lambda _step: 2.3, [0.1, 0.11])
    with pytest.raises(EngineError, match=r"the model did not learn: its loss went from 2\.3 to 2\.3") as caught:
        run(script)
    assert "learning_rate" in str(caught.value.hint)


def test_a_target_that_the_untrained_model_has_is_refused() -> None:
    script = Scripted(falling, [0.95])
    with pytest.raises(EngineError, match="untrained model already has the target"):
        run(script)
    assert script.step == 0


def test_a_training_without_evaluation_or_answers_has_no_target() -> None:
    script = Scripted(falling, [0.1])
    training = dataclasses.replace(script.training(), evaluate=None)
    with pytest.raises(EngineError, match="nothing to train to"):
        train_to_target(training, ASKED, Timing(), clock=script.clock)
    training = dataclasses.replace(script.training(), evaluate=lambda: Evaluation(1.0, None, 10))
    with pytest.raises(EngineError, match="no accuracy"):
        train_to_target(training, ASKED, Timing(), clock=script.clock)


# --- how it is measured ---------------------------------------------------------------------------------------


def test_a_device_is_waited_for_once_an_epoch() -> None:
    script = Scripted(falling, [0.1, 0.5, 0.95], device_ms=100)
    measured = run(script)
    assert script.done == ["evaluation", *(["step"] * STEPS + ["sync", "evaluation"]) * 2]
    (latency,) = [one for one in measured.series if one.name == "latency"]
    assert latency.values == (300 * MS, 300 * MS)
    assert latency.calls_per_sample == STEPS
    assert measured.median_ns == 15 * MS
    assert len(series(measured, LOSS)) == 2 * STEPS


def test_phases_and_progress_are_told() -> None:
    phases: list[str] = []
    progress: list[Progress] = []
    run(Scripted(falling, [0.1, 0.5, 0.95]), began=phases.append, report=progress.append)
    assert phases == ["warmup", "measure", "noise scale"]
    assert [one.samples for one in progress] == [STEPS, 2 * STEPS]


def test_the_result_over_seeds_has_a_time_only_where_every_seed_reached_the_target() -> None:
    reached = [run(Scripted(falling, [0.1, *[0.5] * more, 0.93])).metrics for more in (1, 2, 3)]
    merged = merge_launch_metrics(reached)
    time = find(merged, "time_to_train_ns")
    assert time.value == 750 * MS
    assert time.n == 3
    assert time.ci_lo is not None
    missed = run(Scripted(falling, [0.1, 0.7]), dataclasses.replace(ASKED, epochs=1)).metrics
    mixed = find(merge_launch_metrics([*reached[:2], missed]), "time_to_train_ns")
    assert mixed.value is None
    assert mixed.reason is not None
    assert mixed.reason.startswith("1 of 3 launches: accuracy 0.7 of 0.9 at best after 1 epoch (epoch limit)")


# --- a real one -----------------------------------------------------------------------------------------------


def make_blobs(seed: int) -> tuple[Any, Any]:
    """Three clouds of points that a linear model tells apart."""
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, size=512)
    centres = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    points = centres[labels] + random.normal(0, 0.5, size=(512, 2))
    return torch.tensor(points, dtype=torch.float32), torch.tensor(labels)


def make_real_training(learning_rate: float) -> TrainingSession:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    torch.manual_seed(7)
    points, labels = make_blobs(1)
    test_points, test_labels = make_blobs(2)
    module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    optimizer = torch.optim.SGD(module.parameters(), lr=learning_rate)
    place = 0

    def next_batch() -> Any:
        nonlocal place
        place = (place + 32) % 512
        return slice(place, place + 32)

    def forward(batch: Any) -> Any:
        return module(points[batch])

    def loss(outputs: Any, batch: Any) -> Any:
        return torch.nn.functional.cross_entropy(outputs, labels[batch])

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def infer() -> Any:
        batch = next_batch()
        found = loss(forward(batch), batch)
        found.backward()
        update()
        return found.detach()

    def evaluate() -> Evaluation:
        module.eval()
        with torch.inference_mode():
            scores = module(test_points)
            value = float(torch.nn.functional.cross_entropy(scores, test_labels))
            right = float((scores.argmax(1) == test_labels).float().mean())
        module.train()
        return Evaluation(value, right, 512)

    session = Session(
        infer=infer, unload=lambda: None, effective_precision="fp32", threads=1, hardware="", parameters=None, facts={}
    )
    info = DatasetInfo("blobs", DataTask.IMAGES, 3, 512, 512, {}, is_synthetic=True, source="made by this test")
    return TrainingSession(
        session, next_batch, forward, loss, lambda value: value.backward(), update, float, module, optimizer,
        batch=32, separates_loss=True, dataset=info, evaluate=evaluate, steps_per_epoch=16,
    )  # fmt: skip


def test_a_real_model_reaches_its_target_and_has_a_noise_scale() -> None:
    measured = train_to_target(
        make_real_training(0.1), TrainingOptions(dataset="blobs", target=0.97, epochs=40), Timing()
    )
    assert measured.stop_reason == "target reached"
    scale = find(measured.metrics, "gradient_noise_scale").value
    assert scale is not None
    assert 1 < scale < 10_000
    assert find(measured.metrics, "suggested_batch").value in {2.0**power for power in range(7)}  # an epoch has 8 steps


def test_looking_for_the_noise_scale_leaves_the_model_as_it_was() -> None:
    torch = pytest.importorskip("torch")
    training = make_real_training(0.1)
    kept: list[dict[str, Any]] = []

    def began(phase: str) -> None:
        if phase == "noise scale":
            kept.append({name: value.clone() for name, value in training.module.state_dict().items()})

    train_to_target(training, TrainingOptions(dataset="blobs", target=0.97, epochs=40), Timing(), began=began)
    (before,) = kept
    after = training.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in training.module.parameters())


def test_gradients_that_cannot_be_taken_cost_the_noise_scale_and_nothing_else() -> None:
    torch = pytest.importorskip("torch")

    def run_out(_loss: Any) -> None:
        raise torch.OutOfMemoryError("no memory for the gradients")

    training = dataclasses.replace(make_real_training(0.1), backward=run_out)
    measured = train_to_target(training, TrainingOptions(dataset="blobs", target=0.97, epochs=40), Timing())
    assert measured.stop_reason == "target reached"
    scale = find(measured.metrics, "gradient_noise_scale")
    assert scale.value is None
    assert scale.reason is not None
    assert scale.reason.endswith("cannot be used: no memory for the gradients")


def test_a_frozen_part_is_neither_copied_nor_counted() -> None:
    training = make_real_training(0.1)
    training.module[0].weight.requires_grad_(requires_grad=False)
    assert "0.weight" not in keep_weights(training)
    measured = train_to_target(training, TrainingOptions(dataset="blobs", target=0.9, epochs=40), Timing())
    assert find(measured.metrics, "gradient_noise_scale").value is not None


def test_a_real_model_with_an_absurd_learning_rate_fails() -> None:
    with pytest.raises(EngineError, match="did not learn"):
        train_to_target(make_real_training(1e12), TrainingOptions(dataset="blobs", target=0.999, epochs=30), Timing())
