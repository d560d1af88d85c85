"""What supervisor and worker say to each other: one JSON object a line.

The supervisor writes one ``Job`` to the worker's standard input. The worker answers on a pipe that nothing else
can write to (its own standard output is moved aside first), with the messages below. May import: core.
"""

from __future__ import annotations

import json
import re
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
_TUPLES = {"values", "device_values"}
_TEXTS = {"phase", "status", "reason", "stop_reason", "effective_precision", "hardware"}
_WHOLE = {"samples", "calls_per_sample", "warmup_calls", "threads", "parameters"}
_MAPPINGS: dict[str, type | tuple[type, ...]] = {
    "costs_ns": int,
    "memory_bytes": int,
    "witnesses": (int, float),
    "facts": str,
}
_MAY_BE_NULL = {"half_width", "warmup_converged", "parameters"}


def _is_plausible(name: str, value: Any) -> bool:
    """Hold one field of a message to its type: what arrives on a pipe is not trusted to be what was sent."""
    if value is None:
        return name in _MAY_BE_NULL
    if name in _TUPLES:
        return isinstance(value, list) and all(type(one) is int for one in value)
    if name in _MAPPINGS:
        return isinstance(value, dict) and all(isinstance(one, _MAPPINGS[name]) for one in value.values())
    if name in _TEXTS:
        return isinstance(value, str)
    if name in _WHOLE:
        return type(value) is int
    return isinstance(value, (int, float))  # the medians, and whether the warm-up converged


def encode(message: Message) -> bytes:
    """One line, newline included."""
    fields = {name: getattr(message, name) for name in message.__dataclass_fields__}
    return (json.dumps({"is": type(message).__name__, **fields}) + "\n").encode()


def decode(line: bytes) -> Message:
    """Read one line. Raises ValueError for anything a worker of ours would not say."""
    try:
        content = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, got {type(content).__name__}")  # noqa: TRY004  (one error for callers)
    kind = _KINDS.get(str(content.pop("is", "")))
    if kind is None:
        raise ValueError("unknown kind of message")
    for name, value in content.items():
        if not _is_plausible(name, value):
            raise ValueError(f"{name} cannot be {type(value).__name__}")
    for name in _TUPLES & content.keys():
        content[name] = tuple(content[name])
    if "status" in content:
        content["status"] = Status(content["status"])
    try:
        message: Message = kind(**content)
    except TypeError as error:
        raise ValueError(str(error)) from error
    return message


_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def make_printable(text: str) -> str:
    """Drop the colours, and replace whatever else no terminal and no table should be sent, such as lone surrogates."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in _ESCAPE.sub("", text))
