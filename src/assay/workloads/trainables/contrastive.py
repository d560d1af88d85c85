"""Train a contrastive encoder: InfoNCE between two augmented views of each window.

The loss is that of van den Oord et al. 2018 (arXiv:1807.03748, equation 4) between views, both ways round, with cosine
similarity over a temperature of 0.07 (Wu et al. 2018, arXiv:1805.01978; He et al. 2020, arXiv:1911.05722). Views are
made on the device, within the forward pass. May import: core, workloads; torch and numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.workloads.base import Size
from assay.workloads.datasets.base import Batch, DataTask
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.vibration.bearings import Fault, draw_machine, generate_signal
from assay.workloads.vibration.windows import normalise

if TYPE_CHECKING:
    import numpy as np

TEMPERATURE = 0.07
JITTER = 0.1
"""Deviation of the noise that is added to a view, in deviations of the signal."""
SCALES = (0.8, 1.2)


def build(size: Size, head: Head | None) -> Any:
    """The encoder with its projection head; a data set changes nothing, since any window and channels are taken."""
    del head
    from assay.workloads._contrastive_torch import build_encoder

    return build_encoder(**size.config)


def make_batch(_size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Windows of as many machines: ``signal`` float32 (batch, channels, window), ``labels`` int64, the fault.

    Machines differ more than the recordings of one rig do, so that they can be told apart within some tens of steps.
    """
    import numpy as np

    faults = [list(Fault)[index] for index in generator.integers(0, len(Fault), batch)]
    plans = (draw_machine(shape["window"], shape["channels"], fault, generator) for fault in faults)
    signals = [generate_signal(plan, generator).T for plan in plans]
    windows = normalise(np.stack(signals), "zscore")
    return {"signal": windows, "labels": np.array([fault.label for fault in faults], dtype=np.int64)}


def make_view(signal: Any) -> Any:
    """Augment (batch, channels, window): shifted round in time, scaled, perhaps turned over, with noise.

    None of them changes which fault it is. All channels of a sample move together, as sensors do.
    """
    import torch

    batch, channels, window = signal.shape
    shift = torch.randint(0, window, (batch, 1, 1), device=signal.device)
    positions = (torch.arange(window, device=signal.device) + shift) % window
    shifted = signal.gather(-1, positions.expand(batch, channels, window))
    low, high = SCALES
    scale = low + (high - low) * torch.rand(batch, 1, 1, device=signal.device, dtype=signal.dtype)
    sign = torch.where(torch.rand(batch, 1, 1, device=signal.device) < 0.5, -1.0, 1.0).to(signal.dtype)  # noqa: PLR2004  (a fair coin)
    return shifted * scale * sign + JITTER * torch.randn_like(signal)


def forward(module: Any, batch: Mapping[str, Any]) -> Any:
    """Encode two views of the batch at once: (2 x batch, 128), the second view behind the first."""
    import torch

    signal = batch["signal"]
    return module(torch.cat((make_view(signal), make_view(signal))))


def info_nce(first: Any, second: Any, temperature: float = TEMPERATURE) -> Any:
    """InfoNCE of two views, both (batch, features) of length 1: which of the batch belongs to which, both ways round.

    In nats; a model that cannot tell reaches ln(batch). Raises WorkloadError for a batch of one, which has no other
    sample to be told from.
    """
    import torch
    from torch.nn import functional

    if len(first) < 2:  # noqa: PLR2004  (the sample and one to be told from)
        raise WorkloadError(
            "InfoNCE tells samples of a batch apart; a batch of 1 has none.", hint="Use a batch of 2 or more."
        )
    similarity = first.float() @ second.float().T / temperature
    own = torch.arange(len(first), device=first.device)
    return (functional.cross_entropy(similarity, own) + functional.cross_entropy(similarity.T, own)) / 2


def loss(outputs: Any, _batch: Mapping[str, Any]) -> Any:
    """InfoNCE between the two halves of what `forward` returned."""
    first, second = outputs.chunk(2)
    return info_nce(first, second)


trainables.add(
    "contrastive",
    Trainable(
        family="contrastive",
        objective="InfoNCE between two augmented views of each window, temperature 0.07",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=loss,
        head=("projector",),
        learning_rate=3e-3,
        lora=("qkv", "out", "feed.0", "feed.2"),
        tasks=(DataTask.SIGNALS,),
        separates_loss=True,
    ),
)
