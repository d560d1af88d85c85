"""Measure everything the device probe measures, in one process, in about fifteen seconds.

What synchronizes, and what switches TF32 on, comes in as arguments: those belong to the engine. May import: core,
probes.rates; torch inside functions.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from assay.probes.rates.kernels import (
    Kernel,
    gemm_sizes,
    make_convolution,
    make_copy,
    make_gemm,
    make_read,
    make_tiny,
    read_sizes,
)
from assay.probes.rates.timing import Clock, Reading, extend_reading, time_kernel

if TYPE_CHECKING:
    import torch

_LONGEST_CALL_NS = 600_000_000
"""A larger product that would take longer is not tried: emulated precisions can be a hundred times slower."""
_GROWTH = 8
"""A side twice as long is eight times the work."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Seconds to spend on each kernel."""

    gemm_s: float = 0.35
    best_gemm_s: float = 1.0
    convolution_s: float = 0.8
    copy_s: float = 1.0
    read_s: float = 0.25
    tiny_s: float = 0.6

    def shared_among(self, precisions: int) -> Windows:
        """Less for each precision where there are more than two, so that a launch stays as long."""
        share = min(1.0, 2 / precisions) if precisions else 1.0
        return replace(
            self,
            gemm_s=self.gemm_s * share,
            best_gemm_s=self.best_gemm_s * share,
            convolution_s=self.convolution_s * share,
        )

    def scaled(self, factor: float) -> Windows:
        """All of them longer or shorter."""
        return Windows(**{name: value * factor for name, value in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class RateSetup:
    """What a process needs to measure a device. ``select`` is called with each precision before it is used."""

    device: torch.device
    kind: str
    precisions: tuple[str, ...]
    largest_bytes: int
    synchronize: Callable[[], None] | None = None
    select: Callable[[str], None] = lambda _precision: None
    say: Callable[[str], None] = lambda _name: None
    windows: Windows = Windows()
    clock: Clock = time.perf_counter_ns


@dataclass(frozen=True, slots=True)
class MeasuredRates:
    """Every reading, and the reason for each that is missing (``gemm fp16`` -> why).

    ``gemm`` holds one reading for each size tried, by precision.
    """

    gemm: Mapping[str, tuple[Reading, ...]]
    convolution: Mapping[str, Reading]
    read: Mapping[int, Reading]
    copy: Reading
    tiny: Reading
    missing: Mapping[str, str]


def measure_rates(setup: RateSetup) -> MeasuredRates:
    """Time every kernel. What the device refuses in a precision is left out with its reason."""
    import torch

    gemm: dict[str, tuple[Reading, ...]] = {}
    convolution: dict[str, Reading] = {}
    missing: dict[str, str] = {}
    windows = setup.windows.shared_among(len(setup.precisions))
    with torch.inference_mode():
        tiny = _time(setup, make_tiny(setup.device), windows.tiny_s)
        for precision in setup.precisions:
            with _noting(missing, f"gemm {precision}"):
                setup.select(precision)
                gemm[precision] = tuple(_measure_gemm(setup, precision, windows))
            if precision in gemm and precision != "int8":  # torch has int8 convolutions in quantized modules only
                with _noting(missing, f"convolution {precision}"):
                    kernel = make_convolution(setup.device, precision)
                    convolution[precision] = _time(setup, kernel, windows.convolution_s)
        setup.select("fp32")
        read = {
            size: _time(setup, make_read(setup.device, size), windows.read_s)
            for size in read_sizes(setup.kind, setup.largest_bytes)
        }
        copy = _time(setup, make_copy(setup.device, setup.largest_bytes), windows.copy_s)
    return MeasuredRates(gemm, convolution, read, copy, tiny, missing)


def best_reading(readings: tuple[Reading, ...]) -> Reading:
    """The size at which a precision is fastest, by its median."""
    return max(readings, key=lambda reading: reading.rate_per_s)


def _measure_gemm(setup: RateSetup, precision: str, windows: Windows) -> Iterator[Reading]:
    """Try each size, then stay longer with the fastest one."""
    readings: dict[int, Reading] = {}
    kernels: dict[int, Kernel] = {}
    for size in gemm_sizes(setup.kind):
        if readings and list(readings.values())[-1].median_call_ns * _GROWTH > _LONGEST_CALL_NS:
            break
        kernels[size] = make_gemm(setup.device, precision, size)
        readings[size] = _time(setup, kernels[size], windows.gemm_s)
    best = max(readings, key=lambda size: readings[size].rate_per_s)
    setup.say(kernels[best].name)
    readings[best] = extend_reading(
        readings[best], kernels[best], window_s=windows.best_gemm_s, synchronize=setup.synchronize, clock=setup.clock
    )
    yield from readings.values()


@contextlib.contextmanager
def _noting(missing: dict[str, str], name: str) -> Iterator[None]:
    """Keep the reason of whatever a backend refuses with; the rest is measured all the same."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        missing[name] = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _time(setup: RateSetup, kernel: Kernel, window_s: float) -> Reading:
    setup.say(kernel.name)
    return time_kernel(kernel, window_s=window_s, synchronize=setup.synchronize, clock=setup.clock)
