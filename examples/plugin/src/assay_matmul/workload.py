"""The workload ``matmul``: a product of two square matrices for each sample of a batch.

A family is data and one function. This one has no weights: both matrices are inputs, made by assay from a seed, and
``forward`` multiplies them. May import: assay; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.core.errors import UnsupportedError
from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, families, per_sample

FORMAT = "numpy"
"""What engines look at: those of assay know other forms of models and leave this one alone."""
_HINT = "Run it with --engine numpy."


def build(size: Size) -> Any:
    """Refuse: there is no module. Raises UnsupportedError, as an engine for modules would ask for one."""
    raise UnsupportedError(f"matmul {dict(size.config)} is a function of arrays and no module.", hint=_HINT)


def forward(_module: Any, inputs: Mapping[str, Any]) -> Any:
    """Multiply, sample by sample: (batch, n, n) x (batch, n, n)."""
    return inputs["left"] @ inputs["right"]


def _size(tier: Tier, n: int) -> Size:
    return Size(tier=tier, config={"n": n}, parameters=0, source="assay_matmul", constants={"n": n})


families.add(
    "matmul",
    Family(
        name="matmul",
        task="matrix product",
        modality="table",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={"tiny": _size(Tier.TINY, 64), "small": _size(Tier.SMALL, 256), "base": _size(Tier.BASE, 1024)},
        inputs=(
            InputSpec("left", ("batch", "n", "n"), "float32", Fill.NORMAL),
            InputSpec("right", ("batch", "n", "n"), "float32", Fill.NORMAL),
        ),
        default_shape={},
        default_batches=(1,),
        build=build,
        forward=forward,
        reference="assay_matmul",
        requires=("numpy",),
        format=FORMAT,
        is_general=False,
    ),
)
