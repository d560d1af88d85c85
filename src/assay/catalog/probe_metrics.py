"""Metrics of the device probe: name, unit, direction, meaning, formula, source.

Importing this module registers them. May import: core, catalog.metrics.
"""

from __future__ import annotations

import functools

from assay.catalog.metrics import define
from assay.core.words import Direction

_SOURCE = "docs/probe.md"
_define = functools.partial(define, source=_SOURCE)


GEMM_RATE = _define(
    "gemm_flops_per_s", "FLOP/s", Direction.HIGHER,
    "Rate of a product of square matrices, at the size where it is highest; the phase is the precision",
    "median over launches of max over sizes of (2 size^3 / median over samples of the time of a call)",
)  # fmt: skip
CONVOLUTION_RATE = _define(
    "convolution_flops_per_s", "FLOP/s", Direction.HIGHER,
    "Rate of a 3 x 3 convolution of 128 channels; the phase is the precision",
    "median over launches of (2 x output elements x 9 x 128 / median over samples of the time of a call)",
)  # fmt: skip
COPY_BANDWIDTH = _define(
    "copy_bandwidth_bytes_per_s", "B/s", Direction.HIGHER,
    "Bandwidth of copying arrays that no cache holds, bytes read and written both counted",
    "median over launches of (2 x bytes copied / median over samples of the time of a call)",
)  # fmt: skip
CACHE_BANDWIDTH = _define(
    "cache_bandwidth_bytes_per_s", "B/s", Direction.HIGHER,
    "Bandwidth of reading the same working set again and again; the phase is its size",
    "median over launches of (bytes read / median over samples of the time of a call)",
)  # fmt: skip
LAUNCH_OVERHEAD = _define(
    "launch_overhead_ns", "ns", Direction.LOWER,
    "Time of the smallest operation, one after the other without waiting in between",
    "median over launches of (median over samples of the time of a block / calls in the block)",
)  # fmt: skip
