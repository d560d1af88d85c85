"""Is the table sound: physics, arithmetic, and a source for every cell.

What no data sheet can break is a fault: tensor units slower than the vector units beside them, a sparse rate below
the dense one, a memory faster than its kind can be. May import: standard library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from assay.catalog.hardware.entry import Hardware, SourceKind
from assay.catalog.hardware.fields import (
    FACTS,
    HIGHEST_TERA,
    NUMBERS,
    PRECISIONS,
    RATE_COLUMNS,
    TERA,
    rate_column,
)
from assay.catalog.hardware.load import load_catalogue, load_sources

_PIN_GBIT_S = {
    # Per data pin, from the slowest to the fastest part sold (JEDEC standards of each kind; makers' announcements)
    "DDR3": (0.8, 2.2),
    "DDR4": (2.1, 3.3),
    "DDR5": (4.0, 8.9),
    "LPDDR4X": (3.2, 4.3),
    "LPDDR5": (4.2, 6.5),
    "LPDDR5X": (7.4, 9.7),
    "GDDR5": (3.9, 9.1),
    "GDDR5X": (8.9, 12.1),
    "GDDR6": (9.9, 20.1),  # 10 on the T4
    "GDDR6X": (18.9, 24.1),
    "GDDR7": (17.9, 32.1),
    "HBM2": (1.4, 2.5),
    "HBM2e": (2.4, 3.7),
    "HBM3": (4.9, 6.6),
    "HBM3e": (5.8, 9.7),
}
_MOST_SPARSE = 2.03
"""2:4 sparsity doubles a rate; the L40S's data sheet rounds its two figures apart by another percent."""
_LANE_TOLERANCE = 0.05
"""Data sheets round, and some take another clock for one precision."""
_RELEASE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")
_CATEGORIES = frozenset({
    "datacentre gpu", "workstation gpu", "consumer gpu", "embedded gpu", "integrated gpu", "server cpu",
    "workstation cpu", "desktop cpu", "mobile cpu", "soc", "tpu", "ai accelerator",
})  # fmt: skip
_KINDS: tuple[SourceKind, ...] = (SourceKind.VENDOR, SourceKind.COMPUTED, SourceKind.SECONDARY)
_NARROWER = (("fp64", "fp32"), ("tf32", "bf16"), ("tf32", "fp16"), ("fp16", "fp8"), ("fp8", "fp4"), ("int8", "int4"))
"""Of each pair, a unit that has both is not slower in the second."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One cell or device that cannot be right."""

    hw_id: str
    column: str
    problem: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the table is filled, and by whom."""

    vendor: str
    devices: int
    cells: int
    from_vendor: int
    computed: int
    secondary: int


def check_catalogue(devices: Mapping[str, Hardware] | None = None) -> list[Fault]:
    """Return every fault of the catalogue (or of ``devices``); none where it is sound."""
    table = load_catalogue() if devices is None else devices
    checks: tuple[Callable[[Hardware], Iterator[Fault]], ...] = (
        _check_words, _check_bounds, _check_rates, _check_lanes, _check_memory, _check_sources,
    )  # fmt: skip
    faults = [fault for device in table.values() for check in checks for fault in check(device)]
    return [*faults, *_check_names(table.values())]


def cells_of(device: Hardware) -> dict[str, object]:
    """Return the filled cells that say something about the device, by column, in SI units."""
    found: dict[str, object] = {name: getattr(device, name) for name in FACTS if name in Hardware.__dataclass_fields__}
    found |= {field.column: getattr(device, field.name) for field in NUMBERS}
    found |= {column: device.rates.get(rate) for column, rate in RATE_COLUMNS.items()}
    return {column: found[column] for column in FACTS if found[column] is not None}


def measure_coverage(devices: Iterable[Hardware] | None = None) -> list[Coverage]:
    """Count devices and filled cells by vendor, most devices first."""
    by_vendor: dict[str, list[SourceKind]] = {}
    counts: dict[str, int] = {}
    sources = load_sources()
    for device in load_catalogue().values() if devices is None else devices:
        counts[device.vendor] = counts.get(device.vendor, 0) + 1
        kinds = [sources[device.source_id(column)].kind for column in cells_of(device)]
        by_vendor.setdefault(device.vendor, []).extend(kinds)
    rows = [
        Coverage(vendor, counts[vendor], len(kinds), *(kinds.count(kind) for kind in _KINDS))
        for vendor, kinds in by_vendor.items()
    ]
    return sorted(rows, key=lambda row: (-row.devices, row.vendor))


def _check_words(device: Hardware) -> Iterator[Fault]:
    if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", device.hw_id):
        yield Fault(device.hw_id, "hw_id", "an id is lower case letters and digits with single hyphens")
    if device.category not in _CATEGORIES:
        yield Fault(device.hw_id, "category", f"{device.category!r} is none of {', '.join(sorted(_CATEGORIES))}")
    if device.release is not None and not _RELEASE.fullmatch(device.release):
        yield Fault(device.hw_id, "release", f"{device.release!r} is no year, month or day")
    if (device.units is None) != (device.unit_kind is None):
        yield Fault(device.hw_id, "unit_kind", "a number of units and their kind go together")
    if device.memory_kind is not None and device.memory_kind not in {*_PIN_GBIT_S, "HBM", "SRAM"}:
        yield Fault(device.hw_id, "memory_kind", f"{device.memory_kind!r} is not known")


def _check_bounds(device: Hardware) -> Iterator[Fault]:
    for field in NUMBERS:
        value = getattr(device, field.name)
        if value is not None and not field.lowest <= value / field.scale <= field.highest:
            bounds = f"{field.lowest:g} to {field.highest:g}"
            yield Fault(device.hw_id, field.column, f"{value / field.scale:g} is outside {bounds}: a slip of units?")
    for rate, value in device.rates.items():
        if not 0 < value <= HIGHEST_TERA * TERA or not math.isfinite(value):
            yield Fault(device.hw_id, rate_column(rate), f"{value:g} per second is not plausible")
    base, boost = device.base_clock_mhz, device.boost_clock_mhz
    if base is not None and boost is not None and base > boost:
        yield Fault(device.hw_id, "base_mhz", f"the base clock {base:g} is above the highest, {boost:g}")
    if device.threads is not None and device.units is not None and device.threads not in _threads(device.units):
        yield Fault(device.hw_id, "threads", f"{device.threads} threads on {device.units} cores")


def _threads(cores: int) -> range:
    # Processors that mix two kinds of cores have between one and two threads a core.
    return range(cores, 2 * cores + 1)


def _check_rates(device: Hardware) -> Iterator[Fault]:
    rates = device.rates
    for precision in PRECISIONS:
        tensor, vector, sparse = (rates.get(f"{unit}_{precision}") for unit in ("tensor", "vector", "sparse"))
        if tensor is not None and vector is not None and tensor < vector:
            yield Fault(device.hw_id, rate_column(f"tensor_{precision}"), "tensor units slower than the vector units")
        if sparse is not None and (tensor is None or not tensor <= sparse <= _MOST_SPARSE * tensor):
            problem = "a sparse rate is between the dense one, which must be known, and twice that"
            yield Fault(device.hw_id, rate_column(f"sparse_{precision}"), problem)
    for wide, narrow in _NARROWER:
        for unit in ("vector", "tensor"):
            slow, fast = rates.get(f"{unit}_{wide}"), rates.get(f"{unit}_{narrow}")
            # GeForce and workstation cards run fp16 below fp32 on Pascal's vector units: fp32 to fp16 is not a pair.
            if slow is not None and fast is not None and fast < slow:
                yield Fault(device.hw_id, rate_column(f"{unit}_{narrow}"), f"slower than {wide}")
    for name in ("fp16", "fp8"):
        full, half = rates.get(f"tensor_{name}"), rates.get(f"tensor_{name}_acc16")
        if half is not None and (full is None or half < full):
            yield Fault(device.hw_id, rate_column(f"tensor_{name}_acc16"), "slower than with fp32 accumulation")


def _check_lanes(device: Hardware) -> Iterator[Fault]:
    """fp32 is lanes x 2 x clock; RDNA 3 and later issue two at once, CDNA 3 and 4 too."""
    rate, lanes, clock = device.rates.get("vector_fp32"), device.vector_lanes, device.boost_clock_mhz
    if rate is None or lanes is None or clock is None:
        return
    ratio = rate / (lanes * 2 * clock * 1e6)
    if min(abs(ratio - 1), abs(ratio / 2 - 1)) > _LANE_TOLERANCE:
        yield Fault(
            device.hw_id, "vector_fp32_tflops", f"{ratio:.3f} x lanes x 2 x clock; expected 1, or 2 for dual issue"
        )


def _check_memory(device: Hardware) -> Iterator[Fault]:
    bandwidth, bus, kind = device.memory_bandwidth_bytes_per_s, device.memory_bus_bits, device.memory_kind
    if bandwidth is None or bus is None or kind not in _PIN_GBIT_S:
        return
    pin = bandwidth * 8 / bus / 1e9
    low, high = _PIN_GBIT_S[kind]
    if not low <= pin <= high:
        problem = f"{pin:.2f} Gbit/s a pin on {bus} bit; {kind} has {low:g} to {high:g}"
        yield Fault(device.hw_id, "memory_bandwidth_gb_s", problem)


def _check_sources(device: Hardware) -> Iterator[Fault]:
    sources = load_sources()
    cells = cells_of(device)
    for column in ("name", *cells):
        if device.source_id(column) not in sources:
            yield Fault(device.hw_id, column, f"the source {device.source_id(column)!r} is not in sources.csv")
    for start, _ in device.source_rules:
        if start and not any(column.startswith(start) for column in cells):
            yield Fault(device.hw_id, "sources", f"no filled column starts with {start!r}")


def _check_names(devices: Iterable[Hardware]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for device in devices:
        key = re.sub(r"[^a-z0-9+]", "", device.name.casefold())
        if key in seen:
            yield Fault(device.hw_id, "name", f"{seen[key]} has the same name")
        seen[key] = device.hw_id
