"""Is it still the same answer? Outputs of an engine and precision against those of the float32 reference (METHOD 4).

May import: core; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.words import Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCES: Mapping[Precision, float] = {
    Precision.FP32: 1e-3,
    Precision.TF32: 1e-2,
    Precision.FP16: 2e-2,
    Precision.BF16: 5e-2,
    Precision.INT8: 2e-1,
    Precision.INT4: 4e-1,
}
"""Largest relative error that passes, by the precision asked for; docs/method.md says how they were chosen."""

LEAST_COSINE: Mapping[Precision, float] = {Precision.INT8: 0.98, Precision.INT4: 0.9}
"""For quantized models the direction of the output must hold too; for floats the error alone is stricter."""

_EPSILON = 1e-30


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How far outputs are from the reference: the worst over all output tensors.

    Errors are relative to the largest magnitude in the reference tensor, so a tensor that passes through zero does
    not blow them up. ``cosine`` is None where the reference is all zero; ``top1_agreement`` is the share of
    positions whose largest entry along the last axis is the same one, over tensors with at least two entries there.
    """

    max_relative_error: float
    mean_relative_error: float
    cosine: float | None
    top1_agreement: float | None
    tensors: int

    def to_dict(self) -> dict[str, float]:
        """Numbers by name; what is not known, or not finite, has no entry."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


def compare_outputs(reference: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> Fidelity:
    """Compare output by output, in order.

    Raises ValueError where they cannot be compared: another number of tensors, or other shapes. A NaN or an infinity
    that the reference does not have is an infinite error. Integer tensors count as wrong where they differ.
    """
    if len(reference) != len(outputs):
        raise ValueError(f"the engine returned {len(outputs)} tensors, the reference has {len(reference)}")
    if not reference:
        raise ValueError("the model returns no tensors")
    pairs = enumerate(zip(reference, outputs, strict=True))
    each = [_compare_one(index, expected, got) for index, (expected, got) in pairs]
    cosines = [one.cosine for one in each if one.cosine is not None]
    agreements = [one.top1_agreement for one in each if one.top1_agreement is not None]
    return Fidelity(
        max_relative_error=max(one.max_relative_error for one in each),
        mean_relative_error=max(one.mean_relative_error for one in each),
        cosine=min(cosines, default=None),
        top1_agreement=min(agreements, default=None),
        tensors=len(each),
    )


def judge_fidelity(numbers: Mapping[str, float], precision: Precision) -> tuple[bool, str | None]:
    """Return whether numbers of a Fidelity pass for the precision asked for, and why not."""
    tolerance = TOLERANCES[precision]
    error = numbers.get("max_relative_error")
    if error is None:
        return False, "the outputs hold NaN or infinities that the reference has not"
    if not error <= tolerance:
        return False, f"relative error {error:.2g} is above the {precision} tolerance of {tolerance:g}"
    least, cosine = LEAST_COSINE.get(precision), numbers.get("cosine")
    if least is not None and cosine is not None and not cosine >= least:
        return False, f"cosine similarity {cosine:.3f} is below the {precision} bound of {least:g}"
    return True, None


def _compare_one(index: int, expected: NDArray[Any], got: NDArray[Any]) -> Fidelity:
    import numpy as np

    if expected.shape != got.shape:
        raise ValueError(f"output {index} has shape {got.shape}, the reference {expected.shape}")
    if not np.issubdtype(expected.dtype, np.floating):
        wrong = float(np.mean(expected != got)) if expected.size else 0.0
        return Fidelity(wrong, wrong, None, None, 1)
    reference, output = expected.astype(np.float64, copy=False), got.astype(np.float64, copy=False)
    usable = np.isfinite(reference)
    if not np.array_equal(usable, np.isfinite(output)):
        return Fidelity(float("inf"), float("inf"), None, _top1(reference, output), 1)
    left, right = reference[usable], output[usable]
    if not left.size:
        return Fidelity(0.0, 0.0, None, None, 1)
    scale = max(float(np.max(np.abs(left))), _EPSILON)
    error = np.abs(left - right)
    norms = float(np.linalg.norm(left)) * float(np.linalg.norm(right))
    cosine = float(np.dot(left, right)) / norms if norms > _EPSILON else None
    return Fidelity(float(np.max(error)) / scale, float(np.mean(error)) / scale, cosine, _top1(reference, output), 1)


def _top1(reference: NDArray[Any], output: NDArray[Any]) -> float | None:
    import numpy as np

    if reference.ndim == 0 or reference.shape[-1] < 2 or not reference.size:  # noqa: PLR2004  (one entry has no rival)
        return None
    return float(np.mean(np.argmax(reference, axis=-1) == np.argmax(output, axis=-1)))
