"""What supervisor and worker say to each other: one JSON object a line.

The supervisor writes one ``Job`` to the worker's standard input. The worker answers on a pipe that nothing else
can write to (its own standard output is moved aside first), with the messages below. A process that makes an
artefact is spoken to in the same way. May import: core, artefacts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from assay.artefacts.base import ArtefactRequest
from assay.core.case import Case
from assay.core.records import MetricValue, SampleSeries
from assay.core.words import Status
from assay.runner.timing import Timing


@dataclass(frozen=True, slots=True)
class Job:
    """One launch to be made. ``spawned_ns`` is the supervisor's monotonic clock just before the spawn.

    ``artefacts`` are folders by recipe; ``reference`` is the folder of the reference outputs, None where there is
    nothing to compare with. ``energy_load_s`` is how long the energy pass works, None where there is none.
    """

    case: Case
    shape: Mapping[str, int]
    threads: int
    seed: int
    timing: Timing
    spawned_ns: int
    artefacts: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    energy_load_s: float | None = None

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
                "artefacts": dict(self.artefacts),
                "reference": self.reference,
                "energy_load_s": self.energy_load_s,
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
            artefacts=content["artefacts"],
            reference=content["reference"],
            energy_load_s=content["energy_load_s"],
        )


@dataclass(frozen=True, slots=True)
class PrepareJob:
    """One artefact to be made, in a process of its own. ``root`` is the folder of the cache."""

    request: ArtefactRequest
    root: str
    threads: int

    def to_line(self) -> str:
        """Serialise."""
        return json.dumps({"request": asdict(self.request), "root": self.root, "threads": self.threads})

    @classmethod
    def from_line(cls, line: str) -> PrepareJob:
        """Read back."""
        content = json.loads(line)
        fields = content["request"]
        for name in ("shape", "options"):
            fields[name] = tuple((str(key), value) for key, value in fields[name])
        return cls(ArtefactRequest(**fields), content["root"], content["threads"])


@dataclass(frozen=True, slots=True)
class PhaseBegan:
    """The process entered a phase.

    A worker has ``import``, ``load``, ``first_infer``, ``warmup``, ``measure``, ``preprocess``, ``memory``, ``energy``,
    ``fidelity``, ``placement`` and ``unload``; one that makes an artefact has ``prepare``.
    """

    phase: str


@dataclass(frozen=True, slots=True)
class SamplesSoFar:
    """Live figures, at most a few a second and only between samples."""

    samples: int
    median_ns: float
    half_width: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """A launch that worked: everything it read.

    ``values`` are the calls of plain inference; a mode that reads other things has them in ``series``, and numbers
    that no series holds in ``metrics``. ``marks_ns`` are moments on the monotonic clock that worker and supervisor
    share (``load``, ``measure_begin``, ``measure_end``), ``energy`` the windows and calls of the energy pass.
    """

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
    fidelity: Mapping[str, float] = field(default_factory=dict)
    fidelity_reason: str | None = None
    placement: Mapping[str, int] = field(default_factory=dict)
    series: tuple[SampleSeries, ...] = ()
    metrics: tuple[MetricValue, ...] = ()
    marks_ns: Mapping[str, int] = field(default_factory=dict)
    energy: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An artefact that lies in the cache now. ``key`` is the name of its folder."""

    key: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A launch that did not work, and in which phase."""

    status: Status
    reason: str
    phase: str


Message = PhaseBegan | SamplesSoFar | Measured | Prepared | Failed

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (PhaseBegan, SamplesSoFar, Measured, Prepared, Failed)}
_TUPLES = {"values", "device_values"}
_TEXTS = {"phase", "status", "reason", "stop_reason", "effective_precision", "hardware", "key", "fidelity_reason"}
_WHOLE = {"samples", "calls_per_sample", "warmup_calls", "threads", "parameters"}
_MAPPINGS: dict[str, type | tuple[type, ...]] = {
    "costs_ns": int,
    "memory_bytes": int,
    "witnesses": (int, float),
    "facts": str,
    "fidelity": (int, float),
    "placement": int,
    "marks_ns": int,
    "energy": int,
}
_RECORDS: dict[str, type[SampleSeries | MetricValue]] = {"series": SampleSeries, "metrics": MetricValue}
_MAY_BE_NULL = {"half_width", "warmup_converged", "parameters", "fidelity_reason"}


def _is_plausible(name: str, value: Any) -> bool:
    """Hold one field of a message to its type: what arrives on a pipe is not trusted to be what was sent."""
    if value is None:
        return name in _MAY_BE_NULL
    if name in _TUPLES or name in _RECORDS:
        kind = int if name in _TUPLES else dict
        return isinstance(value, list) and all(type(one) is kind for one in value)
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
    for name in _RECORDS.keys() & fields.keys():
        fields[name] = [asdict(record) for record in fields[name]]
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
        for name in _RECORDS.keys() & content.keys():
            content[name] = tuple(_read_record(name, one) for one in content[name])
        message: Message = kind(**content)
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from error
    return message


def _read_record(name: str, content: dict[str, Any]) -> SampleSeries | MetricValue:
    """Read one series or metric. Raises TypeError or ValueError for what is none."""
    if name == "metrics":
        metric = MetricValue(**content)
        numbers = (metric.value, metric.ci_lo, metric.ci_hi)
        if not all(number is None or isinstance(number, (int, float)) for number in numbers):
            raise ValueError(f"the metric {metric.name!r} holds what is no number")
        return metric
    series = SampleSeries(**{**content, "values": tuple(content["values"])})
    if not all(type(value) is int for value in series.values):
        raise ValueError(f"the series {series.name!r} holds what is no whole number")
    return series


_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def make_printable(text: str) -> str:
    """Drop the colours, and replace whatever else no terminal and no table should be sent, such as lone surrogates."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in _ESCAPE.sub("", text))
