"""Laws that the figures of one device keep between themselves, whoever stated them: what breaks one is contradicted.

Each law is data: which columns, what they are divided into, which ratios nature and makers allow. A law is silent where
a column is empty. Few devices break one for a reason; they are named here with it. May import: catalog.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from assay.catalog.hardware.facts import DeviceFacts
from assay.catalog.hardware.fields import HIGHEST_TERA, NUMBER_COLUMNS, RATE_COLUMNS
from assay.catalog.hardware.findings import Finding, FindingKind

TOLERANCE = 0.05
"""Data sheets round, and some take another clock for one precision."""

PIN_GBIT_S: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        # Per data pin, from the slowest to the fastest part sold (JEDEC standards of each kind; makers' announcements)
        "DDR3": (0.8, 2.2),
        "DDR4": (2.1, 3.3),
        "DDR5": (4.0, 8.9),
        "LPDDR4X": (3.2, 4.3),
        "LPDDR5": (4.2, 6.5),  # 4.27 on Jetson Orin Nano
        "LPDDR5X": (7.4, 9.7),
        "GDDR5": (4.0, 9.1),  # 4 on the Quadro P600
        "GDDR5X": (8.9, 12.1),
        "GDDR6": (9.9, 20.2),  # 10 on the T4
        "GDDR6X": (18.9, 24.1),
        "GDDR7": (17.9, 32.1),  # 18 on the RTX PRO 2000, 24 in laptops
        "HBM2": (1.4, 2.5),
        "HBM2e": (2.4, 3.7),
        "HBM3": (4.9, 6.6),
        "HBM3e": (5.8, 9.7),
    }
)
_FIRST_YEAR: Mapping[str, int] = MappingProxyType({
    # In which the first device with such a memory was sold or shipped to a customer
    "DDR4": 2014, "DDR5": 2021, "LPDDR4X": 2016, "LPDDR5": 2020, "LPDDR5X": 2022, "GDDR5": 2008, "GDDR5X": 2016,
    "GDDR6": 2018, "GDDR6X": 2020, "GDDR7": 2025, "HBM2": 2016, "HBM2e": 2020, "HBM3": 2022, "HBM3e": 2023,
})  # fmt: skip
_FIRST_PROCESS_YEAR: Mapping[int, int] = MappingProxyType({10: 2017, 7: 2018, 6: 2020, 5: 2020, 4: 2022, 3: 2023})
"""Year of the first product of each class of process; later classes are newer."""
_CHANNEL_GIB = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""GDDR chips of 2 to 24 Gbit, one or two (front and back) to each 32 bit of bus; 16 bit each where there are two."""


@dataclass(frozen=True, slots=True)
class Law:
    """``judge`` gets the columns' numbers, all known, and returns what is wrong, or None."""

    name: str
    meaning: str
    columns: tuple[str, ...]
    judge: Callable[[Mapping[str, float], DeviceFacts], str | None]


def find_contradictions(devices: Iterable[DeviceFacts]) -> list[Finding]:
    """Hold devices to every law and every number to its bounds. Explained ones come with their reason: no faults."""
    return [
        found
        for device in devices
        for found in (*_hold_to_bounds(device), *(one for law in LAWS for one in _hold(device, law)))
    ]


def _hold_to_bounds(device: DeviceFacts) -> Iterator[Finding]:
    for column, cell in device.cells.items():
        value, field = cell.number, NUMBER_COLUMNS.get(column)
        if value is None or (field is None and column not in RATE_COLUMNS):
            continue
        low, high = (0.0, float(HIGHEST_TERA)) if field is None else (field.lowest, field.highest)
        if not low <= value <= high or value <= 0:
            problem = f"{value:g}; every device has {low:g} to {high:g}"
            rule = f"{column} within bounds"
            yield Finding(
                FindingKind.CONTRADICTION, device.hw_id, rule, (column,), problem, explain(device.hw_id, rule)
            )


def _hold(device: DeviceFacts, law: Law) -> Iterator[Finding]:
    numbers: dict[str, float] = {}
    for column in law.columns:
        value = device.number(column)
        if value is None:
            return
        numbers[column] = value
    problem = law.judge(numbers, device)
    if problem is not None:
        explained = explain(device.hw_id, law.name)
        yield Finding(FindingKind.CONTRADICTION, device.hw_id, law.name, law.columns, problem, explained)


