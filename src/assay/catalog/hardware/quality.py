"""How good the table of devices is: what is filled of what can be, and figures unlike those of their architecture.

Works on any view of the facts (shipped, imported, own), so a user's import is looked at as strictly as ours. Imputed
values are in none of them. May import: catalog.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from assay.catalog.hardware.facts import DeviceFacts
from assay.catalog.hardware.fields import FACTS, RATE_COLUMNS
from assay.catalog.hardware.findings import Finding, FindingKind
from assay.catalog.hardware.physics import explain, find_contradictions
from assay.catalog.hardware.presence import Presence, find_presence, is_number
from assay.catalog.hardware.slips import GROSS, Slip

FEWEST_PEERS = 4
"""Fewest other devices of an architecture and kind that say what is usual there."""
NEAREST = 2
"""The second nearest peer counts: one other device may be the same product, and wrong in the same way."""
FARTHEST_FACTOR = 1.5
"""A proportion this far from that peer's is an outlier, if its own entry does not allow more."""
_FAR = 4.0
"""A slip is at least this factor outside of all peers, and near their range once undone."""
_NEAR = 1.3


@dataclass(frozen=True, slots=True)
class FieldCoverage:
    """Cells of one column over the devices of one architecture; ``absent`` ones cannot be filled."""

    column: str
    vendor: str
    architecture: str
    kind: str
    filled: int
    missing: int
    absent: int

    @property
    def share(self) -> float | None:
        """Filled of those that can be; None where none can."""
        can = self.filled + self.missing
        return self.filled / can if can else None


@dataclass(frozen=True, slots=True)
class Proportion:
    """A quotient of which the devices of one architecture have few values, each of several devices."""

    name: str
    above: str
    below: tuple[str, ...]
    farthest: float = FARTHEST_FACTOR


PROPORTIONS = (
    Proportion("bandwidth per bit of bus", "memory_bandwidth_gb_s", ("memory_bus_bits",)),
    Proportion("lanes per unit", "vector_lanes", ("units",)),
    Proportion("tensor units per unit", "tensor_units", ("units",)),
    Proportion("L2 per unit", "l2_mib", ("units",)),
    Proportion("L3 per unit", "l3_mib", ("units",), 3.5),
    Proportion("threads per unit", "threads", ("units",)),
    Proportion("power per unit and clock", "tdp_w", ("units", "boost_mhz"), 2.5),
    Proportion("transistors per area", "transistors_m", ("die_mm2",)),
    Proportion("fp32 per unit and clock", "vector_fp32_tflops", ("units", "boost_mhz")),
    Proportion("fp64 per unit and clock", "vector_fp64_tflops", ("units", "boost_mhz")),
    Proportion("tensor fp16 per unit and clock", "tensor_fp16_tflops", ("units", "boost_mhz")),
    Proportion("tensor bf16 per unit and clock", "tensor_bf16_tflops", ("units", "boost_mhz")),
    Proportion("tensor int8 per unit and clock", "tensor_int8_tops", ("units", "boost_mhz")),
    Proportion("highest clock", "boost_mhz", ()),
    Proportion("base clock", "base_mhz", ()),
    Proportion("process", "process_nm", ()),
)


_GROWING = frozenset({"l2_mib", "l3_mib", "vector_lanes", "tensor_units", "threads", "tdp_w"})
"""Numbers that a larger device of the same architecture has more of."""
_UNLIKE = frozenset({"release_price_usd"})
"""Numbers of which an architecture may have everything between small and a hundredfold."""


def measure_fields(
    devices: Iterable[DeviceFacts], columns: Sequence[str] = FACTS, *, among: Iterable[DeviceFacts] | None = None
) -> tuple[FieldCoverage, ...]:
    """Count cells by column and architecture (maker, architecture, kind), in the order of columns, then of devices.

    What a device can have is judged by all devices ``among`` which it is; by those counted where none are given.
    """
    held = tuple(devices)
    presence = find_presence(held if among is None else among, columns)
    counts: dict[tuple[str, str, str, str], Counter[Presence]] = {}
    for column in columns:
        for device in held:
            key = column, device.vendor, device.architecture, device.kind
            counts.setdefault(key, Counter())[presence[device.hw_id][column]] += 1
    return tuple(
        FieldCoverage(*key, count[Presence.FILLED], count[Presence.MISSING], count[Presence.ABSENT])
        for key, count in counts.items()
    )


