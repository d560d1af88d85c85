"""How LLaVA-NeXT is trained: the words after an image and its crops. The own task names the colour of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.llava import LANGUAGE_LAYERS, forward, loss, make_prompts
from assay.workloads.trainables.patterns import draw_identities, paint_identities

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


def build(size: Size, _head: Head | None) -> nn.Module:
    """The model of the family, of which all is trained that has a part in the answer.

    Patches come from the last layer but one of the vision tower, so its last layer and the norm behind it get no
    gradient; they are frozen, or ranks that train together would wait for it.
    """
    model = families.get("llava_next").build(size)
    tower = model.model.vision_tower
    tower.encoder.layers[-1].requires_grad_(requires_grad=False)
    tower.post_layernorm.requires_grad_(requires_grad=False)
    return model


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make square images of one colour as an overview and its crops, noise new in each, followed by their names."""
    import numpy as np

    crops, side = size.constants["crops"], size.constants["crop"]
    identities = draw_identities(batch, generator)
    pixels = paint_identities(np.repeat(identities, crops, axis=0), side, generator)
    return {
        **make_prompts(size, identities, shape["seq"]),
        "pixel_values": pixels.reshape(batch, crops, 3, side, side),
        "image_sizes": np.full((batch, 2), size.constants["image"], dtype=np.int64),
    }


trainables.add(
    "llava_next",
    Trainable(
        family="llava_next",
        objective="next token after an image: mean cross-entropy over the words",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        head=("model.multi_modal_projector", "lm_head", "model.image_newline"),
        lora=LANGUAGE_LAYERS,
        learning_rate=5e-4,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
