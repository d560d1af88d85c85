"""How DETR is trained: queries are matched with objects, then each is told its class and its box.

The loss is assay's own, after Carion et al. 2020 (arXiv:2005.12872, section 3.1 and appendix A.2): it needs scipy's
assignment and neither timm nor vision libraries. The losses of the decoder's inner layers are left out, as the
family's configuration has them off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size, families
from assay.workloads.datasets.base import Batch
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.patterns import KINDS, draw_objects

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

_OBJECTS = 3
"""Objects an image. All images have as many, so that a batch is a plain array."""

_BOX_WEIGHT, _IOU_WEIGHT = 5.0, 2.0
_NOTHING_WEIGHT = 0.1
"""The class "nothing", the last, counts a tenth: most queries have it (appendix A.4)."""


def build(size: Size, _head: Head | None) -> nn.Module:
    """The detector of the family, its residual branches made smaller.

    Published training starts from a backbone whose frozen batch norms keep activations in bounds. Ours are the
    identity, so every residual block would double the variance: 16 of them are 65 000 times. The frozen scale at the
    end of each branch is set to 1/sqrt(blocks), which keeps the growth below e.
    """
    from transformers.models.resnet.modeling_resnet import ResNetBottleNeckLayer

    model = families.get("detr").build(size)
    blocks = [module for module in model.modules() if isinstance(module, ResNetBottleNeckLayer)]
    for block in blocks:
        block.layer[-1].normalization.weight.fill_(len(blocks) ** -0.5)
    return model


def make_batch(_size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make images of three coloured rectangles; the colour is the class."""
    labels = generator.integers(KINDS, size=(batch, _OBJECTS))
    pixels, boxes = draw_objects(labels, shape["image"], generator)
    return {"pixel_values": pixels, "labels": labels, "boxes": boxes}


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Class scores and a box of every query."""
    return model(pixel_values=batch["pixel_values"])


def loss(outputs: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """Set loss: match queries with objects at least cost, then classes, boxes and their overlap. In float32.

    The matching is found on the host, as in the paper's code, so the device is waited for once a step.
    """
    import torch
    from torch.nn import functional

    logits, boxes = outputs.logits.float(), outputs.pred_boxes.float()
    labels, wanted = batch["labels"], batch["boxes"]
    images = torch.arange(len(logits), device=logits.device)[:, None]
    queries = match_queries(logits.detach(), boxes.detach(), labels, wanted).to(logits.device)
    nothing = logits.shape[-1] - 1
    classes = torch.full(logits.shape[:2], nothing, dtype=torch.int64, device=logits.device)
    classes[images, queries] = labels
    weights = torch.ones(nothing + 1, device=logits.device)
    weights[nothing] = _NOTHING_WEIGHT
    found = boxes[images, queries]
    return (
        functional.cross_entropy(logits.flatten(0, 1), classes.flatten(), weight=weights)
        + _BOX_WEIGHT * (found - wanted).abs().sum(dim=-1).mean()
        + _IOU_WEIGHT * (1 - generalised_iou(found, wanted)).mean()
    )


def match_queries(
    logits: torch.Tensor, boxes: torch.Tensor, labels: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    """Assign one query to each object at least total cost (the Hungarian method): (batch, objects) int64, on the host.

    Shapes: logits (batch, queries, classes + 1), boxes (batch, queries, 4), labels (batch, objects), wanted (batch,
    objects, 4).
    """
    import numpy as np
    import torch
    from scipy.optimize import linear_sum_assignment

    probability = logits.softmax(dim=-1)
    chosen = probability.gather(2, labels[:, None, :].expand(-1, logits.shape[1], -1))
    distance = (boxes[:, :, None] - wanted[:, None]).abs().sum(dim=-1)
    overlap = generalised_iou(boxes[:, :, None], wanted[:, None])
    cost = _BOX_WEIGHT * distance - chosen - _IOU_WEIGHT * overlap
    # A model that diverged has no cost; any assignment will do, and the loss itself then says so.
    costs = cost.nan_to_num(0.0).cpu().numpy()
    # Objects as rows: all of them are assigned, and come back in their order.
    return torch.from_numpy(np.stack([linear_sum_assignment(each.T)[1] for each in costs]))


def generalised_iou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Generalised intersection over union of boxes, broadcast (Rezatofighi et al. 2019, arXiv:1902.09630).

    Boxes are (..., 4), centre and size. From -1 to 1: the share of the union that is common, less the share of the
    smallest box around both that neither covers.
    """
    import torch

    low = torch.maximum(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    high = torch.minimum(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    outer_low = torch.minimum(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    outer_high = torch.maximum(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    common = (high - low).clamp(min=0).prod(dim=-1)
    union = first[..., 2:].prod(dim=-1) + second[..., 2:].prod(dim=-1) - common
    around = (outer_high - outer_low).prod(dim=-1)
    # Boxes come out of a sigmoid, so none is empty before its sides underflow.
    least = torch.finfo(union.dtype).tiny
    return common / union.clamp(min=least) - (around - union) / around.clamp(min=least)


trainables.add(
    "detr",
    Trainable(
        family="detr",
        objective="set prediction: class, L1 of the box and generalised IoU of matched queries",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        head=("class_labels_classifier", "bbox_predictor"),
        lora=("q_proj", "v_proj"),
        learning_rate=1e-3,
        separates_loss=True,
        pool=4,
        steps_to_learn=40,
    ),
)
