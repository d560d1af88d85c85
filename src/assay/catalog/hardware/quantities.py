"""What derived metrics are computed from: a device's figures in base units, its prices, its grid, the device before it.

Each quantity is read with whatever it rests on, or with the reason why it is not known. Base units: bytes, seconds,
watts, US dollars, operations. Rates are dense; those with 2:4 sparsity are in none. May import: core, catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from assay.catalog.grid import GridFactor
from assay.catalog.hardware.facts import DeviceFacts
from assay.catalog.hardware.fields import NUMBER_COLUMNS, RATE_COLUMNS, TERA, rate_column
from assay.catalog.hardware.generations import Predecessor
from assay.catalog.hardware.prices import Price

_NO_RENT = "no price of an hour of it is stored (assay catalog import-prices FILE)"
_NO_GRID = "no region is chosen, whose grid would say what a kWh brings with it"


@dataclass(frozen=True, slots=True)
class DeviceInputs:
    """One device with what it costs, whose power it uses and what it is held against.

    ``rent`` is an offer of an hour of it. ``purchase`` is an offer of the device itself; without one, the price at
    release that the facts state counts. ``reference`` is the device that relative metrics take as 1.
    """

    device: DeviceFacts
    rent: Price | None = None
    purchase: Price | None = None
    grid: GridFactor | None = None
    before: Predecessor | None = None
    reference: DeviceFacts | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity of one device: ``value`` in base units, or the reason why it is not known.

    ``layers`` say whose statements it rests on: ``own``, ``shipped``, ``imported``, ``priced`` (an offer), ``grid``.
    ``says`` names what a person has to know beside the figure: which offer, which region, which device before.
    """

    value: float | None
    reason: str | None = None
    layers: tuple[str, ...] = ()
    says: str | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """One input of derived metrics. ``rule`` says which columns it is read from."""

    key: str
    title: str
    unit: str
    rule: str
    read: Callable[[DeviceInputs], Reading]


def read_column(device: DeviceFacts, column: str) -> float | None:
    """Return a column in base units; None where it is unknown."""
    number = device.number(column)
    if number is None:
        return None
    # Whole operations: 133.8 * 1e12 is not 133.8e12 in binary.
    return float(round(number * TERA)) if column in RATE_COLUMNS else number * NUMBER_COLUMNS[column].scale


def peak_columns(*precisions: str) -> tuple[str, ...]:
    """Return the columns of dense rates of these precisions, tensor units first."""
    names = [rate_column(f"{unit}_{precision}") for precision in precisions for unit in ("tensor", "vector")]
    return tuple(name for name in names if name in RATE_COLUMNS)


def _best(title: str, columns: Sequence[str], beside: Sequence[str] = ()) -> Callable[[DeviceInputs], Reading]:
    def read(inputs: DeviceInputs) -> Reading:
        device = inputs.device
        known = [(value, name) for name in columns if (value := read_column(device, name)) is not None]
        if not known:
            return Reading(None, f"its {title} is not known")
        known += [(value, name) for name in beside if (value := read_column(device, name)) is not None]
        value, name = max(known, key=lambda one: one[0])
        return Reading(value, layers=_layers(device, name))

    return read


def _read_bandwidth(inputs: DeviceInputs) -> Reading:
    if inputs.device.text("memory_kind") == "SRAM":
        # What only has SRAM on the die has no memory that a model could be read from.
        return Reading(None, "its only memory is on the die")
    return _best("memory bandwidth", ("memory_bandwidth_gb_s",))(inputs)


def _read_cores(inputs: DeviceInputs) -> Reading:
    """Compute units times the clock that they are rated at: how many cycles of units there are in a second."""
    units, clock = (read_column(inputs.device, name) for name in ("units", "boost_mhz"))
    if units is None or clock is None:
        return Reading(None, f"its {'number of units' if units is None else 'highest clock'} is not known")
    return Reading(units * clock * 1e6, layers=_layers(inputs.device, "units", "boost_mhz"))


def _read_purchase(inputs: DeviceInputs) -> Reading:
    offer = inputs.purchase
    if offer is not None and offer.per_device_usd is not None:
        return Reading(offer.per_device_usd, layers=("priced",), says=offer.label)
    cell = inputs.device.cells.get("release_price_usd")
    if cell is None or cell.number is None:
        return Reading(None, "no price of it is known")
    said = f"price at release, {cell.source_id}{f', {cell.as_of}' if cell.as_of else ''}"
    return Reading(cell.number, layers=(str(cell.layer),), says=said)


def _read_rent(inputs: DeviceInputs) -> Reading:
    offer = inputs.rent
    if offer is None or offer.per_device_usd_h is None:
        return Reading(None, _NO_RENT)
    return Reading(offer.per_device_usd_h / 3600, layers=("priced",), says=offer.label)


