"""What a ranking of hardware is asked and answers with: frozen values. The ranking itself is ``ranking``.

May import: core, analysis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assay.analysis.device_names import DeviceName
from assay.analysis.ranking_prices import HourPrice
from assay.analysis.side_by_side import Subject, label_devices
from assay.analysis.usable_numbers import LeftOut
from assay.core.words import Direction, Provenance, Verdict

LATENCIES = ("latency_ns", "generation_ns", "inter_token_latency_ns", "serving_latency_ns", "time_to_train_ns")
RATES = ("throughput_per_s", "output_tokens_per_s", "decode_tokens_per_s", "serving_rate_per_s")


def many_of(unit_of_work: str) -> str:
    """``sample`` -> ``samples``, ``query`` -> ``queries``."""
    return f"{unit_of_work[:-1]}ies" if unit_of_work.endswith("y") else f"{unit_of_work}s"


class Objective(StrEnum):
    """What the best device has least or most of."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"
    ENERGY = "energy"
    COST = "cost"

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        return Direction.HIGHER if self is Objective.THROUGHPUT else Direction.LOWER


@dataclass(frozen=True, slots=True)
class RankingRequest:
    """What is asked of one ``workload``, by its whole name.

    ``where`` are more fields of a selection (``precision``, ``batch``, ``mode``, ``provenance`` ...).
    ``max_latency_ns`` and ``min_throughput_per_s`` are limits that a device has to meet. ``prices_usd_per_h`` are
    prices of one device by its catalogue id or name, and go before those that the store has. ``scenario`` and
    ``accelerators`` narrow the basis.
    """

    workload: str
    objective: Objective = Objective.THROUGHPUT
    where: Mapping[str, Any] = field(default_factory=dict)
    max_latency_ns: float | None = None
    min_throughput_per_s: float | None = None
    prices_usd_per_h: Mapping[str, float] = field(default_factory=dict)
    scenario: str | None = None
    accelerators: int | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What is the same for every device of a ranking; ``within`` as in ``side_by_side.Subject``."""

    workload: str
    mode: str
    unit_of_work: str | None
    shape: str
    conditions: tuple[tuple[str, str], ...]
    within: str | None
    batch: int | None = None
    """Of a ranking by latency, where a call of another batch is another thing to wait for; else left open."""

    @property
    def label(self) -> str:
        """In words: ``serving, counts tokens, division closed, scenario Offline``."""
        unit = "units not said" if self.unit_of_work is None else f"counts {many_of(self.unit_of_work)}"
        shape = self.shape.strip("{}").replace("=", " ")
        batch = None if self.batch is None else f"batch {self.batch}"
        words = [self.mode, unit, batch, shape, *(f"{name} {value}" for name, value in self.conditions)]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a candidate: the median over ``results`` results, or the one there is with its own interval.

    ``lowest`` and ``highest`` are how far the results spread. ``value`` None has a ``reason``; beside a value
    ``reason`` says how it was derived.
    """

    value: float | None = None
    lowest: float | None = None
    highest: float | None = None
    lo: float | None = None
    hi: float | None = None
    results: int = 0
    n: int | None = None
    result_id: str | None = None
    verdict: Verdict | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One device (``accelerators`` of it) under the conditions in which it does best.

    ``rank`` counts from 1, None where it does not take part: ``misses`` then says why. ``times_worse`` is how many
    times worse than the first by the objective; ``is_level`` where their intervals, or spreads, overlap.
    """

    device: DeviceName
    accelerators: int | None
    subject: Subject
    provenance: Provenance
    latency: Quantity
    throughput: Quantity
    energy: Quantity
    power: Quantity
    cost_usd: Quantity
    software: tuple[str, ...] = ()
    rank: int | None = None
    times_worse: float | None = None
    is_level: bool = False
    misses: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The device with its number."""
        return label_devices(self.device.label, self.accelerators)

    def quantity(self, objective: Objective) -> Quantity:
        """The number that an objective is about."""
        return {
            Objective.LATENCY: self.latency,
            Objective.THROUGHPUT: self.throughput,
            Objective.ENERGY: self.energy,
            Objective.COST: self.cost_usd,
        }[objective]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Devices in order: ``ranked`` best first, ``lost`` those that miss a limit or a number.

    ``basis`` is what all of them have in common, None where nothing was found; ``other_bases`` how many devices each
    other basis has. ``unmeasured`` are devices of the store without a usable number of this workload.
    ``latency_metric`` and ``throughput_metric`` name what stands for the two. ``is_energy_of_a_call``: energies are of
    a call, not of a unit. ``prices`` are those that costs were computed with, by the device's name.
    """

    request: RankingRequest
    basis: Basis | None
    ranked: tuple[Candidate, ...]
    lost: tuple[Candidate, ...]
    other_bases: tuple[tuple[Basis, int], ...]
    unmeasured: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    latency_metric: str = LATENCIES[0]
    throughput_metric: str = RATES[0]
    is_energy_of_a_call: bool = False
    prices: Mapping[str, HourPrice] = field(default_factory=dict)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All, the ranked ones first."""
        return (*self.ranked, *self.lost)
