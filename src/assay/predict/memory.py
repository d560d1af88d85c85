"""How much memory a call or a training step takes at most, and whether a device has it: told from the graph.

Analytic parts (weights, activations, gradients, optimizer state), times what own measurements say of each engine.
Definitions and figures: docs/predict-graphs.md. May import: core, predict.values, stats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from assay.core.errors import AssayError, UnsupportedError
from assay.core.words import Mode, Precision
from assay.predict.values import LEVELS, Conditions, GraphProfile, Interval
from assay.stats.conformal import Calibration

OPTIMIZER_BYTES = {"adamw": 8.0, "adamw-8bit": 2.0, "sgd": 4.0, "adafactor": 0.1}
"""Bytes of state a trained parameter: two fp32 numbers; two of 8 bits; fp32 momentum; one row and one column of every
matrix (Kingma & Ba 2015, arXiv:1412.6980; Dettmers et al. 2022, arXiv:2110.02861; Shazeer & Stern 2018,
arXiv:1804.04235)."""
CONTEXT_BYTES = {"gpu": 500e6}
"""What a driver's context and a library's work space take of a device beside the allocator's peak: a usual size of
CUDA contexts, not measured here."""
_NARROW = ("bf16", "fp16")
_UNTESTED_SPREAD = 0.35
"""Half the logarithmic width taken for a standard deviation where nothing was measured; it is a guess, and flagged."""
_NORMAL_90 = 1.645


@dataclass(frozen=True, slots=True)
class MemoryParts:
    """Bytes of each part at the worst moment. ``activations`` are the peak in inference, what is saved in training."""

    weights: float
    activations: float
    gradients: float = 0.0
    optimizer: float = 0.0

    @property
    def state(self) -> float:
        """What is there as long as the model is: all but the activations."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> float:
        """Their sum, in bytes."""
        return self.state + self.activations


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Peak memory in bytes. ``spread`` is the standard deviation of its logarithm; ``intervals`` only where tested."""

    value_bytes: float
    parts: MemoryParts
    spread: float
    intervals: tuple[Interval, ...] = ()
    reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def oom_probability(self, memory_bytes: float, *, context_bytes: float = 0.0) -> float:
        """Probability that the peak does not fit into ``memory_bytes`` less a context, for a lognormal peak."""
        free = memory_bytes - context_bytes
        if free <= 0:
            return 1.0
        distance = math.log(self.value_bytes / free) / self.spread
        return 0.5 * math.erfc(-distance / math.sqrt(2))


@dataclass(frozen=True, slots=True)
class EngineFactors:
    """What an engine makes of the analytic parts: peak = weights x a + activations x b + c bytes."""

    weights: float
    activations: float
    base_bytes: float
    rows: int

    def apply(self, parts: MemoryParts) -> float:
        """Bytes that the engine needs at its worst moment."""
        return self.weights * parts.state + self.activations * parts.activations + self.base_bytes


@dataclass(frozen=True, slots=True)
class MemoryCorrection:
    """Factors by engine, mode and kind of device (``torch inference on cpu``); by mode, errors on families left out."""

    factors: Mapping[str, EngineFactors] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    def spread(self, mode: str) -> float:
        """Standard deviation of the logarithm of a peak, from the tested interval of 90 %."""
        found = self.calibrations.get(mode)
        if found is None:
            return _UNTESTED_SPREAD
        wide = found.half_width(0.9)
        return max(wide if math.isfinite(wide) else max(found.scores), 1e-3) / _NORMAL_90

    def to_dict(self) -> dict[str, object]:
        """As JSON-able plain values."""
        return {
            "factors": {
                name: [one.weights, one.activations, one.base_bytes, one.rows] for name, one in self.factors.items()
            },
            "calibrations": {
                mode: {"scores": list(one.scores), "weights": list(one.weights), "groups": one.groups}
                for mode, one in self.calibrations.items()
            },
        }


def count_memory(graph: GraphProfile, conditions: Conditions) -> MemoryParts:
    """Add up what a call holds at its worst moment, from the graph at ``conditions.batch``.

    Inference: weights in the precision, and the most activations alive at once. Training, in fp32 or under autocast:
    weights, gradients and optimizer state in fp32, what the forward pass saves in the precision computed in (a copy of
    the weights with it), over the ranks of ``conditions.devices`` undivided. Raises UnsupportedError where the graph
    does not say what is needed.
    """
    if graph.batch != conditions.batch:
        raise ValueError(f"got a graph of batch {graph.batch} and conditions of batch {conditions.batch}")
    width = _activation_bytes(conditions.precision)
    if conditions.mode == Mode.TRAINING:
        return _count_training(graph, conditions, width)
    peak = graph.activation_peak_elements
    if peak is None:
        raise UnsupportedError(
            f"The memory of {graph.workload} is not known: its graph ({graph.source}) does not say what is alive at "
            "once.",
            hint="Give a configuration, a module or an ONNX file, whose tensors can be followed.",
        )
    return MemoryParts(graph.parameters * _weight_bytes(conditions.precision), peak * width)


def estimate_memory(
    graph: GraphProfile, conditions: Conditions, correction: MemoryCorrection | None = None, *, kind: str = "cpu"
) -> MemoryEstimate:
    """Predict the peak of a call (or of a training step), corrected by what the engine was measured to need.

    ``kind`` is that of the device: on a host the resident size of the process, on an accelerator its allocator.
    Without a correction for the engine and mode the analytic sum is the answer, without intervals, and says so.
    Raises what `count_memory` raises.
    """
    parts = count_memory(graph, conditions)
    known = correction or MemoryCorrection()
    factors = known.factors.get(key_of(conditions, kind))
    if factors is None:
        return MemoryEstimate(
            parts.total,
            parts,
            _UNTESTED_SPREAD,
            reasons=(_describe(parts),),
            flags=(f"no measured memory of {key_of(conditions, kind)}: the analytic sum alone, its error untested",),
        )
    value = factors.apply(parts)
    reasons = (
        _describe(parts),
        _explain(factors, key_of(conditions, kind)),
    )
    tested = _intervals(value, known.calibrations.get(conditions.mode))
    return MemoryEstimate(value, parts, known.spread(conditions.mode), tested, reasons)


def context_bytes(kind: str) -> float:
    """Bytes of a device of a kind (``gpu``, ``cpu``) that no model can have."""
    return CONTEXT_BYTES.get(kind, 0.0)


def load_correction(content: Mapping[str, object]) -> MemoryCorrection:
    """Read back what `MemoryCorrection.to_dict` wrote. Raises AssayError for anything else."""
    try:
        factors = {
            str(name): EngineFactors(float(one[0]), float(one[1]), float(one[2]), int(one[3]))
            for name, one in content["factors"].items()  # type: ignore[attr-defined]  # checked by what it raises
        }
        tested = {
            str(mode): Calibration(
                tuple(float(score) for score in one["scores"]),
                tuple(float(weight) for weight in one["weights"]),
                int(one["groups"]),
            )
            for mode, one in content["calibrations"].items()  # type: ignore[attr-defined]
        }
        return MemoryCorrection(factors, tested)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise AssayError(f"A correction of memory cannot be read: {type(error).__name__}: {error}.") from error


def _count_training(graph: GraphProfile, conditions: Conditions, width: float) -> MemoryParts:
    saved = graph.saved_elements
    if saved is None:
        raise UnsupportedError(
            f"The memory of training {graph.workload} is not known: what its forward pass saves was not counted "
            f"({graph.source}).",
            hint="Give a family, a configuration or a module, whose backward pass can be followed.",
        )
    optimizer = str(dict(conditions.options).get("optimizer", "adamw"))
    if optimizer not in OPTIMIZER_BYTES:
        raise UnsupportedError(
            f"The state of the optimizer {optimizer!r} is not known; expected one of {', '.join(OPTIMIZER_BYTES)}."
        )
    copy = graph.parameters * width if conditions.precision in _NARROW else 0.0
    full = Precision.FP32.bytes_per_parameter
    return MemoryParts(
        weights=graph.parameters * full + copy,
        activations=saved * width,
        gradients=graph.parameters * full,
        optimizer=graph.parameters * OPTIMIZER_BYTES[optimizer],
    )


def key_of(conditions: Conditions, kind: str) -> str:
    """What factors are learned apart for: ``torch inference on cpu``."""
    return f"{conditions.engine} {conditions.mode} on {kind}"


def _intervals(value: float, calibration: Calibration | None) -> tuple[Interval, ...]:
    if calibration is None:
        return ()
    widths = ((level, calibration.half_width(level)) for level in LEVELS)
    return tuple(
        Interval(level, value * math.exp(-width), value * math.exp(width)) for level, width in widths
        if math.isfinite(width)
    )  # fmt: skip


def _describe(parts: MemoryParts) -> str:
    named = (
        ("weights", parts.weights), ("activations", parts.activations), ("gradients", parts.gradients),
        ("optimizer", parts.optimizer),
    )  # fmt: skip
    return "analytic sum: " + ", ".join(f"{value / 1e6:.0f} MB of {name}" for name, value in named if value)


def _explain(factors: EngineFactors, key: str) -> str:
    return (
        f"{key} was measured to take {factors.weights:.2f} x state, {factors.activations:.2f} x "
        f"activations and {factors.base_bytes / 1e6:.0f} MB ({factors.rows} results)"
    )


def _weight_bytes(precision: str) -> float:
    try:
        return Precision(precision).bytes_per_parameter
    except ValueError as error:
        raise UnsupportedError(f"The width of precision {precision!r} is not known.") from error


def _activation_bytes(precision: str) -> float:
    """Activations stay in fp32 where only weights are narrow integers."""
    return 2.0 if precision in _NARROW else 4.0


def add_bytes(estimate: MemoryEstimate, extra_bytes: float, why: str) -> MemoryEstimate:
    """Add bytes that the graph does not know of (a key-value cache), with its reason."""
    value = estimate.value_bytes + extra_bytes
    ratio = value / estimate.value_bytes
    intervals = tuple(Interval(one.level, one.lo * ratio, one.hi * ratio) for one in estimate.intervals)
    return replace(estimate, value_bytes=value, intervals=intervals, reasons=(*estimate.reasons, why))
