"""LLaVA-1.5: a CLIP tower whose patches become tokens of a language model (Liu et al. 2023, arXiv:2310.03744).

A call is the prefill of one prompt: ``image_tokens`` placeholders, which the model replaces by projected patches,
then ``seq`` tokens of text.
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
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}

# LLaVA-NeXT has the same towers and prompts, so its file takes these from here.
TINY: Mapping[str, Mapping[str, Any]] = {
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
}
VICUNA_7B: Mapping[str, Mapping[str, Any]] = {
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
}
PROMPT = InputSpec(
    "input_ids",
    ("batch", "image_tokens+seq"),
    "int64",
    Fill.TOKENS,
    low=3,
    high="vocab",
    lead="image_tokens",
    lead_value="image_token",
)
ATTENTION_MASK = InputSpec("attention_mask", ("batch", "image_tokens+seq"), "int64", Fill.ONES)


def build(size: Size) -> nn.Module:
    """Vision tower, two-layer projector and causal language model with its head.

    Patches come from the last layer but one, without the class token, as in the published checkpoints.
    """
    from transformers.models.clip.configuration_clip import CLIPVisionConfig
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llava.configuration_llava import LlavaConfig
    from transformers.models.llava.modeling_llava import LlavaForConditionalGeneration

    text = {**size.config["text"], "rope_parameters": dict(size.config["text"]["rope_parameters"])}
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(**size.config["vision"], image_size=size.constants["image"]),
            text_config=LlamaConfig(**text),
            image_token_index=size.constants["image_token"],
            image_seq_length=size.constants["image_tokens"],
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
    "llava",
    Family(
        name="llava",
        task="image-text prefill",
        modality="vision-language",
        unit=UnitOfWork.TOKEN,
        units_per_call=units_per_call,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config=TINY,
                parameters=1_386_496,
                source="assay's own reduction of arXiv:2310.03744",
                constants={"vocab": 1024, "image_token": 1024, "image": 112, "image_tokens": 64},
            ),
            "7b": Size(
                tier=Tier.LARGE,
                config=VICUNA_7B,
                parameters=7_063_427_072,
                published=7.06e9,
                source="hub id llava-hf/llava-1.5-7b-hf (parameters of its safetensors files)",
                constants={"vocab": 32000, "image_token": 32000, "image": 336, "image_tokens": 576},
            ),
        },
        inputs=(
            PROMPT,
            InputSpec("pixel_values", ("batch", 3, "image", "image"), "float32", Fill.NORMAL),
            ATTENTION_MASK,
        ),
        default_shape={"seq": 32},
        default_batches=(1, 4),
        build=build,
        forward=forward,
        reference="arXiv:2310.03744",
    ),
)
