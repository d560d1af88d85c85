"""The generator of bearing faults: its rates against published ones, its signals against the theory they come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from assay.core.errors import WorkloadError
from assay.workloads.vibration.bearings import (
    CWRU_SHAFT_HZ,
    SKF_6205,
    BearingGeometry,
    Fault,
    SignalPlan,
    draw_machine,
    draw_recording,
    generate_signal,
)
from assay.workloads.vibration.features import crest_factor, fault_peaks, kurtosis

SECONDS = 3


def _generate(fault: Fault, *, noise: float = 1.0) -> SignalPlan:
    return SignalPlan(12_000 * SECONDS, 1, fault, severity=8.0, noise=noise)


def test_defect_frequencies_are_those_that_the_data_center_publishes() -> None:
    # engineering.case.edu/bearingdatacenter, "Bearing information", drive end: multiples of running speed.
    rates = SKF_6205.defect_frequencies(1.0)
    assert rates.bpfi_hz == pytest.approx(5.4152, abs=5e-5)
    assert rates.bpfo_hz == pytest.approx(3.5848, abs=5e-5)
    assert rates.ftf_hz == pytest.approx(0.39828, abs=5e-5)
    assert 2 * rates.bsf_hz == pytest.approx(4.7135, abs=1e-4)


def test_races_share_the_balls_that_pass() -> None:
    rates = BearingGeometry(12, 10, 60, contact_angle_deg=15).defect_frequencies(25.0)
    assert rates.bpfo_hz + rates.bpfi_hz == pytest.approx(12 * 25.0)
    assert rates.bpfo_hz == pytest.approx(12 * rates.ftf_hz)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (Fault.HEALTHY, Fault.CAGE)])
def test_the_envelope_stands_out_at_the_rate_of_the_fault(fault: Fault) -> None:
    plan = _generate(fault)
    signal = generate_signal(plan, np.random.default_rng(3))[:, 0]
    peaks = fault_peaks(signal, plan.sample_rate_hz, plan.shaft_hz, plan.geometry)
    assert max(peaks, key=lambda one: float(peaks[one])) is fault
    assert peaks[fault] > 15


def test_a_healthy_bearing_shows_no_fault() -> None:
    plan = _generate(Fault.HEALTHY)
    signal = generate_signal(plan, np.random.default_rng(3))[:, 0]
    peaks = fault_peaks(signal, plan.sample_rate_hz, plan.shaft_hz, plan.geometry)
    assert max(float(value) for value in peaks.values()) < 5
    faulty = generate_signal(_generate(Fault.OUTER), np.random.default_rng(3))[:, 0]
    assert kurtosis(faulty) > kurtosis(signal) + 0.5
    assert crest_factor(faulty) > crest_factor(signal)


def test_without_noise_impacts_come_with_the_period_of_the_fault() -> None:
    plan = dataclasses.replace(_generate(Fault.OUTER, noise=0.0), shaft_amplitude=0.0, slip=0.0, damping=0.2)
    signal = np.abs(generate_signal(plan, np.random.default_rng(0))[:, 0])
    loud = np.flatnonzero(signal > 0.5 * signal.max())
    onsets = loud[np.flatnonzero(np.diff(loud, prepend=-1000) > 50)]
    period = plan.sample_rate_hz / SKF_6205.defect_frequencies(plan.shaft_hz).bpfo_hz
    assert np.diff(onsets).mean() == pytest.approx(period, rel=0.01)
    assert len(onsets) == pytest.approx(plan.length / period, abs=2)


def test_an_inner_race_is_louder_in_the_load_zone() -> None:
    for fault, least, most in ((Fault.INNER, 3.0, np.inf), (Fault.OUTER, 0.0, 1.5)):
        plan = dataclasses.replace(_generate(fault, noise=0.0), shaft_amplitude=0.0, slip=0.0)
        signal = np.abs(generate_signal(plan, np.random.default_rng(1))[:, 0])
        each = int(plan.sample_rate_hz / (plan.geometry.defect_frequencies(plan.shaft_hz).of(fault) or 1))
        peaks = signal[: len(signal) // each * each].reshape(-1, each).max(axis=1)
        assert least < np.quantile(peaks, 0.9) / np.quantile(peaks, 0.1) < most


def test_signals_follow_from_the_seed_and_have_the_shape_asked_for() -> None:
    plan = SignalPlan(500, 3, Fault.CAGE)
    one, two = (generate_signal(plan, np.random.default_rng(7)) for _ in range(2))
    assert one.shape == (500, 3)
    assert one.dtype == np.float32
    assert np.array_equal(one, two)
    assert not np.array_equal(one, generate_signal(plan, np.random.default_rng(8)))
    assert np.isfinite(one).all()


@pytest.mark.parametrize("draw", [draw_recording, draw_machine])
def test_plans_are_drawn_alike_for_each_fault(draw: Callable[..., SignalPlan]) -> None:
    drawn = [dataclasses.replace(draw(100, 1, fault, np.random.default_rng(5)), fault=Fault.HEALTHY) for fault in Fault]
    assert all(one == drawn[0] for one in drawn), "something else than the impacts would tell the fault"
    assert drawn[0].shaft_hz in CWRU_SHAFT_HZ


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 0}, "0 samples x 1 channels"),
        ({"resonance_hz": 7_000.0}, "cannot be sampled at 12000 Hz"),
        ({"shaft_hz": -1.0}, "expected shaft_hz above 0"),
        ({"slip": -0.1}, "the others 0 or more"),
    ],
)
def test_impossible_plans_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        dataclasses.replace(SignalPlan(100), **change)  # type: ignore[arg-type]  # the values are those of the fields


def test_impossible_bearings_are_refused() -> None:
    with pytest.raises(WorkloadError, match="No bearing has 9 balls of 2 on a pitch circle of 1"):
        BearingGeometry(9, 2, 1)
