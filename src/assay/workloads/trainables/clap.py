"""How CLAP is trained: each clip is matched with its caption among those of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import check_pairs, match_pairs
from assay.workloads.trainables.patterns import draw_identities, name_identities, sound_identities

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_FIRST_WORD = 10
_START = 0


def build(size: Size, _head: Head | None) -> nn.Module:
    """Both towers, their projections and the two learned temperatures, as the family has them."""
    return families.get("clap").build(size)


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make spectrograms of three loudnesses and captions that name them. Raises WorkloadError for one."""
    import numpy as np

    check_pairs(batch)
    identities = draw_identities(batch, generator)
    words = name_identities(identities, shape["seq"], _FIRST_WORD)
    words[:, 0] = _START
    return {
        "input_features": sound_identities(identities, size.constants["frames"], size.constants["mels"], generator),
        "input_ids": words,
        "attention_mask": np.ones_like(words),
    }


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Scaled similarities of every clip with every caption of the batch."""
    return model(**batch)


def loss(outputs: Any, _batch: Mapping[str, Any]) -> Any:
    """Symmetric contrastive loss over the batch; each direction has a temperature of its own."""
    return match_pairs(outputs.logits_per_audio, outputs.logits_per_text)


trainables.add(
    "clap",
    Trainable(
        family="clap",
        objective="audio-text contrast: symmetric cross-entropy of the right pair in the batch",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        head=("audio_projection", "text_projection", "logit_scale_a", "logit_scale_t"),
        lora=("query", "value"),
        learning_rate=2e-4,
        separates_loss=True,
        pool=2,
        steps_to_learn=30,
    ),
)
