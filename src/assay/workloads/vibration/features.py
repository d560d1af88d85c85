"""Domain metrics of vibration: what an engineer reads from a window before any network does.

Each is a number of one channel; `features` keeps them by name, and others can be added as extensions of the group
``assay.feature``. May import: core; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.core.registry import Registry
from assay.workloads.vibration.bearings import BearingGeometry, Fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Compute = Callable[["NDArray[Any]"], "NDArray[np.float64]"]
"""From (..., samples) to (...): one value for each channel."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A domain metric: its name, its unit in terms of that of the signal (``x``), what it shows, and where from."""

    name: str
    unit: str
    description: str
    compute: Compute
    source: str


features: Registry[Feature] = Registry("feature")


def rms(signal: NDArray[Any]) -> NDArray[np.float64]:
    """Root of the mean square over the last axis: the energy of the vibration (ISO 20816-1 judges machines by it)."""
    import numpy as np

    return np.asarray(np.sqrt(np.mean(np.square(signal, dtype=np.float64), axis=-1)))


def kurtosis(signal: NDArray[Any]) -> NDArray[np.float64]:
    """Fourth central moment over the squared variance: 3 for noise, more with impacts. NaN where nothing moves.

    Dyer and Stewart 1978, Journal of Mechanical Design 100(2), 229-235.
    """
    import numpy as np

    centred = signal - np.mean(signal, axis=-1, keepdims=True, dtype=np.float64)
    variance = np.mean(centred**2, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.mean(centred**4, axis=-1) / variance**2)


def crest_factor(signal: NDArray[Any]) -> NDArray[np.float64]:
    """Largest absolute value over the RMS: 1 for a square wave, the root of 2 for a sine. NaN where nothing moves."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.abs(signal).max(axis=-1) / rms(signal))


def envelope(signal: NDArray[Any]) -> NDArray[np.float64]:
    """Magnitude of the analytic signal over the last axis, by the discrete Hilbert transform (Marple 1999).

    Marple, "Computing the discrete-time analytic signal via FFT", IEEE Transactions on Signal Processing 47(9).
    """
    import numpy as np

    samples = signal.shape[-1]
    spectrum = np.fft.fft(signal - np.mean(signal, axis=-1, keepdims=True), axis=-1)
    one_sided = np.zeros(samples)
    one_sided[0] = 1
    one_sided[1 : (samples + 1) // 2] = 2
    if samples % 2 == 0:
        one_sided[samples // 2] = 1
    return np.abs(np.fft.ifft(spectrum * one_sided, axis=-1))


def envelope_spectrum(signal: NDArray[Any], sample_rate_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (frequencies in Hz, amplitudes (..., frequencies)) of the squared envelope without its mean.

    Squared, because its spectrum shows impacts least disturbed (Randall and Antoni 2011, section 5.2).
    """
    import numpy as np

    samples = signal.shape[-1]
    squared = envelope(signal) ** 2
    squared -= squared.mean(axis=-1, keepdims=True)
    amplitudes = np.abs(np.fft.rfft(squared * np.hanning(samples), axis=-1)) * 4 / samples
    return np.asarray(np.fft.rfftfreq(samples, 1 / sample_rate_hz), dtype=np.float64), np.asarray(amplitudes)


def envelope_peaks(
    signal: NDArray[Any],
    sample_rate_hz: float,
    frequencies_hz: Sequence[float],
    *,
    harmonics: int = 3,
    tolerance: float = 0.02,
) -> NDArray[np.float64]:
    """How far the envelope's spectrum stands out at each frequency and its harmonics: (..., frequencies).

    The largest amplitude within ``tolerance`` (a share of the frequency, for slip) of each harmonic, over the median
    amplitude of the spectrum up to twice the highest harmonic, averaged over harmonics: about 1 to 3 in noise, tens at
    a defect. Raises WorkloadError where the signal is too short to tell a frequency from 0.
    """
    import numpy as np

    spectrum_hz, amplitudes = envelope_spectrum(signal, sample_rate_hz)
    resolution_hz = spectrum_hz[1]
    lowest = min(frequencies_hz)
    if lowest < 2 * resolution_hz:
        seconds = 2 / lowest
        raise WorkloadError(
            f"{signal.shape[-1]} samples at {sample_rate_hz:g} Hz cannot show {lowest:.1f} Hz.",
            hint=f"Take {seconds:.2f} s or more, {int(np.ceil(seconds * sample_rate_hz))} samples.",
        )
    floor_to = spectrum_hz <= 2 * harmonics * max(frequencies_hz)
    floor = np.maximum(np.median(amplitudes[..., floor_to], axis=-1), np.finfo(np.float64).tiny)
    peaks = []
    for frequency_hz in frequencies_hz:
        found = []
        for order in range(1, harmonics + 1):
            width_hz = max(tolerance * order * frequency_hz, resolution_hz)
            near = np.abs(spectrum_hz - order * frequency_hz) <= width_hz
            if near.any():
                found.append(amplitudes[..., near].max(axis=-1) / floor)
        peaks.append(np.mean(found, axis=0))
    return np.stack(peaks, axis=-1)


def fault_peaks(
    signal: NDArray[Any], sample_rate_hz: float, shaft_hz: float, geometry: BearingGeometry
) -> Mapping[Fault, NDArray[np.float64]]:
    """`envelope_peaks` at the rate of each fault of a bearing; (..., samples) -> (...) for each."""
    frequencies = geometry.defect_frequencies(shaft_hz)
    rates = {fault: rate for fault in Fault if (rate := frequencies.of(fault)) is not None}
    peaks = envelope_peaks(signal, sample_rate_hz, tuple(rates.values()))
    return {fault: peaks[..., index] for index, fault in enumerate(rates)}


def describe(windows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Compute every registered feature of windows (n, channels, size): (n, channels) for each name."""
    return {name: features.get(name).compute(windows) for name in features.names()}


features.add("rms", Feature("rms", "x", "Energy of the vibration", rms, "ISO 20816-1"))
features.add(
    "kurtosis",
    Feature("kurtosis", "1", "Impacts: 3 for noise, more with them", kurtosis, "Dyer and Stewart 1978"),
)
features.add(
    "crest_factor",
    Feature("crest_factor", "1", "Largest peak over the RMS", crest_factor, "Randall and Antoni 2011"),
)
