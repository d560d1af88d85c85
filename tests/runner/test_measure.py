"""Warming up, sampling and stopping, on a clock that only a call moves: no time passes and none is asserted."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.engines.base import EventTimer, Session
from assay.runner.measure import Progress, Timed, WarmUp, take_samples, time_call, warm_up
from assay.runner.timing import Timing

MS = 1_000_000
S = 1_000_000_000


class FakeDevice:
    """A model whose calls take what ``durations`` says, on a clock of its own, with a record of what was done."""

    def __init__(self, durations: Iterator[int]) -> None:
        self.now = 0
        self.calls = 0
        self.collecting: list[bool] = []
        self.done: list[str] = []
        self._durations = durations

    def clock(self) -> int:
        self.done.append("clock")
        return self.now

    def infer(self) -> None:
        self.calls += 1
        self.done.append("infer")
        self.collecting.append(gc.isenabled())
        self.now += next(self._durations)

    def synchronize(self) -> None:
        self.done.append("sync")

    def session(
        self, *, synchronize: Callable[[], None] | None = None, event_timer: EventTimer | None = None
    ) -> Session:
        return Session(
            infer=self.infer,
            unload=lambda: None,
            effective_precision="fp32",
            threads=1,
            hardware="",
            parameters=None,
            facts={},
            synchronize=synchronize,
            event_timer=event_timer,
        )


class FakeTimer:
    """Device events that saw half of what the host's clock saw."""

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self._marks = [0, 0]

    def start(self) -> None:
        self._device.done.append("start")
        self._marks[0] = self._device.now

    def stop(self) -> None:
        self._device.done.append("stop")
        self._marks[1] = self._device.now

    def elapsed_ns(self) -> int:
        return (self._marks[1] - self._marks[0]) // 2


def warm(durations: Iterator[int], **timing: float) -> WarmUp:
    device = FakeDevice(durations)
    return warm_up(device.session(), Timing(**timing), device.clock)  # type: ignore[arg-type]  # floats where counts are


def sample(durations: Iterator[int], *, call_ns: int, **timing: float) -> Timed:
    device = FakeDevice(durations)
    return take_samples(device.session(), Timing(**timing), call_ns=call_ns, clock=device.clock)  # type: ignore[arg-type]


def jitter(centre: int, spread: int) -> Iterator[int]:
    """Durations that never agree: one fast, one slow, for ever."""
    while True:
        yield centre - spread
        yield centre + spread


# --- one call -------------------------------------------------------------------------------------------------


def test_a_call_is_timed_with_the_device_work_it_started() -> None:
    device = FakeDevice(repeat(7))

    def synchronize() -> None:
        device.now += 100

    assert time_call(device.session(synchronize=synchronize), device.clock) == 107
    assert time_call(device.session(), device.clock) == 7


# --- warm-up --------------------------------------------------------------------------------------------------


def test_warm_up_lasts_half_a_second_and_then_until_blocks_of_ten_agree() -> None:
    found = warm(repeat(20 * MS))  # 0.5 s is 25 calls; the next end of a block is 30
    assert found == WarmUp(calls=30, wall_ns=600 * MS, converged=True, last_call_ns=20 * MS)


def test_warm_up_waits_for_calls_that_become_faster() -> None:
    found = warm(chain(repeat(60 * MS, 15), repeat(40 * MS, 10), repeat(20 * MS)))
    # The medians of the blocks are 60, 50, 30, 20 and 20 ms.
    assert (found.calls, found.converged, found.last_call_ns) == (50, True, 20 * MS)


@pytest.mark.parametrize(("share", "converged"), [(1.02, True), (1.021, False)])
def test_blocks_agree_within_two_percent(share: float, converged: bool) -> None:  # noqa: FBT001  (a parameter of pytest's)
    durations = chain(repeat(100 * MS, 10), repeat(round(100 * MS * share)))
    found = warm(durations, warmup_max_calls=20)
    assert (found.calls, found.converged) == (20, converged)


