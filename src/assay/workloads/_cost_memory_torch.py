"""Follow memory through a forward pass without values: what is alive at once, what training would keep.

Imports torch: import it lazily. May import: standard library, torch.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch


class LiveMemory:
    """Floating point numbers in memory at once, by following when tensors come and go. Views share their memory.

    ``peak`` is the most there was. Work space inside of an operation is not seen.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._alive = 0
        self._known: dict[int, weakref.ref[torch.Tensor]] = {}
        self._owners: dict[int, int] = {}

    def follow(self, tensor: torch.Tensor) -> None:
        """Take note of a tensor until it is gone."""
        place = id(tensor)
        if place in self._known or not tensor.is_floating_point():
            return
        storage = storage_of(tensor)
        elements = tensor.untyped_storage().nbytes() // tensor.element_size()
        if storage not in self._owners:
            self._owners[storage] = 0
            self._alive += elements
            self.peak = max(self.peak, self._alive)
        self._owners[storage] += 1

        def forget(_gone: Any) -> None:
            self._known.pop(place, None)
            self._owners[storage] -= 1
            if not self._owners[storage]:
                del self._owners[storage]
                self._alive -= elements

        self._known[place] = weakref.ref(tensor, forget)


class SavedMemory:
    """Sums what a forward pass keeps for the backward one, without the weights. Enter `hooks` with gradients on."""

    def __init__(self, weights: Iterable[torch.Tensor]) -> None:
        self._weights = {storage_of(one) for one in weights}
        self._kept: dict[int, torch.Tensor] = {}  # kept alive, or the next tensor may have the same storage

    @property
    def elements(self) -> int:
        """Floating point numbers kept."""
        return sum(one.untyped_storage().nbytes() // one.element_size() for one in self._kept.values())

    def keep(self, tensor: torch.Tensor) -> torch.Tensor:
        """Take note of one tensor that is kept."""
        storage = storage_of(tensor)
        if tensor.is_floating_point() and storage not in self._weights:
            self._kept.setdefault(storage, tensor.detach())
        return tensor

    def hooks(self) -> Any:
        """A context in which everything that autograd saves is noted."""
        return torch.autograd.graph.saved_tensors_hooks(self.keep, lambda kept: kept)


def storage_of(tensor: torch.Tensor) -> int:
    """What tells one tensor's memory from another's: meta memory has no address."""
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001  (there is no other handle)
