"""What updates the weights, and how fast: optimizers and the course of the learning rate.

Every optimizer is a library's own, with that library's defaults beside the learning rate, so that a step costs what a
plain loop's would. May import: core, engines; torch inside functions.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from assay.core.absence import Unavailable
from assay.engines.base import device_kind
from assay.workloads.base import Tier, Workload

_RATE_FACTORS = {"adamw": 1.0, "adamw-8bit": 1.0, "sgd": 30.0, "adafactor": 30.0}
"""Rates are given for AdamW. Plain gradients need larger ones, and Adafactor's is relative to the size of the weights.
At 30 times AdamW's, both teach bert/tiny and resnet/tiny their own task in the steps that AdamW takes; at 10 times,
Adafactor did not teach bert/tiny."""
_PARTIAL_FACTOR = 10.0
"""A few weights among many may move further, or they would not be seen to learn within some tens of steps."""
_SIZE_POWER = 0.75
_MOMENTUM = 0.9
WARM_UP_SHARE = 0.05
"""Part of the course over which the rate rises to its peak, for the schedules that fall afterwards."""


@dataclass(frozen=True, slots=True)
class Optimizer:
    """A torch optimizer over the trainable parameters, and what a person should know of it."""

    optimizer: Any
    description: str


def default_rate(workload: Workload, tiny_rate: float, *, optimizer: str, is_partial: bool) -> float:
    """Peak learning rate where none is asked for.

    ``tiny_rate`` is AdamW's for the family's tiny size. Larger sizes take it times (tiny parameters / parameters)^3/4,
    because wider and deeper models diverge at the rates of small ones: BERT's base size then takes 4.5e-5, within the
    2e-5 to 5e-5 that it was published with for fine-tuning (arXiv:1810.04805, appendix A.3); at 2e-4, which the square
    root would give, it was seen to learn nothing. ``is_partial``: adapters or the head alone are trained.
    """
    tiny = next((size for size in workload.family.sizes.values() if size.tier is Tier.TINY), None)
    smaller, own = tiny.parameters if tiny is not None else None, workload.size.parameters
    scale = (smaller / own) ** _SIZE_POWER if smaller and own and own > smaller else 1.0
    return tiny_rate * scale * _RATE_FACTORS[optimizer] * (_PARTIAL_FACTOR if is_partial else 1.0)


def check_optimizer(name: str, device: str) -> Unavailable | None:
    """Say why this optimizer cannot be used on the device, cheaply and importing nothing; None if it can."""
    if name != "adamw-8bit" or _find_8bit(device_kind(device)) is not None:
        return None
    return Unavailable(
        "AdamW with 8-bit states comes from bitsandbytes (CUDA) or torchao, and neither is installed",
        "pip install 'assay[torchao]'",
    )


def make_optimizer(name: str, parameters: Iterable[Any], rate: float, device: str) -> Optimizer:
    """Make the optimizer. ``name`` is one of the option's choices; ``check_optimizer`` was asked before."""
    import torch

    trained = list(parameters)
    if name == "sgd":
        optimizer = torch.optim.SGD(trained, lr=rate, momentum=_MOMENTUM)
        return Optimizer(optimizer, f"torch SGD, momentum {_MOMENTUM}")
    if name == "adafactor":
        return Optimizer(torch.optim.Adafactor(trained, lr=rate), "torch Adafactor")
    if name == "adamw":
        return Optimizer(torch.optim.AdamW(trained, lr=rate), "torch AdamW")
    if _find_8bit(device_kind(device)) == "bitsandbytes":
        blockwise = importlib.import_module("bitsandbytes.optim").AdamW8bit
        return Optimizer(blockwise(trained, lr=rate), "bitsandbytes AdamW8bit")
    from torchao.optim import AdamW8bit

    # Of parameters with fewer than 4 096 values the states stay float32, in this library as in the other.
    return Optimizer(AdamW8bit(trained, lr=rate), "torchao AdamW8bit")


def _find_8bit(kind: str) -> str | None:
    if kind == "cuda" and importlib.util.find_spec("bitsandbytes") is not None:
        return "bitsandbytes"
    return "torchao" if importlib.util.find_spec("torchao") is not None else None


def rate_factor(schedule: str, step: int, steps: int) -> float:
    """Share of the peak rate at ``step`` of ``steps``, from 0: up in a line, then down to 0 in a line or half a cosine.

    ``constant`` is 1 throughout. Past the last step it stays at 0.
    """
    if schedule == "constant":
        return 1.0
    warm_up = count_warm_up(schedule, steps)
    if step < warm_up:
        return (step + 1) / warm_up
    done = min(1.0, (step - warm_up) / max(1, steps - warm_up))
    return 1.0 - done if schedule == "linear" else (1.0 + math.cos(math.pi * done)) / 2


def count_warm_up(schedule: str, steps: int) -> int:
    """Steps over which the rate rises."""
    return 0 if schedule == "constant" else max(1, round(WARM_UP_SHARE * steps))


def make_schedule(schedule: str, optimizer: Any, steps: int) -> Any | None:
    """Make torch's scheduler over ``steps`` steps; None for a constant rate, which needs none."""
    if schedule == "constant":
        return None
    import torch

    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(schedule, step, steps))
