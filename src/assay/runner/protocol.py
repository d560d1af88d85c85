"""What supervisor and worker say to each other: one JSON object a line.

The supervisor writes one ``Job`` to the worker's standard input. The worker answers on a pipe that nothing else
can write to (its own standard output is moved aside first), with the messages below. May import: core.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.core.case import Case
from assay.core.words import Status
from assay.runner.timing import Timing


@dataclass(frozen=True, slots=True)
class Job:
    """One launch to be made. ``spawned_ns`` is the supervisor's monotonic clock just before the spawn."""

    case: Case
    shape: Mapping[str, int]
    threads: int
    seed: int
    timing: Timing
    spawned_ns: int

    def to_line(self) -> str:
        """Serialise."""
        return json.dumps(
            {
                "case": self.case.to_dict(),
                "shape": dict(self.shape),
                "threads": self.threads,
                "seed": self.seed,
                "timing": self.timing.to_dict(),
                "spawned_ns": self.spawned_ns,
            }
        )

    @classmethod
    def from_line(cls, line: str) -> Job:
        """Read back."""
        content = json.loads(line)
        return cls(
            case=Case.from_dict(content["case"]),
            shape=content["shape"],
            threads=content["threads"],
            seed=content["seed"],
            timing=Timing(**content["timing"]),
            spawned_ns=content["spawned_ns"],
        )


@dataclass(frozen=True, slots=True)
class PhaseBegan:
    """The worker entered ``import``, ``load``, ``first_infer``, ``warmup``, ``measure`` or ``memory``."""

    phase: str


@dataclass(frozen=True, slots=True)
class SamplesSoFar:
    """Live figures, at most a few a second and only between samples."""

    samples: int
    median_ns: float
    half_width: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """A launch that worked: everything it read."""

    values: tuple[int, ...]
    device_values: tuple[int, ...]
    calls_per_sample: int
    stop_reason: str
    median_ns: float
    warmup_calls: int
    warmup_converged: bool | None
    costs_ns: Mapping[str, int]
    memory_bytes: Mapping[str, int]
    witnesses: Mapping[str, float]
    effective_precision: str
    threads: int
    hardware: str
    parameters: int | None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """A launch that did not work, and in which phase."""

    status: Status
    reason: str
    phase: str


Message = PhaseBegan | SamplesSoFar | Measured | Failed

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (PhaseBegan, SamplesSoFar, Measured, Failed)}


def encode(message: Message) -> bytes:
    """One line, newline included."""
    fields = {name: getattr(message, name) for name in message.__dataclass_fields__}
    return (json.dumps({"is": type(message).__name__, **fields}) + "\n").encode()


def decode(line: bytes) -> Message:
    """Read one line. Raises ValueError for anything a worker of ours would not say."""
    content = json.loads(line)
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, got {type(content).__name__}")  # noqa: TRY004  (one error for callers)
    kind = _KINDS.get(content.pop("is", ""))
    if kind is None:
        raise ValueError("unknown kind of message")
    try:
        for name in ("values", "device_values"):
            if name in content:
                content[name] = tuple(content[name])
        if "status" in content:
            content["status"] = Status(content["status"])
        message: Message = kind(**content)
    except TypeError as error:
        raise ValueError(str(error)) from error
    return message
