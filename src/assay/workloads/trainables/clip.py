"""How CLIP is trained: each image is matched with its text among those of the batch."""

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

FIRST_WORD = 10


def build(size: Size, _head: Head | None) -> nn.Module:
    """Both towers, their projections and the learned temperature, as the family has them."""
    return families.get("clip").build(size)


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make images of one colour and texts that name its red, green and blue. Raises WorkloadError for one."""
    import numpy as np

    check_pairs(batch)
    identities = draw_identities(batch, generator)
    words = name_identities(identities, shape["seq"], FIRST_WORD)
    # The text is pooled at its highest token: the end of the text, the last of the vocabulary.
    words[:, -1] = size.constants["vocab"] - 1
    return {
        "input_ids": words,
        "attention_mask": np.ones_like(words),
        "pixel_values": paint_identities(identities, size.config["vision"]["image_size"], generator),
    }


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Scaled similarities of every image with every text of the batch."""
    return model(**batch)


def loss(outputs: Any, _batch: Mapping[str, Any]) -> Any:
    """Symmetric contrastive loss over the batch."""
    return match_pairs(outputs.logits_per_image, outputs.logits_per_text)


trainables.add(
    "clip",
    Trainable(
        family="clip",
        objective="image-text contrast: symmetric cross-entropy of the right pair in the batch",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        head=("visual_projection", "text_projection", "logit_scale"),
        lora=("q_proj", "v_proj"),
        learning_rate=5e-4,
        separates_loss=True,
        pool=2,
        steps_to_learn=30,
    ),
)
