"""Measuring a training on a clock and a model of the tests' own, and once in a real worker process."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any

import pytest

from assay.core.case import Case
from assay.core.errors import EngineError
from assay.core.words import Mode
from assay.engines.base import Session
from assay.engines.training_base import TrainingSession
from assay.runner.protocol import Failed, Job, Measured
from assay.runner.supervise import run_launch
from assay.runner.timing import Timing
from assay.runner.train import PARTS, judge_losses, measure_phases, measure_training, scale_losses, time_parts

TIMING = Timing(min_time_s=1.0, max_time_s=30.0, min_samples=10, warmup_min_s=0.0, warmup_max_s=1.0)
COSTS_MS = {"data_wait": 1, "forward": 20, "loss_time": 2, "backward": 40, "optimizer": 10}


class Model:
    """A training whose parts take as long as they are told, on a clock that only they move."""

    def __init__(self, *, accumulate: int = 1, unexplained_ms: int = 0, falls: float = 0.97) -> None:
        self.now_ns = 0
        self.calls: list[str] = []
        self.losses: list[float] = []
        self.accumulate, self.unexplained_ms, self.falls = accumulate, unexplained_ms, falls

    def clock(self) -> int:
        return self.now_ns

    def spend(self, part: str) -> None:
        self.calls.append(part)
        self.now_ns += COSTS_MS[part] * 1_000_000

    def update(self) -> None:
        self.spend("optimizer")
        self.losses.append(self.falls ** len(self.losses))

    def step(self) -> None:
        for _ in range(self.accumulate):
            for part in PARTS[:-1]:
                self.spend(part)
        self.update()
        self.now_ns += self.unexplained_ms * 1_000_000

    def training(self, **changes: Any) -> TrainingSession:
        session = Session(
            infer=self.step,
            unload=lambda: None,
            effective_precision="fp32",
            threads=1,
            hardware="",
            parameters=9,
            facts={},
        )

        def spend(part: str) -> Any:
            return lambda *_args: self.spend(part)

        made = TrainingSession(
            session=session,
            next_batch=spend("data_wait"),
            forward=spend("forward"),
            loss=spend("loss_time"),
            backward=spend("backward"),
            update=self.update,
            read_loss=float,
            module=None,
            optimizer=None,
            batch=4,
            accumulate=self.accumulate,
            separates_loss=True,
            trainable_parameters=9,
            facts={"dataset": "the tests' own"},
            read_losses=lambda: tuple(self.losses),
        )
        return dataclasses.replace(made, **changes)


def values_of(measured: Any) -> dict[tuple[str, str], float | None]:
    return {(one.name, one.phase): one.value for one in measured.metrics}


@pytest.mark.parametrize("accumulate", [1, 3])
def test_parts_sum_to_the_step(accumulate: int) -> None:
    model = Model(accumulate=accumulate)
    measured = measure_training(model.training(), TIMING, clock=model.clock)
    values = values_of(measured)
    assert measured.median_ns == (63 * accumulate + 10) * 1e6
    assert values["forward_ns", "steady"] == 20e6 * accumulate
    assert values["loss_time_ns", "steady"] == 2e6 * accumulate
    assert values["optimizer_ns", "steady"] == 10e6
    assert values["parts_share", "steady"] == 1.0
    assert values["data_wait_share", "steady"] == pytest.approx(accumulate / (63 * accumulate + 10))
    assert "parts" not in measured.facts
    assert measured.facts["dataset"] == "the tests' own"


def test_what_the_parts_miss_is_said() -> None:
    model = Model(unexplained_ms=7)
    measured = measure_training(model.training(), TIMING, clock=model.clock)
    assert values_of(measured)["parts_share", "steady"] == pytest.approx(73 / 80)
    assert "0.912 (0.912 to 0.912, n = 20) of a whole one: more than 5 % off" in measured.facts["parts"]


def test_a_miss_of_few_steps_is_said_with_what_it_is_worth() -> None:
    """Five pairs have no interval: nothing is claimed of them."""
    model = Model(accumulate=600, unexplained_ms=5_000)
    measured = measure_training(model.training(), TIMING, clock=model.clock)
    assert "it cannot be told whether that is 5 % off" in measured.facts["parts"]


def test_the_series_hold_steps_parts_and_the_loss_of_every_step() -> None:
    model = Model()
    measured = measure_training(model.training(), TIMING, clock=model.clock)
    series = {one.name: one for one in measured.series}
    assert next(iter(series)) == "latency"
    assert set(series) == {"latency", *PARTS, "loss"}
    assert len({len(series[part].values) for part in PARTS}) == 1
    assert series["loss"].unit == "1e-9"
    assert series["loss"].values == scale_losses(model.losses)
    assert len(model.losses) >= 30


def test_a_loss_that_the_model_computes_is_no_part() -> None:
    model = Model()
    measured = measure_training(model.training(separates_loss=False), TIMING, clock=model.clock)
    assert "loss_time" not in {one.name for one in measured.series}
    (missing,) = (one for one in measured.metrics if one.name == "loss_time_ns")
    assert (missing.value, missing.reason) == (None, "the model computes its loss in its forward pass")


def test_the_phases_are_announced_in_order() -> None:
    model, phases = Model(), list[str]()
    measure_training(model.training(), TIMING, clock=model.clock, began=phases.append)
    assert phases == ["warmup", "measure", "split", "phases", "learn"]


def test_whole_steps_and_parted_ones_take_turns_and_change_who_is_first() -> None:
    model, wholes = Model(), list[int]()

    def step() -> None:
        wholes.append(len(model.losses))
        model.step()

    training = model.training(session=dataclasses.replace(model.training().session, infer=step))
    split = time_parts(training, TIMING, step_ns=1, clock=model.clock)
    assert len(split.parts) == len(split.whole) == 20
    assert wholes == [2 * pair + pair // 2 % 2 for pair in range(20)]


def test_long_steps_are_split_less_often() -> None:
    model = Model(unexplained_ms=40_000)
    split = time_parts(model.training(), TIMING, step_ns=40_000_000_000, clock=model.clock)
    assert len(split.parts) == 5


def test_a_training_too_short_to_judge_goes_on_untimed() -> None:
    model = Model(falls=0.99)
    measured = measure_training(model.training(steps_to_learn=200), TIMING, clock=model.clock)
    assert len(model.losses) == 200
    assert values_of(measured)["loss_ratio", "steady"] == pytest.approx(0.99**180, rel=0.01)


def test_data_that_is_learned_slowly_gets_the_time_it_takes_and_no_more() -> None:
    model = Model(falls=0.999)
    measure_training(model.training(most_steps_to_learn=500), TIMING, clock=model.clock)
    assert 100 < len(model.losses) < 200
    hopeless = Model(falls=1.0)
    with pytest.raises(EngineError, match="in 500 steps"):
        measure_training(hopeless.training(most_steps_to_learn=500), TIMING, clock=hopeless.clock)


@pytest.mark.parametrize("falls", [1.0, 1.001])
def test_a_model_that_does_not_learn_is_no_timing(falls: float) -> None:
    model = Model(falls=falls)
    with pytest.raises(EngineError, match=r"the model did not learn: its loss went from 1[. ]"):
        measure_training(model.training(), TIMING, clock=model.clock)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_says_when(broken: float) -> None:
    with pytest.raises(EngineError, match=f"its loss was {broken} at step 3"):
        judge_losses([1.0, 0.5, broken, 0.1], 30)


def test_the_beginning_is_of_a_fixed_length_however_long_the_training() -> None:
    learned = judge_losses([1.0] * 5 + [0.1] * 995, 30)
    assert (learned.first, learned.last) == (1.0, 0.1)


def test_memory_of_the_phases_comes_from_the_allocator_where_there_is_one() -> None:
    model, peak = Model(), [0]

    def forget() -> None:
        peak[0] = 0

    def hold(amount: int) -> Any:
        def work(*_args: object) -> None:
            peak[0] = max(peak[0], amount)

        return work

    session = dataclasses.replace(
        model.training().session,
        synchronize=lambda: None,
        reset_device_memory=forget,
        device_memory=lambda: {"allocator_peak": peak[0], "driver_used": 99},
    )
    training = model.training(session=session, forward=hold(5), loss=hold(6), backward=hold(9), update=hold(7))
    phases = {one.phase: one.value for one in measure_phases(training, None)}
    assert phases == {"forward": 6.0, "backward": 9.0, "optimizer": 7.0}


def test_memory_that_nobody_counts_has_a_reason() -> None:
    model = Model()
    waiting = dataclasses.replace(model.training().session, synchronize=lambda: None)
    reasons = {one.reason for one in measure_phases(model.training(session=waiting), 0)}
    assert reasons == {"the device's allocator keeps no peak"}
    assert {one.value for one in measure_phases(model.training(), None)} == {None}


def launch(environ: Mapping[str, str], **options: Any) -> Measured | Failed:
    case = Case.make(
        workload="resnet/tiny",
        engine="torch",
        device="cpu",
        mode=Mode.TRAINING,
        batch=4,
        shape={"image": 32},
        options=options,
    )
    timing = Timing(min_time_s=0.05, max_time_s=1.0, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.1)
    job = Job(case, {"image": 32}, threads=1, seed=0, timing=timing, spawned_ns=perf_counter_ns())
    outcome = run_launch(job, limit_s=240, environ=environ).outcome
    assert isinstance(outcome, (Measured, Failed))
    return outcome


def test_a_worker_trains_a_model_and_says_all_of_it(worker_environ: Mapping[str, str]) -> None:
    pytest.importorskip("transformers", reason="needs transformers: pip install 'assay[torch]'")
    told = launch(worker_environ)
    assert isinstance(told, Measured), told
    assert {one.name for one in told.series} >= {"latency", "forward", "backward", "optimizer", "loss"}
    assert told.facts["dataset_kind"] == "synthetic"
    assert told.marks_ns["measure_begin"] < told.marks_ns["measure_end"]
    assert told.memory_bytes["peak"] > 0
    values = values_of(told)
    assert (values["loss_ratio", "steady"] or 1) < 0.9
    held = [values["memory_phase_peak_bytes", phase] for phase in ("forward", "backward", "optimizer")]
    assert all(one is None for one in held) or all(one is not None and one > 0 for one in held)


def test_a_worker_whose_model_does_not_learn_fails(worker_environ: Mapping[str, str]) -> None:
    pytest.importorskip("transformers", reason="needs transformers: pip install 'assay[torch]'")
    told = launch(worker_environ, learning_rate=1e-9)
    assert isinstance(told, Failed)
    assert "the model did not learn" in told.reason
