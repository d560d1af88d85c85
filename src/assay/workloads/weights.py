"""Seeded random weights, filled in at memory speed.

Initialising 110M weights with ``normal_`` takes 3 s on two cores, and every launch pays it again; speed does not
depend on the values as long as they are ordinary numbers (no denormals, no NaN). So a model is built with its
initialisers switched off, and each parameter is then copied from one seeded pool of normal numbers. May import:
torch inside functions.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

_POOL_SIZE = 1_048_583
"""A prime, so that no row length divides it and rows never repeat in step."""

_EMBEDDING_STD = 0.02


def build_seeded(build: Callable[[], nn.Module], *, dtype: torch.dtype, seed: int) -> nn.Module:
    """Build a module in ``dtype`` and fill its parameters; same seed, same weights, on every machine.

    Building in the target precision keeps the peak at one copy of the weights: a 7B model in bf16 never
    exists in fp32. Buffers that a model keeps in fp32 on purpose (rotary frequencies) stay as they are. The
    modules that ``build`` needs must have been imported before, or their initialisers run.
    """
    import torch

    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with without_initialisation():
            model = build()
    finally:
        torch.set_default_dtype(before)
    for parameter in model.parameters():
        if parameter.is_floating_point() and parameter.dtype != dtype:
            parameter.data = parameter.data.to(dtype)
    fill_parameters(model, seed)
    return model.eval()


def fill_parameters(model: nn.Module, seed: int) -> None:
    """Give every parameter ordinary values: normal with fan-in scaling, ones for scales, zeros for biases."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    pool = torch.randn(_POOL_SIZE, generator=generator)
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    offset = 0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 0:
                continue  # scalars (a temperature, say) are set by the constructor, not by an initialiser
            if parameter.ndim == 1 and name.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim == 1 and name.endswith("weight"):
                parameter.fill_(1.0)
            else:
                scale = _EMBEDDING_STD if id(parameter) in embeddings else _fan_in_scale(parameter)
                _copy_tiled(parameter, (pool * scale).to(parameter.dtype), offset)
                offset = (offset + parameter.numel()) % _POOL_SIZE


def _fan_in_scale(parameter: torch.Tensor) -> float:
    """Keep the variance of activations about constant through depth (LeCun 1998; x2 for ReLU convolutions)."""
    if parameter.ndim == 1:
        return _EMBEDDING_STD
    fan_in = parameter.shape[1:].numel()
    gain = 2.0 if parameter.ndim > 2 else 1.0  # noqa: PLR2004  (convolution kernels have 3 or more dimensions)
    return math.sqrt(gain / max(1, fan_in))


def _copy_tiled(parameter: torch.Tensor, pool: torch.Tensor, offset: int) -> None:
    flat = parameter.view(-1) if parameter.is_contiguous() else None
    if flat is None:
        whole = pool.roll(-offset).repeat(math.ceil(parameter.numel() / pool.numel()))[: parameter.numel()]
        parameter.copy_(whole.view(parameter.shape))
        return
    position = 0
    while position < flat.numel():
        count = min(pool.numel() - offset, flat.numel() - position)
        flat[position : position + count] = pool[offset : offset + count]
        position += count
        offset = 0


@contextlib.contextmanager
def without_initialisation() -> Iterator[None]:
    """Turn the in-place functions of ``torch.nn.init`` into no-ops, and transformers' initialiser beside them.

    transformers keeps the originals of those functions, so its models need their own switch. Its
    ``no_init_weights`` would also leave tied weights untied; emptying ``initialize_weights`` alone does not.

    A module that is imported inside may keep what it finds (transformers does), so the no-ops turn back into the
    originals at the end; otherwise every later model of the process would be left with raw memory.
    """
    import torch

    is_off = True

    def switchable(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def initialise(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            return tensor if is_off else original(tensor, *args, **kwargs)

        return initialise

    def leave(_model: object, *_args: object, **_kwargs: object) -> None:
        return None

    replaced: list[tuple[Any, str, Any]] = [
        (torch.nn.init, name, switchable(getattr(torch.nn.init, name)))
        for name in dir(torch.nn.init)
        if name.endswith("_") and not name.startswith("_")
    ]
    modeling = sys.modules.get("transformers.modeling_utils")
    if modeling is not None:
        replaced.append((modeling.PreTrainedModel, "initialize_weights", leave))
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    for owner, name, replacement in replaced:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        is_off = False
        for owner, name, original in originals:
            setattr(owner, name, original)
