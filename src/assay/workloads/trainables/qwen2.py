"""How Qwen2 is trained: the next token at every position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.workloads.base import Size, families
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.words import forward_text, make_walks, next_word_loss

if TYPE_CHECKING:
    from torch import nn


def build(size: Size, _head: Head | None) -> nn.Module:
    """The decoder with its output layer, as the family has it."""
    return families.get("qwen2").build(size)


trainables.add(
    "qwen2",
    Trainable(
        family="qwen2",
        objective="next token: mean cross-entropy over positions",
        build=build,
        make_batch=make_walks,
        forward=forward_text,
        loss=next_word_loss,
        # All but the 7B share the output layer with the embedding, whose name then is the only one.
        head=("lm_head", "model.embed_tokens"),
        lora=("q_proj", "v_proj"),
        learning_rate=3e-4,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
