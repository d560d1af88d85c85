"""Ranks agree on every step: here they are threads, so that a rank that made one step more would hang the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from assay.engines.base import Session
from assay.engines.training_base import TrainingSession
from assay.runner.rank_exchange import (
    Exchange,
    bus_bandwidth,
    collectives_ns,
    cover,
    describe_exchange,
    measure_alone,
    measure_exposed,
    message_series,
    name_size,
    straggler_ratio,
)
from assay.runner.rank_group import Seat, find_backend
from assay.runner.rank_steps import (
    Losses,
    PartTimes,
    lead_or_follow,
    learn_on,
    make_step,
    mean_losses,
    split_steps,
    take_steps,
    warm_up_together,
    work_steps,
)
from assay.runner.timing import Timing

MS = 1_000_000


class Shared:
    """What the threads have in common."""

    def __init__(self, ranks: int) -> None:
        self.barrier = threading.Barrier(ranks, timeout=20)
        self.values: list[Any] = [None] * ranks


@dataclass
class ThreadGroup:
    shared: Shared
    rank: int
    ranks: int

    def gather(self, value: Any) -> list[Any]:
        self.shared.values[self.rank] = value
        self.shared.barrier.wait()
        found = list(self.shared.values)
        self.shared.barrier.wait()
        return found

    def agree(self, value: int) -> int:
        return int(self.gather(value)[0])


def on_ranks(ranks: int, action: Callable[[ThreadGroup], Any]) -> list[Any]:
    """Run ``action`` on each rank, and return what each gave."""
    shared, answers = Shared(ranks), [None] * ranks

    def run(rank: int) -> None:
        answers[rank] = action(ThreadGroup(shared, rank, ranks))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a rank waits for a step that the others do not make"
    return answers


class FakeLoss(float):
    """A loss that is detached like a tensor."""

    __slots__ = ()

    def detach(self) -> FakeLoss:
        return self


@dataclass
class Fake:
    """A training in which every part takes as long as it is told on a clock of its own."""

    now: int = 0
    took: dict[str, int] = field(
        default_factory=lambda: {"data": MS, "forward": 2 * MS, "loss": MS, "backward": 4 * MS, "update": 2 * MS}
    )
    exchange: int = 3 * MS
    is_silent: bool = False
    steps: int = 0
    updates: int = 0

    def clock(self) -> int:
        return self.now

    def spend(self, part: str) -> Any:
        self.now += self.took[part]
        if part == "backward" and not self.is_silent:
            self.now += self.exchange
        if part == "update":
            self.updates += 1
        return FakeLoss(1.0)

    def step(self) -> FakeLoss:
        self.steps += 1
        for part in self.took:
            self.spend(part)
        return FakeLoss(1 / self.steps)

    @contextmanager
    def silent(self) -> Iterator[None]:
        self.is_silent = True
        yield
        self.is_silent = False

    def zero_grad(self) -> None:
        """What an optimizer has."""

    def training(self, **changed: Any) -> TrainingSession:
        session = Session(self.step, lambda: None, "fp32", 1, "", None, {})
        return TrainingSession(
            session=session,
            next_batch=lambda: self.spend("data"),
            forward=lambda _batch: self.spend("forward"),
            loss=lambda _outputs, _batch: self.spend("loss"),
            backward=lambda _loss: self.spend("backward"),
            update=lambda: self.spend("update"),
            read_loss=float,
            module=None,
            optimizer=self,
            batch=1,
            **changed,
        )


def test_every_rank_makes_as_many_steps_though_their_clocks_differ() -> None:
    def run(group: ThreadGroup) -> tuple[int, int, int, str]:
        fake = Fake(exchange=(1 + group.rank) * MS)
        training = fake.training(steps_to_learn=500)
        losses = Losses(training)
        warm = warm_up_together(training, group, Timing(), losses, fake.clock)
        timed = take_steps(training, group, Timing(), losses, step_ns=warm.last_step_ns, clock=fake.clock)
        learn_on(training, losses)
        return fake.steps, warm.steps, len(timed.values), timed.stop_reason

    first, *others = on_ranks(3, run)
    assert others == [first, first]
    steps, warm, timed, reason = first
    assert warm >= 20
    assert timed >= 30
    assert steps >= 500
    assert reason == "precise enough"


def test_the_limits_of_a_warm_up_and_of_sampling_hold_on_all_ranks() -> None:
    timing = Timing(warmup_max_calls=7, max_time_s=0.05, min_samples=1000)

    def run(group: ThreadGroup) -> tuple[bool | None, int, str, int]:
        fake = Fake()
        training = fake.training()
        warm = warm_up_together(training, group, timing, Losses(training), fake.clock)
        timed = take_steps(training, group, timing, Losses(training), step_ns=13 * MS, clock=fake.clock)
        return warm.converged, warm.steps, timed.stop_reason, len(timed.values)

    first, second = on_ranks(2, run)
    assert first == second
    assert first[0] is None
    assert first[2] == "time cap"


def test_a_slow_step_is_taken_at_least_five_times() -> None:
    def run(group: ThreadGroup) -> int:
        fake = Fake(exchange=30_000 * MS)
        training = fake.training()
        return len(
            take_steps(training, group, Timing(), Losses(training), step_ns=30_010 * MS, clock=fake.clock).values
        )

    assert on_ranks(1, run) == [5]


def test_rank_0_leads_and_the_others_make_each_call_with_it() -> None:
    def run(group: ThreadGroup) -> tuple[int, Any]:
        made: list[int] = []
        result = lead_or_follow(group, lambda: made.append(1), lambda call: [call() for _ in range(5)] and "led")
        return len(made), result

    assert on_ranks(3, run) == [(5, "led"), (5, None), (5, None)]


def test_parts_are_timed_apart_and_sum_to_the_step() -> None:
    fake = Fake()
    training = fake.training(accumulate=1)
    times = split_steps(training, Losses(training), 4, fake.clock)
    assert times.values["backward"] == [7 * MS] * 4
    assert times.whole == [13 * MS] * 4
    assert times.median_ns(*times.values) == 13 * MS


def test_the_exchange_is_what_a_silent_step_lacks_and_no_update_is_made_meanwhile() -> None:
    fake = Fake()
    training = fake.training(accumulate=2)
    loud, quiet = work_steps(training, 5, fake.silent, block=2, discard=1, clock=fake.clock)
    assert (len(loud.values["forward"]), len(quiet.values["forward"])) == (6, 6)
    assert fake.updates == 0
    assert measure_exposed(loud, quiet) == 2 * fake.exchange


def test_losses_are_read_in_order_and_averaged_over_ranks() -> None:
    fake = Fake()
    losses = Losses(fake.training())
    for _ in range(3):
        make_step(losses.training, losses, fake.clock)
    assert losses.values == []
    losses.read()
    assert losses.values == [1.0, 0.5, 1 / 3]
    assert mean_losses([[1.0, 2.0], [3.0, 4.0]]) == [2.0, 3.0]
    assert mean_losses([[float("nan")], [3.0]], loss_rank=1) == [3.0]
    with pytest.raises(ValueError, match="zip"):
        mean_losses([[1.0], [1.0, 2.0]])


def test_two_collectives_at_once_count_once() -> None:
    assert cover([(0, 10), (5, 12), (20, 21), (6, 7)]) == 13
    assert cover([]) == 0


def test_collectives_are_found_by_name_and_on_a_gpu_by_their_kernels() -> None:
    def event(name: str, begin: float, end: float, device: str = "DeviceType.CPU") -> Any:
        return SimpleNamespace(name=name, time_range=SimpleNamespace(start=begin, end=end), device_type=device)

    profile = [
        event("gloo:all_reduce", 0, 10),
        event("gloo:all_reduce", 5, 15),
        event("aten::add", 20, 30),
        event("nccl:all_reduce", 40, 41),
        event("ncclDevKernel_AllReduce_Sum_f32_RING_LL", 50, 57, "DeviceType.CUDA"),
    ]
    assert collectives_ns(profile[:3], on_device=False) == 15_000
    assert collectives_ns(profile, on_device=True) == 7_000


def test_bus_bandwidth_is_that_of_nccl_tests() -> None:
    assert bus_bandwidth(1_000_000, 1_000_000, 2) == pytest.approx(1e9)
    assert bus_bandwidth(1_000_000, 1_000_000, 4) == pytest.approx(1.5e9)
    assert bus_bandwidth(1_000_000, 1_000_000, 1) is None


def test_communication_below_the_noise_is_null_with_its_reason() -> None:
    exchange = Exchange(-2 * MS, None, 4 * MS, ((65_536, (MS, MS)),))
    found = {
        (one.name, one.phase): one
        for one in describe_exchange(exchange, ranks=2, step_ns=10 * MS, silent_reason="it cannot be silent")
    }
    assert found["communication_ns", "exposed"].value is None
    assert "2 ms faster" in str(found["communication_ns", "exposed"].reason)
    assert found["communication_share", "alone"].reason == "it cannot be silent"
    assert found["communication_share", "profiler"].value == pytest.approx(0.4)
    assert found["all_reduce_bytes_per_s", "64.0 KiB"].value == pytest.approx(65_536 / 1e-3)
    assert [one.name for one in message_series(exchange)] == ["all_reduce_65536"]
    (alone,) = [
        one
        for one in describe_exchange(exchange, ranks=1, step_ns=MS, silent_reason="")
        if one.name == "all_reduce_bytes_per_s"
    ]
    assert (alone.value, alone.reason) == (None, "one rank sends nothing")
    few = describe_exchange(Exchange(5 * MS, 5 * MS, 5 * MS), ranks=1, step_ns=MS, silent_reason="")
    assert {(one.value, one.reason) for one in few} == {(None, "one rank exchanges nothing")}


def test_an_exchange_that_does_not_exist_takes_no_time() -> None:
    fake = Fake()
    assert measure_alone(None, lambda: None, 3, fake.clock) is None
    assert measure_alone(lambda: fake.spend("data"), lambda: None, 3, fake.clock) == MS


def test_the_slowest_rank_is_held_against_the_median_one() -> None:
    assert straggler_ratio([10, 10, 20]) == 2
    assert straggler_ratio([10]) == 1


def test_sizes_are_named_as_people_do() -> None:
    assert name_size(65_536) == "64.0 KiB"


def test_a_seat_is_read_from_torchruns_variables_and_names_its_device() -> None:
    seat = Seat.from_environment({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"})
    assert seat == Seat(5, 8, 1, 4)
    assert seat.device("cpu") == "cpu"
    assert seat.device("cuda") == "cuda:1"
    assert seat.device("cuda:2") == "cuda:3"
    assert find_backend("cpu") == "gloo"
    assert find_backend("cuda") == "cpu:gloo,cuda:nccl"


def test_parts_of_no_step_have_no_median() -> None:
    with pytest.raises(ValueError, match="median"):
        PartTimes().median_ns("forward")
