"""How T5 is trained: text to text with teacher forcing. The own task is a translation word by word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import predict_tokens

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_WORDS = 64
_FIRST_SOURCE, _FIRST_TARGET = 100, 200
"""Two small languages of 64 words, apart from each other and from the special tokens."""


def build(size: Size, _head: Head | None) -> nn.Module:
    """Encoder, decoder and the output layer that shares their embedding.

    The family scales attention by 1/sqrt(d_kv), because its weights are filled by fan-in alone. Here weights are
    initialised as the library does, which puts that factor into the query weights, so the scale is 1 again.
    """
    from transformers.models.t5.modeling_t5 import T5Attention

    model = families.get("t5").build(size)
    for module in model.modules():
        if isinstance(module, T5Attention):
            module.scaling = 1.0
    return model


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make texts and their translations: word k of one language is word k of the other, in the same order."""
    import numpy as np

    words = generator.integers(_WORDS, size=(batch, shape["seq"]), dtype=np.int64)
    labels = _FIRST_TARGET + words[:, np.arange(shape["target"]) % shape["seq"]]
    start = np.full((batch, 1), size.config["decoder_start_token_id"], dtype=np.int64)
    return {
        "input_ids": _FIRST_SOURCE + words,
        "attention_mask": np.ones_like(words),
        "decoder_input_ids": np.concatenate((start, labels[:, :-1]), axis=1),
        "labels": labels,
    }


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Logits of every target position, each given the words before it."""
    return model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        decoder_input_ids=batch["decoder_input_ids"],
    )


def loss(outputs: Any, batch: Mapping[str, Any]) -> Any:
    """Mean cross-entropy over target positions."""
    return predict_tokens(outputs.logits, batch["labels"])


trainables.add(
    "t5",
    Trainable(
        family="t5",
        objective="sequence to sequence: mean cross-entropy over target positions, teacher forced",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        # The output layer is the embedding itself.
        head=("lm_head", "shared"),
        lora=("q", "v"),
        learning_rate=1e-3,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
