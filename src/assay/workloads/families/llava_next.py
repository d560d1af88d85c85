"""LLaVA-NeXT (1.6): LLaVA on a grid of crops (Liu et al. 2024, llava-vl.github.io/blog/2024-01-30-llava-next).

A call is the prefill of one prompt about one square image of twice the tower's side, the finest square grid that the
published checkpoints know: the whole image scaled down plus 2 x 2 crops, ``crops`` = 5. With p patches a
side of a crop, the model makes p^2 tokens of the overview and 2p rows of 2p patches and a line break of the
crops, so ``image_tokens`` = p^2 + 2p (2p + 1): 2928 for p = 24. A square image has no padding that the model would cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, families

if TYPE_CHECKING:
    from torch import nn

_VISION = {"num_channels": 3, "patch_size": 14, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
_TEXT = {
    "max_position_embeddings": 4096,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "pad_token_id": 0,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}
_GRIDS = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))
"""Rows and columns of crops to choose from, as published (336 x 672, 672 x 336, ...)."""


def build(size: Size) -> nn.Module:
    """Vision tower, two-layer projector, line-break token and causal language model with its head."""
    from transformers.models.clip.configuration_clip import CLIPVisionConfig
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llava_next.configuration_llava_next import LlavaNextConfig
    from transformers.models.llava_next.modeling_llava_next import LlavaNextForConditionalGeneration

    side = size.constants["crop"]
    text = {**size.config["text"], "rope_parameters": dict(size.config["text"]["rope_parameters"])}
    return LlavaNextForConditionalGeneration(
        LlavaNextConfig(
            vision_config=CLIPVisionConfig(**size.config["vision"], image_size=side),
            text_config=LlamaConfig(**text),
            image_token_index=size.constants["image_token"],
            image_grid_pinpoints=[[rows * side, columns * side] for rows, columns in _GRIDS],
            projector_hidden_act="gelu",
            vision_feature_select_strategy="default",
            vision_feature_layer=-2,
            multimodal_projector_bias=True,
            tie_word_embeddings=False,
        )
    )


def forward(model: Any, inputs: Mapping[str, Any]) -> Any:
    """Prefill without keeping keys and values: nothing is generated from them."""
    return model(**inputs, use_cache=False)


def units_per_call(size: Size, batch: int, shape: Mapping[str, int]) -> float:
    """Tokens the language model sees: batch x (image_tokens + seq)."""
    return float(batch * (size.constants["image_tokens"] + shape["seq"]))


families.add(
    "llava_next",
    Family(
        name="llava_next",
        task="image-text prefill",
        modality="vision-language",
        unit=UnitOfWork.TOKEN,
        units_per_call=units_per_call,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    "vision": {
                        **_VISION,
                        "hidden_size": 128,
                        "num_hidden_layers": 3,
                        "num_attention_heads": 2,
                        "intermediate_size": 512,
                        "projection_dim": 64,
                    },
                    "text": {
                        **_TEXT,
                        "vocab_size": 1088,
                        "hidden_size": 128,
                        "num_hidden_layers": 2,
                        "num_attention_heads": 2,
                        "num_key_value_heads": 2,
                        "intermediate_size": 344,
                    },
                },
                parameters=1_380_480,
                source="assay's own reduction of LLaVA-NeXT",
                constants={
                    "vocab": 1024,
                    "image_token": 1024,
                    "crop": 56,
                    "crops": 5,
                    "image": 112,
                    "image_tokens": 88,
                },
            ),
            "7b": Size(
                tier=Tier.LARGE,
                config={
                    "vision": {
                        **_VISION,
                        "hidden_size": 1024,
                        "num_hidden_layers": 24,
                        "num_attention_heads": 16,
                        "intermediate_size": 4096,
                        "projection_dim": 768,
                    },
                    "text": {
                        **_TEXT,
                        # 32000 of Vicuna, the image and padding tokens, and padding to a multiple of 64.
                        "vocab_size": 32064,
                        "hidden_size": 4096,
                        "num_hidden_layers": 32,
                        "num_attention_heads": 32,
                        "num_key_value_heads": 32,
                        "intermediate_size": 11008,
                    },
                },
                parameters=7_063_431_168,
                published=7.06e9,
                source="hub id llava-hf/llava-v1.6-vicuna-7b-hf (parameters of its safetensors files)",
                constants={
                    "vocab": 32000,
                    "image_token": 32000,
                    "crop": 336,
                    "crops": 5,
                    "image": 672,
                    "image_tokens": 2928,
                },
            ),
        },
        inputs=(
            InputSpec(
                "input_ids",
                ("batch", "image_tokens+seq"),
                "int64",
                Fill.TOKENS,
                low=3,
                high="vocab",
                lead="image_tokens",
                lead_value="image_token",
            ),
            InputSpec("pixel_values", ("batch", "crops", 3, "crop", "crop"), "float32", Fill.NORMAL),
            # Height and width of every image are ``image``: the only integer in [image, image + 1).
            InputSpec("image_sizes", ("batch", 2), "int64", Fill.TOKENS, low="image", high="image+1"),
            InputSpec("attention_mask", ("batch", "image_tokens+seq"), "int64", Fill.ONES),
        ),
        default_shape={"seq": 32},
        default_batches=(1,),
        build=build,
        forward=forward,
        reference="llava-vl.github.io/blog/2024-01-30-llava-next",
    ),
)
