"""How U-Net is trained: the class of every pixel, with cross-entropy (arXiv:1505.04597, section 3).

The paper weighs pixels between cells that touch; here all weigh the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch, DataTask
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import classify, read_scores
from assay.workloads.trainables.patterns import draw_discs

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


def build(size: Size, head: Head | None) -> nn.Module:
    """The network of the family; a head changes its classes and channels."""
    family = families.get("unet")
    if head is None:
        return family.build(size)
    config = {
        **size.config,
        "classes": head.classes,
        "channels": head.shape.get("channels", size.config["channels"]),
    }
    return family.build(dataclasses.replace(size, config=config))


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make images of one disc each, with the mask that says where it is."""
    pixels, mask = draw_discs(batch, size.config["classes"], shape["image"], generator)
    return {"pixel_values": pixels, "labels": mask}


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Class scores of every pixel. Raises WorkloadError for a size that four poolings do not divide."""
    return families.get("unet").forward(model, {"pixel_values": batch["pixel_values"]})


trainables.add(
    "unet",
    Trainable(
        family="unet",
        objective="segmentation: mean cross-entropy of the class of every pixel",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=classify,
        # The 1x1 convolution behind the U, the second of two modules in a row.
        head=("1",),
        learning_rate=3e-3,
        tasks=(DataTask.SEGMENTATION,),
        scores=read_scores,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
