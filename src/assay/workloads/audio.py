"""From a waveform to a model's input: what each audio family wants, as data, and numpy's way of making it.

The time of a model and that of what comes before it are two numbers. So this work has a function of its own, that is
timed apart, in Python here and in a browser's page by the same data (`engines/web/page/audio.js`).

May import: standard library; numpy inside functions, so that listing families imports nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_POWER = 1e-10
"""Power below which a band counts as silent, so that its logarithm stays finite (openai/whisper, audio.py)."""

LEAST_VARIANCE = 1e-7
"""Added to a clip's variance, so that silence can be divided by it (transformers, Wav2Vec2FeatureExtractor)."""

WHISPER_RANGE = 8.0
"""Powers of ten below its loudest band that Whisper still hears (openai/whisper, audio.py)."""

_BLOCK_FRAMES = 256
"""Frames that are transformed at once: with float64 and complex128 of 1024 points, 4 MB, which stay in the cache."""

# Malcolm Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1 kHz, 15 mels there, then 27 mels a factor of 6.4.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_HZ_PER_MEL
_FACTOR, _MELS_PER_FACTOR = 6.4, 27.0


class Scaling(StrEnum):
    """What is done with the numbers at the end."""

    UNIT_VARIANCE = "unit-variance"
    """The waveform itself, with mean 0 and variance 1."""
    WHISPER = "whisper"
    """log10 of power, no lower than 8 under the loudest, then (x + 4) / 4."""
    DECIBELS = "decibels"
    """10 log10 of power."""


