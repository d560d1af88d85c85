"""The encoders that ``families/contrastive.py`` builds, apart from it because a class of torch's needs torch.

Both take any number of channels and any window: a channel is encoded by itself with the same weights and the results
are averaged, as in PatchTST (Nie et al. 2023, arXiv:2211.14730, "channel independence"), so that one encoder fits rigs
with different numbers of sensors. May import: core, torch.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from assay.core.errors import WorkloadError

STEM_KERNEL = 32
STEM_STRIDE = 8
PATCH = 32
PROJECTED = 128
_HEADS = 4
_GROUPS = 8


class ContrastiveEncoder(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
    """Windows in, points on a sphere out: an encoder, and the projection head that the loss is computed behind."""

    def __init__(self, trunk: nn.Module, features: int) -> None:
        super().__init__()
        self.trunk = trunk
        # Two layers, thrown away after training: Chen et al. 2020 (arXiv:2002.05709), section 4.2. Untrained features
        # of noise are nearly the same for every window; batch norm takes away what they share, without which hundreds
        # of steps pass before the loss falls.
        self.projector = nn.Sequential(
            nn.BatchNorm1d(features), nn.Linear(features, features), nn.ReLU(), nn.Linear(features, PROJECTED)
        )

    def encode(self, signal: torch.Tensor) -> torch.Tensor:
        """(batch, channels, window) -> (batch, features): what a probe or a later task sees."""
        batch, channels, window = signal.shape
        if window < STEM_KERNEL:
            raise WorkloadError(
                f"The encoders look at {STEM_KERNEL} samples at once; got a window of {window}.",
                hint=f"Use window={STEM_KERNEL} or more.",
            )
        each = self.trunk(signal.reshape(batch * channels, 1, window))
        return each.reshape(batch, channels, -1).mean(dim=1)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """(batch, channels, window) -> (batch, 128), each of length 1."""
        return functional.normalize(self.projector(self.encode(signal)), dim=-1)


class Residual(nn.Module):  # type: ignore[misc]  # see above
    """Two convolutions beside a shortcut, normalised before each.

    Group norm, so that what a window is encoded to does not depend on the batch that it is in.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(_GROUPS, before),
            nn.ReLU(),
            nn.Conv1d(before, after, 5, stride=stride, padding=2, bias=False),
            nn.GroupNorm(_GROUPS, after),
            nn.ReLU(),
            nn.Conv1d(after, after, 5, padding=2, bias=False),
        )
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv1d(before, after, 1, stride=stride, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(n, before, positions) -> (n, after, positions / stride)."""
        return self.shortcut(hidden) + self.body(hidden)


class Convolutional(nn.Module):  # type: ignore[misc]  # see above
    """A strided stem and residual layers; the 1st, 3rd and 5th halve positions, the 3rd and 5th double the width."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = width
        for layer in range(layers):
            after = width * 2 ** (layer // 2)
            blocks.append(Residual(before, after, 2 if layer % 2 == 0 else 1))
            before = after
        self.stem = nn.Conv1d(1, width, STEM_KERNEL, stride=STEM_STRIDE, bias=False)
        self.blocks = nn.Sequential(*blocks, nn.GroupNorm(_GROUPS, before), nn.ReLU())
        self.features = before

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """(n, 1, window) -> (n, features), averaged over positions, so that a shift in time changes little."""
        return self.blocks(self.stem(series)).mean(dim=-1)


class Attention(nn.Module):  # type: ignore[misc]  # see above
    """A Transformer layer, normalised before each half."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(n, tokens, width) -> the same."""
        n, tokens, width = hidden.shape
        heads = self.qkv(self.before_attention(hidden)).reshape(n, tokens, 3, _HEADS, width // _HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        hidden = hidden + self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        return hidden + self.feed(self.before_feed(hidden))


class Patches(nn.Module):  # type: ignore[misc]  # see above
    """Patches of a window as tokens, with sinusoidal positions, which any length has (arXiv:1706.03762, 3.5)."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(PATCH, width)
        self.blocks = nn.Sequential(*(Attention(width) for _ in range(layers)), nn.LayerNorm(width))
        self.width = width
        self.features = width

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """(n, 1, window) -> (n, features); the last patch is filled up with zeros."""
        series = functional.pad(series.squeeze(1), (0, -series.shape[-1] % PATCH))
        tokens = self.embed(series.unflatten(-1, (-1, PATCH)))
        return self.blocks(tokens + self._positions(tokens)).mean(dim=1)

    def _positions(self, tokens: torch.Tensor) -> torch.Tensor:
        half = torch.arange(self.width // 2, device=tokens.device, dtype=torch.float32)
        rates = torch.exp(half * (-9.2103 / (self.width // 2)))  # wavelengths from 2 pi to 10 000 times that
        angles = torch.arange(tokens.shape[1], device=tokens.device, dtype=torch.float32)[:, None] * rates
        return torch.cat((angles.sin(), angles.cos()), dim=-1).to(tokens.dtype)


def build_encoder(*, kind: str, layers: int, width: int) -> ContrastiveEncoder:
    """Build an encoder of ``kind`` convolutional or patch. ``width`` is a multiple of 8."""
    trunk = Convolutional(layers, width) if kind == "convolutional" else Patches(layers, width)
    return ContrastiveEncoder(trunk, trunk.features)
