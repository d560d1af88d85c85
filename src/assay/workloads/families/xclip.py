"""X-CLIP: CLIP for video, with attention across frames (Ni et al. 2022, arXiv:2208.02816).

The model scores every clip of a batch against every text, whatever their numbers. Here a call has one text a clip,
so that both inputs grow with the batch and the work of a clip stays nearly the same.
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

_TEXT = {
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
_VISION = {
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 32,
    "num_frames": 8,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "drop_path_rate": 0.0,
}
_PROMPT = {"prompt_layers": 2, "prompt_alpha": 0.1, "prompt_hidden_act": "quick_gelu"}


def build(size: Size) -> nn.Module:
    """Text tower, cross-frame vision tower, multi-frame integration and the video-specific prompts."""
    from transformers.models.x_clip.configuration_x_clip import XCLIPConfig, XCLIPTextConfig, XCLIPVisionConfig
    from transformers.models.x_clip.modeling_x_clip import XCLIPModel

    return XCLIPModel(
        XCLIPConfig(
            text_config=XCLIPTextConfig(**size.config["text"]),
            vision_config=XCLIPVisionConfig(**size.config["vision"]),
            logit_scale_init_value=2.6592,
            **size.config["joint"],
        )
    )


families.add(
    "xclip",
    Family(
        name="xclip",
        task="video-text matching",
        modality="video-language",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    "joint": {**_PROMPT, "projection_dim": 64, "prompt_num_attention_heads": 2},
                    "text": {
                        **_TEXT,
                        "vocab_size": 1024,
                        "hidden_size": 64,
                        "num_hidden_layers": 2,
                        "num_attention_heads": 2,
                        "intermediate_size": 256,
                    },
                    "vision": {
                        **_VISION,
                        "hidden_size": 128,
                        "num_hidden_layers": 2,
                        "num_attention_heads": 2,
                        "intermediate_size": 512,
                        "mit_hidden_size": 64,
                        "mit_intermediate_size": 256,
                        "mit_num_hidden_layers": 1,
                        "mit_num_attention_heads": 2,
                    },
                },
                parameters=1_304_001,
                source="assay's own reduction of arXiv:2208.02816",
                constants={"vocab": 1024, "frames": 8},
            ),
            "base": Size(
                tier=Tier.BASE,
                config={
                    "joint": {**_PROMPT, "projection_dim": 512, "prompt_num_attention_heads": 8},
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
                        "hidden_size": 768,
                        "num_hidden_layers": 12,
                        "num_attention_heads": 12,
                        "intermediate_size": 3072,
                        "mit_hidden_size": 512,
                        "mit_intermediate_size": 2048,
                        "mit_num_hidden_layers": 1,
                        "mit_num_attention_heads": 8,
                    },
                },
                parameters=196_585_729,
                published=197e6,
                source="hub id microsoft/xclip-base-patch32 (parameters of its safetensors file)",
                constants={"vocab": 49408, "frames": 8},
            ),
        },
        inputs=(
            InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, low=3, high="vocab"),
            InputSpec("pixel_values", ("batch", "frames", 3, 224, 224), "float32", Fill.NORMAL),
            InputSpec("attention_mask", ("batch", "seq"), "int64", Fill.ONES),
        ),
        default_shape={"seq": 77},
        default_batches=(1, 4),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2208.02816",
    ),
)
