"""ViT: an image as a sequence of patches, classified (Dosovitskiy et al. 2020, arXiv:2010.11929)."""

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

_SHARED = {
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "num_labels": 1000,
    "qkv_bias": True,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-12,
}


def build(size: Size) -> nn.Module:
    """The encoder with its ImageNet-1k head (a class token, no pooler)."""
    from transformers.models.vit.configuration_vit import ViTConfig
    from transformers.models.vit.modeling_vit import ViTForImageClassification

    return ViTForImageClassification(ViTConfig(**size.config))


families.add(
    "vit",
    Family(
        name="vit",
        task="image classification",
        modality="vision",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    **_SHARED,
                    "hidden_size": 192,
                    "num_hidden_layers": 12,
                    "num_attention_heads": 3,
                    "intermediate_size": 768,
                },
                parameters=5_717_416,
                published=5.72e6,
                source="arXiv:2106.10270 (Ti/16); count: timm, results-imagenet.csv (vit_tiny_patch16_224)",
            ),
            "base": Size(
                tier=Tier.BASE,
                config={
                    **_SHARED,
                    "hidden_size": 768,
                    "num_hidden_layers": 12,
                    "num_attention_heads": 12,
                    "intermediate_size": 3072,
                },
                parameters=86_567_656,
                published=86.57e6,
                source="hub id google/vit-base-patch16-224; count: timm, results-imagenet.csv (vit_base_patch16_224)",
            ),
        },
        inputs=(InputSpec("pixel_values", ("batch", 3, 224, 224), "float32", Fill.NORMAL),),
        default_shape={},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2010.11929",
    ),
)
