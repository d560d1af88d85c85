"""Timing and measuring on the real CPU with small sizes, and by a clock made up here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from assay.core.records import SampleSeries
from assay.probes.rates import kernels
from assay.probes.rates.kernels import Kernel
from assay.probes.rates.measure import RateSetup, Windows, best_reading, measure_rates
from assay.probes.rates.timing import Reading, extend_reading, time_kernel

MS = 1_000_000


class Device:
    """A device with a clock: a call takes ``call_ns``, waiting for it takes what is queued."""

    def __init__(self, call_ns: int, *, queues: bool = False) -> None:
        self.now, self.queued, self.waits = 0, 0, 0
        self._call_ns, self._queues = call_ns, queues

    def call(self) -> None:
        if self._queues:
            self.queued += self._call_ns
        else:
            self.now += self._call_ns

    def synchronize(self) -> None:
        self.waits += 1
        self.now += self.queued
        self.queued = 0

    def clock(self) -> int:
        return self.now


def test_short_calls_are_blocked_to_twenty_milliseconds() -> None:
    device = Device(3_000)
    reading = time_kernel(Kernel("k", device.call, 6.0), window_s=0.2, synchronize=None, clock=device.clock)
    assert min(reading.series.values) >= 20 * MS
    assert reading.median_call_ns == reading.best_call_ns == 3_000
    assert reading.rate_per_s == pytest.approx(2e6)
    assert 3 <= len(reading.series.values) <= 12


def test_long_calls_are_sampled_three_times_whatever_the_window() -> None:
    device = Device(700 * MS)
    reading = time_kernel(Kernel("k", device.call, 1.0), window_s=0.1, synchronize=None, clock=device.clock)
    assert reading.series == SampleSeries("k", "ns", (700 * MS,) * 3, 1)


def test_what_is_queued_is_waited_for_inside_the_block() -> None:
    device = Device(1_000, queues=True)
    kernel = Kernel("k", device.call, 1.0)
    reading = time_kernel(kernel, window_s=0.1, synchronize=device.synchronize, clock=device.clock)
    assert reading.median_call_ns == 1_000
    assert device.queued == 0


def test_a_reading_goes_on_in_blocks_of_the_same_length() -> None:
    device = Device(5 * MS)
    kernel = Kernel("k", device.call, 1.0)
    first = time_kernel(kernel, window_s=0.06, synchronize=None, clock=device.clock)
    longer = extend_reading(first, kernel, window_s=0.2, synchronize=None, clock=device.clock)
    assert longer.series.calls_per_sample == first.series.calls_per_sample == 4
    assert len(longer.series.values) > len(first.series.values)
    assert longer.amount == 1.0


def test_windows_are_shared_among_many_precisions() -> None:
    windows = Windows()
    assert windows.shared_among(1) == windows.shared_among(2) == windows.shared_among(0) == windows
    assert windows.shared_among(4).gemm_s == windows.gemm_s / 2
    assert windows.shared_among(4).copy_s == windows.copy_s
    assert windows.scaled(0.5).tiny_s == windows.tiny_s / 2


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RateSetup]:
    """A setup whose matrices, images and arrays are tiny, and whose windows are as short as can be."""
    monkeypatch.setattr(kernels, "GEMM_SIZES", {"cpu": (16, 32)})
    monkeypatch.setattr(kernels, "_CONVOLUTION", (1, 4, 8, 3))
    monkeypatch.setattr(kernels, "_READ_AT_LEAST", 1 << 20)

    def make(precisions: tuple[str, ...], **fields: object) -> RateSetup:
        windows = Windows().scaled(1e-6)
        return RateSetup(torch.device("cpu"), "cpu", precisions, 1 << 20, windows=windows, **fields)  # type: ignore[arg-type]

    return make


def test_everything_is_measured(small: Callable[..., RateSetup]) -> None:
    said: list[str] = []
    rates = measure_rates(small(("fp32", "int8"), say=said.append))
    assert set(rates.gemm) == {"fp32", "int8"}
    assert [reading.series.name for reading in rates.gemm["fp32"]] == ["gemm fp32 16", "gemm fp32 32"]
    assert set(rates.convolution) == {"fp32"}
    assert sorted(rates.read) == [16384, 32768, 131072, 524288, 1 << 20]
    assert rates.copy.rate_per_s > 0
    assert rates.tiny.median_call_ns > 0
    assert rates.missing == {}
    fastest = best_reading(rates.gemm["fp32"])
    assert fastest.rate_per_s == max(reading.rate_per_s for reading in rates.gemm["fp32"])
    # The size that was fastest at first has been timed a second time; which one is ahead then is noise.
    assert sorted(len(reading.series.values) for reading in rates.gemm["fp32"]) == [3, 6]
    assert said[0] == "tiny operation"
    assert said[-1] == "copy 1MiB"


def test_what_a_device_refuses_is_missing_with_the_reason(small: Callable[..., RateSetup]) -> None:
    def select(precision: str) -> None:
        if precision == "tf32":
            raise RuntimeError("no TF32 here\nand more")

    rates = measure_rates(small(("tf32", "fp32"), select=select))
    assert rates.missing == {"gemm tf32": "RuntimeError: no TF32 here"}
    assert set(rates.gemm) == {"fp32"}


def test_a_side_that_would_take_too_long_is_not_tried(small: Callable[..., RateSetup]) -> None:
    ticks = iter(range(0, 10**15, 100 * MS))
    rates = measure_rates(small(("fp32",), clock=lambda: next(ticks)))
    assert [reading.series.name for reading in rates.gemm["fp32"]] == ["gemm fp32 16"]


def test_the_best_sample_is_never_slower_than_the_median() -> None:
    reading = Reading(SampleSeries("k", "ns", (30, 10, 20), 2), 5.0)
    assert (reading.median_call_ns, reading.best_call_ns) == (10, 5)
    assert reading.best_rate_per_s == 2 * reading.rate_per_s
