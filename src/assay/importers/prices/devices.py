"""Which device of the catalogue a row of a price list means, and how many of it are rented.

A provider's own table of its machines goes before the words of the list: lists call a T4G "ARM Mali" and a quarter of
an L4 a quarter of an L40. What stays ambiguous has no device. May import: core, catalog.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from assay.catalog.hardware.instances import find_instance
from assay.catalog.hardware.match import Match, match_hardware

_FORM = re.compile(r"(?<![a-z])(sxm\d?|pcie|nvl)(?![a-z])", re.IGNORECASE)
_COUNTED = re.compile(r"(\d{1,3})\s*[x×]\s*(.+)")
_NAMES_KEPT = 4096


@dataclass(frozen=True, slots=True)
class PricedDevice:
    """What a row offers. ``n_devices`` is None for a share of a device and where no number is known.

    ``reason`` is a sentence for people; ``is_corrected`` says that the provider's table says otherwise than the row.
    """

    hw_id: str | None
    n_devices: int | None
    reason: str
    is_corrected: bool = False


@functools.lru_cache(maxsize=_NAMES_KEPT)
def find_priced_device(device_text: str, instance: str, count: float | None) -> PricedDevice:
    """Return the device and number of a row that calls it so; ``count`` is what the row says, None where nothing.

    A count that is no whole number (0.25) is a share of one.
    """
    machine = find_instance(instance) if instance else None
    if machine is not None:
        match = _match(instance)
        is_other = bool(device_text) and match.hw_id is not None and match.hw_id not in _match(device_text).candidates
        n_devices = None if machine.share is not None else machine.n_devices
        return PricedDevice(match.hw_id, n_devices, match.reason, is_other)
    counted = _COUNTED.fullmatch(device_text)
    if counted is not None and count is None:
        count, device_text = float(counted[1]), counted[2]
    match = _match(device_text)
    if match.hw_id is None and match.candidates and (form := _FORM.search(instance)):
        # The name of the machine says what the device's leaves out: gpu_8x_a100_80gb_sxm4.
        match = _match(f"{device_text} {form[1]}")
    is_whole = match.partition is None and count is not None and count >= 1 and float(count).is_integer()
    return PricedDevice(match.hw_id, int(count) if is_whole and count is not None else None, match.reason)


@functools.lru_cache(maxsize=_NAMES_KEPT)
def _match(text: str) -> Match:
    return match_hardware(text)