@dataclass(frozen=True, slots=True)
class MelSpectrogram:
    """A short-time power spectrum in bands of the mel scale (Slaney's, each band of area 1).

    Frames of ``fft`` samples, a Hann window over each, begin every ``hop`` samples; the clip is mirrored by half a
    frame at both ends. ``drops_last`` leaves out the frame that is centred on the clip's very end.
    """

    fft: int
    hop: int
    bands: int
    low_hz: float
    high_hz: float
    drops_last: bool


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """How one input of an audio family is made from mono clips.

    ``input`` names the input. ``seconds`` is the length of a clip, None where the case's shape has it. ``mel`` is None
    where the model takes the waveform. Features are (batch, bands, frames), with ``frames_first`` (batch, 1, frames,
    bands), of a waveform (batch, samples); all float32.
    """

    input: str
    sample_rate_hz: int
    seconds: int | None
    scaling: Scaling
    mel: MelSpectrogram | None
    frames_first: bool
    source: str

    def clip_seconds(self, shape: Mapping[str, int]) -> int:
        """Seconds of one clip of a case."""
        return self.seconds if self.seconds is not None else shape["seconds"]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able plain values: what the page of a browser is told."""
        return {**asdict(self), "scaling": self.scaling.value}


Extract = Callable[["NDArray[Any]"], "NDArray[Any]"]
"""Features of clips: (batch, samples) float32 -> float32 as `FeatureSpec` says."""


def make_clips(spec: FeatureSpec, *, batch: int, seconds: int, seed: int) -> NDArray[Any]:
    """Make (batch, samples) float32: a gliding voice of 8 partials with breath, and a pause of every third second.

    Real speech has pauses, and a feature extractor that goes wrong in silence has to be seen to.
    """
    import numpy as np

    random = np.random.default_rng([seed, spec.sample_rate_hz, seconds])
    time_s = np.arange(seconds * spec.sample_rate_hz) / spec.sample_rate_hz
    clips = np.empty((batch, time_s.size), np.float32)
    for clip in clips:
        pitch_hz = random.uniform(90, 240) * (1 + 0.15 * np.sin(2 * np.pi * random.uniform(0.2, 0.6) * time_s))
        phase = 2 * np.pi * np.cumsum(pitch_hz) / spec.sample_rate_hz
        voice = sum(np.sin(n * phase + random.uniform(0, 6)) / n for n in range(1, 9))
        breath = random.standard_normal(time_s.size) * 0.02
        loudness = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(2, 4) * time_s)
        clip[:] = 0.15 * loudness * voice + breath
        clip[(time_s % 3) >= 2] = 0  # noqa: PLR2004  (seconds: two of voice, one of silence)
    return clips


def make_extractor(spec: FeatureSpec) -> Extract:
    """Prepare what does not depend on the sound (window, bands), and return the function that makes the features."""
    if spec.mel is None:
        return _normalise
    return _make_mel_extractor(spec, spec.mel)


def count_frames(mel: MelSpectrogram, samples: int) -> int:
    """Frames that a clip gives."""
    return samples // mel.hop + (0 if mel.drops_last else 1)


def make_mel_bands(mel: MelSpectrogram, sample_rate_hz: int) -> NDArray[Any]:
    """Weights (fft // 2 + 1, bands): triangles whose corners are equally far apart in mel, each of area 1.

    Source: Slaney, Auditory Toolbox, Interval Research report 1998-010, mfcc.
    """
    import numpy as np

    corners = _to_hz(np.linspace(_to_mel(mel.low_hz), _to_mel(mel.high_hz), mel.bands + 2))
    bins = np.arange(mel.fft // 2 + 1)[:, None] * (sample_rate_hz / mel.fft)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    weights: NDArray[Any] = np.maximum(0, np.minimum(rising, falling)) * (2 / (right - left))
    return weights


def relative_error(got: NDArray[Any], expected: NDArray[Any]) -> float:
    """Largest difference over the largest magnitude expected, as fidelity is judged; infinite where shapes differ."""
    import numpy as np

    if got.shape != expected.shape:
        return float("inf")
    return float(np.max(np.abs(got.astype(np.float64) - expected)) / np.max(np.abs(expected)))


def _normalise(clips: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    exact = clips.astype(np.float64)
    mean, variance = exact.mean(axis=1, keepdims=True), exact.var(axis=1, keepdims=True)
    features: NDArray[Any] = ((exact - mean) / np.sqrt(variance + LEAST_VARIANCE)).astype(np.float32)
    return features


def _make_mel_extractor(spec: FeatureSpec, mel: MelSpectrogram) -> Extract:
    import numpy as np

    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(mel.fft) / mel.fft)
    bands = make_mel_bands(mel, spec.sample_rate_hz)

    def extract(clips: NDArray[Any]) -> NDArray[Any]:
        count = count_frames(mel, clips.shape[1])
        power = np.empty((count, mel.bands))
        features = np.empty((len(clips), count, mel.bands), np.float32)
        for clip, target in zip(clips, features, strict=True):
            mirrored = np.pad(clip.astype(np.float64), mel.fft // 2, mode="reflect")
            frames = np.lib.stride_tricks.sliding_window_view(mirrored, mel.fft)[:: mel.hop][:count]
            for start in range(0, count, _BLOCK_FRAMES):
                spectrum = np.fft.rfft(frames[start : start + _BLOCK_FRAMES] * window)
                power[start : start + _BLOCK_FRAMES] = (spectrum.real**2 + spectrum.imag**2) @ bands
            target[:] = _scale(power, spec.scaling)
        return features[:, None] if spec.frames_first else np.ascontiguousarray(features.swapaxes(1, 2))

    return extract


def _scale(power: NDArray[Any], scaling: Scaling) -> NDArray[Any]:
    import numpy as np

    levels: NDArray[Any] = np.log10(np.maximum(power, LEAST_POWER))
    if scaling is Scaling.DECIBELS:
        return levels * 10
    scaled: NDArray[Any] = (np.maximum(levels, levels.max() - WHISPER_RANGE) + 4) / 4
    return scaled


def _to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return _KNEE_MEL + _MELS_PER_FACTOR * math.log(hz / _KNEE_HZ, _FACTOR)


def _to_hz(mels: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    above = _KNEE_HZ * _FACTOR ** ((mels - _KNEE_MEL) / _MELS_PER_FACTOR)
    hertz: NDArray[Any] = np.where(mels < _KNEE_MEL, mels * _LINEAR_HZ_PER_MEL, above)
    return hertz
