"""Tensor parallelism: which linear layers of a family are cut by columns and which by rows.

After Megatron-LM (Shoeybi et al. 2019, arXiv:1909.08053, section 3): the first product of a pair is cut by columns, the
second by rows, so that one all-reduce a pair suffices in each direction; attention is cut by heads. The cutting itself
is PyTorch's ``parallelize_module``. May import: core; torch inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.core.errors import UnsupportedError

_LLAMA = {
    "columns": ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"),
    "rows": ("o_proj", "down_proj"),
}
_BERT = {
    "columns": ("attention.self.query", "attention.self.key", "attention.self.value", "intermediate.dense"),
    "rows": ("output.dense",),
}
_VIT = {
    "columns": (
        "attention.q_proj", "attention.k_proj", "attention.v_proj",
        "attention.attention.query", "attention.attention.key", "attention.attention.value",
        "intermediate.dense", "mlp.fc1",
    ),
    "rows": ("attention.o_proj", "output.dense", "mlp.fc2"),
}  # fmt: skip
"""Both spellings that transformers has had for ViT."""
CUTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {"bert": _BERT, "llama": _LLAMA, "qwen2": _LLAMA, "vit": _VIT}
"""Ends of the names of the linear layers of each family, in transformers."""


def share_columns(module: Any, *, family: str, device: str, ranks: int) -> Any:
    """Cut the linear layers of every block over the ranks, in place, and return the module.

    Raises UnsupportedError where heads or widths cannot be shared out evenly, or no such layer is found.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    columns, rows = find_cuts(module, family)
    _check_even(module, family, ranks)
    plan = {**{name: ColwiseParallel() for name in columns}, **{name: RowwiseParallel() for name in rows}}
    return parallelize_module(module, init_device_mesh(device, (ranks,)), plan)


def find_cuts(module: Any, family: str) -> tuple[list[str], list[str]]:
    """Names of the linear layers that are cut by columns, and by rows. Raises UnsupportedError where one kind lacks."""
    from torch import nn

    cuts = CUTS[family]
    linear = [name for name, child in module.named_modules() if isinstance(child, nn.Linear)]
    columns, rows = ([name for name in linear if name.endswith(cuts[kind])] for kind in ("columns", "rows"))
    if not columns or not rows:
        raise UnsupportedError(
            f"Tensor parallelism of {family} looks for layers whose names end in "
            f"{', '.join((*cuts['columns'], *cuts['rows']))}, and this model lacks them.",
            hint="Use the strategy fsdp2, which needs no names.",
        )
    return columns, rows


def _check_even(module: Any, family: str, ranks: int) -> None:
    config = getattr(module, "config", None)
    for name in ("num_attention_heads", "num_key_value_heads", "intermediate_size"):
        count = getattr(config, name, None)
        if count is not None and count % ranks:
            raise UnsupportedError(
                f"{family} at this size has {name} {count}, which {ranks} ranks cannot share evenly.",
                hint="Choose a number of ranks that divides it.",
            )
