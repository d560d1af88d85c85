"""What decoder-only language models share: the next word of a steady walk, predicted at every position.

May import: core, workloads; torch and numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.losses import predict_next
from assay.workloads.trainables.patterns import draw_walks

if TYPE_CHECKING:
    import numpy as np
    import torch

FIRST_WORD = 3
"""Ids before it are special tokens."""


def make_walks(_size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make texts in which each word fixes the next; the labels are the words themselves."""
    import numpy as np

    words = draw_walks(batch, shape["seq"], FIRST_WORD, generator)
    return {"input_ids": words, "attention_mask": np.ones_like(words), "labels": words}


def forward_text(model: Any, batch: Mapping[str, Any]) -> Any:
    """Logits of every position. The labels stay outside, so that the loss is computed and timed apart."""
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])


def next_word_loss(outputs: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """Mean cross-entropy of the next word."""
    return predict_next(outputs.logits, batch["labels"])
