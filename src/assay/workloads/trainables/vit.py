"""How ViT is trained: image classification with cross-entropy, on small images with patches to their measure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch, DataTask
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import classify, read_scores
from assay.workloads.trainables.patterns import draw_gratings, draw_kinds

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_GRID = 8
_LEAST_PATCH = 2


def build(size: Size, head: Head | None) -> nn.Module:
    """The published network, or with a head its classes, channels, image size and a patch that fits.

    The published patch is 16 pixels a side. Images that it cuts into less than 8 x 8 patches get a smaller one, see
    ``choose_patch``; the encoder stays as it is.
    """
    family = families.get("vit")
    if head is None:
        return family.build(size)
    side = head.shape.get("image", size.config["image_size"])
    config = {
        **size.config,
        "num_labels": head.classes,
        "num_channels": head.shape.get("channels", 3),
        "image_size": side,
        "patch_size": choose_patch(side, size.config["patch_size"]),
    }
    return family.build(dataclasses.replace(size, config=config))


def choose_patch(side: int, published: int) -> int:
    """The side of a patch: as published for large images, else what gives at most 8 x 8 patches and divides the image.

    32 pixels give patches of 4, as is usual for CIFAR-10; 8 pixels give patches of 2.
    """
    if side >= published * _GRID and side % published == 0:
        return published
    least = max(_LEAST_PATCH, -(-side // _GRID))
    return next(patch for patch in range(least, side + 1) if side % patch == 0)


def make_batch(size: Size, batch: int, _shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make stripes of eight colours and directions."""
    labels = draw_kinds(batch, size.config["num_labels"], generator)
    return {"pixel_values": draw_gratings(labels, size.config["image_size"], generator), "labels": labels}


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Class scores of every image."""
    return model(pixel_values=batch["pixel_values"])


trainables.add(
    "vit",
    Trainable(
        family="vit",
        objective="image classification: cross-entropy of the class",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=classify,
        head=("classifier",),
        lora=("q_proj", "v_proj"),
        learning_rate=5e-4,
        tasks=(DataTask.IMAGES,),
        scores=read_scores,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
