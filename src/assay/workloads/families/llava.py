"""LLaVA-1.5: a CLIP tower whose patches become tokens of a language model (Liu et al. 2023, arXiv:2310.03744).

A call is the prefill of one prompt: ``image_tokens`` placeholders, which the model replaces by projected patches,
then ``seq`` tokens of text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, families

if TYPE_CHECKING:
    import torch
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
    import torch

    if torch.compiler.is_exporting():
        return prefill_spliced(model, inputs, lambda features: features)
    return model(**inputs, use_cache=False)


def prefill_spliced(
    model: Any, inputs: Mapping[str, Any], arrange: Callable[[torch.Tensor], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Do what the model does, in a form that can be exported; the outputs are equal bit for bit.

    The model counts placeholders, compares that with the features and scatters these to where the placeholders are:
    all of it depends on data, which a graph cannot hold. Our prompts begin with their placeholders, so the features
    simply come first. ``arrange`` brings projected patches, (crops of all images, patches, width), into the order of
    the placeholders: (batch, image_tokens, width).
    """
    import torch

    inner = model.model
    pixels = inputs["pixel_values"]
    images = pixels.flatten(0, 1) if pixels.ndim == 5 else pixels  # noqa: PLR2004  (crops have an axis of their own)
    seen = inner.vision_tower(images, output_hidden_states=True, return_dict=True)
    patches = seen.hidden_states[model.config.vision_feature_layer][:, 1:]
    features = arrange(inner.multi_modal_projector(patches))
    words = inner.get_input_embeddings()(inputs["input_ids"])[:, features.shape[1] :]
    output = inner.language_model(
        inputs_embeds=torch.cat((features, words), dim=1), attention_mask=inputs["attention_mask"], use_cache=False
    )
    return {"logits": model.lm_head(output.last_hidden_state), "image_hidden_states": features.flatten(0, 1)}


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
