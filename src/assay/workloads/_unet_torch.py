"""The U-Net that ``families/unet.py`` builds, apart from it because a class of torch's needs torch to be defined.

Ronneberger, Fischer and Brox 2015 (arXiv:1505.04597, figure 1): two 3x3 convolutions a level, 2x2 max pooling,
2x2 up-convolutions, skips concatenated, a 1x1 convolution at the end. As in most later use, convolutions are
padded, so the output is as large as the input, and batch norm follows each 3x3. May import: torch.
"""

from __future__ import annotations

import torch
from torch import nn


class Level(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject), so its classes are Any
    """One level of the U: contract, go below and come back up, join with the skip, expand."""

    def __init__(self, channels: int, width: int, below: nn.Module) -> None:
        super().__init__()
        self.contract = _convolve_twice(channels, width)
        self.below = nn.Sequential(nn.MaxPool2d(2), below, nn.ConvTranspose2d(2 * width, width, 2, stride=2))
        self.expand = _convolve_twice(2 * width, width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> (batch, width of the level, height, width)."""
        skip = self.contract(pixels)
        return self.expand(torch.cat((skip, self.below(skip)), dim=1))


def build_unet(*, channels: int, classes: int, width: int, depth: int) -> nn.Module:
    """Build a U-Net with ``depth`` poolings; level i has ``width * 2**i`` channels, the bottom ``width * 2**depth``.

    Maps (batch, channels, h, w) to class scores (batch, classes, h, w); h and w must be multiples of ``2**depth``.
    """
    inner = _convolve_twice(width * 2 ** (depth - 1), width * 2**depth)
    for level in reversed(range(1, depth)):
        inner = Level(width * 2 ** (level - 1), width * 2**level, inner)
    return nn.Sequential(Level(channels, width, inner), nn.Conv2d(width, classes, 1))


def _convolve_twice(channels: int, width: int) -> nn.Module:
    # No bias: the batch norm behind each convolution has one.
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
