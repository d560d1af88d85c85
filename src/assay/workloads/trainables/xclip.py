"""How X-CLIP is trained: each video is matched with its text among those of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import check_pairs, match_pairs
from assay.workloads.trainables.patterns import draw_identities, name_identities, paint_identities

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_FIRST_WORD = 10


def build(size: Size, _head: Head | None) -> nn.Module:
    """Text tower, cross-frame vision tower, multi-frame integration and prompts, as the family has them."""
    return families.get("xclip").build(size)


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make videos of one colour, with noise in each frame, and texts that name it. Raises WorkloadError for one."""
    import numpy as np

    check_pairs(batch)
    side, frames = size.config["vision"]["image_size"], size.constants["frames"]
    identities = draw_identities(batch, generator)
    words = name_identities(identities, shape["seq"], _FIRST_WORD)
    # The text is pooled at its highest token: the end of the text, the last of the vocabulary.
    words[:, -1] = size.constants["vocab"] - 1
    pixels = paint_identities(np.repeat(identities, frames, axis=0), side, generator)
    return {
        "input_ids": words,
        "attention_mask": np.ones_like(words),
        "pixel_values": pixels.reshape(batch, frames, 3, side, side),
    }


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Scaled similarities of every video with every text of the batch."""
    return model(**batch)


def loss(outputs: Any, _batch: Mapping[str, Any]) -> Any:
    """Symmetric contrastive loss over the batch."""
    return match_pairs(outputs.logits_per_video, outputs.logits_per_text)


trainables.add(
    "xclip",
    Trainable(
        family="xclip",
        objective="video-text contrast: symmetric cross-entropy of the right pair in the batch",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        head=(
            "visual_projection",
            "text_projection",
            "logit_scale",
            "prompts_visual_layernorm",
            "prompts_visual_projection",
            "prompts_generator",
        ),
        lora=("q_proj", "v_proj"),
        learning_rate=3e-4,
        separates_loss=True,
        pool=2,
        steps_to_learn=30,
    ),
)
