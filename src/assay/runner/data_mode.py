"""Time batches as they come, from one process or from several that work ahead. METHOD 2, with one difference.

Batches of several loading processes come in bursts, one of each and then none for a while, so the median of single
waits says nothing of the rate. A reading therefore spans a batch of every process. May import: core, engines, runner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from assay.core.records import MetricValue
from assay.engines.base import Session
from assay.engines.loader import BATCH_BYTES
from assay.runner.child import Speaker
from assay.runner.launch_modes import Timings, throttled_report
from assay.runner.measure import take_samples, warm_up
from assay.runner.protocol import Job


def time_batches(session: Session, job: Job, speaker: Speaker, before_measuring: Callable[[], None]) -> Timings:
    """Warm up, take samples, and say how many bytes a second came."""
    together = max(1, int(session.facts.get("workers", "0")))
    speaker.begin("warmup")
    warm = warm_up(replace(session, infer=repeat(session.infer, together)), job.timing)
    speaker.begin("measure")
    before_measuring()
    timed = take_samples(
        session,
        job.timing,
        call_ns=max(1, warm.last_call_ns // together),
        least_calls=together,
        report=throttled_report(speaker),
    )
    batch_bytes = session.facts.get(BATCH_BYTES)
    rate = None if batch_bytes is None else int(batch_bytes) * 1e9 / timed.median_call_ns
    reason = None if rate is not None else "the engine does not say how large a batch is"
    return Timings(
        median_ns=timed.median_call_ns,
        stop_reason=timed.stop_reason,
        wall_ns=timed.wall_ns,
        warmup_calls=warm.calls * together,
        warmup_converged=warm.converged,
        warmup_ns=warm.wall_ns,
        values=timed.values,
        calls_per_sample=timed.calls_per_sample,
        metrics=(MetricValue("read_bytes_per_s", rate, "B/s", reason=reason),),
    )


def repeat(call: Callable[[], object], times: int) -> Callable[[], object]:
    """Return one call that makes several; the call itself where that is one."""
    if times == 1:
        return call

    def call_all() -> None:
        for _ in range(times):
            call()

    return call_all
