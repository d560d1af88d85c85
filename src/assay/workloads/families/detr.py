"""DETR: object detection as set prediction with a transformer (Carion et al. 2020, arXiv:2005.12872)."""

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
    "num_channels": 3,
    "activation_function": "relu",
    "position_embedding_type": "sine",
    "dropout": 0.1,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "auxiliary_loss": False,
}
_BACKBONE = {
    "num_channels": 3,
    "hidden_act": "relu",
    "layer_type": "bottleneck",
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
    "out_features": ("stage4",),
}


def build(size: Size) -> nn.Module:
    """Backbone, encoder-decoder, class and box heads. The backbone is transformers' own ResNet, so timm is not needed.

    Its frozen batch norms are set to the identity: they hold buffers copied from the layers they replace, which
    are uninitialised memory where the caller builds without initialisers.
    """
    from transformers.models.detr.configuration_detr import DetrConfig
    from transformers.models.detr.modeling_detr import DetrForObjectDetection, DetrFrozenBatchNorm2d
    from transformers.models.resnet.configuration_resnet import ResNetConfig

    backbone = {**size.config["backbone"], "out_features": list(size.config["backbone"]["out_features"])}
    model = DetrForObjectDetection(
        DetrConfig(
            **size.config["detector"],
            use_timm_backbone=False,
            use_pretrained_backbone=False,
            backbone=None,
            backbone_config=ResNetConfig(**backbone),
        )
    )
    for module in model.modules():
        if isinstance(module, DetrFrozenBatchNorm2d):
            module.weight.fill_(1.0)
            module.bias.zero_()
    return model


families.add(
    "detr",
    Family(
        name="detr",
        task="object detection",
        modality="vision",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    "detector": {
                        **_SHARED,
                        "num_labels": 91,
                        "num_queries": 25,
                        "d_model": 64,
                        "encoder_layers": 2,
                        "encoder_ffn_dim": 256,
                        "encoder_attention_heads": 4,
                        "decoder_layers": 2,
                        "decoder_ffn_dim": 256,
                        "decoder_attention_heads": 4,
                    },
                    "backbone": {
                        **_BACKBONE,
                        "embedding_size": 16,
                        "hidden_sizes": (64, 128, 256, 512),
                        "depths": (1, 1, 1, 1),
                    },
                },
                parameters=784_144,
                source="assay's own reduction of arXiv:2005.12872",
                shape={"image": 192},
            ),
            "resnet50": Size(
                tier=Tier.BASE,
                config={
                    "detector": {
                        **_SHARED,
                        "num_labels": 91,
                        "num_queries": 100,
                        "d_model": 256,
                        "encoder_layers": 6,
                        "encoder_ffn_dim": 2048,
                        "encoder_attention_heads": 8,
                        "decoder_layers": 6,
                        "decoder_ffn_dim": 2048,
                        "decoder_attention_heads": 8,
                    },
                    "backbone": {
                        **_BACKBONE,
                        "embedding_size": 64,
                        "hidden_sizes": (256, 512, 1024, 2048),
                        "depths": (3, 4, 6, 3),
                    },
                },
                parameters=41_524_768,
                published=41e6,
                source="arXiv:2005.12872, table 1 (DETR, R50); hub id facebook/detr-resnet-50",
            ),
        },
        # No pixel_mask: every image of a batch has one size here, and the model then takes all pixels as valid.
        inputs=(InputSpec("pixel_values", ("batch", 3, "image", "image"), "float32", Fill.NORMAL),),
        # The published preprocessing scales the short side to 800; a square is the least of what that gives.
        default_shape={"image": 800},
        default_batches=(1, 4),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2005.12872",
    ),
)
