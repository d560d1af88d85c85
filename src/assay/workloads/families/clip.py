"""CLIP: an image and a text encoder meeting in one space (Radford et al. 2021, arXiv:2103.00020)."""

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

# What the published checkpoints share. ``eos_token_id`` 2 is what their files say: the text is then pooled at its
# highest token id, which the end-of-text token (49407) is in real text and which random tokens have too.
_TEXT = {
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
_VISION = {"num_channels": 3, "image_size": 224, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}


def build(size: Size) -> nn.Module:
    """Both towers, their projections and the temperature."""
    from transformers.models.clip.configuration_clip import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
    from transformers.models.clip.modeling_clip import CLIPModel

    projection_dim = size.config["projection_dim"]
    return CLIPModel(
        CLIPConfig(
            text_config=CLIPTextConfig(**size.config["text"], projection_dim=projection_dim),
            vision_config=CLIPVisionConfig(**size.config["vision"], projection_dim=projection_dim),
            projection_dim=projection_dim,
            logit_scale_init_value=2.6592,
        )
    )


families.add(
    "clip",
    Family(
        name="clip",
        task="image-text matching",
        modality="vision-language",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    "projection_dim": 64,
                    "text": {
                        **_TEXT,
                        "vocab_size": 1024,
                        "hidden_size": 128,
                        "num_hidden_layers": 2,
                        "num_attention_heads": 2,
                        "intermediate_size": 512,
                    },
                    "vision": {
                        **_VISION,
                        "patch_size": 32,
                        "hidden_size": 128,
                        "num_hidden_layers": 2,
                        "num_attention_heads": 2,
                        "intermediate_size": 512,
                    },
                },
                parameters=1_350_913,
                source="assay's own reduction of arXiv:2103.00020",
                constants={"vocab": 1024},
            ),
            "vit-b32": Size(
                tier=Tier.BASE,
                config={
                    "projection_dim": 512,
                    "text": {
                        **_TEXT,
                        "vocab_size": 49408,
                        "hidden_size": 512,
                        "num_hidden_layers": 12,
                        "num_attention_heads": 8,
                        "intermediate_size": 2048,
                    },
                    "vision": {
                        **_VISION,
                        "patch_size": 32,
                        "hidden_size": 768,
                        "num_hidden_layers": 12,
                        "num_attention_heads": 12,
                        "intermediate_size": 3072,
                    },
                },
                parameters=151_277_313,
                published=151.28e6,
                source="hub id openai/clip-vit-base-patch32; count: open_clip, docs/model_profile.csv (ViT-B-32)",
                constants={"vocab": 49408},
            ),
        },
        inputs=(
            InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, low=3, high="vocab"),
            InputSpec("pixel_values", ("batch", 3, 224, 224), "float32", Fill.NORMAL),
            InputSpec("attention_mask", ("batch", "seq"), "int64", Fill.ONES),
        ),
        default_shape={"seq": 77},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2103.00020",
    ),
)
