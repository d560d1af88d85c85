"""Pipeline of images: decode a JPEG, crop and flip at random, scale to floating point, as image training does.

May import: core; numpy and Pillow inside functions.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.workloads.datasets.base import Batch
from assay.workloads.pipelines.base import Opened, PipelineKind, PipelineRequest, generator_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILES = 64
_MARGIN = 256 / 224
"""Stored images are larger than what is cropped from them, in the usual proportion of ImageNet training."""
_QUALITY = 90
_LEAST_AREA = 0.25
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels, as torchvision documents them for its models."""


@dataclass(frozen=True, slots=True)
class DecodeImages:
    """``files`` are whole JPEG files, in memory: what is timed is decoding and augmenting, not a disk."""

    files: tuple[bytes, ...]
    batch: int
    side: int
    seed: int

    def make_batch(self, index: int) -> Batch:
        """``pixel_values`` (batch, 3, side, side) float32."""
        import numpy as np

        generator = generator_for(self.seed, index)
        chosen = generator.integers(len(self.files), size=self.batch)
        pixels = np.stack([self._load(self.files[number], generator) for number in chosen])
        return {"pixel_values": pixels}

    def _load(self, content: bytes, generator: np.random.Generator) -> NDArray[np.float32]:
        import numpy as np
        from PIL import Image

        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (self.side, self.side))  # the decoder may skip detail that scaling would throw away
            width, height = image.size
            edge = round(min(width, height) * generator.uniform(_LEAST_AREA, 1.0) ** 0.5)
            left, top = (int(generator.integers(whole - edge + 1)) for whole in (width, height))
            box = (left, top, left + edge, top + edge)
            cropped = image.convert("RGB").resize((self.side, self.side), Image.Resampling.BILINEAR, box=box)
        pixels = np.asarray(cropped, dtype=np.float32).transpose(2, 0, 1) / 255
        if generator.random() < 0.5:  # noqa: PLR2004  (every other image)
            pixels = pixels[:, :, ::-1]
        mean, deviation = (np.asarray(values, np.float32)[:, None, None] for values in (_MEAN, _DEVIATION))
        return ((pixels - mean) / deviation).astype(np.float32, copy=False)


def _make_files(side: int, seed: int) -> tuple[bytes, ...]:
    """Write pictures with smooth areas, edges and some grain, which compress about as photographs do."""
    import numpy as np
    from PIL import Image

    stored = round(side * _MARGIN)
    generator = np.random.default_rng(seed)
    files = []
    for _ in range(_FILES):
        coarse = generator.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((stored, stored), Image.Resampling.BICUBIC)
        grain = generator.normal(0, 6, size=(stored, stored, 1))
        pixels = np.clip(np.asarray(smooth, np.float32) + grain, 0, 255).astype(np.uint8)
        low, high = np.sort(generator.integers(0, stored, size=2))
        pixels[low:high, low:high] = 255 - pixels[low:high, low:high]
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
        files.append(stream.getvalue())
    return tuple(files)


def _open(request: PipelineRequest) -> Opened:
    import PIL

    side = request.shape["image"]
    files = _make_files(side, request.seed)
    facts = {
        "dataset": "images-synthetic", "dataset_kind": "synthetic", "pillow": PIL.__version__,
        "stored_side": str(round(side * _MARGIN)), "mean_file_bytes": str(sum(map(len, files)) // len(files)),
    }  # fmt: skip
    return Opened(DecodeImages(files, request.batch, side, request.seed), facts)


KINDS = (
    PipelineKind(
        "images", "JPEG images decoded, cropped, flipped and scaled", {"image": 224}, _open,
        packages={"PIL": "pip install pillow"},
    ),
)  # fmt: skip
