"""How Llama is trained: the next token at every position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.workloads.base import Size, families
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.words import forward_text, make_walks, next_word_loss

if TYPE_CHECKING:
    from torch import nn


def build(size: Size, _head: Head | None) -> nn.Module:
    """The decoder with its output layer, as the family has it."""
    return families.get("llama").build(size)


trainables.add(
    "llama",
    Trainable(
        family="llama",
        objective="next token: mean cross-entropy over positions",
        build=build,
        make_batch=make_walks,
        forward=forward_text,
        loss=next_word_loss,
        head=("lm_head",),
        lora=("q_proj", "v_proj"),
        learning_rate=3e-4,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
