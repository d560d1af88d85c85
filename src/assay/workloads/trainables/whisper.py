"""How Whisper is trained: a transcript after its audio, with teacher forcing. The own task writes tones down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import predict_tokens
from assay.workloads.trainables.patterns import KINDS, draw_tones

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_FIRST_WORD = 1000


def build(size: Size, _head: Head | None) -> nn.Module:
    """Encoder, decoder and the output layer that shares the decoder's embedding, as the family has them."""
    return families.get("whisper").build(size)


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make log-mel windows of ``target`` tones one after another; the transcript has one word a tone."""
    import numpy as np

    kinds = generator.integers(KINDS, size=(batch, shape["target"]), dtype=np.int64)
    labels = _FIRST_WORD + kinds
    start = np.full((batch, 1), size.config["decoder_start_token_id"], dtype=np.int64)
    return {
        "input_features": draw_tones(kinds, size.constants["frames"], size.constants["mels"], generator),
        "decoder_input_ids": np.concatenate((start, labels[:, :-1]), axis=1),
        "labels": labels,
    }


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Logits of every word, each given the audio and the words before it."""
    return model(input_features=batch["input_features"], decoder_input_ids=batch["decoder_input_ids"])


def loss(outputs: Any, batch: Mapping[str, Any]) -> Any:
    """Mean cross-entropy over the words."""
    return predict_tokens(outputs.logits, batch["labels"])


trainables.add(
    "whisper",
    Trainable(
        family="whisper",
        objective="sequence to sequence: mean cross-entropy over the words of the transcript, teacher forced",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        # The output layer is the decoder's embedding.
        head=("proj_out", "model.decoder.embed_tokens"),
        lora=("q_proj", "v_proj"),
        learning_rate=5e-4,
        separates_loss=True,
        # An encoder always works on 30 s of audio, which takes seconds on a CPU.
        pool=1,
        steps_to_learn=12,
    ),
)