def _ratio_law(name: str, meaning: str, over: tuple[str, str], allowed: tuple[float, ...]) -> Law:
    above, below = over

    def judge(numbers: Mapping[str, float], _: DeviceFacts) -> str | None:
        return _not_allowed(numbers[above] / numbers[below] if numbers[below] else math.inf, allowed)

    return Law(name, meaning, over, judge)


def _not_allowed(ratio: float, allowed: tuple[float, ...]) -> str | None:
    if any(abs(ratio / one - 1) <= TOLERANCE for one in allowed):
        return None
    return f"the ratio is {ratio:.4g}; expected {' or '.join(_fraction(one) for one in allowed)}"


def _fraction(ratio: float) -> str:
    return f"1/{1 / ratio:g}" if ratio < 1 else f"{ratio:g}"


def _lanes(numbers: Mapping[str, float], _: DeviceFacts) -> str | None:
    ideal = numbers["vector_lanes"] * 2 * numbers["boost_mhz"] * 1e6
    return _not_allowed(numbers["vector_fp32_tflops"] * 1e12 / ideal if ideal else math.inf, (1.0, 2.0))


def _pins(numbers: Mapping[str, float], device: DeviceFacts) -> str | None:
    kind = device.text("memory_kind")
    if kind is None or kind not in PIN_GBIT_S:
        return None
    pin = numbers["memory_bandwidth_gb_s"] * 8 / numbers["memory_bus_bits"]
    low, high = PIN_GBIT_S[kind]
    return None if low <= pin <= high else f"{pin:.3g} Gbit/s a pin; {kind} has {low:g} to {high:g}"


def _channels(numbers: Mapping[str, float], device: DeviceFacts) -> str | None:
    kind = device.text("memory_kind") or ""
    if not kind.startswith("GDDR"):
        return None
    each = numbers["memory_gib"] / (numbers["memory_bus_bits"] / 32)
    if any(math.isclose(each, one, rel_tol=1e-6) for one in _CHANNEL_GIB):
        return None
    return f"{each:.4g} GiB to each 32 bit; chips give {', '.join(f'{one:g}' for one in _CHANNEL_GIB)}"


def _clocks(numbers: Mapping[str, float], _: DeviceFacts) -> str | None:
    base, boost = numbers["base_mhz"], numbers["boost_mhz"]
    return None if base <= boost else f"the promised clock {base:g} is above the highest, {boost:g}"


def _threads(numbers: Mapping[str, float], device: DeviceFacts) -> str | None:
    if device.text("unit_kind") != "core":
        return None
    each = numbers["threads"] / numbers["units"] if numbers["units"] else math.inf
    return None if 1 <= each <= 2 else f"{each:.3g} threads a core; expected 1 to 2"  # noqa: PLR2004


def _memory_age(_: Mapping[str, float], device: DeviceFacts) -> str | None:
    kind, year = device.text("memory_kind") or "", _year(device)
    first = _FIRST_YEAR.get(kind)
    return None if first is None or year is None or year >= first else f"of {year}; {kind} was first sold in {first}"


def _process_age(numbers: Mapping[str, float], device: DeviceFacts) -> str | None:
    process, year = numbers["process_nm"], _year(device)
    first = max((one for size, one in _FIRST_PROCESS_YEAR.items() if process <= size), default=0)
    return None if year is None or year >= first else f"of {year}; {process:g} nm was first sold in {first}"


def _year(device: DeviceFacts) -> int | None:
    found = re.match(r"\d{4}", device.text("release") or "")
    return int(found[0]) if found else None


def _tera(unit: str, precision: str) -> str:
    return f"{unit}_{precision}_{'tops' if precision.startswith('int') else 'tflops'}"


def _same_unit(unit: str, above: str, below: str, allowed: tuple[float, ...], why: str) -> Law:
    columns = _tera(unit, above), _tera(unit, below)
    return _ratio_law(f"{unit} {above} : {unit} {below}", why, columns, allowed)


_SPARSE = tuple(
    _ratio_law(
        f"sparse {precision} : tensor {precision}", "2:4 sparsity doubles a rate",
        (_tera("sparse", precision), _tera("tensor", precision)), (2.0,),
    )
    for precision in ("tf32", "bf16", "fp16", "fp8", "fp4", "int8", "int4")
)  # fmt: skip

