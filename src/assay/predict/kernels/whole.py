"""A whole model as the sum of its kernels: what its layers dispatch, told on the meta device, priced one by one.

The sum is of kernels that follow each other without a gap, in fp32 without fusion, as the published tables have them.
May import: core, predict; workloads and torch by predict.kernels._trace_torch, inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.predict.kernels.law import rates_of
from assay.predict.kernels.model import KernelModel
from assay.predict.kernels.models import Step, find_configuration
from assay.predict.kernels.table import FAMILIES, Kernels
from assay.predict.values import DeviceProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class StepPrediction:
    """What a step takes on a device. ``parts_ns`` by family of kernels; ``intervals`` by level: ns, lowest, highest."""

    step: Step
    device: str
    latency_ns: float
    kernels: int
    parts_ns: Mapping[str, float]
    intervals: Mapping[float, tuple[float, float]]
    flags: tuple[str, ...] = ()


def trace_steps(steps: Sequence[Step], folder: Path | None = None) -> dict[Step, Kernels]:
    """Return the kernels of each step. Needs PyTorch and transformers; seconds a model, no weights."""
    from assay.predict.kernels._trace_torch import trace_step

    return {step: trace_step(step, find_configuration(step.model, folder)) for step in dict.fromkeys(steps)}


def predict_step(model: KernelModel, step: Step, kernels: Kernels, profile: DeviceProfile) -> StepPrediction:
    """Price a step on a device. Raises AssayError where the device's sheet lacks a rate."""
    times = model.predict_in_chain_ns(kernels, rates_of(profile))
    total = float(times.sum())
    parts = {family: float(times[kernels.family == family].sum()) for family in FAMILIES}
    flags = []
    if profile.vendor.casefold() != "nvidia":
        flags.append(f"{profile.vendor or 'its maker'} was not learned from")
    weights = float(kernels.moved_bytes.max(initial=0.0))
    if profile.memory_bytes and weights > profile.memory_bytes:
        flags.append("one of its kernels needs more memory than the device has")
    return StepPrediction(
        step, profile.name, total, len(kernels), parts,
        {level: (total / width, total * width) for level, width in model.widths().items()}, tuple(flags),
    )  # fmt: skip
