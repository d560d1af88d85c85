"""The tensors of whatever a model returns, in one fixed order, so that engines can be compared output by output.

May import: standard library; torch and numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


def flatten_tensors(output: Any) -> tuple[tuple[str, torch.Tensor], ...]:
    """Return ``(name, tensor)`` for every tensor in tuples, lists and mappings (transformers' outputs are such).

    Anything else, such as a cache of keys and values, is left out: it is state, not a result. Names are paths
    (``last_hidden_state``, ``vision_model_output.pooler_output``, ``0``).
    """
    return tuple(_walk("", output))


def _walk(path: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    if isinstance(value, torch.Tensor):
        yield path or "output", value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _walk(f"{path}.{key}" if path else str(key), entry)
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from _walk(f"{path}.{index}" if path else str(index), entry)


def read_torch_outputs(output: Any) -> tuple[NDArray[Any], ...]:
    """Return the tensors of ``output`` as host arrays: floating ones as float32, others as they are."""
    return tuple(to_array(tensor) for _, tensor in flatten_tensors(output))


def to_array(tensor: torch.Tensor) -> NDArray[Any]:
    """One tensor as a host array; float32 where it is floating."""
    import torch

    host = tensor.detach().to("cpu", torch.float32) if tensor.is_floating_point() else tensor.detach().cpu()
    array: NDArray[Any] = host.numpy()
    return array
