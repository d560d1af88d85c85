"""A device's sheet as ratios: its 8-bit rate, and what it has of bandwidth and power for that rate.

Rates are of the sheet also where a device was probed: what is learned from are sheets. May import: core, catalog,
predict.values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from assay.catalog.hardware.entry import Hardware
from assay.predict.values import DeviceProfile

_FULL = 0.5
"""A rate with 2:4 sparsity is twice the dense one."""
_REFERENCE_RATE = 1e14
_REFERENCE_RIDGE = 400.0
"""8-bit operations a byte of memory traffic, about the middle of the catalogue's accelerators."""
_REFERENCE_PER_WATT = 1.5e12


@dataclass(frozen=True, slots=True)
class SheetRatios:
    """Logarithms of ratios: they are zero for an accelerator in the middle of the catalogue.

    ``rate`` is of 8-bit operations per second over 1e14; ``balance`` of bandwidth x 400 over that rate; ``power`` of
    power x 1.5e12 over it. ``flags`` say what a sheet lacks and what stands in for it.
    """

    rate: float
    balance: float
    power: float
    flags: tuple[str, ...] = ()


def profile_sheet(entry: Hardware) -> DeviceProfile:
    """The profile of a catalogue's entry by its sheet alone; dense rates, those of sparsity only where no other is."""
    rates: dict[str, float] = {}
    for name, value in sorted(entry.rates.items()):
        unit, _, precision = name.partition("_")
        if unit == "tensor":
            rates[precision] = value
    for name, value in entry.rates.items():
        unit, _, precision = name.partition("_")
        if unit == "sparse":
            rates.setdefault(precision, value * _FULL)
    for name, value in entry.rates.items():
        unit, _, precision = name.partition("_")
        if unit == "vector":
            rates.setdefault(precision, value)
    return DeviceProfile(
        entry.name, entry.hw_id, entry.vendor, entry.architecture, entry.kind, rates,
        entry.rates.get("vector_fp32"), entry.memory_bandwidth_bytes_per_s, entry.memory_bytes,
        power_w=entry.tdp_w, origin={"flops_per_s": "sheet", "bandwidth_bytes_per_s": "sheet", "power_w": "sheet"},
    )  # fmt: skip


def sheet_of(device: DeviceProfile) -> DeviceProfile:
    """The sheet of a device that the catalogue has; the profile itself of one that it has not."""
    return device if device.hw_id is None else _find_sheet(device.hw_id) or device


@lru_cache(maxsize=4096)
def _find_sheet(hw_id: str) -> DeviceProfile | None:
    from assay.catalog.hardware.load import load_catalogue

    entry = load_catalogue().get(hw_id)
    return None if entry is None else profile_sheet(entry)


def rate_8bit(device: DeviceProfile) -> float | None:
    """Dense 8-bit operations per second; of a device without them twice its 16-bit rate."""
    rates = device.flops_per_s
    for name in ("int8", "fp8"):
        if rates.get(name):
            return rates[name]
    half = rates.get("fp16") or rates.get("bf16")
    return None if half is None else 2 * half


def ratios_of(device: DeviceProfile) -> SheetRatios | None:
    """The ratios of a profile of a sheet, None without any rate of products."""
    rate = rate_8bit(device)
    if rate is None or rate <= 0:
        return None
    flags = []
    if not device.flops_per_s.get("int8"):
        flags.append("no 8-bit integer rate in its sheet: fp8 or twice 16 bit stands in")
    balance = power = 0.0
    if device.bandwidth_bytes_per_s:
        balance = math.log(device.bandwidth_bytes_per_s * _REFERENCE_RIDGE / rate)
    else:
        flags.append("no bandwidth in its sheet: the usual one for its rate stands in")
    if device.power_w:
        power = math.log(device.power_w * _REFERENCE_PER_WATT / rate)
    else:
        flags.append("no power in its sheet: the usual one for its rate stands in")
    return SheetRatios(math.log(rate / _REFERENCE_RATE), balance, power, tuple(flags))
