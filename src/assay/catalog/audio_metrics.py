"""Metrics of audio: how fast sound is worked through, and what comes before the model.

Importing this module registers them. May import: core, catalog.metrics.
"""

from __future__ import annotations

import functools

from assay.catalog.metrics import define
from assay.core.words import Direction

_AUDIO = "docs/web-audio.md"
_define = functools.partial(define, source=_AUDIO)


PREPROCESS_TIME = _define(
    "preprocess_ns", "ns", Direction.LOWER, "Time to make the features of one batch of clips (log-mel spectrogram, normalised waveform) where the model runs, apart from the model", "median over launches of (median over samples of sample / calls per sample)",
)  # fmt: skip
REAL_TIME_FACTOR = _define(
    "real_time_factor", "1", Direction.HIGHER, "Seconds of audio that the model works through in a second; below 1 it cannot keep up with speech", "seconds of audio in a call / latency",
)  # fmt: skip
REAL_TIME_FACTOR_WHOLE = _define(
    "real_time_factor_whole", "1", Direction.HIGHER, "Seconds of audio that preprocessing and model, one after the other, work through in a second", "median over launches of (seconds of audio in a call / (latency + preprocessing))",
)  # fmt: skip
