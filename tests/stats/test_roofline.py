"""Which roof is the lowest, and how a share of it is said."""

from __future__ import annotations

import pytest

from assay.core.absence import Unavailable
from assay.stats.roofline import Bound, DeviceRates, Explanation, Roofline, Work, explain, find_roofline

KIB, MIB = 1 << 10, 1 << 20
RATES = DeviceRates(
    gemm_flops_per_s={"fp32": 100e9, "bf16": 400e9},
    convolution_flops_per_s={"fp32": 50e9},
    read_bytes_per_s={32 * KIB: 200e9, MIB: 80e9, 256 * MIB: 20e9},
    copy_bytes_per_s=25e9,
    launch_overhead_ns=2000.0,
)


def explained(work: Work, latency_ns: float, precision: str = "fp32") -> Explanation:
    found = explain(work, RATES, latency_ns, precision)
    assert isinstance(found, Explanation)
    return found


def test_compute_bound() -> None:
    # 1 GFLOP at 100 GFLOP/s takes 10 ms at best; 1 MB from cache takes microseconds.
    found = explained(Work(flops=1e9, bytes_compulsory=1e6, bytes_unfused=1e7), 25e6)
    assert found.bound is Bound.COMPUTE
    assert found.attainable_ns == pytest.approx(10e6)
    assert found.share == pytest.approx(0.4)
    assert found.flops_per_s == pytest.approx(40e9)
    assert found.text == "compute bound: 40 % of measured fp32 GEMM rate (40.0 of 100 GFLOP/s)"


def test_memory_bound() -> None:
    # 1 GB fits in no cache that was measured: 40 ms at the 25 GB/s of copying, which beat reading.
    found = explained(Work(flops=1e9, bytes_compulsory=1e9, bytes_unfused=3e9), 65.5e6)
    assert found.bound is Bound.MEMORY
    assert found.share == pytest.approx(0.611, abs=1e-3)
    assert found.text == "memory bound: 61 % of measured bandwidth (15.3 of 25.0 GB/s)"


def test_overhead_bound() -> None:
    work = Work(flops=1e6, bytes_compulsory=1e5, bytes_unfused=1e6, kernels=50)
    found = explained(work, 250_000)
    assert found.bound is Bound.OVERHEAD
    assert found.share == pytest.approx(0.4)
    assert found.text == "overhead bound: 40 % of the time goes into starting 50 operations of 2.00 µs at the least"


def test_an_engine_that_does_not_start_operations_one_by_one_has_no_such_roof() -> None:
    work = Work(flops=1e6, bytes_compulsory=1e5, bytes_unfused=1e6)
    assert explained(work, 250_000).bound is not Bound.OVERHEAD


def test_a_share_above_the_roof_is_said_and_not_clipped() -> None:
    found = explained(Work(flops=1e9, bytes_compulsory=1e6, bytes_unfused=1e7), 4e6)
    assert found.share == pytest.approx(2.5)
    assert found.text == (
        "compute bound: 250 % of measured fp32 GEMM rate (250 of 100 GFLOP/s): above the torch roofline"
    )


def test_the_bandwidth_is_of_the_cache_that_holds_the_data() -> None:
    assert RATES.bandwidth_for(10 * KIB) == 200e9
    assert RATES.bandwidth_for(32 * KIB) == 200e9
    assert RATES.bandwidth_for(33 * KIB) == 80e9
    assert RATES.bandwidth_for(100 * MIB) == 20e9
    assert RATES.bandwidth_for(300 * MIB) == 25e9
    assert DeviceRates({}, copy_bytes_per_s=3.0).bandwidth_for(1) == 3.0
    assert DeviceRates({}).bandwidth_for(1) is None


def test_convolutions_are_held_to_the_rate_of_convolutions() -> None:
    half = Work(flops=2e9, convolution_flops=1e9, bytes_compulsory=1e6, bytes_unfused=1e6)
    roof = find_roofline(half, RATES, "fp32")
    assert isinstance(roof, Roofline)
    assert roof.flops_per_s == pytest.approx(2e9 / (1e9 / 100e9 + 1e9 / 50e9))
    assert "fp32 rate (" in explained(half, 1e9).text
    # Without a rate of its own in that precision, a convolution is held to that of products.
    other = find_roofline(half, RATES, "bf16")
    assert isinstance(other, Roofline)
    assert other.flops_per_s == pytest.approx(400e9)


def test_what_was_not_probed_is_said_with_the_command() -> None:
    found = explain(Work(1e9, 1e6, 1e6), RATES, 1e6, "int8")
    assert found == Unavailable("the probe measured no int8 rate (it has: fp32, bf16)", "assay probe --precision int8")
    nothing = explain(Work(1e9, 1e6, 1e6), DeviceRates({"fp32": 1.0}), 1e6, "fp32")
    assert isinstance(nothing, Unavailable)
    assert "no bandwidth" in nothing.reason


def test_nothing_to_do_has_no_bound() -> None:
    assert isinstance(explain(Work(0, 0, 0), RATES, 1e6, "fp32"), Unavailable)
    assert isinstance(explain(Work(1, 1, 1), RATES, 0, "fp32"), Unavailable)


def test_the_roof_over_an_intensity() -> None:
    roof = Roofline(100e9, 20e9)
    assert roof.ridge_flop_per_byte == 5
    assert roof.attainable_flops_per_s(1) == 20e9
    assert roof.attainable_flops_per_s(5) == roof.attainable_flops_per_s(50) == 100e9
