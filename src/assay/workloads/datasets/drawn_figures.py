"""Pictures that a program draws: ten figures to be told apart, and scenes to be segmented.

Colours, light, grain, places, sizes and angles are drawn from the same distributions for every class, so that only the
form of a figure tells what it is, and no single pixel or mean does. May import: numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float32]

BLOCK = 500
"""Samples are drawn in blocks, each with a stream of its own: a smaller set is the beginning of a larger one."""
_CHANNELS = 3


def _disc(u: Field, v: Field) -> Any:
    return np.hypot(u, v) - 1


def _ring(u: Field, v: Field) -> Any:
    return np.abs(np.hypot(u, v) - 0.75) - 0.25


def _square(u: Field, v: Field) -> Any:
    return np.maximum(np.abs(u), np.abs(v)) - 0.85


def _triangle(u: Field, v: Field) -> Any:
    return np.maximum(np.maximum(0.866 * u - 0.5 * v, -0.866 * u - 0.5 * v), v) - 0.55


def _cross(u: Field, v: Field) -> Any:
    wide, narrow = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    return np.maximum(wide - 1, narrow - 0.32)


def _bars(u: Field, v: Field) -> Any:
    return np.maximum(np.maximum(np.abs(u), np.abs(v)) - 1, np.abs((v + 1) % 0.8 - 0.2) - 0.2)


def _quarters(u: Field, v: Field) -> Any:
    return np.maximum(np.maximum(np.abs(u), np.abs(v)) - 0.95, -2 * u * v)


def _crescent(u: Field, v: Field) -> Any:
    return np.maximum(np.hypot(u, v) - 1, 0.8 - np.hypot(u - 0.5, v))


def _pair(u: Field, v: Field) -> Any:
    return np.hypot(np.abs(u) - 0.6, v) - 0.42


def _star(u: Field, v: Field) -> Any:
    return np.hypot(u, v) - 0.65 - 0.35 * np.cos(5 * np.arctan2(v, u))


FIGURES: dict[str, Callable[[Field, Field], Any]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "bars": _bars,
    "quarters": _quarters,
    "crescent": _crescent,
    "pair": _pair,
    "star": _star,
}
"""How far a point lies outside a figure of size 1 (negative: inside), by name."""


@dataclass(frozen=True, slots=True)
class _Pose:
    """Where figures lie: centres and radii in pixels, angles, and how much longer they are than wide; (n, 1, 1)."""

    x: Field
    y: Field
    radius: Field
    angle: Field
    stretch: Field

    def of(self, chosen: NDArray[np.bool_]) -> _Pose:
        """Return those of some figures."""
        return _Pose(self.x[chosen], self.y[chosen], self.radius[chosen], self.angle[chosen], self.stretch[chosen])


def draw_figures(count: int, *, side: int, key: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``count`` pictures, (count, 3, side, side) bytes, and which of ``FIGURES`` each shows, (count)."""
    pixels = np.empty((count, _CHANNELS, side, side), dtype=np.uint8)
    labels = np.empty(count, dtype=np.uint8)
    for start in range(0, count, BLOCK):
        random = np.random.default_rng([*key, start])
        kinds = random.permutation(np.arange(BLOCK) % len(FIGURES)).astype(np.uint8)
        ground = _draw_ground(random, BLOCK, side)
        pose = _draw_pose(random, BLOCK, side, radius=(0.26, 0.42), shift=0.08, turn=0.3)
        cover = _cover(pose, kinds, tuple(FIGURES.values()), side)
        _paint(random, ground, cover, contrast=(0.4, 0.9))
        # A bar in front of a quarter of the pictures hides a part.
        bar = _draw_pose(random, BLOCK, side, radius=(0.05, 0.1))
        is_hidden = random.random((BLOCK, 1, 1)) < 0.25  # noqa: PLR2004  (a quarter)
        _paint(random, ground, _cover_bar(bar, side) * is_hidden, contrast=(0.3, 0.7))
        finished = _finish(random, ground, grain=(0.02, 0.08))
        kept = slice(start, min(count, start + BLOCK))
        size = kept.stop - kept.start
        pixels[kept], labels[kept] = finished[:size], kinds[:size]
    return pixels, labels


