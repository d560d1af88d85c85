"""The law of both times: what work takes at a sheet's rates, term by term; and ratios of these for a correction.

Every term is a time in ns, so what is learned of each is a number without a unit, the same for every device. Ratios are
shares of the law's terms, users, lengths and how devices are split: nothing tells which device it is. May import:
predict.llm; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.predict.llm.setups import FIRST, Setup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

BETWEEN_TERMS = ("step", "weights", "cache", "arithmetic", "layers", "exchange", "users", "dispatch", "prompts")
FIRST_TERMS = ("call", "prompt", "weights", "layers", "queue", "burst", "users", "transfer", "step", "slots", "readers")
RATIOS = (
    "users", "isl", "osl", "devices", "workers", "bits", "attention_parallel", "expert_parallel", "split", "touched",
    "active", "compute_over_read", "room", "demand", "vllm", "sglang", "trtllm",
)  # fmt: skip
_BACKENDS = ("vllm", "sglang", "trtllm")
_NS, _US, _MS = 1e9, 1e3, 1e6
_USABLE = 0.9
"""Share of the memory that servers give to weights and texts, by their defaults (vLLM's gpu_memory_utilization)."""
_LEAST_ROOM = 0.02
_REACHED = 0.5
"""Share of the rate at which prompts are taken to be read, to tell where readers are too few."""


def slots_of(one: Setup) -> float:
    """Return how many texts one set of decoding devices has room for, at half of their answer; below 1 none fits."""
    near = 1.0 if one.is_attention_parallel else one.devices
    shared, experts = one.parameter_bytes
    room = max(_LEAST_ROOM * one.memory, _USABLE * one.memory - shared / near - experts / one.devices)
    return room * _dealt(one) / _cache_of_text(one)


def batch_of(one: Setup) -> float:
    """Return how many texts one set of decoding devices works on: all of its users, or as many as have room."""
    return max(1.0, min(one.users / one.workers, slots_of(one)))


def _dealt(one: Setup) -> float:
    """Between how many devices a text's cache is dealt: by users where attention is, else by heads."""
    return one.devices if one.is_attention_parallel else min(one.devices, one.shape.cache_heads)


def _cache_of_text(one: Setup) -> float:
    return one.shape.cache_numbers(one.isl + one.osl / 2) * one.cache_bytes


def between_terms(one: Setup) -> tuple[float, ...]:
    """A step of decoding, ns: weights and cache read, arithmetic, launches, exchanges, and prompts read in between.

    The roofline of Williams et al. 2009 (doi 10.1145/1498765.1498785) added up rather than its larger part: parts that
    do not overlap learn a coefficient near 1, those that do one near 0.
    """
    shape, batch, devices = one.shape, batch_of(one), one.devices
    shared, experts = one.parameter_bytes
    # With attention dealt by users every device holds all of the weights of attention, and only its users' cache.
    near = 1.0 if one.is_attention_parallel else devices
    weights = (shared / near + experts * shape.touched(batch) / devices) / one.bandwidth * _NS
    cache = batch * _cache_of_text(one) / _dealt(one) / one.bandwidth * _NS
    per_token = 2 * shape.active / (one.rate * devices) * _NS
    prompts = 0.0 if one.is_split else batch / one.osl * prompt_ns(one, devices)
    # What is done for each user apart (attention, sampling) each device does for its own, or all for all.
    own = batch / devices if one.is_attention_parallel else batch
    return (
        _MS, weights, cache, batch * per_token, shape.layers * _US, shape.layers * math.log2(devices) * _US,
        own * _US, batch * shape.layers / devices * _US / 10, prompts,
    )  # fmt: skip


def waiting_of(one: Setup) -> tuple[float, ...]:
    """What the first token waits for that no other law tells, ns: the first terms but for those after ``transfer``.

    Behind them: users for each slot beyond the first, the tokens of an answer, and the prompts of all users in a row.
    """
    waiting = max(1.0, one.users / one.prefill_workers)
    prompt = prompt_ns(one, one.prefill_devices)
    weights = sum(one.parameter_bytes) / (one.bandwidth * one.prefill_devices) * _NS
    kept = one.shape.cache_numbers(one.isl) * one.cache_bytes / one.bandwidth * _NS if one.is_split else 0.0
    over = max(0.0, one.users / one.workers / max(1.0, slots_of(one)) - 1)
    return (
        _MS, prompt, weights, one.shape.layers * _US, math.sqrt(waiting) * prompt, waiting * prompt,
        one.users * _MS / 10, kept, over, one.osl, waiting * prompt / _REACHED,
    )  # fmt: skip


def prompt_ns(one: Setup, devices: float) -> float:
    """Arithmetic of one prompt on so many devices: 2 x active parameters a token, and attention to what is before."""
    shape = one.shape
    full = shape.layers if shape.full_layers is None else shape.full_layers
    flops = 2 * shape.active * one.isl + 2 * full * shape.attention_width * one.isl**2
    return flops / (one.rate * devices) * _NS


def ratios_of(one: Setup) -> tuple[float, ...]:
    """Return the ratios of a set-up, in the order of ``RATIOS``."""
    shape, batch = one.shape, max(1.0, one.users / one.workers)
    _, weights, cache, arithmetic, *_ = between_terms(one)
    shared, experts = one.parameter_bytes
    bits = 8 * (experts / shape.expert_parameters if experts else shared / shape.shared_parameters)
    busy = one.users * prompt_ns(one, one.prefill_devices) / one.prefill_workers / (one.osl * (weights + cache))
    return (
        math.log2(batch), math.log2(one.isl), math.log2(one.osl), math.log2(one.devices),
        math.log2(one.workers / one.prefill_workers), bits, float(one.is_attention_parallel),
        float(one.is_expert_parallel), float(one.is_split), shape.touched(batch), shape.active / shape.parameters,
        math.log2(arithmetic / (weights + cache)), math.log2(slots_of(one) / batch), math.log2(busy),
        *(float(one.backend == name) for name in _BACKENDS),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measures:
    """What is told of many set-ups before anything is learned: rows of `between_terms`, `waiting_of`, `ratios_of`."""

    between: Floats
    waiting: Floats
    ratios: Floats

    def take(self, places: Sequence[int]) -> Measures:
        """Return the rows at ``places``."""
        at = list(places)
        return Measures(self.between[at], self.waiting[at], self.ratios[at])

    def terms(self, metric: str, step: Floats) -> Floats:
        """Return the terms of a metric's law, (n, terms); ``step`` are the coefficients of the law between tokens.

        The last two of the first token are waiting for a slot, where users are more than have room, and for readers,
        where prompts come quicker than they are read: what a closed queue comes to by the response time law (Denning,
        Buzen 1978, "The operational analysis of queueing network models"), users x service / servers - the rest of the
        cycle.
        """
        import numpy as np

        if metric != FIRST:
            return self.between
        step_ns = self.between @ step
        over, osl, reading = self.waiting[:, -3:].T
        answer = osl * step_ns
        last = (step_ns, over * answer, np.maximum(0.0, reading - answer))
        return np.column_stack([self.waiting[:, :-3], *last])

    def columns(self, terms: Floats, coefficients: Floats) -> Floats:
        """Return what the correction sees, (n, columns): ratios, and the share of the law that each term is."""
        import numpy as np

        parts = terms * coefficients
        return np.hstack([self.ratios, parts / parts.sum(axis=1, keepdims=True)])


def measure(setups: Sequence[Setup]) -> Measures:
    """Return what is told of set-ups."""
    import numpy as np

    return Measures(*(np.array([tell(one) for one in setups]) for tell in (between_terms, waiting_of, ratios_of)))