def find_findings(devices: Iterable[DeviceFacts]) -> list[Finding]:
    """Everything suspicious: contradictions, then slips, then outliers. A cell that slipped is not an outlier too."""
    held = tuple(devices)
    slips = find_slips(held)
    slipped = {(slip.hw_id, column) for slip in slips for column in slip.columns}
    outliers = [
        outlier
        for outlier in find_outliers(held)
        if not any((outlier.hw_id, column) in slipped for column in outlier.columns)
    ]
    return [*find_contradictions(held), *slips, *outliers]


def find_outliers(devices: Iterable[DeviceFacts]) -> list[Finding]:
    """Proportions that hardly any other device of the architecture has.

    An architecture has a few chips and each chip its proportions (64 lanes a unit on a GA100, 128 on a GA102), so the
    distance to the median says little. What counts is the distance to the second nearest value among the peers.
    """
    return [
        finding
        for group in _groups(devices)
        for proportion in PROPORTIONS
        for finding in _find_lonely(group, proportion)
    ]


def find_slips(devices: Iterable[DeviceFacts]) -> list[Finding]:
    """Numbers at least four times outside of all peers' range, that a mix-up of units would explain.

    What grows with a device must be outside as it is and per compute unit: an A2 is no slipped A100. A memory bus is
    held against those of the same kind of memory.
    """
    found = []
    for group in _groups(devices):
        columns = dict.fromkeys(column for device in group for column in device.cells if is_number(column))
        for column in columns:
            if column not in _UNLIKE:
                found += [_slip(device, column, group) for device in group]
    return [finding for finding in found if finding is not None]


def _groups(devices: Iterable[DeviceFacts]) -> Iterator[list[DeviceFacts]]:
    groups: dict[tuple[str, str, str], list[DeviceFacts]] = {}
    for device in devices:
        groups.setdefault((device.vendor, device.architecture, device.kind), []).append(device)
    yield from (group for group in groups.values() if len(group) > FEWEST_PEERS)


def _find_lonely(group: Sequence[DeviceFacts], proportion: Proportion) -> Iterator[Finding]:
    logs = {device.hw_id: log for device in group if (log := _log_proportion(device, proportion)) is not None}
    if len(logs) <= FEWEST_PEERS:
        return
    for hw_id, log in logs.items():
        peers = sorted((other for name, other in logs.items() if name != hw_id), key=lambda other: abs(other - log))
        factor = math.exp(log - peers[NEAREST - 1])
        if max(factor, 1 / factor) > proportion.farthest:
            whose = f"the second nearest of {_others(group[0])}"
            columns = (proportion.above, *proportion.below)
            problem = f"{factor:.3g} times {whose}"
            explained = explain(hw_id, proportion.name)
            yield Finding(FindingKind.OUTLIER, hw_id, proportion.name, columns, problem, explained)


def _log_proportion(device: DeviceFacts, proportion: Proportion) -> float | None:
    numbers = [device.number(column) for column in (proportion.above, *proportion.below)]
    logs = [math.log(number) for number in numbers if number is not None and number > 0]
    return logs[0] - sum(logs[1:]) if len(logs) == len(numbers) else None


def _slip(device: DeviceFacts, column: str, group: Sequence[DeviceFacts]) -> Finding | None:
    value = device.number(column)
    if value is None or value <= 0:
        return None
    if column == "memory_bus_bits":
        group = [peer for peer in group if peer.text("memory_kind") == device.text("memory_kind")]
    factor = _slip_factor(value, [peer.number(column) for peer in group if peer is not device])
    units = device.number("units")
    if factor is not None and units and (column in RATE_COLUMNS or column in _GROWING):
        factor = _slip_factor(value / units, [_per_unit(peer, column) for peer in group if peer is not device])
    if factor is None:
        return None
    rule = f"{column} in other units"
    problem = f"{value:g} is about {factor.factor:.4g} times what fits {_others(device)} ({factor.cause})"
    return Finding(FindingKind.SLIP, device.hw_id, rule, (column,), problem, explain(device.hw_id, rule))


def _slip_factor(value: float, peers: Sequence[float | None]) -> Slip | None:
    """The slip that brings a value into its peers' range, from which it is far; None where it is not, or none does."""
    known = [peer for peer in peers if peer is not None and peer > 0]
    if len(known) < FEWEST_PEERS:
        return None
    low, high = min(known), max(known)
    if low / _FAR <= value <= high * _FAR:
        return None
    fitting = (slip for slip in GROSS if low / _NEAR <= value / slip.factor <= high * _NEAR)
    return next(fitting, None)


def _per_unit(device: DeviceFacts, column: str) -> float | None:
    value, units = device.number(column), device.number("units")
    return None if value is None or not units else value / units


def _others(device: DeviceFacts) -> str:
    return f"the others of {device.vendor} {device.architecture}"