def _read_grid(inputs: DeviceInputs) -> Reading:
    if inputs.grid is None:
        return Reading(None, _NO_GRID)
    return Reading(inputs.grid.grams_of(1.0), layers=("grid",), says=inputs.grid.label)


def _of_before(key: str) -> Callable[[DeviceInputs], Reading]:
    def read(inputs: DeviceInputs) -> Reading:
        found = inputs.before
        if found is None or found.device is None:
            return Reading(None, "no device before it was looked for" if found is None else found.reason)
        reading = QUANTITIES[key].read(DeviceInputs(found.device))
        if reading.value is None:
            return Reading(None, f"of {found.device.hw_id}, the device before it, {reading.reason}")
        return Reading(reading.value, layers=reading.layers, says=f"held against {found.device.hw_id}")

    return read


def _of_reference(key: str) -> Callable[[DeviceInputs], Reading]:
    def read(inputs: DeviceInputs) -> Reading:
        if inputs.reference is None:
            return Reading(None, "no device of reference is chosen")
        reading = QUANTITIES[key].read(DeviceInputs(inputs.reference))
        if reading.value is None:
            return Reading(None, f"of {inputs.reference.hw_id}, the reference, {reading.reason}")
        return Reading(reading.value, layers=reading.layers, says=f"{inputs.reference.hw_id} is 1")

    return read


def _layers(device: DeviceFacts, *columns: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(layer) for name in columns if (layer := device.layer(name)) is not None))


def _peak(key: str, title: str, unit: str, precisions: Sequence[str], beside: Sequence[str] = ()) -> Quantity:
    columns = peak_columns(*precisions)
    rule = f"highest of {', '.join(columns)}"
    if beside:
        rule += f"; where one of these is known, {', '.join(beside)} counts too"
    return Quantity(key, title, unit, rule, _best(title, columns, beside))


def _plain(key: str, title: str, unit: str, column: str) -> Quantity:
    return Quantity(key, title, unit, column, _best(title, (column,)))


_BASE = (
    _peak("peak64", "64-bit peak", "FLOP/s", ("fp64",)),
    _peak("peak32", "32-bit peak", "FLOP/s", ("fp32",)),
    # Pascal's GeForce cards run fp16 at 1/64 of fp32, so nobody does: numbers of 16 bits are widened on their way.
    _peak("peak16", "16-bit peak", "FLOP/s", ("bf16", "fp16"), peak_columns("fp32")),
    _peak("peak8", "8-bit peak", "OP/s", ("fp8", "int8")),
    _peak("peak4", "4-bit peak", "OP/s", ("fp4", "int4")),
    Quantity("bandwidth", "memory bandwidth", "B/s", "memory_bandwidth_gb_s; none of SRAM alone", _read_bandwidth),
    _plain("memory", "memory size", "B", "memory_gib"),
    _plain("l2", "L2 cache", "B", "l2_mib"),
    _plain("interconnect", "interconnect rate", "B/s", "interconnect_gb_s"),
    _plain("tdp", "power limit", "W", "tdp_w"),
    _plain("die", "die area", "mm2", "die_mm2"),
    Quantity(
        "transistors", "number of transistors", "count", "transistors_m",
        lambda inputs: _times(_best("number of transistors", ("transistors_m",))(inputs), 1e6),
    ),
    Quantity("cycles", "cycles of all units", "1/s", "units * boost_mhz", _read_cores),
    Quantity(
        "purchase", "price", "USD",
        "a street price where one is chosen; else the price at release, release_price_usd", _read_purchase,
    ),
    Quantity("rent", "price of a second", "USD/s", "the offer of an hour that is chosen, / 3600", _read_rent),
    Quantity("grid", "carbon intensity", "g/J", "the factor of the region that is chosen", _read_grid),
)  # fmt: skip


def _times(reading: Reading, factor: float) -> Reading:
    return Reading(None if reading.value is None else reading.value * factor, reading.reason, reading.layers)


def _elsewhere(prefix: str, whose: str, make: Callable[[str], Callable[[DeviceInputs], Reading]]) -> list[Quantity]:
    return [
        Quantity(f"{prefix}_{one.key}", f"{one.title} {whose}", one.unit, f"{one.key} {whose}", make(one.key))
        for one in _BASE
        if one.key in {"peak16", "bandwidth", "tdp", "memory"}
    ]


QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        one.key: one
        for one in (
            *_BASE,
            *_elsewhere("before", "of the device before", _of_before),
            *_elsewhere("reference", "of the reference", _of_reference),
        )
    }
)
"""Every input of derived metrics, by its key."""
