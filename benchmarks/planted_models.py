"""Small real models that do a known share of extra work: twenty equal blocks, or twenty-one, or twenty-two.

Each extra block has weights of its own and its output is used, so it is the same computation again, and five per cent
of the whole, exactly in FLOPs. Factories for assay: ``planted_models:mlp_0``, ``planted_models:encoder_5``,
``planted_models:convnet_10``; the number is the per cent of extra work. Used by planted.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

BLOCKS = 20
PLANTS = (0, 5, 10)
"""Per cent of extra work: one block of twenty is five."""


class Residual(nn.Module):  # type: ignore[misc]  # torch is not checked, so its classes are Any
    """A convolution, its batch norm and a skip connection, as in a ResNet."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return a tensor of the shape of the inputs."""
        return torch.relu(inputs + self.norm(self.convolution(inputs)))


def build_mlp(blocks: int) -> tuple[nn.Module, torch.Tensor]:
    """Linear layers of 512 x 512 with GELU, over 16 rows."""
    layers = [nn.Sequential(nn.Linear(512, 512), nn.GELU()) for _ in range(blocks)]
    return nn.Sequential(*layers), torch.randn(16, 512)


def build_encoder(blocks: int) -> tuple[nn.Module, torch.Tensor]:
    """Transformer encoder layers of width 96 with 4 heads, over 24 tokens."""
    layers = [nn.TransformerEncoderLayer(96, 4, 192, dropout=0.0, batch_first=True) for _ in range(blocks)]
    return nn.Sequential(*layers), torch.randn(1, 24, 96)


def build_convnet(blocks: int) -> tuple[nn.Module, torch.Tensor]:
    """Residual blocks of 32 channels, over an image of 20 x 20."""
    return nn.Sequential(*(Residual(32) for _ in range(blocks))), torch.randn(1, 32, 20, 20)


MODELS: dict[str, Callable[[int], tuple[nn.Module, torch.Tensor]]] = {
    "mlp": build_mlp,
    "encoder": build_encoder,
    "convnet": build_convnet,
}


def build(name: str, plant: int) -> tuple[nn.Module, torch.Tensor]:
    """Build a model with ``plant`` per cent of extra work, and the inputs of one call."""
    torch.manual_seed(0)
    module, inputs = MODELS[name](BLOCKS + BLOCKS * plant // 100)
    return module.eval(), inputs


def count_flops(name: str, plant: int) -> int:
    """Count the floating point operations of one call, by torch's own counter.

    The fast path of the encoder, one fused operation, is no operation that it knows: so it is counted with gradients.
    """
    from torch.utils.flop_counter import FlopCounterMode

    module, inputs = build(name, plant)
    counter = FlopCounterMode(display=False)
    with counter:
        module(inputs)
    return int(counter.get_total_flops())


def __getattr__(name: str) -> Any:
    """Give the factory of every model and plant by its name, ``mlp_5``."""
    model, _, plant = name.rpartition("_")
    if model not in MODELS or not plant.isdecimal() or int(plant) not in PLANTS:
        raise AttributeError(name)

    def make() -> tuple[nn.Module, torch.Tensor]:
        return build(model, int(plant))

    return make
