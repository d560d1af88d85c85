"""The self-test of synchronizing: proof that a timing covers the device's work, and not just the queueing of it.

A known long kernel must take its time. Two things are held against each other: how long ``synchronize`` waits, and how
long it takes until a number that depends on all of the work can be read on the host, which no queue can shorten. And
the time must grow with the work. A device whose synchronize returns early fails both. May import: core, engines; torch
inside functions.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from assay.core.units import format_duration_ns
from assay.engines.torch_device import find_device, find_synchronizer, make_current

_LEAST_NS = 50_000_000
"""Work is made this long, so that neither a queue's depth nor the clock decides."""
_MOST_STEPS = 1 << 20
_MULTIPLES = (1, 2, 4)
_REPEATS = 3
_LEAST_SHARE = 0.8
"""Synchronizing must wait at least this share of the time until the result can be read."""
_LEAST_GROWTH = 2.5
"""Four times the work must take at least this much longer; exactly 4 on a quiet device that keeps its clock."""
_ASYNCHRONOUS_BELOW = 0.5


class DeviceWork(Protocol):
    """Work on a device, in equal steps that depend on each other."""

    def launch(self, steps: int) -> None:
        """Put ``steps`` into the device's queue; may return before they have run."""
        ...

    def synchronize(self) -> None:
        """What a session would call to wait for the device."""
        ...

    def read_result(self) -> None:
        """Bring to the host a number that depends on every step launched."""
        ...


@dataclass(frozen=True, slots=True)
class SyncCheck:
    """What was timed, and whether it proves that synchronizing waits. All times are in ns, the best of three.

    ``synchronized_ns`` holds the times of 1, 2 and 4 times ``steps``; ``result_ns`` is the time until the result of 4
    times the work was on the host, ``unsynchronized_ns`` the time until launching it returned. ``expected_ns`` is the
    least that a synchronized call on 4 times the work may take: the larger of what ``result_ns`` and the growth of the
    work demand.
    """

    device: str
    has_passed: bool
    reason: str
    steps: int
    synchronized_ns: tuple[int, ...]
    result_ns: int
    unsynchronized_ns: int
    expected_ns: int

    @property
    def is_asynchronous(self) -> bool:
        """True where launching returned long before the work was done, so that a timing without waiting would lie."""
        return self.unsynchronized_ns < _ASYNCHRONOUS_BELOW * self.result_ns


def check_sync(device_name: str) -> SyncCheck:
    """Run the check on a device of ours (``cpu``, ``cuda:0`` ...); about two seconds. Raises UnsupportedError."""
    device = find_device(device_name)
    make_current(device)
    return judge_sync(device_name, _MatrixChain(device), time.perf_counter_ns)


def judge_sync(device_name: str, work: DeviceWork, clock: Callable[[], int]) -> SyncCheck:
    """Time the work and say whether synchronizing waits for it."""
    steps = _calibrate(work, clock)
    most = _MULTIPLES[-1] * steps
    synchronized_ns = tuple(
        _best_of(functools.partial(_time, work, steps * multiple, work.synchronize, clock)) for multiple in _MULTIPLES
    )
    result_ns = _best_of(lambda: _time(work, most, work.read_result, clock))
    unsynchronized_ns = _best_of(lambda: _time(work, most, _do_nothing, clock))
    by_result = round(_LEAST_SHARE * result_ns)
    by_growth = round(_LEAST_GROWTH * synchronized_ns[0])
    longest = synchronized_ns[-1]
    said = (
        f"synchronizing took {format_duration_ns(longest)}, the result was there after {format_duration_ns(result_ns)}"
    )
    growth = longest / synchronized_ns[0] if synchronized_ns[0] else 0.0
    grown = f"{_MULTIPLES[-1]} times the work took {growth:.1f} times as long"
    if longest < by_result:
        reason = f"{said}: synchronize returns before the device has finished, so timings on it are too short"
    elif longest < by_growth or not longest:
        reason = f"{grown}: what is timed is not the device's work"
    else:
        reason = f"{said}; {grown}"
    return SyncCheck(
        device=device_name,
        has_passed=bool(longest) and longest >= max(by_result, by_growth),
        reason=reason,
        steps=steps,
        synchronized_ns=synchronized_ns,
        result_ns=result_ns,
        unsynchronized_ns=unsynchronized_ns,
        expected_ns=max(by_result, by_growth),
    )


def _calibrate(work: DeviceWork, clock: Callable[[], int]) -> int:
    """Double the steps until their result takes long enough; the first round is not counted, it sets things up."""
    _time(work, 1, work.read_result, clock)
    steps = 1
    while steps < _MOST_STEPS and _time(work, steps, work.read_result, clock) < _LEAST_NS:
        steps *= 2
    return steps


def _time(work: DeviceWork, steps: int, wait: Callable[[], None], clock: Callable[[], int]) -> int:
    """Time launching and waiting; the device is idle before and after."""
    begin = clock()
    work.launch(steps)
    wait()
    duration = clock() - begin
    work.read_result()
    return duration


def _best_of(measure: Callable[[], int]) -> int:
    """The shortest of a few: what disturbs only lengthens."""
    return min(measure() for _ in range(_REPEATS))


def _do_nothing() -> None:
    """Wait for nothing."""


class _MatrixChain:
    """Products of dense matrices, one after the other: each step needs the one before."""

    def __init__(self, device: Any) -> None:
        import torch

        width = 512 if device.type == "cpu" else 2048
        generator = torch.Generator().manual_seed(0)
        # A permutation, as a dense matrix: the numbers stay as they are, however long the chain.
        self._factor = torch.eye(width)[torch.randperm(width, generator=generator)].to(device)
        self._start = torch.randn(width, width, generator=generator).to(device)
        self._result = self._start
        self._synchronize = find_synchronizer(device) or _do_nothing

    def launch(self, steps: int) -> None:
        import torch

        result = self._start
        for _ in range(steps):
            result = torch.mm(result, self._factor)
        self._result = result

    def synchronize(self) -> None:
        self._synchronize()

    def read_result(self) -> None:
        float(self._result[0, 0])
