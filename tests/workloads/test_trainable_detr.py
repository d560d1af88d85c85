"""The set loss of DETR: boxes compared, queries matched, and the sum that transformers' own loss gives."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assay.workloads.base import find_workload
from assay.workloads.trainables.base import trainables
from assay.workloads.trainables.detr import generalised_iou, loss, match_queries

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'assay[torch]'")


def make_batch() -> dict[str, Any]:
    made = trainables.get("detr").make_batch(find_workload("detr").size, 2, {"image": 64}, np.random.default_rng(0))
    return {name: torch.from_numpy(array) for name, array in made.items()}


def test_generalised_iou_is_what_the_paper_says() -> None:
    box = torch.tensor([0.5, 0.5, 0.2, 0.2])
    beside = torch.tensor([0.8, 0.5, 0.2, 0.2])  # a gap of 0.1: nothing in common, 0.02 of 0.1 x 1.0 not covered
    half = torch.tensor([0.45, 0.5, 0.1, 0.2])
    found = [float(generalised_iou(box, other)) for other in (box, beside, half)]
    assert found == pytest.approx([1.0, -0.2, 0.5], abs=1e-5)


def perfect_outputs(batch: Mapping[str, Any], queries: int, classes: int, order: Any) -> Any:
    """Outputs that are right and sure, the objects at the queries of ``order``."""
    images, objects = batch["labels"].shape
    logits = torch.zeros(images, queries, classes + 1)
    logits[:, :, -1] = 20.0
    boxes = torch.full((images, queries, 4), 0.9)
    for image in range(images):
        for thing in range(objects):
            logits[image, order[thing], -1] = 0.0
            logits[image, order[thing], batch["labels"][image, thing]] = 20.0
            boxes[image, order[thing]] = batch["boxes"][image, thing]
    return SimpleNamespace(logits=logits, pred_boxes=boxes)


def test_queries_are_matched_with_the_objects_that_they_found() -> None:
    batch = make_batch()
    outputs = perfect_outputs(batch, 10, 91, [7, 2, 4])
    matched = match_queries(outputs.logits, outputs.pred_boxes, batch["labels"], batch["boxes"])
    assert matched.tolist() == [[7, 2, 4], [7, 2, 4]]
    assert float(loss(outputs, batch)) == pytest.approx(0.0, abs=1e-4)


def test_the_set_loss_is_that_of_transformers() -> None:
    losses = pytest.importorskip("transformers.loss.loss_for_object_detection", reason="the loss to compare with")
    trainable, batch = trainables.get("detr"), make_batch()
    torch.manual_seed(0)
    model = trainable.build(find_workload("detr").size, None)
    with torch.no_grad():
        outputs = trainable.forward(model, batch)
    labels = [
        {"class_labels": kinds, "boxes": boxes} for kinds, boxes in zip(batch["labels"], batch["boxes"], strict=True)
    ]
    try:
        theirs, parts, _ = losses.ForObjectDetectionLoss(
            outputs.logits, labels, torch.device("cpu"), outputs.pred_boxes, model.config
        )
    except (ImportError, NameError) as error:
        pytest.skip(f"the loss of transformers cannot be computed here: {error}")
    assert float(loss(outputs, batch)) == pytest.approx(float(theirs), rel=1e-5), parts


def test_a_model_that_diverged_has_no_loss_and_raises_nothing() -> None:
    batch = make_batch()
    outputs = perfect_outputs(batch, 10, 91, [0, 1, 2])
    outputs.pred_boxes[:] = float("nan")
    assert torch.isnan(loss(outputs, batch))
