"""How wav2vec 2.0 is trained: letters from raw audio with CTC, as it is fine-tuned. The own task spells tones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.patterns import KINDS, sound_tones

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_RATE_HZ = 16_000
_LETTERS_PER_SECOND = 4
_FIRST_LETTER = 5
"""Behind padding (CTC's blank), start, end, unknown and the space of the published alphabet."""


def build(size: Size, _head: Head | None) -> nn.Module:
    """The network of the family, with all of its layers at work in every step.

    Layer drop is off: a step that leaves layers out takes less time than the next, and a rank that leaves out others
    than its neighbour waits for gradients that never come. Masked spans are off too: transformers draws them from
    numpy's global generator, which no seed of ours reaches; the vector that stands for them (``masked_spec_embed``)
    is therefore not there.
    """
    config = {**size.config, "layerdrop": 0.0, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}
    return families.get("wav2vec2").build(dataclasses.replace(size, config=config))


def make_batch(_size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make audio of four tones a second; the transcript has one letter a tone."""
    import numpy as np

    seconds = shape["seconds"]
    kinds = generator.integers(KINDS, size=(batch, seconds * _LETTERS_PER_SECOND), dtype=np.int64)
    return {
        "input_values": sound_tones(kinds, seconds * _RATE_HZ, _RATE_HZ, generator),
        "labels": _FIRST_LETTER + kinds,
    }


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Logits of every frame of 20 ms."""
    return model(input_values=batch["input_values"])


def loss(outputs: Any, batch: Mapping[str, Any]) -> Any:
    """CTC per letter, mean over clips (Graves et al. 2006), in float32; the blank is token 0."""
    import torch
    from torch.nn import functional

    scores = functional.log_softmax(outputs.logits.float(), dim=-1).transpose(0, 1)
    clips, letters = batch["labels"].shape
    # Lengths on the host, as cuDNN's form of the loss wants them; all clips are of one length.
    frames = torch.full((clips,), scores.shape[0], dtype=torch.int64)
    return functional.ctc_loss(scores, batch["labels"], frames, torch.full((clips,), letters, dtype=torch.int64))


trainables.add(
    "wav2vec2",
    Trainable(
        family="wav2vec2",
        objective="speech recognition: CTC over letters",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        head=("lm_head",),
        lora=("q_proj", "v_proj"),
        learning_rate=3e-4,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