def draw_scenes(count: int, *, side: int, key: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``count`` scenes, (count, 3, side, side) bytes, and each pixel's class, (count, side, side).

    Four figures lie one over another, each a disc or a square, of equal areas on average: the colour tells nothing.
    """
    figures = (FIGURES["disc"], FIGURES["square"])
    pixels = np.empty((count, _CHANNELS, side, side), dtype=np.uint8)
    labels = np.empty((count, side, side), dtype=np.uint8)
    block = max(1, BLOCK * 32 * 32 // (side * side))
    for start in range(0, count, block):
        random = np.random.default_rng([*key, side, start])
        ground = _draw_ground(random, block, side)
        classes = np.zeros((block, side, side), dtype=np.uint8)
        for _ in range(4):
            kinds = random.integers(0, len(figures), block, dtype=np.uint8)
            pose = _draw_pose(random, block, side, radius=(0.12, 0.26))
            cover = _cover(pose, kinds, figures, side)
            _paint(random, ground, cover, contrast=(0.2, 0.7))
            is_here = cover > 0.5  # noqa: PLR2004  (most of the pixel)
            classes[is_here] = np.broadcast_to(kinds[:, None, None] + 1, classes.shape)[is_here]
        finished = _finish(random, ground, grain=(0.02, 0.1))
        kept = slice(start, min(count, start + block))
        size = kept.stop - kept.start
        pixels[kept], labels[kept] = finished[:size], classes[:size]
    return pixels, labels


def _draw_pose(
    random: np.random.Generator,
    count: int,
    side: int,
    *,
    radius: tuple[float, float],
    shift: float = 0.3,
    turn: float = np.pi,
) -> _Pose:
    """Draw where figures lie: radius and shift from the middle as shares of the side, turned up to ``turn`` radians."""
    x, y, size, angle, stretch = random.random((5, count, 1, 1), dtype=np.float32)
    smallest, largest = radius
    return _Pose(
        x=(2 * x - 1) * side * shift,
        y=(2 * y - 1) * side * shift,
        radius=(smallest + size * (largest - smallest)) * side,
        angle=(2 * angle - 1) * turn,
        stretch=0.8 + 0.4 * stretch,
    )


def _turn(pose: _Pose, side: int) -> tuple[Field, Field]:
    """Return the pixels' places as the figures see them: centred, turned, in units of their radius; (n, side, side)."""
    line = np.arange(side, dtype=np.float32) - (side - 1) / 2
    x, y = line[None, None, :] - pose.x, line[None, :, None] - pose.y
    cosine, sine = np.cos(pose.angle), np.sin(pose.angle)
    return (x * cosine + y * sine) / (pose.radius * pose.stretch), (y * cosine - x * sine) * pose.stretch / pose.radius


def _cover(
    pose: _Pose, kinds: NDArray[np.uint8], figures: tuple[Callable[[Field, Field], Any], ...], side: int
) -> Field:
    """Return how much of each pixel is inside the figure, 0 to 1, so that edges are smooth; (n, side, side)."""
    cover = np.empty((len(kinds), side, side), dtype=np.float32)
    for kind, distance in enumerate(figures):
        chosen = kinds == kind
        mine = pose.of(chosen)
        cover[chosen] = np.clip(0.5 - distance(*_turn(mine, side)) * mine.radius, 0, 1)
    return cover


def _cover_bar(pose: _Pose, side: int) -> Field:
    _, across = _turn(pose, side)
    return np.clip(0.5 - (np.abs(across) - 0.5) * pose.radius, 0, 1)


def _draw_ground(random: np.random.Generator, count: int, side: int) -> Field:
    """Return backgrounds of one colour each, with light that falls from one side; (count, 3, side, side)."""
    line = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    slope = random.normal(0, 0.2, (2, count, _CHANNELS, 1, 1)).astype(np.float32)
    colour = random.random((count, _CHANNELS, 1, 1), dtype=np.float32)
    light: Field = colour + slope[0] * line[:, None] + slope[1] * line[None, :]
    return light


def _paint(random: np.random.Generator, ground: Field, cover: Field, *, contrast: tuple[float, float]) -> None:
    """Lay figures of one colour each over the ground, in place, lighter or darker than its mean by ``contrast``."""
    count = len(ground)
    # Mostly lighter or mostly darker, with some colour of its own.
    brightness = random.choice((-1, 1), (count, 1, 1, 1))
    direction = (brightness + random.normal(0, 0.4, (count, _CHANNELS, 1, 1))).astype(np.float32)
    direction *= random.uniform(*contrast, (count, 1, 1, 1)).astype(np.float32) / np.sqrt(
        np.mean(direction**2, axis=1, keepdims=True)
    )
    # Towards grey where there is no room: a figure on white that would be whiter still could not be seen.
    middle = np.mean(ground, axis=(2, 3), keepdims=True)
    direction = np.where((middle + direction > 1) | (middle + direction < 0), -direction, direction)
    ground += cover[:, None] * (middle + direction - ground)


def _finish(random: np.random.Generator, ground: Field, *, grain: tuple[float, float]) -> NDArray[np.uint8]:
    """Add the grain of a bad camera and return bytes."""
    strength = random.uniform(*grain, (len(ground), 1, 1, 1)).astype(np.float32)
    noisy = ground + random.standard_normal(ground.shape, dtype=np.float32) * strength
    return np.asarray(np.clip(noisy * 255, 0, 255), dtype=np.uint8)
