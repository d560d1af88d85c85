"""ResNet: residual convolutions, classified (He et al. 2015, arXiv:1512.03385)."""

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

# Stride 2 sits in the 3x3 convolution of a bottleneck ("ResNet v1.5"), as in the published checkpoints.
_SHARED = {
    "num_channels": 3,
    "num_labels": 1000,
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
}


def build(size: Size) -> nn.Module:
    """Stem, four stages, average pool and the ImageNet-1k head."""
    from transformers.models.resnet.configuration_resnet import ResNetConfig
    from transformers.models.resnet.modeling_resnet import ResNetForImageClassification

    return ResNetForImageClassification(ResNetConfig(**size.config))


families.add(
    "resnet",
    Family(
        name="resnet",
        task="image classification",
        modality="vision",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    **_SHARED,
                    "embedding_size": 16,
                    "hidden_sizes": (64, 128, 256, 512),
                    "depths": (2, 2, 2, 2),
                    "layer_type": "bottleneck",
                },
                parameters=1_392_184,
                source="assay's own: ResNet-50 at a quarter of the width, two blocks a stage",
            ),
            "18": Size(
                tier=Tier.SMALL,
                config={
                    **_SHARED,
                    "embedding_size": 64,
                    "hidden_sizes": (64, 128, 256, 512),
                    "depths": (2, 2, 2, 2),
                    "layer_type": "basic",
                },
                parameters=11_689_512,
                published=11.69e6,
                source="arXiv:1512.03385, table 1 (18-layer); count: timm, results-imagenet.csv (resnet18)",
            ),
            "50": Size(
                tier=Tier.BASE,
                config={
                    **_SHARED,
                    "embedding_size": 64,
                    "hidden_sizes": (256, 512, 1024, 2048),
                    "depths": (3, 4, 6, 3),
                    "layer_type": "bottleneck",
                },
                parameters=25_557_032,
                published=25.56e6,
                source="hub id microsoft/resnet-50; count: timm, results-imagenet.csv (resnet50)",
            ),
        },
        inputs=(InputSpec("pixel_values", ("batch", 3, "image", "image"), "float32", Fill.NORMAL),),
        default_shape={"image": 224},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:1512.03385",
    ),
)
