"""The self-test of synchronizing, on devices that are made up, and once on this CPU. No time is asserted."""

from __future__ import annotations

from typing import Any

import pytest

from assay.core.errors import UnsupportedError
from assay.engines.sync_check import SyncCheck, check_sync, judge_sync

_LAUNCH_NS = 5_000


class Device:
    """A queue of work with a clock of its own: launching costs the host a little, steps cost the device more."""

    def __init__(self, step_ns: int = 200_000, *, waits: bool = True, is_asynchronous: bool = True) -> None:
        self.now_ns = 0
        self.idle_at_ns = 0
        self.step_ns = step_ns
        self.waits = waits
        self.is_asynchronous = is_asynchronous

    def clock(self) -> int:
        self.now_ns += 40  # reading a clock takes time too
        return self.now_ns

    def launch(self, steps: int) -> None:
        self.now_ns += steps * _LAUNCH_NS
        self.idle_at_ns = max(self.idle_at_ns, self.now_ns) + steps * self.step_ns
        if not self.is_asynchronous:
            self.read_result()

    def synchronize(self) -> None:
        if self.waits:
            self.read_result()

    def read_result(self) -> None:
        self.now_ns = max(self.now_ns, self.idle_at_ns)


def judge(device: Device) -> SyncCheck:
    return judge_sync("fake:0", device, device.clock)


def test_a_device_that_waits_passes_and_is_seen_to_be_asynchronous() -> None:
    check = judge(Device())
    assert check.has_passed
    assert check.is_asynchronous
    assert check.synchronized_ns[2] >= check.expected_ns
    assert check.synchronized_ns[0] < check.synchronized_ns[1] < check.synchronized_ns[2]
    assert check.unsynchronized_ns < check.synchronized_ns[0]
    assert "4 times the work took 4.0 times as long" in check.reason


def test_a_device_that_is_synchronous_passes_and_is_seen_to_be() -> None:
    check = judge(Device(is_asynchronous=False))
    assert check.has_passed
    assert not check.is_asynchronous


def test_a_synchronize_that_returns_at_once_is_found_out() -> None:
    check = judge(Device(waits=False))
    assert not check.has_passed
    assert "synchronize returns before the device has finished" in check.reason
    assert check.expected_ns > check.synchronized_ns[2]


def test_a_synchronize_that_waits_for_a_part_only_is_found_out() -> None:
    class HalfWaiting(Device):
        def synchronize(self) -> None:
            self.now_ns += max(0, self.idle_at_ns - self.now_ns) // 2

    assert not judge(HalfWaiting()).has_passed


def test_time_that_does_not_grow_with_the_work_is_found_out() -> None:
    class Lazy(Device):
        def launch(self, steps: int) -> None:
            del steps
            self.now_ns += 60_000_000
            self.idle_at_ns = self.now_ns

    check = judge(Lazy())
    assert not check.has_passed
    assert check.reason == "4 times the work took 1.0 times as long: what is timed is not the device's work"


def test_a_clock_that_stands_still_proves_nothing() -> None:
    check = judge_sync("fake:0", Device(step_ns=0), lambda: 0)
    assert not check.has_passed


def test_work_is_made_long_enough_for_a_fast_device() -> None:
    fast, slow = judge(Device(step_ns=20_000)), judge(Device(step_ns=40_000_000))
    assert fast.steps > slow.steps
    assert fast.result_ns >= 50_000_000
    assert slow.steps == 2


def test_a_real_run_on_the_cpu(torch: Any, settings: None) -> None:
    del torch, settings
    check = check_sync("cpu")
    assert check.device == "cpu"
    assert isinstance(check.has_passed, bool)
    assert check.reason
    assert check.steps >= 1
    assert len(check.synchronized_ns) == 3
    assert all(type(one) is int and one > 0 for one in check.synchronized_ns)
    assert check.result_ns > 0
    assert not check.is_asynchronous, "calls on the CPU return when the work is done"


def test_a_device_that_is_not_here_is_unsupported(torch: Any) -> None:
    del torch
    with pytest.raises(UnsupportedError, match="PyTorch has no device 'tpu'"):
        check_sync("tpu")
