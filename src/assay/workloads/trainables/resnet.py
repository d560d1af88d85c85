"""How ResNet is trained: image classification with cross-entropy, on small images with the stem of its CIFAR form."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch, DataTask
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import classify, read_scores
from assay.workloads.trainables.patterns import draw_gratings, draw_kinds

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_SMALL_SIDE = 64
"""Below it the stem keeps the resolution. The published one divides it by 4 and the stages by 8 more, which leaves
nothing of 8 or 32 pixels a side."""

_SHRINKS = 32


def build(size: Size, head: Head | None) -> nn.Module:
    """The published network, or with a head its classes, channels and, for small images, their stem.

    Images below 64 pixels a side enter by a 3x3 convolution of stride 1 without pooling, as in the paper's own network
    for CIFAR-10 (arXiv:1512.03385, section 4.2). Everything behind the stem stays.
    """
    family = families.get("resnet")
    if head is None:
        return family.build(size)
    channels = head.shape.get("channels", 3)
    model = family.build(
        dataclasses.replace(size, config={**size.config, "num_labels": head.classes, "num_channels": channels})
    )
    if head.shape.get("image", _SMALL_SIDE) < _SMALL_SIDE:
        from torch import nn

        stem = model.resnet.embedder
        stem.embedder.convolution = nn.Conv2d(channels, size.config["embedding_size"], 3, padding=1, bias=False)
        # As transformers initialises the convolution that this one replaces.
        nn.init.kaiming_normal_(stem.embedder.convolution.weight, mode="fan_out", nonlinearity="relu")
        stem.pooler = nn.Identity()
    return model


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make stripes of eight colours and directions. Raises WorkloadError where batch norm would have one value."""
    side = shape["image"]
    last_side = -(-side // _SHRINKS)
    if batch * last_side**2 < 2:  # noqa: PLR2004  (the least of which there is a variance)
        raise WorkloadError(
            f"ResNet's last batch norms see batch x (image/{_SHRINKS})^2 values a channel; batch={batch} and "
            f"image={side} leave one, which has no variance.",
            hint="Train with a batch of at least 2, or larger images.",
        )
    labels = draw_kinds(batch, size.config["num_labels"], generator)
    return {"pixel_values": draw_gratings(labels, side, generator), "labels": labels}


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Class scores of every image."""
    return model(pixel_values=batch["pixel_values"])


trainables.add(
    "resnet",
    Trainable(
        family="resnet",
        objective="image classification: cross-entropy of the class",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=classify,
        head=("classifier",),
        tasks=(DataTask.IMAGES,),
        scores=read_scores,
        separates_loss=True,
        pool=2,
        steps_to_learn=20,
    ),
)