LAWS: tuple[Law, ...] = (
    Law("bandwidth = bus x pin rate", "a memory of a kind is as fast as its pins are sold",
        ("memory_bandwidth_gb_s", "memory_bus_bits"), _pins),
    Law("memory = channels x chips", "GDDR comes in whole chips, the same on every channel",
        ("memory_gib", "memory_bus_bits"), _channels),
    Law("fp32 = lanes x 2 x clock", "a lane multiplies and adds once a cycle; some issue two at once",
        ("vector_fp32_tflops", "vector_lanes", "boost_mhz"), _lanes),
    _same_unit("vector", "fp64", "fp32", (1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 24, 1 / 32, 1 / 64),
               "fp64 units are a power of two of fp32's, or 1/24"),
    _same_unit("vector", "fp16", "fp32", (1 / 64, 1, 2, 4), "packed halves, or Pascal's token rate"),
    _same_unit("vector", "bf16", "fp32", (1 / 2, 1, 2, 4), "packed halves"),
    _same_unit("tensor", "bf16", "fp16", (1 / 2, 1), "one multiplier array; CDNA 1 had half for bf16"),
    _same_unit("tensor", "tf32", "fp16", (1 / 4, 1 / 2), "a wider operand halves the rate, or quarters it"),
    _same_unit("tensor", "int8", "fp16", (1, 2, 4), "a narrower operand doubles the rate"),
    _same_unit("tensor", "fp8", "fp16", (1, 2), "a narrower operand doubles the rate"),
    _same_unit("tensor", "fp4", "fp8", (1, 2, 3, 4),
               "a narrower operand doubles the rate; Ultra trebles it; GeForce halves fp8 with fp32 accumulation"),
    _same_unit("tensor", "int4", "int8", (1, 2), "a narrower operand doubles the rate"),
    _same_unit("tensor", "fp16_acc16", "fp16", (1, 2), "GeForce halves the rate with fp32 accumulation"),
    _same_unit("tensor", "fp8_acc16", "fp8", (1, 2), "GeForce halves the rate with fp32 accumulation"),
    *_SPARSE,
    Law("base <= boost", "the promised clock is not above the highest", ("base_mhz", "boost_mhz"), _clocks),
    Law("threads = 1 to 2 x cores", "one or two hardware threads a core", ("threads", "units"), _threads),
    Law("memory is not newer than the device", "a memory is sold before what it is soldered to", (), _memory_age),
    Law("process is not newer than the device", "a process makes chips before they are sold", ("process_nm",),
        _process_age),
)  # fmt: skip

EXPLAINED: tuple[tuple[str, str, str], ...] = (
    ("nvidia-h20-", "vector fp64 : vector fp32", "the maker cut its double precision to 1 TFLOP/s for export"),
    ("nvidia-h20-", "tensor_", "the maker cut its tensor rates to a seventh for export"),
    ("nvidia-b300-", "tensor int8 : tensor fp16", "Blackwell Ultra gave up int8 units for fp4"),
    ("nvidia-gb300-", "tensor int8 : tensor fp16", "Blackwell Ultra gave up int8 units for fp4"),
    ("nvidia-h100-pcie-", "bandwidth per bit of bus", "the one H100 with HBM2e"),
    ("nvidia-h800-pcie-", "bandwidth per bit of bus", "the H800 of the H100 PCIe, with HBM2e"),
    ("nvidia-rtx-pro-6000-", "tensor ", "accumulates in fp32 at the full rate, which GeForce cards of its chip halve"),
    ("nvidia-l40", "tensor int8 per unit", "its data sheet has half of the L40S's rates"),
    ("nvidia-quadro-p600", "bandwidth per bit of bus", "sold with slow GDDR5"),
    ("amd-radeon-pro-v520", "bandwidth per bit of bus", "the one RDNA card with HBM2"),
    ("amd-radeon-pro-w7500", "bandwidth per bit of bus", "sold with slow GDDR6"),
    ("amd-ryzen-threadripper-1920x", "base clock", "of a workstation; the others of Zen are of servers"),
    ("amd-epyc-9175f", "L3 per unit", "16 dies with one core each, for the cache"),
    ("intel-xeon-silver-42", "fp", "one AVX-512 multiplier a core, as in all Silver and Bronze of its time"),
    ("nvidia-tesla-t4", "base clock", "70 W: what it promises is far below what it reaches"),
    ("amazon-", "tensor tf32 : tensor fp16", "a NeuronCore's array runs tf32 at the rate of 16 bits"),
    ("cambricon-mlu370-", "tensor int8 : tensor fp16", "the maker's own figures: 8 to 3"),
)
"""(start of hw_id, start of the rule, why): figures that are right though a rule finds them."""


def explain(hw_id: str, rule: str) -> str | None:
    """Why a device may break a rule; None where no reason is known."""
    return next((why for start, name, why in EXPLAINED if rule.startswith(name) and hw_id.startswith(start)), None)
