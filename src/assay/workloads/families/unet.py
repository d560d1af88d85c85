"""U-Net: convolutional segmentation with skips (Ronneberger et al. 2015, arXiv:1505.04597). The network is assay's own.

The paper's network has unpadded convolutions (572 x 572 in, 388 x 388 out). Here they are padded, as in most later
use, so input and output have one size, which must be a multiple of 16. 256 is the size at which segmentation
papers commonly report U-Net's cost (arXiv:2203.04967, say).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, families, per_sample

if TYPE_CHECKING:
    from torch import nn

_DEPTH = 4
_MULTIPLE = 2**_DEPTH


def build(size: Size) -> nn.Module:
    """The network of ``_unet_torch``: needs torch alone."""
    from assay.workloads._unet_torch import build_unet

    return build_unet(**size.config)


def forward(model: Any, inputs: Mapping[str, Any]) -> Any:
    """Segment a batch of images. Raises WorkloadError for a size that four poolings do not divide."""
    pixels = inputs["pixel_values"]
    if pixels.shape[-1] % _MULTIPLE:
        raise WorkloadError(
            f"U-Net halves its image {_DEPTH} times; image={pixels.shape[-1]} is not a multiple of {_MULTIPLE}.",
            hint=f"Use image={max(1, round(pixels.shape[-1] / _MULTIPLE)) * _MULTIPLE}.",
        )
    return model(pixels)


families.add(
    "unet",
    Family(
        name="unet",
        task="image segmentation",
        modality="vision",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={"channels": 3, "classes": 2, "width": 8, "depth": _DEPTH},
                parameters=486_562,
                source="assay's own: arXiv:1505.04597 at an eighth of the width",
                shape={"image": 64},
            ),
            "base": Size(
                tier=Tier.BASE,
                config={"channels": 3, "classes": 2, "width": 64, "depth": _DEPTH},
                parameters=31_037_698,
                published=31.04e6,
                source="arXiv:1505.04597, figure 1 (64 to 1024 channels); count: milesial/Pytorch-UNet (3 in, 2 out)",
            ),
        },
        inputs=(InputSpec("pixel_values", ("batch", 3, "image", "image"), "float32", Fill.NORMAL),),
        default_shape={"image": 256},
        default_batches=(1, 4),
        build=build,
        forward=forward,
        reference="arXiv:1505.04597",
        requires=("torch",),
    ),
)
