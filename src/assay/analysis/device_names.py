"""Which device a stored name means: the catalogue's entry where it resolves, else the name as it was written.

Nothing is guessed: a name that fits several entries, or none, stays a device of its own. May import: core,
catalog, store, analysis.usable_numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.analysis.usable_numbers import TABLES_READ
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import match_hardware
from assay.catalog.hardware.own_sheets import find_own_sheet
from assay.core.adapters import is_software_adapter
from assay.store.query import fetch_rows

if TYPE_CHECKING:
    from assay.catalog.hardware.entry import Hardware
    from assay.store import Store

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


@dataclass(frozen=True, slots=True)
class StoredNames:
    """Pairs of hardware and device as stored, and for each the place in ``devices`` of the device it means."""

    pairs: tuple[tuple[str | None, str | None], ...]
    places: tuple[int, ...]
    devices: tuple[DeviceName, ...]

    @property
    def columns(self) -> tuple[list[str | None], list[str | None], list[int]]:
        """Hardware, device and place as three columns, to be joined with stored rows."""
        return [one[0] for one in self.pairs], [one[1] for one in self.pairs], list(self.places)


def read_stored_names(store: Store, condition: str, parameters: Sequence[object]) -> StoredNames:
    """Name the devices of all results that meet a condition of ours. Raises StoreError."""
    rows = fetch_rows(
        store.location,
        (f"SELECT DISTINCT hardware, device FROM results WHERE {condition} ORDER BY ALL"),  # noqa: S608  (words of ours; what is asked is bound or quoted)
        parameters,
        tables=TABLES_READ,
        versions=store.versions,
    )
    pairs = tuple((row["hardware"], row["device"]) for row in rows)
    devices = sorted({name_device(*pair) for pair in pairs}, key=lambda one: (one.label, one.hw_id or ""))
    # Names that mean one entry differ in nothing; a name without an entry is told apart by its text alone.
    by_label: dict[str, int] = {}
    kept: list[DeviceName] = []
    for device in devices:
        if device.label not in by_label:
            by_label[device.label] = len(kept)
            kept.append(device)
    return StoredNames(pairs, tuple(by_label[name_device(*pair).label] for pair in pairs), tuple(kept))
