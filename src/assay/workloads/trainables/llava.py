"""How LLaVA-1.5 is trained: the words after an image. The own task names the colour of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import predict_tokens
from assay.workloads.trainables.patterns import draw_identities, name_identities, paint_identities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

LANGUAGE_LAYERS = ("o_proj", "gate_proj", "up_proj", "down_proj")
"""Layers that only the language model has by these names. Those called q_proj and v_proj are in the vision tower too,
whose last layer no gradient reaches."""

_FIRST_WORD = 10


def build(size: Size, _head: Head | None) -> nn.Module:
    """The model of the family, its vision tower kept as it is (Liu et al. 2023, arXiv:2304.08485, section 4.2)."""
    model = families.get("llava").build(size)
    model.model.vision_tower.requires_grad_(requires_grad=False)
    return model


def make_prompts(size: Size, identities: NDArray[np.int64], seq: int) -> dict[str, NDArray[np.int64]]:
    """Place the image's tokens before words that name its colour; the labels are those words alone: (batch, seq)."""
    import numpy as np

    words = name_identities(identities, seq, _FIRST_WORD)
    image = np.full((len(words), size.constants["image_tokens"]), size.constants["image_token"], dtype=np.int64)
    ids = np.concatenate((image, words), axis=1)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "labels": words}


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make images of one colour, each followed by its name."""
    identities = draw_identities(batch, generator)
    return {
        **make_prompts(size, identities, shape["seq"]),
        "pixel_values": paint_identities(identities, size.constants["image"], generator),
    }


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Logits of every position, of the image's too."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    return model(**inputs, use_cache=False)


def loss(outputs: Any, batch: Mapping[str, Any]) -> Any:
    """Mean cross-entropy of the words after the image; the first is predicted at the image's last token."""
    words = batch["labels"].shape[1]
    return predict_tokens(outputs.logits[:, -words - 1 : -1], batch["labels"])


trainables.add(
    "llava",
    Trainable(
        family="llava",
        objective="next token after an image: mean cross-entropy over the words, vision tower frozen",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        head=("model.multi_modal_projector", "lm_head"),
        lora=LANGUAGE_LAYERS,
        learning_rate=5e-4,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
