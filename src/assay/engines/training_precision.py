"""Automatic mixed precision: what of a step computes in which format, and whether the library really does it.

Weights, gradients and optimizer states are float32 throughout. bf16 and fp16 run the operations that bear it under
torch's autocast; fp16 scales the loss, because its gradients would vanish otherwise (Micikevicius et al. 2017,
arXiv:1710.03740, section 3.2). May import: core, engines; torch inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import UnsupportedError
from assay.core.words import Precision

if TYPE_CHECKING:
    import torch

_MIXED = {Precision.BF16: "bfloat16", Precision.FP16: "float16"}


@dataclass(frozen=True, slots=True)
class MixedPrecision:
    """How a step is computed: the context of forward and loss, and the scaler of the loss (None without one).

    ``autocast`` is torch's name of the type that is cast to, None without casting.
    """

    context: Callable[[], contextlib.AbstractContextManager[Any]]
    autocast: str | None
    scaler: Any | None
    effective: str
    facts: Mapping[str, str]


def make_precision(precision: Precision, device: torch.device) -> MixedPrecision:
    """Set up the precision, and read back what a product of two matrices really is.

    Raises UnsupportedError where the device ignores autocast, or its torch knows it not.
    """
    import torch

    name = _MIXED.get(precision)
    if name is None:
        return MixedPrecision(contextlib.nullcontext, None, None, precision.value, {"amp": "off"})
    kind = getattr(torch, name)

    def context() -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(device.type, dtype=kind)  # type: ignore[no-any-return]  # torch is not followed by mypy

    try:
        with context():
            got = (torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)).dtype
    except (RuntimeError, NotImplementedError) as error:
        raise UnsupportedError(f"{device} cannot train in {precision}: {error}") from error
    if got != kind:
        raise UnsupportedError(f"Autocast to {precision} gave {got} on {device}: it would train in another precision.")
    scaler = torch.amp.GradScaler(device.type) if precision is Precision.FP16 else None
    facts = {"amp": f"autocast to {name}, weights float32{', loss scaled' if scaler is not None else ''}"}
    return MixedPrecision(context, name, scaler, precision.value, facts)
