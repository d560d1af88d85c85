"""How many of a device, or which rented machine: what stands beside one device when hardware is chosen.

Independent devices where the model fits on one; cut over devices where it does not, or trains. What nothing validates
is marked, and never passes for something tested. May import: core, catalog, predict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assay.catalog.hardware.instances import Instance, find_instance
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.prices import Price, current_offers
from assay.core.errors import UsageError
from assay.predict.layers import Estimator
from assay.predict.strategy import Plan, Surroundings, judge_memory, make_plan, strategies_for
from assay.predict.strategy_memory import Strategy
from assay.predict.values import Abstention, Answer, Layer, Prediction, Question

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DEVICES = 1024
_FREELY = (Strategy.SINGLE, Strategy.REPLICAS)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine to rent, with ``devices`` of ``hw_id``. ``offer`` is its price, None where none is stored."""

    label: str
    hw_id: str
    devices: int
    offer: Price | None = None

    @property
    def usd_h(self) -> float | None:
        """USD for an hour of the whole machine."""
        return None if self.offer is None else self.offer.usd


@dataclass(frozen=True, slots=True)
class Fleet:
    """Numbers of devices and machines to choose between. ``bare``: devices asked for by themselves; None for all."""

    counts: tuple[int, ...] = (1,)
    machines: tuple[Machine, ...] = ()
    around: Surroundings = field(default_factory=Surroundings)
    bare: frozenset[str] | None = None

    def counts_of(self, question: Question) -> tuple[int, ...]:
        """Numbers of this device by itself that may be chosen."""
        device = question.device
        is_asked = self.bare is None or device.name in self.bare or (device.hw_id or "") in self.bare
        return self.counts if is_asked else ()

    def machines_of(self, question: Question) -> tuple[Machine, ...]:
        """Machines that have this device."""
        return tuple(one for one in self.machines if one.hw_id == question.device.hw_id)


@dataclass(frozen=True, slots=True)
class Shared:
    """One way to run a question on ``devices``, or the reason in ``answer`` why there is none.

    ``rate_per_s`` is of all devices. ``machine`` is None for devices by themselves. ``lacks`` says of one device that
    it probably has no room for the model, though there is a time.
    """

    question: Question
    answer: Answer
    devices: int
    rate_per_s: float
    plan: Plan | None = None
    machine: Machine | None = None
    lacks: str | None = None

    @property
    def strategy(self) -> Strategy:
        """How the devices share the work."""
        return Strategy.SINGLE if self.plan is None else self.plan.strategy

    @property
    def is_validated(self) -> bool:
        """True where the time is measured, or its interval was tested on times of this kind."""
        return self.strategy in _FREELY and isinstance(self.answer, Prediction) and bool(self.answer.intervals)


def check_counts(counts: Sequence[int]) -> tuple[int, ...]:
    """Return counts in order, each once; (1,) for none. Raises UsageError outside of 1 to 1024."""
    for one in counts:
        if not 1 <= one <= MOST_DEVICES:
            raise UsageError(f"So many devices together: got {one}; expected 1 to {MOST_DEVICES}.")
    return tuple(sorted(set(counts))) or (1,)


def share_out(question: Question, answer: Answer, fleet: Fleet, estimator: Estimator) -> list[Shared]:
    """Return every number of this device and every machine of it that may be chosen, for what one device answers.

    Several devices are independent where the model fits on one (a replica answers a call alone, so the time of a call
    stays); where it does not, and in training, the best of the plans that fit. What cannot be is there with its reason.
    """
    machines = fleet.machines_of(question)
    counts = fleet.counts_of(question)
    lacks = _find_lack(question, answer, estimator)
    found = []
    for devices in sorted({*counts, *(one.devices for one in machines)}):
        if devices == 1:
            made = replace(_one(question, answer), lacks=lacks)
        else:
            made = _several(question, answer, devices, fleet, estimator, is_too_large=lacks is not None)
        if devices in counts:
            found.append(made)
        found += [replace(made, machine=one) for one in machines if one.devices == devices]
    return found


def list_machines(prices: Mapping[str, Sequence[Price]], hw_ids: Iterable[str]) -> tuple[Machine, ...]:
    """Return the machines with stored prices on demand: of each provider and number of devices the cheapest one."""
    found: dict[tuple[str, str, int], Machine] = {}
    for hw_id in dict.fromkeys(hw_ids):
        for offer in current_offers(prices.get(hw_id, ()), hw_id):  # the cheapest comes first
            if offer.instance and offer.n_devices is not None:
                key = (hw_id, offer.provider.casefold(), offer.n_devices)
                found.setdefault(key, Machine(offer.place, hw_id, offer.n_devices, offer))
    return tuple(found.values())


