"""What is asked of a predictor, and what it answers: frozen values, units in names.

A question is a workload's graph on a device under conditions. The answer is a prediction with intervals at several
levels, the layer that gave it and why, or an abstention. Hardware enters learned features only as ratios, never as a
name. May import: standard library, core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from assay.core.case import Scalar

if TYPE_CHECKING:
    from assay.predict.llm.shapes import LlmShape

LEVELS = (0.5, 0.8, 0.9)
"""Shares of outcomes that the intervals of a prediction are to hold."""

OP_CLASSES = (
    "conv", "pointwise_conv", "grouped_conv", "depthwise_conv", "matmul", "batched_matmul", "attention", "norm",
    "softmax", "copy", "pool", "elementwise", "gather", "other",
)  # fmt: skip
"""Classes of operations that a graph's work is told apart by. ``conv`` is dense with a kernel above 1x1."""


class Layer(StrEnum):
    """Who answered, from the surest to the last resort."""

    MEASURED = "measured"
    """This case on this device is in the store: the answer is that result, and no prediction is made."""
    TRANSFER = "transfer"
    """The same workload on other devices, scaled by what the devices give."""
    LEARNED = "learned"
    """The operations of the graph under the roofline, times a learned residual."""
    ROOFLINE = "roofline"
    """The device's rates alone, times the share of them that is usually reached."""


class Situation(StrEnum):
    """What a question has in common with the evidence. Intervals are calibrated on the split of the same name."""

    KNOWN = "known"
    """Model and device were both measured, not together under these conditions."""
    UNSEEN_BATCH = "unseen-batch"
    """The model was measured on this device, at no such batch or shape of its inputs."""
    UNSEEN_MODEL = "unseen-model"
    """Its family was measured on this device, this model was not."""
    UNSEEN_FAMILY = "unseen-family"
    UNSEEN_DEVICE = "unseen-device"
    """The model was measured on other devices, never on this one."""
    BOTH_UNSEEN = "both-unseen"
    UNSEEN_VENDOR = "unseen-vendor"
    """No device of its maker was measured."""
    LATER = "later"
    """Later than all evidence: the temporal split."""


@dataclass(frozen=True, slots=True)
class OpWork:
    """What operations of one class do in one call.

    ``count``: operations dispatched; ``flops``: floating point operations, a multiply-add being two; ``elements``:
    floating point numbers read and written, nothing fused; ``other_bytes``: bytes of integers and booleans;
    ``weight_elements``: those of ``elements`` that are weights, which do not grow with the batch.
    """

    count: float = 0.0
    flops: float = 0.0
    elements: float = 0.0
    other_bytes: float = 0.0
    weight_elements: float = 0.0


@dataclass(frozen=True, slots=True)
class GraphProfile:
    """What one call of a model computes and moves, told without running it.

    ``work`` by the names of ``OP_CLASSES``, for ``batch`` samples at ``shape``. ``weight_elements`` are parameters that
    a call reads at least once. ``activation_peak_elements`` is the most that is alive at once in inference, None where
    it was not followed; ``saved_elements`` what training keeps of a forward pass for the backward one. ``source`` says
    how it came about (``counted``, ``onnx``, ``timm table``).
    """

    workload: str
    family: str
    work: Mapping[str, OpWork]
    batch: int = 1
    shape: tuple[tuple[str, int], ...] = ()
    parameters: float = 0.0
    weight_elements: float = 0.0
    edge_elements: float = 0.0
    activation_peak_elements: float | None = None
    units_per_call: float | None = None
    unit_of_work: str | None = None
    source: str = "counted"
    notes: tuple[str, ...] = ()
    saved_elements: float | None = None

    @property
    def flops(self) -> float:
        """Floating point operations of one call."""
        return sum(one.flops for one in self.work.values())

    @property
    def elements(self) -> float:
        """Floating point numbers moved by one call when nothing is fused."""
        return sum(one.elements for one in self.work.values())

    @property
    def kernels(self) -> float:
        """Operations dispatched by one call."""
        return sum(one.count for one in self.work.values())


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What a device gives, in SI units. A figure that is not known is None or absent.

    ``flops_per_s`` by precision: of dense matrix products on the unit that does them. ``origin`` says of each field
    where it is from: ``sheet``, ``probe`` (measured by `assay probe`), ``derated`` (a sheet's figure times what devices
    like it were measured to deliver).
    """

    name: str
    hw_id: str | None = None
    vendor: str = ""
    architecture: str = ""
    kind: str = "gpu"
    flops_per_s: Mapping[str, float] = field(default_factory=dict)
    vector_flops_per_s: float | None = None
    bandwidth_bytes_per_s: float | None = None
    memory_bytes: float | None = None
    cache_bytes: float | None = None
    units: float | None = None
    clock_hz: float | None = None
    power_w: float | None = None
    launch_overhead_ns: float | None = None
    interconnect_bytes_per_s: float | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the workload is run. ``options``: sorted pairs (``layout``, ``scenario``, ``threads`` ...)."""

    engine: str = "torch"
    precision: str = "fp32"
    batch: int = 1
    mode: str = "inference"
    devices: int = 1
    options: tuple[tuple[str, Scalar], ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One number asked for: ``metric`` of the registry (``latency_ns``, ``throughput_per_s``, ``average_power_w`` ...).

    ``graph`` is that of one call at ``conditions.batch``, None where only the workload's name is known. ``decoder`` is
    what a language model weighs and moves, where waiting for its tokens is asked about.
    """

    workload: str
    family: str
    device: DeviceProfile
    conditions: Conditions
    metric: str = "latency_ns"
    graph: GraphProfile | None = None
    decoder: LlmShape | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its answer.

    ``groups`` names what splits hold out (``model``, ``family``, ``device``, ``vendor``, ``config``, ``round`` ...);
    ``source`` is a result's id or the place in a file.
    """

    question: Question
    value: float
    groups: Mapping[str, str]
    source: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Holds the outcome in a share of ``level`` of such questions, as tested."""

    level: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something measured or imported that a prediction rests on, and how near it is; ``result_id`` if stored."""

    what: str
    value: float
    unit: str
    result_id: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A number that nobody measured (or, of the layer ``measured``, the result that answers already).

    ``calibrated_on`` is the situation whose tested errors gave the intervals, over ``calibration_n`` outcomes of
    ``calibration_groups`` held-out groups. ``flags``: what to be wary of (a derated sheet, extrapolation, few groups).
    ``would_change``: what would sharpen or overturn it.
    """

    metric: str
    value: float
    unit: str
    intervals: tuple[Interval, ...]
    layer: Layer
    reasons: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    calibrated_on: Situation | None = None
    calibration_n: int = 0
    calibration_groups: int = 0
    model: str | None = None
    flags: tuple[str, ...] = ()
    would_change: tuple[str, ...] = ()

    def interval(self, level: float) -> Interval | None:
        """The interval of a level, None where it has none."""
        for one in self.intervals:
            if one.level == level:
                return one
        return None


@dataclass(frozen=True, slots=True)
class Abstention:
    """No number, on purpose: why, and what to measure so that there is one."""

    metric: str
    reason: str
    measure: tuple[str, ...] = ()


Answer = Prediction | Abstention
