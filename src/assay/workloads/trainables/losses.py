"""Losses that more than one family takes. All are computed in float32, whatever the model's outputs are in.

May import: core; torch inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""The label that counts for nothing: torch's own default."""


def classify(outputs: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """Mean cross-entropy of scores (batch, classes) against ``labels`` (batch), or of both with pixels behind."""
    from torch.nn import functional

    return functional.cross_entropy(read_scores(outputs, batch).float(), batch["labels"])


def read_scores(outputs: Any, _batch: Mapping[str, Any]) -> Any:
    """The class scores: what the model returns, or the ``logits`` of it."""
    return getattr(outputs, "logits", outputs)


def predict_tokens(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of (batch, positions, vocab) against (batch, positions), each label at its own position."""
    from torch.nn import functional

    return functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED)


def predict_next(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Next-token loss: the logits of each position against the label of the one behind it."""
    return predict_tokens(logits[:, :-1], labels[:, 1:])


def match_pairs(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Symmetric contrastive loss (Radford et al. 2021, arXiv:2103.00020, figure 3).

    ``first`` is the scaled similarity of every sample's one side with every sample's other, (batch, batch), ``second``
    the same seen from the other side. The pair on the diagonal is the right one.
    """
    import torch
    from torch.nn import functional

    right = torch.arange(len(first), device=first.device)
    return (functional.cross_entropy(first.float(), right) + functional.cross_entropy(second.float(), right)) / 2


def check_pairs(batch: int) -> None:
    """Refuse a batch of one, in which there is nothing to tell a pair from. Raises WorkloadError."""
    if batch < 2:  # noqa: PLR2004  (a pair and one other)
        raise WorkloadError(
            f"A contrastive loss tells each pair from the others of its batch; batch={batch} has no others and "
            "a loss that is always 0.",
            hint="Train it with a batch of at least 2, better 8: --batch 8.",
        )
