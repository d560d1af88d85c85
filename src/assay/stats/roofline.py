"""Which limit of the device a call meets first, and how near it comes to it.

The roofline model (Williams, Waterman, Patterson 2009, Communications of the ACM 52(4)), with a third roof for the cost
of dispatching operations. Pure arithmetic on what `assay probe` measured and what the cost model counted. The roofs are
those of the engine that was probed: another engine may well come out above them, and is said to. May import: core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from assay.core.absence import Unavailable
from assay.core.units import format_duration_ns, format_significant

_PROBED_ENGINE = "torch"


class Bound(StrEnum):
    """What a call is held up by at best."""

    COMPUTE = "compute"
    MEMORY = "memory"
    OVERHEAD = "overhead"


@dataclass(frozen=True, slots=True)
class Work:
    """What one call does. ``kernels`` is None where the engine does not dispatch the operations that were counted.

    ``bytes_compulsory`` is the least that any execution must move, ``bytes_unfused`` what one operation at a time
    moves without a cache.
    """

    flops: float
    bytes_compulsory: float
    bytes_unfused: float
    convolution_flops: float = 0.0
    kernels: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceRates:
    """What a device gave, measured: rates of arithmetic by precision, bandwidths of reading by working set in bytes.

    What was not measured is absent or None.
    """

    gemm_flops_per_s: Mapping[str, float]
    convolution_flops_per_s: Mapping[str, float] = field(default_factory=dict)
    read_bytes_per_s: Mapping[int, float] = field(default_factory=dict)
    copy_bytes_per_s: float | None = None
    launch_overhead_ns: float | None = None

    def bandwidth_for(self, footprint_bytes: float) -> float | None:
        """Bytes per second for data of this size that is used again and again: of the cache that holds it, or memory.

        The smallest working set measured that is not smaller; beyond the largest, the better of reading and copying.
        """
        for size in sorted(self.read_bytes_per_s):
            if size >= footprint_bytes:
                return self.read_bytes_per_s[size]
        known = [self.read_bytes_per_s[max(self.read_bytes_per_s)]] if self.read_bytes_per_s else []
        return max([*known, *([] if self.copy_bytes_per_s is None else [self.copy_bytes_per_s])], default=None)


@dataclass(frozen=True, slots=True)
class Roofline:
    """The two roofs: arithmetic and bandwidth."""

    flops_per_s: float
    bytes_per_s: float

    @property
    def ridge_flop_per_byte(self) -> float:
        """Operational intensity above which arithmetic is the limit."""
        return self.flops_per_s / self.bytes_per_s

    def attainable_flops_per_s(self, flop_per_byte: float) -> float:
        """The roof over an operational intensity: min(arithmetic, intensity x bandwidth)."""
        return min(self.flops_per_s, flop_per_byte * self.bytes_per_s)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What bounds a call, and the share of that bound it reaches (above 1 where it beats the roof; never clipped).

    ``attainable_ns`` is the least time under all roofs; ``share`` is that over the measured time.
    ``bytes_per_s`` counts compulsory traffic only, so it is a lower bound.
    """

    bound: Bound
    share: float
    attainable_ns: float
    flops_per_s: float
    bytes_per_s: float
    roofline: Roofline
    text: str


def find_roofline(work: Work, rates: DeviceRates, precision: str) -> Roofline | Unavailable:
    """Return the roofs over this work, or what was not measured.

    The roof of arithmetic weighs the rates of matrix products and of convolutions by the operations of either kind
    (a harmonic mean), because libraries of different quality serve the two.
    """
    rate = rates.gemm_flops_per_s.get(precision)
    if rate is None:
        known = ", ".join(rates.gemm_flops_per_s) or "none"
        return Unavailable(
            f"the probe measured no {precision} rate (it has: {known})", f"assay probe --precision {precision}"
        )
    bandwidth = rates.bandwidth_for(work.bytes_compulsory)
    if bandwidth is None:
        return Unavailable("the probe measured no bandwidth", "assay probe")
    if work.flops > 0:
        convolution = rates.convolution_flops_per_s.get(precision, rate)
        seconds = (work.flops - work.convolution_flops) / rate + work.convolution_flops / convolution
        rate = work.flops / seconds
    return Roofline(rate, bandwidth)


def explain(work: Work, rates: DeviceRates, latency_ns: float, precision: str) -> Explanation | Unavailable:
    """Say which roof is the lowest over this work, and how near to it ``latency_ns`` comes.

    Least times: flops / rate, compulsory bytes / bandwidth, operations x launch overhead (the last only where
    ``kernels`` is known). The largest of the three is what the device could do at best.
    """
    roofline = find_roofline(work, rates, precision)
    if isinstance(roofline, Unavailable):
        return roofline
    least_ns = {
        Bound.COMPUTE: work.flops / roofline.flops_per_s * 1e9,
        Bound.MEMORY: work.bytes_compulsory / roofline.bytes_per_s * 1e9,
    }
    if work.kernels is not None and rates.launch_overhead_ns is not None:
        least_ns[Bound.OVERHEAD] = work.kernels * rates.launch_overhead_ns
    bound = max(least_ns, key=least_ns.__getitem__)
    attainable_ns = least_ns[bound]
    if attainable_ns <= 0 or latency_ns <= 0:
        return Unavailable("the call computes and moves nothing that is counted")
    flops_per_s = work.flops / latency_ns * 1e9
    bytes_per_s = work.bytes_compulsory / latency_ns * 1e9
    share = attainable_ns / latency_ns
    match bound:
        case Bound.COMPUTE:
            word = "rate" if work.convolution_flops else "GEMM rate"
            of = f"measured {precision} {word} ({_rates(flops_per_s, roofline.flops_per_s)} GFLOP/s)"
        case Bound.MEMORY:
            of = f"measured bandwidth ({_rates(bytes_per_s, roofline.bytes_per_s)} GB/s)"
        case Bound.OVERHEAD:
            each = format_duration_ns(rates.launch_overhead_ns)
            of = f"the time goes into starting {work.kernels} operations of {each} at the least"
    return Explanation(
        bound, share, attainable_ns, flops_per_s, bytes_per_s, roofline, f"{bound} bound: {_describe_share(share, of)}"
    )


def _describe_share(share: float, of: str) -> str:
    """``61 % of ...``; above the roof it says so, because the roof is the probed engine's."""
    text = f"{format_significant(100 * share, 2 if share < 1 else 3)} % of {of}"
    return text if share <= 1 else f"{text}: above the {_PROBED_ENGINE} roofline"


def _rates(achieved: float, roof: float) -> str:
    return f"{format_significant(achieved / 1e9)} of {format_significant(roof / 1e9)}"
