"""What a workload is: sizes, inputs, unit of work and a way to build the model.

A family is *data plus one build function*. Its file imports no framework at module level, so that listing,
planning and checking memory never import torch. May import: core, workloads.audio; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assay.core.errors import UnknownNameError, WorkloadError
from assay.core.registry import Registry
from assay.workloads.audio import FeatureSpec


class Tier(StrEnum):
    """Rough size classes that mean the same in every family, for ``--max-size`` and the shipped suites."""

    TINY = "tiny"
    SMALL = "small"
    BASE = "base"
    LARGE = "large"

    def fits(self, limit: Tier) -> bool:
        """True where this tier is not above ``limit``."""
        order = list(Tier)
        return order.index(self) <= order.index(limit)


class UnitOfWork(StrEnum):
    """What throughput counts."""

    SAMPLE = "sample"
    TOKEN = "token"  # noqa: S105  (a unit, not a secret)
    AUDIO_SECOND = "s audio"


class Fill(StrEnum):
    """How the values of an input are made (numpy's PCG64, seeded)."""

    TOKENS = "tokens"
    NORMAL = "normal"
    UNIFORM = "uniform"
    ONES = "ones"
    RANGE = "range"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One named input of the model.

    ``dims`` names or fixes each dimension: an int is itself, a str is a sum of products over ``batch``, the
    case's shape and the size's constants (``"seconds*16000"``, ``"image_tokens+seq"``). ``dtype`` is numpy's
    name; a floating input is cast by the engine to the case's precision. ``low``/``high`` bound TOKENS
    (half-open) and UNIFORM. The first ``lead`` positions of the last dimension of TOKENS are ``lead_value``
    (image placeholders, say). All of them may name constants.
    """

    name: str
    dims: tuple[int | str, ...]
    dtype: str
    fill: Fill
    low: int | str = 0
    high: int | str = 1
    lead: int | str = 0
    lead_value: int | str = 0


@dataclass(frozen=True, slots=True)
class Size:
    """One published (or tiny) configuration of a family.

    ``config`` holds what the build function needs. ``parameters`` is the exact count of what assay builds,
    checked by a test (None where only building would tell); ``published`` is the figure of the paper or model
    card in ``source``, None for sizes of our own. ``constants`` feed the input dimensions (``vocab``, ``image``
    defaults).
    """

    tier: Tier
    config: Mapping[str, Any]
    parameters: int | None
    source: str
    published: float | None = None
    constants: Mapping[str, int] = field(default_factory=dict)
    shape: Mapping[str, int] | None = None
    batches: tuple[int, ...] | None = None


Build = Callable[[Size], Any]
"""Build the torch module for a size with *uninitialised or default* weights: (size) -> torch.nn.Module, eval-able."""

Forward = Callable[[Any, Mapping[str, Any]], Any]
"""Call the model on named inputs: (module, inputs) -> anything; tensors in it are the outputs."""

Bring = Callable[[Size, int, Mapping[str, int], str], tuple[Any, Any]]
"""Build the module and its own inputs: (size, batch, shape, dtype name) -> (torch.nn.Module, inputs)."""

UnitsPerCall = Callable[[Size, int, Mapping[str, int]], float]
"""How many units of work one call does: (size, batch, shape) -> count."""


@dataclass(frozen=True, slots=True)
class Family:
    """A model family: task, inputs, unit of work, sizes, and how it is built."""

    name: str
    task: str
    modality: str
    unit: UnitOfWork
    units_per_call: UnitsPerCall
    sizes: Mapping[str, Size]
    inputs: tuple[InputSpec, ...]
    default_shape: Mapping[str, int]
    default_batches: tuple[int, ...]
    build: Build
    forward: Forward
    reference: str
    requires: tuple[str, ...] = ("torch", "transformers")
    """Python packages that ``build`` imports."""
    bring: Bring | None = None
    """For models of the user's own, which come with weights and inputs: used instead of ``build`` and ``inputs``."""
    format: str = "torch"
    """What its model is: a torch module, a file in onnx, openvino or torch-export form, or ``data``: no model."""
    is_general: bool = True
    """True where ``families: all`` means it too; False for those of one subject (vibration, parts of a model)."""
    features: FeatureSpec | None = None
    """How its audio input is made from a waveform; None where it takes no audio."""


families: Registry[Family] = Registry("workload")


def per_sample(_size: Size, batch: int, _shape: Mapping[str, int]) -> float:
    """One unit a sample of the batch."""
    return float(batch)


def per_token(_size: Size, batch: int, shape: Mapping[str, int]) -> float:
    """One unit an input token: batch x seq."""
    return float(batch * shape["seq"])


def per_audio_second(_size: Size, batch: int, shape: Mapping[str, int]) -> float:
    """One unit a second of input audio: batch x seconds."""
    return float(batch * shape["seconds"])


def call_with_keywords(model: Any, inputs: Mapping[str, Any]) -> Any:
    """The usual forward: every input by its name."""
    return model(**inputs)


def call_with_first(model: Any, inputs: Mapping[str, Any]) -> Any:
    """For modules that take one positional tensor."""
    return model(next(iter(inputs.values())))


@dataclass(frozen=True, slots=True)
class Workload:
    """A family at a size: everything the runner and an engine need to know about what is computed."""

    name: str
    family: Family
    size: Size

    def resolve_shape(self, requested: Mapping[str, int]) -> dict[str, int]:
        """Fill in the default of every free dimension. Raises UnknownNameError for a dimension it lacks."""
        shape = {**self.family.default_shape, **(self.size.shape or {})}
        for name, value in requested.items():
            if name not in shape:
                raise UnknownNameError(f"dimension of {self.name}", name, shape)
            if value < 1:
                raise WorkloadError(f"Dimension {name}={value} of {self.name} must be at least 1.")
            shape[name] = value
        return shape

    @property
    def batches(self) -> tuple[int, ...]:
        """Default batch sizes."""
        return self.size.batches or self.family.default_batches

    def units_per_call(self, batch: int, shape: Mapping[str, int]) -> float:
        """Units of work that one call on ``batch`` does."""
        return self.family.units_per_call(self.size, batch, shape)


def find_workload(name: str) -> Workload:
    """Look up ``family/size`` (or a bare family, meaning its tiny size) among the registered families.

    Raises UnknownNameError naming the nearest family or size.
    """
    family_name, slash, size_name = name.partition("/")
    if family_name not in families.names():
        raise UnknownNameError("workload family", family_name, families.names())
    family = families.get(family_name)
    if not slash:
        size_name = next(label for label, size in family.sizes.items() if size.tier is Tier.TINY)
    if size_name not in family.sizes:
        raise UnknownNameError(f"size of {family_name}", size_name, family.sizes)
    return Workload(f"{family_name}/{size_name}", family, family.sizes[size_name])
