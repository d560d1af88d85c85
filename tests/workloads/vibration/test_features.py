"""Domain metrics against values that theory gives."""

from __future__ import annotations

import numpy as np
import pytest

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.vibration.features import (
    Feature,
    crest_factor,
    describe,
    envelope,
    envelope_peaks,
    envelope_spectrum,
    features,
    kurtosis,
    rms,
)

RATE_HZ = 8_000
TIMES_S = np.arange(2 * RATE_HZ) / RATE_HZ


def test_a_sine() -> None:
    sine = 3 * np.sin(2 * np.pi * 100 * TIMES_S)
    assert rms(sine) == pytest.approx(3 / np.sqrt(2))
    assert kurtosis(sine) == pytest.approx(1.5)
    assert crest_factor(sine) == pytest.approx(np.sqrt(2))
    assert np.allclose(envelope(sine), 3)


def test_noise_and_impacts() -> None:
    random = np.random.default_rng(0)
    noise = random.standard_normal(200_000)
    assert kurtosis(noise) == pytest.approx(3, abs=0.05)
    noise[::1000] += 10
    assert kurtosis(noise) > 8


@pytest.mark.parametrize("samples", [1_000, 1_001])
def test_the_envelope_is_that_of_scipy(samples: int) -> None:
    from scipy.signal import hilbert

    values = np.random.default_rng(1).standard_normal((2, 3, samples))
    expected = np.abs(hilbert(values - values.mean(axis=-1, keepdims=True), axis=-1))
    assert np.allclose(envelope(values), expected)


def test_the_spectrum_of_the_envelope_shows_what_modulates() -> None:
    modulated = (1 + 0.5 * np.cos(2 * np.pi * 37 * TIMES_S)) * np.sin(2 * np.pi * 2_000 * TIMES_S)
    spectrum_hz, amplitudes = envelope_spectrum(modulated, RATE_HZ)
    assert spectrum_hz[amplitudes.argmax()] == 37
    # (1 + m cos)^2 has the amplitude 2 m at the modulating frequency.
    assert amplitudes.max() == pytest.approx(1.0, rel=0.01)
    peaks = envelope_peaks(modulated + 0.1 * np.random.default_rng(0).standard_normal(len(TIMES_S)), RATE_HZ, (37, 53))
    assert peaks[0] > 20 * peaks[1]


def test_a_signal_too_short_for_a_frequency_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"100 samples at 8000 Hz cannot show 12\.0 Hz"):
        envelope_peaks(np.zeros(100), RATE_HZ, (12.0,))


def test_every_feature_is_computed_for_windows_and_others_can_be_added() -> None:
    windows = np.random.default_rng(0).standard_normal((4, 2, 256)).astype(np.float32)
    before = dict(features._loaded)
    try:
        features.add("range", Feature("range", "x", "Peak to peak", lambda one: np.ptp(one, axis=-1), "a test"))
        found = describe(windows)
    finally:
        features._loaded.clear()
        features._loaded.update(before)
    assert sorted(found) == ["crest_factor", "kurtosis", "range", "rms"]
    assert all(values.shape == (4, 2) for values in found.values())
    with pytest.raises(UnknownNameError, match="Unknown feature 'kurtosys'"):
        features.get("kurtosys")


def test_nothing_that_moves_is_not_a_number() -> None:
    assert np.isnan(kurtosis(np.zeros(8)))
    assert np.isnan(crest_factor(np.zeros(8)))
    assert rms(np.zeros(8)) == 0
