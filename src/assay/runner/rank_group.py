"""The ranks of one training as one rank sees them: its number, and how all agree on what is done next.

Ranks that do not make the same calls wait for each other for ever, so nothing here is decided by one alone. May import:
core, engines; torch inside functions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from assay.engines.base import device_kind

if TYPE_CHECKING:
    import torch

PATIENCE_S = 120.0
"""How long a rank waits for the others in one exchange before it gives up: one that is stopped, or a machine that is
gone, says nothing. The limit of a launch is longer by default."""


class Group(Protocol):
    """The ranks, from one of them."""

    rank: int
    ranks: int

    def agree(self, value: int) -> int:
        """Return what rank 0 passed; the others' values do not count."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """Return every rank's value, by rank, on every rank."""
        ...


@dataclass(frozen=True, slots=True)
class Seat:
    """What torchrun says to a process (environment variables, PyTorch's documentation of torchrun)."""

    rank: int
    ranks: int
    local_rank: int
    local_ranks: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Seat:
        """Read ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK`` and ``LOCAL_WORLD_SIZE``."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        return cls(*(int(environ[name]) for name in names))

    def device(self, name: str) -> str:
        """Name the device of this rank: the CPU is shared, of GPUs each local rank has one, from the case's on."""
        kind = device_kind(name)
        first = int(name.partition(":")[2] or 0)
        return name if kind == "cpu" else f"{kind}:{first + self.local_rank}"


class TorchGroup:
    """A process group of torch.distributed: gloo on the CPU, NCCL between GPUs with gloo beside it for words."""

    def __init__(self, seat: Seat, device: torch.device) -> None:
        import torch.distributed as dist

        self.rank, self.ranks = seat.rank, seat.ranks
        self.backend = find_backend(device.type)
        options = {} if device.type == "cpu" else {"device_id": device}
        dist.init_process_group(self.backend, timeout=timedelta(seconds=PATIENCE_S), **options)

    def agree(self, value: int) -> int:
        """Broadcast one number from rank 0."""
        import torch
        import torch.distributed as dist

        told = torch.tensor([value], dtype=torch.int64)
        dist.broadcast(told, src=0)
        return int(told)

    def gather(self, value: Any) -> list[Any]:
        """Collect a small value of every rank."""
        import torch.distributed as dist

        found: list[Any] = [None] * self.ranks
        dist.all_gather_object(found, value)  # over gloo, also between GPUs: objects travel from the CPU
        return found

    @staticmethod
    def leave() -> None:
        """End the group."""
        import torch.distributed as dist

        dist.destroy_process_group()


def find_backend(device_type: str) -> str:
    """Name the backend for a torch device: RCCL, too, is called nccl by PyTorch."""
    return "gloo" if device_type == "cpu" else f"cpu:gloo,{device_type}:nccl"
