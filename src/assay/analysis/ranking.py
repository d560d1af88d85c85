"""Which hardware for a workload: devices in order of what was measured on them, and why the others are not first.

Only usable numbers count, and only those of one *basis*: the same kind of work, unit, inputs and load. What a person is
free to choose (precision, batch, engine, threads) is chosen for each device so that it does best. Numbers that somebody
else measured take part and say so; nothing is predicted here. May import: core, catalog, store, analysis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.analysis.device_names import DeviceName, name_device
from assay.analysis.ranking_prices import HourPrice, PriceBook, open_price_book
from assay.analysis.ranking_values import (
    LATENCIES,
    RATES,
    Basis,
    Candidate,
    Objective,
    Quantity,
    Ranking,
    RankingRequest,
)
from assay.analysis.side_by_side import Group, Subject, read_groups_of
from assay.analysis.usable_numbers import (
    TABLES_READ,
    NumberWanted,
    count_left_out,
    match_exactly,
    select_any,
    usable_sql,
)
from assay.core.errors import UsageError
from assay.core.words import Direction, Provenance
from assay.store.query import fetch_rows

if TYPE_CHECKING:
    from assay.store import Store

_ENERGY_OF_A_CALL = "energy_j_per_call"
ENERGIES = ("energy_j_per_sample", _ENERGY_OF_A_CALL)
POWERS = ("average_power_w",)
"""Metrics that stand for one thing, best first: a ranking takes the first that any result of the workload has."""
_FAMILIES: Mapping[str, tuple[str, ...]] = {"latency": LATENCIES, "rate": RATES, "energy": ENERGIES, "power": POWERS}
_CHOSEN = frozenset({
    "threads", "layout", "dynamo", "max_num_seqs", "tensor_parallel", "expert_parallel", "data_parallel",
    "ring_degree", "ulysses_degree", "compression", "quantization", "round",
})  # fmt: skip
"""Options that one chooses for speed, and the round of a benchmark, which the conditions of each row name."""
_HOUR_S = 3600.0

_OF_OBJECTIVE = {
    Objective.LATENCY: ("latency",),
    Objective.THROUGHPUT: ("rate",),
    Objective.ENERGY: ("energy", "power"),
    Objective.COST: ("rate",),
}
"""What decides which basis is ranked: the one that most devices have such a number of."""


def rank_hardware(store: Store, request: RankingRequest) -> Ranking:
    """Rank the devices that the store has numbers of; where no price is given, by prices that it has of them.

    Raises StoreError, UsageError.
    """
    selection = select_any({**request.where, "workload": match_exactly([request.workload])})
    metrics = [metric for family in _FAMILIES.values() for metric in family]
    read = read_groups_of(store, selection, [NumberWanted.of(metric) for metric in metrics])
    fitting = {metric: [group for group in groups if _fits(group.subject, request)] for metric, groups in read.items()}
    bases = _count_devices(fitting, request.objective)
    basis = next(iter(bases), None)
    ours = {
        metric: [one for one in groups if basis_of(one.subject, request.objective) == basis]
        for metric, groups in fitting.items()
    }
    chosen = {
        what: next((metric for metric in family if ours[metric]), family[0]) for what, family in _FAMILIES.items()
    }
    by_key: dict[_Key, dict[str, Group]] = {}
    for what, metric in chosen.items():
        for group in ours[metric]:
            by_key.setdefault((group.subject, group.device, group.provenance), {})[what] = group
    is_energy_of_a_call = bool(ours[chosen["energy"]]) and chosen["energy"] == _ENERGY_OF_A_CALL
    book = open_price_book(store, request.prices_usd_per_h)
    candidates = [_candidate(key, groups, book, may_derive=not is_energy_of_a_call) for key, groups in by_key.items()]
    ranked, lost = _order(candidates, request)
    return Ranking(
        request=request,
        basis=basis,
        ranked=ranked,
        lost=lost,
        other_bases=tuple((one, count) for one, count in bases.items() if one != basis),
        unmeasured=_find_unmeasured(store, request, {one.device.label for one in candidates}),
        left_out=count_left_out(store, selection),
        latency_metric=chosen["latency"],
        throughput_metric=chosen["rate"],
        is_energy_of_a_call=is_energy_of_a_call,
        prices=_prices_of(candidates, book),
    )


def basis_of(subject: Subject, objective: Objective = Objective.THROUGHPUT) -> Basis:
    """Return what has to be the same before two subjects are ranked together by an objective."""
    kept = tuple((name, str(value)) for name, value in sorted(subject.options.items()) if name not in _CHOSEN)
    batch = subject.batch if objective is Objective.LATENCY else None
    return Basis(subject.workload, subject.mode, subject.unit_of_work, subject.shape, kept, subject.within, batch)


def read_prices(text: str) -> dict[str, float]:
    """Read ``NVIDIA A100 PCIe 80GB=1.19, nvidia-l4=0.71``: USD for an hour of one device. Raises UsageError."""
    prices: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, sign, amount = part.rpartition("=")
        try:
            price = float(amount)
        except ValueError:
            price = math.nan
        if not sign or not name.strip() or not price > 0 or math.isinf(price):
            raise UsageError(
                f"The price {part[:60]!r} is not understood.", hint="Expected for example prices=nvidia-l4=0.71"
            )
        prices[name.strip()] = price
    return prices


_Key = tuple[Subject, DeviceName, Provenance]


def _fits(subject: Subject, request: RankingRequest) -> bool:
    if request.accelerators is not None and (subject.accelerators or 1) != request.accelerators:
        return False
    return request.scenario is None or str(subject.options.get("scenario")).casefold() == request.scenario.casefold()


def _count_devices(groups: Mapping[str, Sequence[Group]], objective: Objective) -> dict[Basis, int]:
    """Bases with the number of devices that have what the objective is about, most first; else those with anything."""
    wanted = [metric for what in _OF_OBJECTIVE[objective] for metric in _FAMILIES[what]]
    metrics = wanted if any(groups[metric] for metric in wanted) else list(groups)
    devices: dict[Basis, set[tuple[str, int | None]]] = {}
    place: dict[Basis, int] = {}
    for number, metric in enumerate(metrics):
        for group in groups[metric]:
            basis = basis_of(group.subject, objective)
            place.setdefault(basis, number)
            devices.setdefault(basis, set()).add((group.device.label, group.subject.accelerators))
    ordered = sorted(devices.items(), key=lambda pair: (-len(pair[1]), place[pair[0]], pair[0].label))
    return {basis: len(labels) for basis, labels in ordered}


def _candidate(key: _Key, groups: Mapping[str, Group], book: PriceBook, *, may_derive: bool) -> Candidate:
    subject, device, provenance = key
    latency, rate = _quantity(groups.get("latency"), "latency"), _quantity(groups.get("rate"), "throughput")
    power = _quantity(groups.get("power"), "power")
    energy = _quantity(groups.get("energy"), "energy")
    if may_derive and energy.value is None and power.value is not None and rate.value:
        count = min(power.results, rate.results)
        energy = Quantity(power.value / rate.value, results=count, reason="derived: mean power over throughput")
    group = next(iter(groups.values()))
    return Candidate(
        device=device,
        accelerators=subject.accelerators,
        subject=subject,
        provenance=provenance,
        latency=latency,
        throughput=rate,
        energy=energy,
        power=power,
        cost_usd=_cost(device, subject.accelerators, rate, book),
        software=group.software,
    )


def _quantity(group: Group | None, what: str) -> Quantity:
    if group is None:
        return Quantity(reason=f"no {what} is known under these conditions")
    only = group.only
    return Quantity(
        value=group.median,
        lowest=group.lowest,
        highest=group.highest,
        lo=only.lo if only else None,
        hi=only.hi if only else None,
        results=group.results,
        n=only.n if only else None,
        result_id=group.newest.result_id,
        verdict=group.newest.verdict,
    )


def _prices_of(candidates: Sequence[Candidate], book: PriceBook) -> dict[str, HourPrice]:
    devices = {one.device.label: one.device for one in candidates if one.cost_usd.value is not None}
    priced = {label: book.price_of(device) for label, device in sorted(devices.items())}
    return {label: price for label, price in priced.items() if isinstance(price, HourPrice)}


def _cost(device: DeviceName, accelerators: int | None, rate: Quantity, book: PriceBook) -> Quantity:
    """USD for a million units of work."""
    price = book.price_of(device)
    if isinstance(price, str):
        return Quantity(reason=price)
    if not rate.value:
        return Quantity(reason="no throughput is known, so none can be paid for")
    total = price.usd * (accelerators or 1)
    return Quantity(
        total / _HOUR_S / rate.value * 1e6,
        lowest=None if not rate.highest else total / _HOUR_S / rate.highest * 1e6,
        highest=None if not rate.lowest else total / _HOUR_S / rate.lowest * 1e6,
        results=rate.results,
        reason=f"derived: {total:g} USD an hour ({price.origin}) over throughput",
    )


def _order(
    candidates: Sequence[Candidate], request: RankingRequest
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """Take the best conditions of each device; rank those that meet the limits."""
    judged = [replace(one, misses=_misses(one, request)) for one in candidates]
    best: dict[tuple[str, int | None, Provenance], Candidate] = {}
    for one in sorted(judged, key=lambda one: _merit(one, request.objective)):
        best.setdefault((one.device.label, one.accelerators, one.provenance), one)
    fitting = [one for one in best.values() if not one.misses]
    lost = [one for one in best.values() if one.misses]
    first = fitting[0] if fitting else None
    ranked = [
        replace(one, rank=place, times_worse=_times_worse(one, first, request), is_level=_overlap(one, first, request))
        for place, one in enumerate(fitting, 1)
        if first is not None
    ]
    return tuple(ranked), tuple(replace(one, times_worse=_times_worse(one, first, request)) for one in lost)


def _merit(candidate: Candidate, objective: Objective) -> tuple[bool, bool, float, str]:
    """Sorts the best first: those that miss nothing, then by the number, an unknown one last."""
    value = candidate.quantity(objective).value
    sign = -1.0 if objective.direction is Direction.HIGHER else 1.0
    return bool(candidate.misses), value is None, 0.0 if value is None else sign * value, candidate.label


def _misses(candidate: Candidate, request: RankingRequest) -> tuple[str, ...]:
    """Why a candidate takes no part, in words; empty where it does."""
    from assay.core.units import format_duration_ns, format_significant

    found = []
    wanted = candidate.quantity(request.objective)
    if wanted.value is None:
        found.append(wanted.reason or f"no {request.objective} is known")
    if request.max_latency_ns is not None:
        latency = candidate.latency.hi or candidate.latency.value
        if latency is None:
            found.append("its latency is not known, so the limit cannot be judged")
        elif latency > request.max_latency_ns:
            limit = format_duration_ns(request.max_latency_ns)
            found.append(f"latency {format_duration_ns(latency)} is above the limit of {limit}")
    if request.min_throughput_per_s is not None:
        rate = candidate.throughput.lo or candidate.throughput.value
        if rate is None:
            found.append("its throughput is not known, so the limit cannot be judged")
        elif rate < request.min_throughput_per_s:
            limit = format_significant(request.min_throughput_per_s)
            found.append(f"throughput {format_significant(rate)}/s is below the limit of {limit}/s")
    return tuple(found)


def _times_worse(one: Candidate, first: Candidate | None, request: RankingRequest) -> float | None:
    mine = one.quantity(request.objective).value
    best = None if first is None else first.quantity(request.objective).value
    if not mine or not best:
        return None
    return best / mine if request.objective.direction is Direction.HIGHER else mine / best


def _overlap(one: Candidate, first: Candidate, request: RankingRequest) -> bool:
    (low, high), (first_low, first_high) = (_span(each.quantity(request.objective)) for each in (one, first))
    return one is not first and low <= first_high and first_low <= high


def _span(quantity: Quantity) -> tuple[float, float]:
    low = quantity.lo if quantity.lo is not None else quantity.lowest
    high = quantity.hi if quantity.hi is not None else quantity.highest
    value = quantity.value if quantity.value is not None else math.nan
    return low if low is not None else value, high if high is not None else value


def _find_unmeasured(store: Store, request: RankingRequest, known: set[str]) -> tuple[str, ...]:
    """Return devices that the store has usable numbers of, and of this workload none; most results first."""
    fields = {name: value for name, value in request.where.items() if name == "provenance"}
    condition, parameters = usable_sql(select_any(fields))
    rows = fetch_rows(
        store.location,
        f"""
        SELECT hardware, device, count(*) AS results FROM results WHERE {condition} AND hardware IS NOT NULL
        GROUP BY ALL ORDER BY results DESC, hardware, device
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        parameters,
        tables=TABLES_READ,
        versions=store.versions,
    )
    labels = dict.fromkeys(name_device(row["hardware"], row["device"]).label for row in rows)
    return tuple(label for label in labels if label not in known)
