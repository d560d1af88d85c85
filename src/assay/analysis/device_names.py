"""Which device a stored name means: the catalogue's entry where it resolves, else the name as it was written.

Nothing is guessed: a name that fits several entries, or none, stays a device of its own. May import: core, catalog.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import match_hardware
from assay.catalog.hardware.own_sheets import find_own_sheet
from assay.core.adapters import is_software_adapter

if TYPE_CHECKING:
    from assay.catalog.hardware.entry import Hardware

_NAMES_KEPT = 8192
_UNKNOWN = "unknown"
"""What importers keep where a source says that it does not know."""


@dataclass(frozen=True, slots=True)
class DeviceName:
    """A device as reports name it. ``hw_id`` is its catalogue entry, None with ``reason`` where there is none.

    A slice or virtual GPU is a device of its own: ``partition`` says which, and the entry is that of the whole.
    """

    label: str
    hw_id: str | None = None
    partition: str | None = None
    reason: str | None = None

    @property
    def hardware(self) -> Hardware | None:
        """The sheet of the whole device, the catalogue's or the user's own; None of a slice, whose figures differ."""
        if self.hw_id is None or self.partition is not None:
            return None
        return load_catalogue().get(self.hw_id) or find_own_sheet(self.hw_id)


@functools.lru_cache(maxsize=_NAMES_KEPT)
def name_device(hardware: str | None, device: str | None) -> DeviceName:
    """Name the device of a stored row by its ``hardware`` (what it ran on) or, without one, by its ``device``."""
    if hardware is None or hardware.casefold() == _UNKNOWN:
        label = f"{device} (not named)" if device else "not named"
        return DeviceName(label, reason="its source does not name the hardware")
    if is_software_adapter(hardware):
        return DeviceName(hardware, reason="a software adapter: a CPU plays the graphics hardware")
    if (own := find_own_sheet(hardware)) is not None:
        return DeviceName(own.name, own.hw_id)
    is_cpu = (device or "").partition(":")[0].lower() == "cpu"
    match = match_hardware(hardware, kind="cpu" if is_cpu else None)
    entry = None if match.hw_id is None else load_catalogue().get(match.hw_id)
    if entry is None and is_cpu and (other := match_hardware(hardware)).hw_id is not None:
        # The source names the machine's accelerator, and says that it ran on the CPU beside it.
        name = load_catalogue()[other.hw_id].name
        return DeviceName(f"CPU beside {name}", reason=f"its source names {hardware} and says it ran on the CPU")
    if entry is None:
        what = "not in the catalogue" if match.family is None else "a family, not a device"
        return DeviceName(hardware, reason=f"{what}: {match.reason}")
    part = None if match.partition is None else match.partition.text
    return DeviceName(entry.name if part is None else f"{entry.name}, {part}", entry.hw_id, part)
