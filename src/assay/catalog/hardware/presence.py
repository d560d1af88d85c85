"""Which cells of a device can be filled at all: an empty one is missing only where the device has such a thing.

A GTX 1660 has no tensor cores and a CPU no memory of its own. Counting those cells as gaps would make every coverage
figure wrong, and filling them would invent hardware. May import: catalog, core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from assay.catalog.hardware.facts import DeviceFacts
from assay.catalog.hardware.fields import FACTS, NUMBER_COLUMNS

KINDS = ("gpu", "cpu", "soc", "accelerator")


class Presence(StrEnum):
    """What an empty or filled cell means."""

    FILLED = "filled"
    MISSING = "missing"
    """The device has it, and nobody says how much."""
    ABSENT = "absent"
    """The device has no such thing, as far as its maker's other devices tell."""


class Scope(StrEnum):
    """From whom it follows that a device has something."""

    KIND = "kind"
    """Every device of these kinds has it."""
    MAKER = "maker"
    """The maker states it for some device of the category: nobody can look up what is never stated."""
    CHIP = "chip"
    """Some device of the same chip and category has it: makers fence functions off by chip and by product line."""


@dataclass(frozen=True, slots=True)
class Having:
    """When a device has what a column states."""

    scope: Scope
    kinds: tuple[str, ...] = KINDS
    is_of_whole_chip: bool = False
    """True where an integrated GPU has none of its own: memory, power and silicon are the whole chip's."""


_CHIP = Having(Scope.CHIP)
HAVING: Mapping[str, Having] = MappingProxyType({
    "codename": Having(Scope.MAKER),
    "form_factor": Having(Scope.KIND),
    "release": Having(Scope.KIND),
    "foundry": Having(Scope.KIND),
    "memory_kind": Having(Scope.KIND),
    "unit_kind": Having(Scope.KIND, ("gpu", "cpu", "soc")),
    "software": Having(Scope.MAKER),
    "target": Having(Scope.KIND, ("gpu", "cpu", "soc")),
    "process_nm": Having(Scope.KIND),
    "die_mm2": Having(Scope.KIND, is_of_whole_chip=True),
    "transistors_m": Having(Scope.KIND, is_of_whole_chip=True),
    "memory_gib": Having(Scope.KIND, ("gpu", "accelerator"), is_of_whole_chip=True),
    "memory_bus_bits": Having(Scope.KIND, ("gpu", "cpu", "soc")),
    "memory_bandwidth_gb_s": Having(Scope.KIND),
    "l2_mib": Having(Scope.KIND, ("gpu",)),
    "units": Having(Scope.KIND, ("gpu", "cpu", "soc")),
    "vector_lanes": Having(Scope.KIND, ("gpu",)),
    "threads": Having(Scope.KIND, ("cpu",)),
    "base_mhz": Having(Scope.MAKER),
    "boost_mhz": Having(Scope.KIND, ("gpu", "cpu")),
    "tdp_w": Having(Scope.KIND, is_of_whole_chip=True),
    "release_price_usd": Having(Scope.MAKER, is_of_whole_chip=True),
})  # fmt: skip
"""By column; a column that is not named here (rates, L3, tensor units, links) has the scope of the chip."""
_NEVER_MISSING = frozenset({"dies"})
"""Empty says one."""


def chip_of(device: DeviceFacts) -> tuple[str, str, str | None]:
    """Return what devices with the same silicon share: maker, architecture, code name."""
    return device.vendor, device.architecture, device.text("codename")


def find_presence(devices: Iterable[DeviceFacts], columns: Sequence[str] = FACTS) -> dict[str, dict[str, Presence]]:
    """Say of every device (by ``hw_id``) what each of its cells is. The devices given are all the evidence there is."""
    held = tuple(devices)
    stated: set[tuple[object, ...]] = set()
    for device in held:
        for column in device.cells:
            stated.add((Scope.CHIP, *chip_of(device), device.category, column))
            stated.add((Scope.MAKER, device.vendor, device.category, column))
    return {device.hw_id: {column: _presence(device, column, stated) for column in columns} for device in held}


def is_number(column: str) -> bool:
    """True where the cells of a column are numbers: everything but words."""
    return column in NUMBER_COLUMNS or column.endswith(("_tflops", "_tops"))


def _presence(device: DeviceFacts, column: str, stated: set[tuple[object, ...]]) -> Presence:
    if column in device.cells:
        return Presence.FILLED
    having = HAVING.get(column, _CHIP)
    is_part = having.is_of_whole_chip and device.category == "integrated gpu"
    if column in _NEVER_MISSING or is_part or device.kind not in having.kinds:
        return Presence.ABSENT
    if having.scope is Scope.KIND:
        return Presence.MISSING
    key: tuple[object, ...] = (
        (Scope.MAKER, device.vendor, device.category, column)
        if having.scope is Scope.MAKER
        else (Scope.CHIP, *chip_of(device), device.category, column)
    )
    return Presence.MISSING if key in stated else Presence.ABSENT
