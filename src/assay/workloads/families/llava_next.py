"""LLaVA-NeXT (1.6): LLaVA on a grid of crops (Liu et al. 2024, llava-vl.github.io/blog/2024-01-30-llava-next).

A call is the prefill of one prompt about one square image of twice the tower's side, the finest square grid that the
published checkpoints know: the whole image scaled down plus 2 x 2 crops, ``crops`` = 5. With p patches a
side of a crop, the model makes p^2 tokens of the overview and 2p rows of 2p patches and a line break of the
crops, so ``image_tokens`` = p^2 + 2p (2p + 1): 2928 for p = 24. A square image has no padding that the model would cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, families
from assay.workloads.families.llava import ATTENTION_MASK, PROMPT, TINY, VICUNA_7B, prefill_spliced, units_per_call

if TYPE_CHECKING:
    import torch
    from torch import nn

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
    import torch

    if not torch.compiler.is_exporting():
        return model(**inputs, use_cache=False)
    batch, crops = inputs["pixel_values"].shape[:2]
    newline = model.model.image_newline

    def arrange(features: torch.Tensor) -> torch.Tensor:
        """Overview first, then the crops as one picture, row by row, with a line break after each row.

        The model works the grid out from ``image_sizes``, whose values a graph cannot depend on: it is square here.
        """
        patches, width = features.shape[1:]
        grid, side = math.isqrt(crops - 1), math.isqrt(patches)
        each = features.view(batch, crops, patches, width)
        tiles = each[:, 1:].view(batch, grid, grid, side, side, width)
        picture = tiles.permute(0, 1, 3, 2, 4, 5).reshape(batch, grid * side, grid * side, width)
        breaks = newline.to(picture.dtype).expand(batch, grid * side, 1, width)
        rows = torch.cat((picture, breaks), dim=2).flatten(1, 2)
        return torch.cat((each[:, 0], rows), dim=1)

    return prefill_spliced(model, inputs, arrange)


def _with_padding(config: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """The published text model knows a padding token, LLaVA-1.5's does not."""
    return {**config, "text": {**config["text"], "pad_token_id": 0}}


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
                config=_with_padding(TINY),
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
                config=_with_padding(VICUNA_7B),
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
            PROMPT,
            InputSpec("pixel_values", ("batch", "crops", 3, "crop", "crop"), "float32", Fill.NORMAL),
            # Height and width of every image are ``image``: the only integer in [image, image + 1).
            InputSpec("image_sizes", ("batch", 2), "int64", Fill.TOKENS, low="image", high="image+1"),
            ATTENTION_MASK,
        ),
        default_shape={"seq": 32},
        default_batches=(1,),
        build=build,
        forward=forward,
        reference="llava-vl.github.io/blog/2024-01-30-llava-next",
    ),
)
