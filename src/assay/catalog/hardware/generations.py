"""Which device of the generation before one is held against, by a rule, so that a gain of a generation means one thing.

Makers name successors by price or by place in a line-up, and no table of them is complete. The rule here is of power:
the device of the same maker's architecture before whose power limit is nearest. May import: standard library, catalog.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from assay.catalog.hardware.facts import DeviceFacts

RULE = (
    "the device of the same maker, category and class of memory (HBM or not) whose power limit is nearest, at most "
    "twice as much or as little, of the newest architecture that came at least 300 days before; CDNA and RDNA are two "
    "lines; one of the same form goes before others; of several as near the one with the fastest interconnect, then "
    "the newest"
)
LEAST_APART = timedelta(days=300)
"""Architectures that came nearer together than this are one generation: Ada Lovelace is no successor of Hopper."""
MOST_TIMES = 2.0
_TWO_LINES = ({"CDNA", "RDNA"},)
_DATE_PARTS = {4: "-01-01", 7: "-01", 10: ""}


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The device before, or the reason why there is none."""

    device: DeviceFacts | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """What can follow one another."""

    vendor: str
    category: str
    has_hbm: bool


def find_predecessors(facts: Mapping[str, DeviceFacts]) -> Mapping[str, Predecessor]:
    """Return the device before each, by its id, after RULE."""
    lines: dict[_Line, dict[str, list[DeviceFacts]]] = {}
    for device in facts.values():
        if (line := _line_of(device)) is not None:
            lines.setdefault(line, {}).setdefault(device.architecture, []).append(device)
    began = {line: {name: _first(devices) for name, devices in found.items()} for line, found in lines.items()}
    return {device.hw_id: _find(device, lines, began) for device in facts.values()}


def _find(
    device: DeviceFacts,
    lines: Mapping[_Line, Mapping[str, Sequence[DeviceFacts]]],
    began: Mapping[_Line, Mapping[str, date | None]],
) -> Predecessor:
    line, tdp = _line_of(device), device.number("tdp_w")
    if line is None or tdp is None:
        missing = "power limit" if line is not None else "kind of memory"
        return Predecessor(None, f"its {missing} is not known, so no device before it can be named")
    start = began[line][device.architecture]
    if start is None:
        return Predecessor(None, "no release of its architecture is known")
    earlier = {
        name: first
        for name, first in began[line].items()
        if first is not None and first <= start - LEAST_APART and not _are_apart(name, device.architecture)
    }
    for name in sorted(earlier, key=lambda name: earlier[name], reverse=True):
        near = [(abs(math.log(power / tdp)), one) for one in lines[line][name] if (power := one.number("tdp_w"))]
        near = [found for found in near if found[0] <= math.log(MOST_TIMES) + 1e-9]
        form = device.text("form_factor")
        near = [found for found in near if found[1].text("form_factor") == form] or near
        if near:
            least = min(distance for distance, _ in near)
            return Predecessor(max((one for distance, one in near if distance <= least + 1e-9), key=_order))
    return Predecessor(None, "the catalogue has no earlier device of its maker, category, memory and power")


def _order(device: DeviceFacts) -> tuple[float, str, str]:
    # The variants for export differ from what they stand for in their links alone.
    return device.number("interconnect_gb_s") or 0.0, device.text("release") or "", device.hw_id


def _line_of(device: DeviceFacts) -> _Line | None:
    kind = device.text("memory_kind")
    if kind is None and device.kind != "cpu":
        return None
    return _Line(device.vendor, device.category, (kind or "").startswith("HBM"))


def _are_apart(one: str, other: str) -> bool:
    return {one.split(" ", maxsplit=1)[0], other.split(" ", maxsplit=1)[0]} in _TWO_LINES


def _first(devices: Iterable[DeviceFacts]) -> date | None:
    days = []
    for device in devices:
        release = device.text("release") or ""
        if len(release) in _DATE_PARTS:
            days.append(date.fromisoformat(release + _DATE_PARTS[len(release)]))
    return min(days, default=None)
