"""Inputs from which the answer can be read: coloured gratings, marked texts, tones, steady walks over words.

A trained model must have something to learn, and the data must cost next to nothing to make and come from a seed.
May import: core; numpy inside functions.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from assay.core.errors import WorkloadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = 8
"""How many kinds of image, tone or object there are in our own tasks, whatever the head could tell apart."""

_LEVELS, _BANDS = 8, 3
_SHARED_WORDS, _OWN_WORDS, _OWN_SHARE = 64, 8, 3 / 4
_MODULUS = 61
_NOISE = 0.3
_COLOURS = tuple(itertools.product((-1.0, 1.0), repeat=3))
"""One colour a kind: each of red, green and blue dark or bright."""


def draw_kinds(count: int, classes: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw ``count`` labels among the first KINDS of ``classes``: (count,) int64."""
    import numpy as np

    return generator.integers(min(KINDS, classes), size=count, dtype=np.int64)


def draw_gratings(kinds: NDArray[np.int64], side: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw noisy stripes whose colour and direction tell the kind: (count,) -> (count, 3, side, side) float32.

    The phase is free. A network that normalises each image by itself still has the direction to go by.
    """
    import numpy as np

    count = len(kinds)
    angle = np.pi * kinds / KINDS
    row, column = np.mgrid[:side, :side] / side
    waves = 4 if side >= 32 else 2  # noqa: PLR2004  (below, four waves would be finer than the pixels)
    along = np.cos(angle)[:, None, None] * column + np.sin(angle)[:, None, None] * row
    phase = generator.random((count, 1, 1))
    stripes = np.sin(2 * np.pi * (waves * along + phase))[:, None]
    colour = 0.5 * np.array(_COLOURS)[kinds][:, :, None, None]
    pixels = _noise((count, 3, side, side), generator)
    pixels += stripes + colour
    return pixels


def draw_objects(
    kinds: NDArray[np.int64], side: int, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Put coloured rectangles on noise, later ones in front: (images, objects) kinds -> pixels and boxes.

    Pixels are (images, 3, side, side) float32. Boxes are (images, objects, 4) float32, the centre, width and height as
    shares of the image; sides are a fifth to a half of it.
    """
    import numpy as np

    images, objects = kinds.shape
    extent = generator.uniform(0.2, 0.5, size=(images, objects, 2))
    centre = extent / 2 + generator.random((images, objects, 2)) * (1 - extent)
    pixels = _noise((images, 3, side, side), generator)
    low = np.floor((centre - extent / 2) * side).astype(int)
    high = np.ceil((centre + extent / 2) * side).astype(int)
    for image, thing in np.ndindex(images, objects):
        (left, top), (right, bottom) = low[image, thing], high[image, thing]
        pixels[image, :, top:bottom, left:right] += 2 * np.array(_COLOURS)[kinds[image, thing]][:, None, None]
    return pixels, np.concatenate((centre, extent), axis=2).astype(np.float32)


def draw_discs(
    images: int, classes: int, side: int, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw one disc an image on noise: pixels (images, 3, side, side) float32, mask (images, side, side) int64.

    The mask is 0 for the ground and 1 + kind inside the disc; the colour tells the kind. A disc covers 5 to 25 % of the
    image, so that calling everything ground is wrong for many pixels.
    """
    import numpy as np

    kinds = generator.integers(min(KINDS, classes - 1), size=images)
    radius = side * np.sqrt(generator.uniform(0.05, 0.25, size=(images, 1, 1)) / np.pi)
    centre = radius[..., 0] + generator.random((images, 2)) * (side - 2 * radius[..., 0])
    row, column = np.mgrid[:side, :side]
    distance = np.hypot(row - centre[:, :1, None], column - centre[:, 1:, None])
    inside = distance < radius
    colour = 2 * np.array(_COLOURS)[::-1][kinds][:, :, None, None]
    pixels = _noise((images, 3, side, side), generator)
    pixels += inside[:, None] * colour
    return pixels, np.where(inside, 1 + kinds[:, None, None], 0).astype(np.int64)


def draw_texts(
    labels: NDArray[np.int64], length: int, first: int, vocab: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw texts, three quarters of whose words belong to their label and the rest to nobody: (texts, length) int64.

    Ids run from ``first`` on: 64 words are shared, then each label has 8 of its own. The first word of a text is
    always one of them. Raises WorkloadError where the vocabulary is too small.
    """
    import numpy as np

    needed = first + _SHARED_WORDS + _OWN_WORDS * (int(labels.max()) + 1)
    if needed > vocab:
        raise WorkloadError(f"The task of marked texts needs {needed} token ids; the vocabulary has {vocab}.")
    dims = (len(labels), length)
    shared = first + generator.integers(_SHARED_WORDS, size=dims, dtype=np.int64)
    own_first = first + _SHARED_WORDS + _OWN_WORDS * labels[:, None]
    own = own_first + generator.integers(_OWN_WORDS, size=dims, dtype=np.int64)
    is_own = generator.random(dims) < _OWN_SHARE
    is_own[:, 0] = True
    return np.where(is_own, own, shared)


def draw_walks(texts: int, length: int, first: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw texts in which each word fixes the next: (texts, length) int64, 60 words, ids from ``first`` + 1 on.

    Word w is followed by 2 w modulo 61. Since 2 is a primitive root of that prime, every walk goes through all 60 in
    turn, and only where it starts is left to chance.
    """
    import numpy as np

    steps = np.array([pow(2, step, _MODULUS) for step in range(length)], dtype=np.int64)
    starts = generator.integers(1, _MODULUS, size=texts, dtype=np.int64)
    return first + starts[:, None] * steps[None, :] % _MODULUS


def draw_identities(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw identities that differ, as far as there are: (count, 3) int64, three levels of 0 to 7.

    Pairs of different modality are matched by them, such as an image of a colour with the text that names it.
    """
    import numpy as np

    kinds = _LEVELS**_BANDS
    rounds = -(-count // kinds)
    numbers = np.concatenate([generator.permutation(kinds) for _ in range(rounds)])[:count]
    return np.stack(np.unravel_index(numbers, (_LEVELS,) * _BANDS), axis=1).astype(np.int64)


def paint_identities(identities: NDArray[np.int64], side: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Paint each identity as a colour, with noise: (count, 3) -> (count, 3, side, side) float32."""
    pixels = _noise((len(identities), 3, side, side), generator)
    pixels += scale_levels(identities)[:, :, None, None]
    return pixels


def sound_identities(
    identities: NDArray[np.int64], frames: int, mels: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Give each third of the mel bands the loudness of a level: (count, 3) -> (count, 1, frames, mels) float32."""
    import numpy as np

    third = np.arange(mels) * _BANDS // mels
    loudness = _noise((len(identities), 1, frames, mels), generator)
    loudness += scale_levels(identities)[:, third][:, None, None, :]
    return loudness


def name_identities(identities: NDArray[np.int64], length: int, first: int) -> NDArray[np.int64]:
    """Name each identity by its three words, over and over: (count, 3) -> (count, length) int64, ids from ``first`` on.

    Each place has words of its own, 24 in all.
    """
    import numpy as np

    words = first + identities + _LEVELS * np.arange(_BANDS)
    return np.tile(words, -(-length // _BANDS))[:, :length]


def scale_levels(levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Levels 0 to 7 as values from -1.75 to 1.75, about as large as normalised pixels are."""
    return (levels - (_LEVELS - 1) / 2) / 2


def sound_tones(
    kinds: NDArray[np.int64], samples: int, rate_hz: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Sound one tone after another, all of one length: (clips, tones) kinds -> (clips, samples) float32.

    Kind k is a sine of 200 Hz x 2^(k/2), so 200 to 2263 Hz; noise is added and each clip has unit variance.
    """
    import numpy as np

    clips, tones = kinds.shape
    frequency_hz = 200.0 * 2.0 ** (kinds / 2)
    which = np.arange(samples) * tones // samples
    time_s = np.arange(samples) / rate_hz
    sound = _noise((clips, samples), generator)
    sound += np.sqrt(2) * np.sin(2 * np.pi * frequency_hz[:, which] * time_s)
    sound /= sound.std(axis=1, keepdims=True)
    return sound


def draw_tones(kinds: NDArray[np.int64], frames: int, mels: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw the spectrogram of one tone after another: (clips, tones) kinds -> (clips, mels, frames) float32.

    Kind k is loud in the k-th eighth of the mel bands.
    """
    import numpy as np

    which = np.arange(frames) * kinds.shape[1] // frames
    band = np.arange(mels) * KINDS // mels
    loudness = _noise((len(kinds), mels, frames), generator)
    loudness += 2 * (kinds[:, which][:, None, :] == band[None, :, None])
    return loudness


def _noise(dims: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    import numpy as np

    noise = generator.standard_normal(dims, dtype=np.float32)
    noise *= _NOISE
    return noise