def read_machine(text: str, prices: Mapping[str, Sequence[Price]]) -> Machine | None:
    """Return the machine that a word names (``p5.48xlarge``) with its cheapest stored price; None where it names none.

    A device's id names the device, also where a provider rents it by the same word. Raises UsageError for a machine
    whose device is not known, or that has a part of one.
    """
    known = None if text.strip().casefold() in load_catalogue() else find_instance(text)
    if known is None:
        return None
    if known.hw_id is None or known.n_devices is None or known.share is not None:
        raise UsageError(
            f"The machine {text!r} cannot be chosen: {_what_it_has(known)}.", hint="Name the device: assay catalog ls"
        )
    wanted = known.instance.casefold()
    offers = [one for one in current_offers(prices.get(known.hw_id, ()), known.hw_id)
              if one.instance.casefold().removeprefix("standard_") == wanted.removeprefix("standard_")]  # fmt: skip
    label = offers[0].place if offers else f"{known.provider} {known.instance}"
    return Machine(label, known.hw_id, known.n_devices, offers[0] if offers else None)


def _what_it_has(known: Instance) -> str:
    if known.share is not None:
        return f"it has {known.share_text} of a {known.device}"
    return f"the catalogue does not know its {known.device}"


def _one(question: Question, answer: Answer) -> Shared:
    rate = 0.0 if isinstance(answer, Abstention) else _units(question) / answer.value * 1e9
    return Shared(question, answer, 1, rate)


def _several(
    question: Question, answer: Answer, devices: int, fleet: Fleet, estimator: Estimator, *, is_too_large: bool
) -> Shared:
    many = replace(question, conditions=replace(question.conditions, devices=devices))
    plans = [
        make_plan(question, strategy, devices, estimator, fleet.around)
        for strategy in strategies_for(question.conditions.mode, devices)
        if strategy is not Strategy.REPLICAS
    ] if question.conditions.mode == "training" or is_too_large else []  # fmt: skip
    if not plans:
        if isinstance(answer, Abstention):
            return Shared(many, answer, devices, 0.0)
        free = make_plan(question, Strategy.REPLICAS, devices, estimator, fleet.around)
        rate = _units(question) / answer.value * 1e9 * devices
        return Shared(many, answer, devices, rate, free)
    usable = [one for one in plans if one.is_answered]
    if not usable:
        reasons = "; ".join(dict.fromkeys(f"{one.strategy}: {one.refused}" for one in plans if one.refused))
        hint = ("more devices, a smaller batch or a narrower precision",)
        return Shared(many, Abstention(question.metric, reasons or "no strategy is known", hint), devices, 0.0)
    best = max(usable, key=lambda one: one.rate_per_s or 0.0) if question.conditions.mode == "training" else min(
        usable, key=lambda one: one.latency_ns or math.inf
    )  # fmt: skip
    return Shared(many, _as_answer(best), devices, best.rate_per_s or 0.0, best)


def _find_lack(question: Question, answer: Answer, estimator: Estimator) -> str | None:
    """Return why one device probably has no room for the model; None where it has, or was measured to have."""
    if isinstance(answer, Prediction) and answer.layer is Layer.MEASURED:
        return None
    return judge_memory(Plan(Strategy.SINGLE, 1, question), estimator, None).refused


def _as_answer(plan: Plan) -> Prediction:
    """A plan as an answer: without an interval, since nothing tested one, and with the reasons for it."""
    assert plan.compute is not None  # noqa: S101  (it has a time)
    assert plan.latency_ns is not None  # noqa: S101
    options = f"ranks={plan.devices}, strategy={plan.strategy}"
    measure = (f"measure it: assay run --mode training with the options {options}",)
    return replace(
        plan.compute, value=plan.latency_ns, intervals=plan.bounds if plan.is_validated else (), reasons=plan.reasons,
        evidence=(), calibrated_on=None, calibration_n=0, calibration_groups=0, flags=plan.flags, would_change=measure,
    )  # fmt: skip


def _units(question: Question) -> float:
    graph = question.graph
    return (graph.units_per_call if graph is not None else None) or float(question.conditions.batch)
