"""Metrics of generation and of serving: name, unit, direction, meaning, formula, source.

Importing this module registers them. May import: core, catalog.metrics.
"""

from __future__ import annotations

import functools

from assay.catalog.metrics import define
from assay.core.words import Direction

_GENERATION = "docs/generation.md"
_SERVING = "docs/serving.md"
_define = functools.partial(define, source=_GENERATION)


TIME_TO_FIRST_TOKEN = _define(
    "time_to_first_token_ns", "ns", Direction.LOWER,
    "Time from handing over a batch of prompts to the first token of each; nothing else is in the queue",
    "median over launches of (median over generations of t(token 1) - t(start))",
)  # fmt: skip
PREFILL_TIME = _define(
    "prefill_ns", "ns", Direction.LOWER,
    "Time of the phase that reads the prompts and chooses the first token",
    "median over launches of (median over generations of t(token 1) - t(start))",
)  # fmt: skip
PREFILL_RATE = _define(
    "prefill_tokens_per_s", "1/s", Direction.HIGHER, "Tokens of the prompts read per second, all texts of the batch",
    "batch x prompt tokens / prefill_ns",
)  # fmt: skip
TIME_PER_OUTPUT_TOKEN = _define(
    "time_per_output_token_ns", "ns", Direction.LOWER, "Mean time between two tokens of a text, the first not counted",
    "median over launches of (median over generations of (t(token N) - t(token 1)) / (N - 1))",
)  # fmt: skip
INTER_TOKEN_LATENCY = _define(
    "inter_token_latency_ns", "ns", Direction.LOWER, "Time from one token of a text to the next",
    "median over launches of (median over steps of t(token i+1) - t(token i)); percentiles over all steps",
)  # fmt: skip
DECODE_RATE = _define(
    "decode_tokens_per_s", "1/s", Direction.HIGHER, "Tokens made per second after the first, all texts of the batch",
    "batch / time_per_output_token_ns",
)  # fmt: skip
GENERATION_TIME = _define(
    "generation_ns", "ns", Direction.LOWER, "Time of a whole generation: prompt to last token",
    "median over launches of (median over generations of t(token N) - t(start))",
)  # fmt: skip
OUTPUT_RATE = _define(
    "output_tokens_per_s", "1/s", Direction.HIGHER,
    "Tokens made per second of the whole generation, all texts of the batch",
    "batch x N / generation_ns",
)  # fmt: skip
TOTAL_RATE = _define(
    "total_tokens_per_s", "1/s", Direction.HIGHER,
    "Tokens read and made per second of the whole generation, all texts of the batch",
    "batch x (prompt tokens + N) / generation_ns",
)  # fmt: skip

SERVING_RATE = _define(
    "serving_rate_per_s", "1/s", Direction.HIGHER,
    "Highest rate of Poisson arrivals whose latencies hold the target by LoadGen's verdict, in two runs",
    "rate of arrivals asked for; median over launches", source=_SERVING,
)  # fmt: skip
LOWEST_INVALID_RATE = _define(
    "serving_lowest_invalid_rate_per_s", "1/s", Direction.NEITHER,
    "Lowest rate of Poisson arrivals that LoadGen called INVALID: with the highest valid one, what the search knows",
    "rate of arrivals asked for; median over launches", source=_SERVING,
)  # fmt: skip
SCHEDULED_RATE = _define(
    "serving_scheduled_rate_per_s", "1/s", Direction.NEITHER, "Rate of the arrivals that were drawn",
    "LoadGen: (samples - 1) / time of the last arrival", source=_SERVING,
)  # fmt: skip
COMPLETED_RATE = _define(
    "serving_completed_rate_per_s", "1/s", Direction.HIGHER, "Rate at which a Server run was answered",
    "LoadGen: (samples - 1) / time of the last answer", source=_SERVING,
)  # fmt: skip
SERVING_THROUGHPUT = _define(
    "serving_samples_per_s", "1/s", Direction.HIGHER,
    "Samples answered per second; of SingleStream with LoadGen's own time between queries",
    "LoadGen: Offline: samples / time of the last answer; SingleStream: QPS with loadgen overhead", source=_SERVING,
)  # fmt: skip
SERVING_LATENCY = _define(
    "serving_latency_ns", "ns", Direction.LOWER,
    "Time from when a query was due to its answer; of Offline's one query, of each sample",
    "LoadGen's percentile: the value of rank n x p; median over launches", source=_SERVING,
)  # fmt: skip
EARLY_STOPPING_LATENCY = _define(
    "serving_early_stopping_latency_ns", "ns", Direction.LOWER,
    "The percentile of latency that is judged, bounded from above with 99 % confidence",
    "LoadGen's early-stopping estimate; median over launches", source=_SERVING,
)  # fmt: skip
LATENCY_TARGET = _define(
    "serving_latency_target_ns", "ns", Direction.NEITHER,
    "Latency that the judged percentile of a Server run must hold",
    "given, or a multiple of SingleStream's median", source=_SERVING,
)  # fmt: skip
SERVING_QUERIES = _define(
    "serving_queries", "1", Direction.NEITHER, "Queries of the run that counts", "LoadGen's count", source=_SERVING,
)  # fmt: skip
