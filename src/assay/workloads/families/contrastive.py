"""Contrastive encoders of vibration: windows of a multi-channel signal to points that lie near their own kind.

The networks are assay's own, in three depths of residual convolutions (2, 4 and 6 layers) and as a patch Transformer
(after PatchTST, Nie et al. 2023, arXiv:2211.14730). The loss that they are trained with is InfoNCE (van den Oord et al.
2018, arXiv:1807.03748). Not a general family: a suite that asks for all models does not mean these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.workloads.base import (
    Family,
    Fill,
    InputSpec,
    Size,
    Tier,
    UnitOfWork,
    call_with_keywords,
    families,
    per_sample,
)

if TYPE_CHECKING:
    from torch import nn


def build(size: Size) -> nn.Module:
    """The encoder with its projection head: needs torch alone."""
    from assay.workloads._contrastive_torch import build_encoder

    return build_encoder(**size.config)


families.add(
    "contrastive",
    Family(
        name="contrastive",
        task="contrastive representation",
        modality="vibration",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={"kind": "convolutional", "layers": 2, "width": 16},
                parameters=8_528,
                source="assay's own: the small encoder at a quarter of the width",
            ),
            "small": Size(
                tier=Tier.SMALL,
                config={"kind": "convolutional", "layers": 2, "width": 64},
                parameters=101_312,
                source="assay's own: 2 residual layers",
            ),
            "medium": Size(
                tier=Tier.SMALL,
                config={"kind": "convolutional", "layers": 4, "width": 64},
                parameters=417_920,
                source="assay's own: 4 residual layers",
            ),
            "complex": Size(
                tier=Tier.BASE,
                config={"kind": "convolutional", "layers": 6, "width": 64},
                parameters=1_665_536,
                source="assay's own: 6 residual layers",
            ),
            "patch": Size(
                tier=Tier.BASE,
                config={"kind": "patch", "layers": 4, "width": 128},
                parameters=567_680,
                source="assay's own, after arXiv:2211.14730: patches of 32 samples, 4 layers of width 128",
            ),
        },
        inputs=(InputSpec("signal", ("batch", "channels", "window"), "float32", Fill.NORMAL),),
        default_shape={"window": 1024, "channels": 2},
        default_batches=(1, 32),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:1807.03748",
        requires=("torch",),
        is_general=False,
    ),
)
