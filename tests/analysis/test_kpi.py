"""Correlations within the same work, shares of the peak, work for a joule, spreads: planted numbers come back."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.device_names import name_device
from assay.analysis.efficiency import shares_of_peak, work_per_joule
from assay.analysis.kpi import Correlated, KpiFrame, correlate, read_frame, spread_by
from assay.analysis.usable_numbers import select_any
from assay.core.words import Provenance
from assay.store import Store

composed = load_module("analysis.ranked_results")
DEVICES = ("NVIDIA L4", "NVIDIA A30", "NVIDIA A100 PCIe 80GB", "NVIDIA H100 PCIe 80GB", "NVIDIA GeForce RTX 3090",
           "NVIDIA GeForce RTX 4090")  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Any:
    return composed.Results(Store.open(tmp_path / "store"))


def frame_of(results: Any) -> KpiFrame:
    return read_frame(results.keep(), select_any({}))


def pair(frame: KpiFrame, one: str, other: str) -> Correlated:
    keys = [column.key for column in frame.columns]
    return correlate(frame)[keys.index(one)][keys.index(other)]


def bandwidth(device: str) -> float:
    hardware = name_device(device, None).hardware
    return math.nan if hardware is None else hardware.memory_bandwidth_bytes_per_s or math.nan


def test_across_workloads_nothing_is_correlated(results: Any) -> None:
    """Simpson's paradox: within each workload the two fall apart, over all they seem to rise together."""
    for workload, scale in (("small", 1.0), ("large", 1000.0)):
        for number in range(8):
            results.imported(
                workload, hardware=f"device {number}", latency_ns=1e6 * scale * 1.1**number,
                throughput_per_s=10.0 * scale / 1.1**number,
            )  # fmt: skip
    found = pair(frame_of(results), "latency_ns", "throughput_per_s")
    assert found.r == pytest.approx(-1.0)
    assert (found.n, found.subjects, found.devices) == (16, 2, 8)


def test_a_correlation_has_the_interval_of_its_rows_or_of_its_devices(results: Any) -> None:
    noise = random.Random(7)
    for workload in range(10):
        for device in DEVICES:
            rate = bandwidth(device) * math.exp(noise.gauss(0, 0.5))
            results.imported(
                f"model{workload}",
                hardware=device,
                throughput_per_s=rate,
                latency_ns=1e15 / rate * noise.uniform(0.8, 1.2),
            )
    frame = frame_of(results)
    numbers = pair(frame, "latency_ns", "throughput_per_s")
    sheet = pair(frame, "throughput_per_s", "memory_bandwidth")
    assert numbers.r is not None
    assert sheet.r is not None
    assert numbers.lo is not None
    assert sheet.lo is not None
    assert (numbers.n, sheet.n, sheet.devices) == (60, 60, 6)
    assert numbers.lo == pytest.approx(math.tanh(math.atanh(numbers.r) - 1.959963984540054 / math.sqrt(51 - 3)))
    assert sheet.lo == pytest.approx(math.tanh(math.atanh(sheet.r) - 1.959963984540054 / math.sqrt(6 - 3)))
    assert sheet.r > 0.5


def test_few_devices_say_nothing_of_data_sheets(results: Any) -> None:
    for workload in range(10):
        for device in DEVICES[:2]:
            results.imported(f"model{workload}", hardware=device, throughput_per_s=bandwidth(device))
    found = pair(frame_of(results), "throughput_per_s", "memory_bandwidth")
    assert found.r is None
    assert found.reason == "only 2 devices have both numbers: any two figures of so few go together"


def test_a_number_that_never_differs_correlates_with_nothing(results: Any) -> None:
    for number in range(8):
        results.imported("one", hardware=f"device {number}", latency_ns=1e6, throughput_per_s=float(number + 1))
    assert pair(frame_of(results), "latency_ns", "throughput_per_s").reason == "one of the two never differs"


def test_the_share_of_the_peak_is_operations_over_the_sheets_rate(results: Any) -> None:
    hardware = name_device("NVIDIA L4", None).hardware
    assert hardware is not None
    peak = hardware.peak("fp16") or 0.0
    for number, share in enumerate((0.1, 0.2, 0.3, 0.4, 0.5)):
        macs = 1e9
        results.imported(
            f"model{number}",
            hardware="NVIDIA L4",
            precision="amp",
            macs=macs,
            throughput_per_s=share * peak / (2 * macs),
        )
    results.imported("generating", hardware="NVIDIA L4", macs=1e9, throughput_per_s=1.0, unit_of_work="token")
    results.imported("unknown device", hardware="nobody's", macs=1e9, throughput_per_s=1.0)
    (found,) = shares_of_peak(frame_of(results))
    assert (found.device.label, found.precision, found.arithmetic, found.n) == ("NVIDIA L4", "amp", "fp16", 5)
    assert (found.p25, found.median, found.p75, found.highest) == pytest.approx((0.2, 0.3, 0.4, 0.5))


def test_work_for_a_joule_takes_measured_power_or_energy_only(results: Any) -> None:
    results.mlperf("resnet", hardware="NVIDIA L4", throughput_per_s=1000.0, average_power_w=500.0)
    results.imported("image", hardware="NVIDIA A30", energy_j_per_sample=4.0)
    results.imported("nothing", hardware="NVIDIA A30", throughput_per_s=4.0)
    found = {one.subject.workload: (one.per_joule, one.how) for one in work_per_joule(frame_of(results))}
    assert found == {
        "image": (0.25, "1 / energy of a unit of work"),
        "resnet": (2.0, "throughput / mean power"),
    }


def test_spread_is_relative_to_what_did_the_same_work(results: Any) -> None:
    for number in range(6):
        scale = 10.0**number
        results.imported(f"model{number}", hardware="NVIDIA L4", throughput_per_s=1.0 * scale)
        results.imported(f"model{number}", hardware="NVIDIA A100 PCIe 80GB", throughput_per_s=4.0 * scale)
        results.imported(f"alone{number}", hardware="NVIDIA L4", throughput_per_s=999.0 * scale)
    first, second = spread_by(frame_of(results), "throughput_per_s", by="architecture")
    assert (first.name, first.n, first.devices, first.provenance) == ("Ampere", 6, 1, Provenance.IMPORTED)
    assert (first.median, second.median) == pytest.approx((2.0, 0.5))
    assert second.name == "Ada Lovelace"
    (vendor,) = spread_by(frame_of(results), "throughput_per_s", by="vendor")
    assert (vendor.name, vendor.n) == ("NVIDIA", 12)


def test_measured_and_imported_are_never_of_one_subject(results: Any) -> None:
    for number in range(8):
        results.measured("one", hardware=f"device {number}", latency_ns=1e6 + number, throughput_per_s=10.0 + number)
        results.imported("one", hardware=f"device {number}", latency_ns=1e6 - number, throughput_per_s=99.0 + number)
    assert pair(frame_of(results), "latency_ns", "throughput_per_s").subjects == 2


def test_an_empty_store_has_an_empty_frame(results: Any) -> None:
    frame = frame_of(results)
    assert len(frame) == 0
    assert correlate(frame) == ()
    assert spread_by(frame, "throughput_per_s", by="vendor") == ()
    assert shares_of_peak(frame) == ()
    assert work_per_joule(frame) == ()
