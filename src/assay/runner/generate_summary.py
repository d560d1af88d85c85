"""From the readings of a generation case's launches to its metrics, and how its text compares with the reference's.

Definitions and their sources are in docs/generation.md.
May import: core, catalog, runner, stats; numpy inside functions.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.catalog.metrics import Metric
from assay.catalog.serving_metrics import (
    DECODE_RATE,
    GENERATION_TIME,
    INTER_TOKEN_LATENCY,
    OUTPUT_RATE,
    PREFILL_RATE,
    PREFILL_TIME,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
    TOTAL_RATE,
)
from assay.core.records import LaunchRecord, MetricValue
from assay.runner.generate import DECODE_STEP, GENERATION, PREFILL
from assay.stats.summary import PERCENTILE_MINIMUM_N, launch_interval, percentile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_STEPS = "a generation of one token has no second"
_NO_TEXT = "the prompt is not made of tokens"


def summarise_generation(
    launches: Sequence[LaunchRecord], *, batch: int, new_tokens: int, prompt_tokens: int | None
) -> tuple[MetricValue, ...]:
    """Metrics of a generation case from the series of its launches.

    Central values are medians over launches of each launch's median; tails are over all readings, and None with a
    reason where there are too few (METHOD 2). ``prompt_tokens`` is that of one prompt, None for sound. Of launches
    without such series there are no metrics.
    """
    first = [_series(launch, PREFILL) for launch in launches]
    total = [_series(launch, GENERATION) for launch in launches]
    if not launches or not all(first) or not all(total):
        return ()
    first_ns = [statistics.median(values) for values in first]
    total_ns = [statistics.median(values) for values in total]
    both = None if prompt_tokens is None else prompt_tokens + new_tokens
    return (
        _time(TIME_TO_FIRST_TOKEN, first_ns),
        *_tails(TIME_TO_FIRST_TOKEN, first),
        _time(PREFILL_TIME, first_ns),
        _rate(PREFILL_RATE, first_ns, batch, prompt_tokens),
        _time(GENERATION_TIME, total_ns),
        *_tails(GENERATION_TIME, total),
        _rate(OUTPUT_RATE, total_ns, batch, new_tokens),
        _rate(TOTAL_RATE, total_ns, batch, both),
        *_summarise_steps([_series(launch, DECODE_STEP) for launch in launches], batch=batch, steps=new_tokens - 1),
    )


def _summarise_steps(readings: Sequence[tuple[int, ...]], *, batch: int, steps: int) -> Iterable[MetricValue]:
    if steps < 1:
        for metric in (TIME_PER_OUTPUT_TOKEN, INTER_TOKEN_LATENCY, DECODE_RATE):
            yield MetricValue(metric.name, None, metric.unit, reason=_NO_STEPS)
        return
    per_token_ns = [statistics.median(_means(values, steps)) for values in readings]
    yield _time(TIME_PER_OUTPUT_TOKEN, per_token_ns)
    yield _time(INTER_TOKEN_LATENCY, [statistics.median(values) for values in readings])
    yield from _tails(INTER_TOKEN_LATENCY, readings)
    yield _rate(DECODE_RATE, per_token_ns, batch, 1)


def _means(values: Sequence[int], steps: int) -> list[float]:
    """Mean step of each generation, from steps written one generation after the other."""
    return [sum(values[begin : begin + steps]) / steps for begin in range(0, len(values), steps)]


def _time(metric: Metric, per_launch_ns: Sequence[float]) -> MetricValue:
    interval = launch_interval(per_launch_ns)
    lo, hi = (interval.lo, interval.hi) if interval else (None, None)
    value = statistics.median(per_launch_ns)
    return MetricValue(metric.name, value, metric.unit, ci_lo=lo, ci_hi=hi, n=len(per_launch_ns))


def _rate(metric: Metric, per_launch_ns: Sequence[float], batch: int, tokens: int | None) -> MetricValue:
    """Tokens of all texts of the batch over the time; None where the tokens of one text are not known."""
    n = len(per_launch_ns)
    if tokens is None:
        return MetricValue(metric.name, None, metric.unit, n=n, reason=_NO_TEXT)
    done = batch * tokens * 1e9
    interval = launch_interval(per_launch_ns)
    lo, hi = (done / interval.hi, done / interval.lo) if interval else (None, None)
    return MetricValue(metric.name, done / statistics.median(per_launch_ns), metric.unit, ci_lo=lo, ci_hi=hi, n=n)


def _tails(metric: Metric, per_launch: Sequence[Sequence[int]]) -> Iterable[MetricValue]:
    values = [value for readings in per_launch for value in readings]
    for rank, fewest in PERCENTILE_MINIMUM_N.items():
        value = percentile(values, rank)
        reason = None if value is not None else f"needs {fewest} samples, has {len(values)}"
        yield MetricValue(metric.name, value, metric.unit, f"p{rank}", n=len(values), reason=reason)


def _series(launch: LaunchRecord, name: str) -> tuple[int, ...]:
    return next((series.values for series in launch.samples if series.name == name), ())


@dataclass(frozen=True, slots=True)
class TokenAgreement:
    """How far generated texts follow the reference's.

    ``share`` is that of all positions with the same token, ``exact`` that of texts equal throughout; ``before`` is the
    least number of tokens that any text has in common with its reference before it first differs. From there on texts
    may differ for good reason, so ``before`` tells more than ``share``.
    """

    share: float
    exact: float
    before: int


def compare_tokens(tokens: NDArray[np.int64], reference: NDArray[np.int64]) -> TokenAgreement:
    """Compare token ids, (batch, new_tokens) both. Raises ValueError where the shapes differ."""
    if tokens.shape != reference.shape or not tokens.size:
        raise ValueError(f"Got tokens of shape {tokens.shape}, expected {reference.shape} and at least one.")
    same = tokens == reference
    before = [int(row.argmin()) for row in same if not row.all()]
    return TokenAgreement(
        share=float(same.mean()),
        exact=float(same.all(axis=1).mean()),
        before=min(before, default=int(tokens.shape[1])),
    )
