"""One launch of the device probe: a fresh process, what goes down to it and what comes back.

The supervisor blocks on the pipe; a timer ends what takes too long. May import: core, runner.last_words,
runner.protocol, runner.supervise.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from assay.core.records import SampleSeries
from assay.core.units import format_elapsed
from assay.core.words import Status
from assay.runner.last_words import explain_exit, kill_group
from assay.runner.protocol import Failed, make_printable
from assay.runner.supervise import worker_environment

COMMAND = (sys.executable, "-P", "-m", "assay.runner.probe_worker")
_LONGEST_LINE = 16 << 20


@dataclass(frozen=True, slots=True)
class ProbeJob:
    """What one launch is to measure. ``precisions`` empty: those that the device has natively.

    ``window_scale`` lengthens or shortens the time spent on each kernel.
    """

    device: str
    precisions: tuple[str, ...]
    threads: int
    window_scale: float = 1.0

    def to_line(self) -> str:
        """Serialise."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> ProbeJob:
        """Read back."""
        content = json.loads(line)
        return cls(**{**content, "precisions": tuple(content["precisions"])})


@dataclass(frozen=True, slots=True)
class Rate:
    """One number of one launch: ``metric`` and ``phase`` as the store names them, and the best sample beside it."""

    metric: str
    phase: str
    value: float
    best: float


@dataclass(frozen=True, slots=True)
class Probed:
    """What a launch that worked measured: its rates, every raw sample, why a rate is missing, and its witnesses."""

    rates: tuple[Rate, ...]
    series: tuple[SampleSeries, ...]
    missing: Mapping[str, str]
    costs_ns: Mapping[str, int]
    witnesses: Mapping[str, float]
    facts: Mapping[str, str]
    threads: int
    hardware: str

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Probed:
        """Read back what a worker sent. Raises ValueError, KeyError or TypeError for anything else."""
        return cls(
            rates=tuple(
                Rate(str(one["metric"]), str(one["phase"]), float(one["value"]), float(one["best"]))
                for one in content["rates"]
            ),
            series=tuple(
                SampleSeries(
                    str(one["name"]), "ns", tuple(int(value) for value in one["values"]), int(one["calls_per_sample"])
                )
                for one in content["series"]
            ),
            missing={str(name): str(reason) for name, reason in content["missing"].items()},
            costs_ns={str(name): int(value) for name, value in content["costs_ns"].items()},
            witnesses={str(name): float(value) for name, value in content["witnesses"].items()},
            facts={str(name): str(value) for name, value in content["facts"].items()},
            threads=int(content["threads"]),
            hardware=str(content["hardware"]),
        )


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What became of one launch."""

    outcome: Probed | Failed
    started_at: datetime
    wall_ns: int
    supervisor_cpu_share: float


@dataclass(slots=True)
class _Limit:
    """Kills a process group when its time is up, and remembers that it did."""

    process: subprocess.Popen[bytes]
    has_struck: bool = field(default=False)

    def strike(self) -> None:
        self.has_struck = True
        kill_group(self.process)


def run_probe_launch(
    job: ProbeJob,
    *,
    limit_s: float,
    on_phase: Callable[[str], None] = lambda _phase: None,
    command: Sequence[str] = COMMAND,
) -> ProbeOutcome:
    """Make one launch. ``on_phase`` gets what is being measured; ``command`` is the worker's.

    A KeyboardInterrupt ends the worker and goes on up.
    """
    started_at = datetime.now(UTC)
    begin_ns, begin_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=worker_environment(os.environ, job.threads),
            start_new_session=True,
        )
        limit = _Limit(process)
        timer = threading.Timer(limit_s, limit.strike)
        timer.daemon = True
        timer.start()
        try:
            outcome, phase = _listen(process, job, on_phase)
            code = process.wait()
        finally:
            timer.cancel()
            kill_group(process)
            process.wait()
        if outcome is None:
            outcome = _explain_silence(code, phase, limit, limit_s, stderr)
    wall_ns = time.perf_counter_ns() - begin_ns
    return ProbeOutcome(outcome, started_at, wall_ns, (time.process_time_ns() - begin_cpu_ns) / wall_ns)


def _listen(
    process: subprocess.Popen[bytes], job: ProbeJob, on_phase: Callable[[str], None]
) -> tuple[Probed | Failed | None, str]:
    """Hand over the job and read until the last word, or until the pipe ends."""
    if process.stdin is None or process.stdout is None:
        raise AssertionError("Popen was asked for pipes")
    with contextlib.suppress(BrokenPipeError):  # a worker that dies at once is explained by its exit
        process.stdin.write(job.to_line().encode() + b"\n")
        process.stdin.close()
    phase = "start"
    with process.stdout:
        for content in _read_messages(process.stdout):
            if content is None:
                return Failed(Status.FAILED, f"the worker wrote what is no message, in {phase}", phase), phase
            if "phase" in content:
                phase = make_printable(str(content["phase"]))
                on_phase(phase)
                continue
            try:
                return _last_word(content), phase
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                reason = f"the worker's last word cannot be read: {type(error).__name__}: {error}"
                return Failed(Status.FAILED, reason, phase), phase
    return None, phase


def _read_messages(pipe: IO[bytes]) -> Iterator[dict[str, Any] | None]:
    """Give one object a line; None for anything else."""
    while line := pipe.readline(_LONGEST_LINE):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            content = None
        yield content if isinstance(content, dict) else None


def _last_word(content: Mapping[str, Any]) -> Probed | Failed:
    if "failed" in content:
        failed = content["failed"]
        return Failed(Status(failed["status"]), make_printable(str(failed["reason"])), str(failed["phase"]))
    return Probed.from_dict(content["probed"])


def _explain_silence(code: int, phase: str, limit: _Limit, limit_s: float, stderr: IO[bytes]) -> Failed:
    """Say why there was no last word."""
    if limit.has_struck:
        reason = f"still in {phase} after the limit of {format_elapsed(limit_s)}; killed"
        return Failed(Status.TIMEOUT, reason, phase)
    return explain_exit(code, phase, stderr)
