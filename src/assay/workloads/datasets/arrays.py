"""Samples that lie in memory: arrays indexed by position, and pictures that become numbers when they are read.

May import: core, workloads.datasets.base, numpy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MEAN, _SPREAD = 0.5, 0.5
"""Pictures are brought from [0, 1] to [-1, 1], the same for every data set: nothing is learned from the test split."""


@dataclass(frozen=True, slots=True)
class ArraySplit:
    """Named arrays of equal length, kept as they are handed out."""

    fields: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    def take(self, positions: Sequence[int]) -> Batch:
        """Return these samples. Raises WorkloadError for a position that there is not."""
        chosen = check_positions(positions, len(self))
        return {name: array[chosen] for name, array in self.fields.items()}


@dataclass(frozen=True, slots=True)
class PictureSplit:
    """Pictures kept as bytes, (samples, channels, height, width) uint8 up to ``white``, and their labels, int64.

    ``labels`` are (samples) for classes, or (samples, height, width) for segmentation; kept in any integer type.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[Any]
    white: int = 255

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Sequence[int]) -> Batch:
        """Return these samples, pixels float32 in [-1, 1]. Raises WorkloadError for a position that there is not."""
        chosen = check_positions(positions, len(self))
        return {
            "pixel_values": normalise_pixels(self.pixels[chosen], white=self.white),
            "labels": self.labels[chosen].astype(np.int64),
        }


def check_positions(positions: Sequence[int], samples: int) -> NDArray[np.int64]:
    """Return positions as an index. Raises WorkloadError for one that is negative or too large."""
    chosen = np.asarray(positions, dtype=np.int64)
    wrong = chosen[(chosen < 0) | (chosen >= samples)]
    if wrong.size:
        raise WorkloadError(f"There is no sample {int(wrong[0])}: the split has {samples}, counted from 0.")
    return chosen


def normalise_pixels(pixels: NDArray[Any], *, white: int = 255) -> NDArray[np.float32]:
    """Bring pixels of 0 to ``white`` to float32 in [-1, 1]."""
    scaled = pixels.astype(np.float32)
    scaled *= 1 / (white * _SPREAD)
    scaled -= _MEAN / _SPREAD
    return scaled


def resize_nearest(pictures: NDArray[Any], side: int) -> NDArray[Any]:
    """Resize (..., height, width) to ``side`` x ``side`` by taking the nearest pixel; class ids stay class ids."""
    height, width = pictures.shape[-2:]
    if (height, width) == (side, side):
        return pictures
    rows = ((np.arange(side) + 0.5) * height / side).astype(np.int64)
    columns = ((np.arange(side) + 0.5) * width / side).astype(np.int64)
    return np.ascontiguousarray(pictures[..., rows[:, None], columns])


def resize_smooth(pictures: NDArray[Any], side: int) -> NDArray[np.uint8]:
    """Resize (..., height, width) bytes to ``side`` x ``side``: means of whole blocks, else between four neighbours."""
    height, width = pictures.shape[-2:]
    if (height, width) == (side, side):
        return np.ascontiguousarray(pictures, dtype=np.uint8)
    # Blocks are averaged first, so that a picture made much smaller keeps what is fine in it as grey, not as grain.
    block_rows, block_columns = max(1, height // side), max(1, width // side)
    kept = pictures[..., : height // block_rows * block_rows, : width // block_columns * block_columns]
    blocks = kept.reshape(*kept.shape[:-2], height // block_rows, block_rows, width // block_columns, block_columns)
    small = blocks.mean(axis=(-3, -1), dtype=np.float32)
    row, row_next, row_share = _neighbours(small.shape[-2], side)
    column, column_next, column_share = _neighbours(small.shape[-1], side)
    upper, lower = small[..., row, :], small[..., row_next, :]
    lines = upper + (lower - upper) * row_share[:, None]
    left, right = lines[..., column], lines[..., column_next]
    return np.asarray(np.rint(left + (right - left) * column_share), dtype=np.uint8)


def choose_channels(pictures: NDArray[Any], channels: int, name: str) -> NDArray[Any]:
    """Repeat one channel, or keep them. (samples, channels, height, width). Raises WorkloadError for other counts."""
    have = pictures.shape[1]
    if channels == have:
        return pictures
    if have == 1:
        return np.repeat(pictures, channels, axis=1)
    raise WorkloadError(
        f"The pictures of {name} have {have} channels, and channels={channels} was asked for.",
        hint=f"Leave channels out, or ask for {have}.",
    )


def limit_samples(count: int, limit: int | None, *, seed: int) -> NDArray[np.int64] | slice:
    """Which samples of the training split stay: all, or ``limit`` drawn by the seed, in their order."""
    if limit is None or limit >= count:
        return slice(None)
    if limit < 1:
        raise WorkloadError(f"got a limit of {limit} samples, expected at least 1.")
    return np.sort(np.random.default_rng([seed, count]).permutation(count)[:limit])


def hash_arrays(*arrays: NDArray[Any]) -> str:
    """SHA-256 over the bytes of the arrays, one after another."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _neighbours(have: int, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each of ``side`` points: the cell before it, the cell after it, and how far it lies between their middles."""
    place = np.clip((np.arange(side) + 0.5) * have / side - 0.5, 0, have - 1)
    before = np.floor(place).astype(np.int64)
    return before, np.minimum(before + 1, have - 1), (place - before).astype(np.float32)
