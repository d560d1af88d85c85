"""What of a model is trained, and what is kept for the way back: the head alone, low-rank adapters, checkpointing.

May import: core, engines, workloads; torch inside functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from assay.core.errors import UnsupportedError
from assay.workloads.trainables.base import Trainable

LORA_RANK = 8
LORA_SCALE = 2.0
"""alpha / rank, with alpha = 16: the usual choice beside rank 8."""


_FEWEST_BLOCKS = 2


def choose_trained(module: Any, trainable: Trainable, tune: str, generator: Any) -> str:
    """Freeze what ``tune`` does not train, put adapters in, and say so in words. Raises UnsupportedError."""
    if tune == "full":
        return "all of it"
    for parameter in module.parameters():
        parameter.requires_grad_(requires_grad=False)
    heads = [one for name, one in module.named_parameters() if _begins(name, trainable.head)]
    for parameter in heads:
        parameter.requires_grad_(requires_grad=True)
    if tune == "frozen":
        if not heads:
            raise UnsupportedError(f"No parameter of {trainable.family} begins with {' or '.join(trainable.head)}.")
        return "head only"
    adapted = add_adapters(module, trainable, generator)
    return f"adapters of rank {LORA_RANK} at {adapted} layers, and the head"


def add_adapters(module: Any, trainable: Trainable, generator: Any) -> int:
    """Put a low-rank adapter beside each linear layer whose name ends as ``trainable.lora`` says; return how many.

    y = W x + s B A x, with A random, B zero and s = alpha / rank (Hu et al. 2021, arXiv:2106.09685, equation 3), so
    that the model first computes what it did. Layers of the head are trained whole and get none.
    """
    from torch import nn

    named = [
        (name, layer)
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and _ends(name, trainable.lora) and not _begins(name, trainable.head)
    ]
    if not named:
        raise UnsupportedError(f"{trainable.family} has no linear layer that an adapter could be put beside.")
    for _name, layer in named:
        _adapt(layer, generator)
    return len(named)


def _adapt(layer: Any, generator: Any) -> None:
    """Give the layer two factors of its own, and a forward that adds their product. Nothing else notices."""
    import torch
    from torch import nn
    from torch.nn import functional

    down = torch.randn(LORA_RANK, layer.in_features, generator=generator) / layer.in_features**0.5
    layer.lora_down = nn.Parameter(down.to(layer.weight))
    layer.lora_up = nn.Parameter(torch.zeros(layer.out_features, LORA_RANK).to(layer.weight))
    plain = layer.forward

    def forward(inputs: Any) -> Any:
        adapted = functional.linear(functional.linear(inputs, layer.lora_down), layer.lora_up)
        return plain(inputs) + LORA_SCALE * adapted

    layer.forward = forward


def checkpoint_blocks(module: Any, family: str) -> str:
    """Keep only the inputs of each block, and compute its activations again on the way back; say how.

    The model's own switch where it has one; else every block of every outermost list of at least two. Running
    statistics of batch normalisation then see each batch twice, in every implementation on top of torch's.
    Raises UnsupportedError where there are no blocks.
    """
    own = [one for one in module.modules() if getattr(one, "supports_gradient_checkpointing", False)]
    if own:
        own[0].gradient_checkpointing_enable({"use_reentrant": False})
        return "transformers' own"
    blocks = list(_outer_blocks(module))
    if not blocks:
        raise UnsupportedError(f"{family} has no blocks whose activations could be computed again.")
    for block in blocks:
        block.forward = _checkpointed(block.forward)
    return f"{len(blocks)} blocks"


def _checkpointed(forward: Callable[..., Any]) -> Callable[..., Any]:
    from torch.utils.checkpoint import checkpoint

    return functools.partial(checkpoint, forward, use_reentrant=False)


def _outer_blocks(module: Any) -> Iterator[Any]:
    """Blocks of the outermost lists. A sequence of single layers is one block: alone, each would keep its input."""
    from torch import nn

    for child in module.children():
        if not isinstance(child, (nn.ModuleList, nn.Sequential)) or len(child) < _FEWEST_BLOCKS:
            yield from _outer_blocks(child)
        elif isinstance(child, nn.Sequential) and not any(list(block.children()) for block in child):
            yield child
        else:
            yield from child


def _begins(name: str, starts: tuple[str, ...]) -> bool:
    return any(name == start or name.startswith(f"{start}.") for start in starts)


def _ends(name: str, ends: tuple[str, ...]) -> bool:
    return any(name == end or name.endswith(f".{end}") for end in ends)