def test_warm_up_gives_up_after_100_calls_and_says_so() -> None:
    steps = (20 * MS + 2 * MS * (number // 10) for number in range(1000))  # each block slower than the one before
    found = warm(steps)
    assert (found.calls, found.converged) == (100, False)


def test_warm_up_of_slow_calls_ends_at_ten_seconds_and_cannot_tell() -> None:
    found = warm(repeat(3 * S))
    assert (found.calls, found.wall_ns, found.converged) == (4, 12 * S, None)


def test_warm_up_takes_three_calls_where_there_is_time_for_them() -> None:
    found = warm(repeat(600 * MS), warmup_max_calls=1)
    assert (found.calls, found.converged) == (3, None)


def test_one_call_longer_than_the_whole_warm_up_is_enough() -> None:
    found = warm(repeat(60 * S))
    assert (found.calls, found.converged, found.last_call_ns) == (1, None, 60 * S)


@pytest.mark.parametrize("call_ns", [999, 73_000, 3 * MS])
def test_many_short_calls_are_judged_though_their_number_is_past_the_limit(call_ns: int) -> None:
    found = warm(repeat(call_ns), warmup_min_s=0.01 if call_ns < 1000 else 0.5)
    assert found.calls > 100
    assert found.converged is True


def test_short_calls_that_still_speed_up_are_not_called_warm() -> None:
    found = warm(iter(range(5_000_000, 1, -15_000)))
    assert found.calls > 100
    assert found.converged is False


def test_the_last_call_is_the_median_of_the_last_ten() -> None:
    found = warm(chain(repeat(90 * MS, 20), repeat(30 * MS, 15), iter([5 * S]), repeat(30 * MS)), warmup_min_s=2)
    assert (found.calls, found.last_call_ns) == (40, 30 * MS)


# --- how samples are taken ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call_ns", "calls_per_sample"),
    [(100, 10_000), (1000, 1000), (300_000, 4), (999_999, 2), (1_000_000, 1), (5_000_000, 1)],
)
def test_calls_under_a_millisecond_are_blocked_until_a_sample_lasts_one(call_ns: int, calls_per_sample: int) -> None:
    device = FakeDevice(repeat(call_ns))
    timing = Timing(min_time_s=0.01, max_time_s=0.05, min_samples=5)
    timed = take_samples(device.session(), timing, call_ns=call_ns, clock=device.clock)
    assert timed.calls_per_sample == calls_per_sample
    assert all(value == call_ns * calls_per_sample >= MS for value in timed.values)
    assert timed.median_call_ns == call_ns
    assert device.calls == len(timed.values) * calls_per_sample


def test_the_device_is_synchronised_before_and_inside_the_timed_region() -> None:
    device = FakeDevice(repeat(400_000))
    timing = Timing(min_time_s=0.001, max_time_s=0.004, min_samples=5)
    take_samples(device.session(synchronize=device.synchronize), timing, call_ns=400_000, clock=device.clock)
    first = device.done.index("sync")
    assert device.done[first : first + 7] == ["sync", "clock", "infer", "infer", "infer", "sync", "clock"]
    # ... and the next region begins right after the synchronize that ended this one.
    assert device.done[first + 7 : first + 12] == ["clock", "infer", "infer", "infer", "sync"]


def test_the_time_of_device_work_is_in_the_sample() -> None:
    device = FakeDevice(repeat(2 * MS))

    def synchronize() -> None:
        device.now += 3 * MS if device.done[-1] == "infer" else 0
        device.done.append("sync")

    timing = Timing(min_time_s=0.01, max_time_s=0.05, min_samples=5)
    timed = take_samples(device.session(synchronize=synchronize), timing, call_ns=2 * MS, clock=device.clock)
    assert set(timed.values) == {5 * MS}


def test_the_devices_own_clock_is_recorded_beside_the_hosts() -> None:
    device = FakeDevice(chain(iter([10 * MS, 20 * MS, 30 * MS]), repeat(10 * MS)))
    session = device.session(synchronize=device.synchronize, event_timer=FakeTimer(device))
    timing = Timing(min_time_s=0.1, max_time_s=0.2, min_samples=5)
    timed = take_samples(session, timing, call_ns=10 * MS, clock=device.clock)
    assert timed.values[:4] == (10 * MS, 20 * MS, 30 * MS, 10 * MS)
    assert timed.device_values == tuple(value // 2 for value in timed.values)
    first = device.done.index("sync")
    assert device.done[first : first + 7] == ["sync", "clock", "start", "infer", "stop", "sync", "clock"]


def test_without_a_device_clock_there_are_no_device_values() -> None:
    assert sample(repeat(10 * MS), call_ns=10 * MS).device_values == ()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(MS, 500 * MS), min_size=5, max_size=40))
