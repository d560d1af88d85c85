"""Started by torchrun from test_parallel: every strategy must give the gradients of one process that has all samples.

Prints one JSON object a strategy. No test by itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from assay.engines.parallel import Parallel, Place, choose_parallel
from assay.engines.parallel_pipeline import find_cut_points
from assay.runner.rank_exchange import measure_messages, name_size
from assay.runner.rank_group import Seat, TorchGroup

BATCH, WIDTH, HEADS = 4, 16, 4


class Block(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
    """Attention-free, with the names of a LLaMA block's second half."""

    def __init__(self) -> None:
        super().__init__()
        self.up_proj, self.gate_proj = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.down_proj = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down_proj(torch.tanh(self.gate_proj(x)) * self.up_proj(x))


class Small(nn.Module):  # type: ignore[misc]  # the same
    def __init__(self, *, has_unused: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Linear(WIDTH, WIDTH)
        self.layers = nn.ModuleList([Block(), Block()])
        self.last = nn.Linear(WIDTH, 1)
        self.unused = nn.Linear(2, 2) if has_unused else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return self.last(x).squeeze(-1)


def samples(ranks: int) -> torch.Tensor:
    return torch.randn(BATCH * ranks, WIDTH, generator=torch.Generator().manual_seed(7))


def whole_gradients(module: nn.Module) -> dict[str, torch.Tensor]:
    found = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            full = getattr(parameter.grad, "full_tensor", None)
            found[name.removeprefix("module.")] = full() if full is not None else parameter.grad
    return found


def backward(model: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> None:
    model(inputs).square().mean().backward()


def compare(parallel: Parallel, group: TorchGroup) -> dict[str, Any]:
    """The largest relative difference of a gradient from that of one process, and whether silence is silent."""
    inputs = samples(group.ranks)
    alone = Small()
    own = inputs[group.rank * BATCH :][:BATCH] if parallel.shard.ranks > 1 else inputs
    backward(alone, inputs)
    expected = whole_gradients(alone)
    model = parallel.wrap(Small())
    backward(model, own)
    found = whole_gradients(model)
    error = max(
        float((found[name] - value).abs().max() / value.abs().max().clamp_min(1e-6)) for name, value in expected.items()
    )
    result: dict[str, Any] = {"names": sorted(found) == sorted(expected), "error": error}
    if parallel.silent is not None:
        model.zero_grad()
        for _ in range(2):
            model.zero_grad()
            with parallel.silent():
                backward(model, own)
        if parallel.strategy == "ddp":
            mine = whole_gradients(model)["last.weight"]
            result["silent_differs"] = bool(len({str(one) for one in group.gather(mine.tolist())}) > 1)
        for _ in range(2):  # the first exchanges what FSDP2 kept meanwhile
            model.zero_grad()
            backward(model, own)
        again = whole_gradients(model)
        result["after_silence"] = max(
            float((again[name] - value).abs().max() / value.abs().max().clamp_min(1e-6))
            for name, value in expected.items()
        )
    if parallel.exchange is not None:
        parallel.exchange()
    return result


def main() -> None:
    torch.set_num_threads(1)
    seat = Seat.from_environment()
    group = TorchGroup(seat, torch.device("cpu"))
    place = Place(seat.rank, seat.ranks, torch.device("cpu"), "llama")
    said: dict[str, Any] = {
        "ddp": compare(choose_parallel("ddp", place), group),
        "ddp, overlap off": compare(choose_parallel("ddp", place, overlap=False), group),
        "fsdp2": compare(choose_parallel("fsdp2", place), group),
        "tensor": compare(choose_parallel("tensor", place), group),
        "agree": group.agree(40 + seat.rank),
        "gather": group.gather(seat.rank),
        "messages": {
            name_size(size): len(times) for size, times in measure_messages(group, place.device, lambda: None)
        },
        "cuts": find_cut_points(Small(), "llama", 2),
    }
    if seat.rank == 0:
        sys.stdout.write(json.dumps(said) + "\n")
    group.leave()


if __name__ == "__main__":
    dist.init_process_group  # noqa: B018  (fails early where torch was built without it)
    main()
