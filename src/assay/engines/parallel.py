"""How ranks share the work: the module wrapped in PyTorch's own DDP, FSDP2 or tensor parallelism, and its exchange.

Everything that is measured is PyTorch's; here it is put on, and made to be silent for once, so that the exchange can be
timed by what is missing. May import: core, engines; torch inside functions.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import EngineError
from assay.engines.distributed_plan import DATA_PARALLEL
from assay.engines.training_base import Shard

if TYPE_CHECKING:
    import torch

_MIB = 1 << 20
BUCKET_BYTES = 25 * _MIB
"""Gradients that DDP exchanges in one go by default (``bucket_cap_mb``, PyTorch's documentation of DDP)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rank is: its number of how many, its device, and the family it trains."""

    rank: int
    ranks: int
    device: torch.device
    family: str


@dataclass(frozen=True, slots=True)
class Parallel:
    """One strategy, ready to be put on a module.

    ``wrap`` puts it on. ``silent`` gives a context in which forward and backward exchange nothing, None where the model
    cannot be computed without (tensor parallelism). ``exchange`` makes the whole exchange of a step with nothing else
    going on, None where it cannot be told apart. Both are for after ``wrap``. ``loss_rank`` is the one rank that knows
    the loss, None where each has one of its own; ``has_parts`` is False where a step cannot be taken apart.
    """

    strategy: str
    shard: Shard
    wrap: Callable[[Any], Any]
    silent: Callable[[], AbstractContextManager[None]] | None
    exchange: Callable[[], None] | None
    loss_rank: int | None = None
    has_parts: bool = True


def choose_parallel(strategy: str, place: Place, *, overlap: bool = True, may_leave_out: bool = False) -> Parallel:
    """Make one strategy for this rank.

    ``overlap`` False holds every gradient of DDP back until the last is there. ``may_leave_out`` lets DDP look in each
    step for parameters that got no gradient, which takes time, so it is off until a model needs it.
    """
    shard = Shard(place.rank, place.ranks) if strategy in DATA_PARALLEL else Shard()
    if strategy == "ddp":
        ddp = _Ddp(place, overlap=overlap, may_leave_out=may_leave_out)
        return Parallel(strategy, shard, ddp.wrap, ddp.silent, ddp.exchange)
    if strategy == "fsdp2":
        fsdp = _Fsdp2(place)
        return Parallel(strategy, shard, fsdp.wrap, fsdp.silent, None)
    if strategy == "tensor":
        from assay.engines.parallel_tensor import share_columns

        wrap = functools.partial(share_columns, family=place.family, device=place.device.type, ranks=place.ranks)
        return Parallel(strategy, shard, wrap, None, None)
    if strategy == "pipeline":  # which builds a training of its own: assay.engines.parallel_pipeline
        return Parallel(strategy, shard, _keep, None, None, loss_rank=place.ranks - 1, has_parts=False)
    raise EngineError(f"There is no strategy {strategy!r}.", hint="Expected ddp, fsdp2, tensor or pipeline.")


def _keep(module: Any) -> Any:
    return module


# -- DDP -------------------------------------------------------------------------------------------------------


class _Ddp:
    """DistributedDataParallel, and its gradients exchanged alone."""

    def __init__(self, place: Place, *, overlap: bool, may_leave_out: bool) -> None:
        self._place = place
        self._overlap = overlap
        self._may_leave_out = may_leave_out
        self._wrapped: Any = None
        self._buckets: list[torch.Tensor] = []

    def wrap(self, module: Any) -> Any:
        from torch.nn.parallel import DistributedDataParallel

        device = self._place.device
        self._wrapped = DistributedDataParallel(
            module,
            device_ids=None if device.type == "cpu" else [device],
            find_unused_parameters=self._may_leave_out,
        )
        if not self._overlap:
            self._wrapped.register_comm_hook(None, _hold_back(self._place))
        return self._wrapped

    def silent(self) -> AbstractContextManager[None]:
        return self._wrapped.no_sync()  # type: ignore[no-any-return]  # torch is not followed by mypy (pyproject)

    def exchange(self) -> None:
        import torch.distributed as dist

        if not self._buckets:
            self._buckets = make_buckets([one for one in self._wrapped.parameters() if one.requires_grad])
        works = [dist.all_reduce(bucket, async_op=True) for bucket in self._buckets]
        for work in works:
            work.wait()


def _hold_back(place: Place) -> Callable[[object, Any], Any]:
    """A communication hook of DDP that keeps every bucket until the last is full, and only then exchanges them all.

    The exchange then lies behind the computing instead of beside it, which is what the option ``overlap=off`` asks for.
    Source of the form of a hook: PyTorch's documentation, "DDP Communication Hooks".
    """
    import torch
    import torch.distributed as dist

    held: list[tuple[Any, Any]] = []
    devices = None if place.device.type == "cpu" else [place.device]

    def hold_back(_state: object, bucket: Any) -> Any:
        future: Any = torch.futures.Future(devices=devices)
        held.append((bucket.buffer(), future))
        if bucket.is_last():
            works = [dist.all_reduce(buffer.div_(place.ranks), async_op=True) for buffer, _ in held]
            for work, (buffer, waiting) in zip(works, held, strict=True):
                work.wait()
                waiting.set_result(buffer)
            held.clear()
        return future

    hold_back.__annotations__.clear()  # DDP takes its own types or none, and no names of types
    return hold_back


def make_buckets(parameters: Sequence[torch.Tensor], most_bytes: int = BUCKET_BYTES) -> list[torch.Tensor]:
    """Empty tensors like the buckets in which the gradients of ``parameters`` are exchanged, by type, last ones first.

    DDP fills its buckets in the order in which gradients come, which is about the reverse of the parameters.
    """
    import torch

    buckets = []
    for (dtype, device), group in itertools.groupby(reversed(parameters), key=lambda one: (one.dtype, one.device)):
        count = 0
        for one in group:
            if count and (count + one.numel()) * one.element_size() > most_bytes:
                buckets.append(torch.zeros(count, dtype=dtype, device=device))
                count = 0
            count += one.numel()
        buckets.append(torch.zeros(count, dtype=dtype, device=device))
    return buckets


# -- FSDP2 -----------------------------------------------------------------------------------------------------


class _Fsdp2:
    """``fully_shard``: parameters, gradients and optimizer state are cut over the ranks, layer by layer."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._module: Any = None

    def wrap(self, module: Any) -> Any:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self._place.device.type, (self._place.ranks,))
        for block in find_blocks(module):
            fully_shard(block, mesh=mesh)
        self._module = fully_shard(module, mesh=mesh)
        return self._module

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Parameters stay whole once gathered, gradients stay where they are: only the first call exchanges.

        FSDP2 keeps these gradients apart and adds them to the next that it exchanges, whatever ``zero_grad`` does.
        """
        from torch.distributed.fsdp import FSDPModule

        root = self._module
        root.set_requires_gradient_sync(False)
        root.set_reshard_after_forward(False)
        root.set_reshard_after_backward(False)
        try:
            yield
        finally:
            root.set_requires_gradient_sync(True)
            root.set_reshard_after_backward(True)
            root.set_reshard_after_forward(True)
            root.set_reshard_after_forward(False, recurse=False)  # as fully_shard has it for the root
            for module in root.modules():
                if isinstance(module, FSDPModule):
                    module.reshard()


def find_blocks(module: Any) -> list[Any]:
    """The repeated layers of a model: the members with parameters of its outermost lists.

    Each becomes a group of its own, so that one layer's parameters are gathered while another computes; what is in no
    list (embeddings, heads) goes with the whole.
    """
    from torch import nn

    blocks: list[Any] = []

    def walk(parent: Any) -> None:
        for child in parent.children():
            if isinstance(child, nn.ModuleList):
                blocks.extend(one for one in child if next(one.parameters(), None) is not None)
            else:
                walk(child)

    walk(module)
    return blocks