def test_every_sample_is_kept_in_the_order_taken(durations: list[int]) -> None:
    device = FakeDevice(chain(durations, repeat(10 * MS)))
    timing = Timing(min_time_s=0.05, max_time_s=2.0, min_samples=5)
    timed = take_samples(device.session(), timing, call_ns=10 * MS, clock=device.clock)
    taken = [*durations, *repeat(10 * MS, len(timed.values))][: len(timed.values)]
    assert list(timed.values) == taken


# --- when to stop ---------------------------------------------------------------------------------------------


def test_steady_calls_stop_at_two_seconds() -> None:
    timed = sample(repeat(20 * MS), call_ns=20 * MS)
    assert timed.stop_reason == "precise enough"
    assert 2 * S <= timed.wall_ns < 2.5 * S


def test_steady_slow_calls_go_on_for_thirty_samples() -> None:
    timed = sample(repeat(200 * MS), call_ns=200 * MS)
    assert (len(timed.values), timed.stop_reason) == (30, "precise enough")


def test_scattered_calls_stop_at_the_cap_of_twenty_seconds() -> None:
    timed = sample(jitter(100 * MS, 50 * MS), call_ns=100 * MS)
    assert timed.stop_reason == "time cap"
    assert timed.wall_ns == 20 * S


def test_the_interval_that_stops_is_of_the_size_asked_for() -> None:
    wide = sample(jitter(100 * MS, 4 * MS), call_ns=100 * MS, target_ci=0.05)
    assert (wide.stop_reason, len(wide.values)) == ("precise enough", 30)
    assert sample(jitter(100 * MS, 4 * MS), call_ns=100 * MS, target_ci=0.01).stop_reason == "time cap"


@pytest.mark.parametrize(("call_s", "samples"), [(1.5, 6), (6, 5), (60, 5)])
def test_calls_longer_than_a_second_give_at_least_five_samples(call_s: float, samples: int) -> None:
    call_ns = round(call_s * S)
    timed = sample(repeat(call_ns), call_ns=call_ns)
    assert len(timed.values) == samples


def test_a_short_window_still_gives_five_samples() -> None:
    timed = sample(repeat(90 * MS), call_ns=90 * MS, min_time_s=0.05, max_time_s=0.1)
    assert (len(timed.values), timed.stop_reason) == (5, "time cap")


def test_calls_that_become_slower_do_not_overrun_the_cap() -> None:
    timed = sample(chain(repeat(MS, 100), repeat(S)), call_ns=MS)
    assert timed.stop_reason == "time cap"
    assert 20 * S <= timed.wall_ns <= 21 * S


def test_progress_is_told_between_chunks() -> None:
    device = FakeDevice(repeat(20 * MS))
    told: list[Progress] = []
    take_samples(device.session(), Timing(), call_ns=20 * MS, clock=device.clock, report=told.append)
    assert [one.samples for one in told] == sorted({one.samples for one in told})
    assert told[-1].median_call_ns == 20 * MS
    assert told[-1].half_width == 0


# --- garbage collection ---------------------------------------------------------------------------------------


def test_no_garbage_is_collected_while_a_sample_runs() -> None:
    device = FakeDevice(repeat(20 * MS))
    take_samples(device.session(), Timing(), call_ns=20 * MS, clock=device.clock)
    assert set(device.collecting) == {False}
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_collection_comes_back_after_an_exception() -> None:
    def fail() -> Iterator[int]:
        yield from repeat(20 * MS, 10)
        raise RuntimeError("the device fell off the bus")

    with pytest.raises(RuntimeError, match="fell off"):
        sample(fail(), call_ns=20 * MS)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_model_that_turned_collection_off_finds_it_off() -> None:
    gc.disable()
    try:
        sample(repeat(20 * MS), call_ns=20 * MS)
        assert not gc.isenabled()
    finally:
        gc.enable()
