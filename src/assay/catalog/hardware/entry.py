"""A device of the catalogue, and where each of its cells comes from.

May import: standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    """How near a source is to the silicon's maker."""

    VENDOR = "vendor"
    """The maker's own data sheet, white paper or product page."""
    SECONDARY = "secondary"
    """A table that others compiled."""
    COMPUTED = "computed"
    """Computed from other cells by the rule that the source's title names."""


@dataclass(frozen=True, slots=True)
class Source:
    """A document, named so that it can be found again. ``date`` is a year, a month, a day or a range of years."""

    source_id: str
    kind: SourceKind
    publisher: str
    title: str
    date: str


def kind_of(category: str) -> str:
    """``cpu``, ``gpu``, ``soc`` (both, in one name) or ``accelerator``: the last word of a category, or the rest."""
    last = category.rpartition(" ")[2]
    return last if last in {"cpu", "gpu", "soc"} else "accelerator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One device as it is sold. Every figure is the maker's unless its source says otherwise; unknown is None.

    ``rates`` are dense peaks in FLOP/s (OP/s for integers) by ``unit_precision``: ``vector_fp32``, ``tensor_bf16``;
    those with 2:4 sparsity stand apart as ``sparse_bf16``. Tensor rates of fp16 and fp8 are with fp32 accumulation,
    ``tensor_fp16_acc16`` with fp16 accumulation. ``die_mm2`` and ``transistors_m`` (millions) are of the compute dies,
    all of them together; ``release_price_usd`` is the maker's price when it came out. ``dies`` is how many devices a
    driver shows for one of these, None
    where it is one. ``also_sold`` are variants of the same name that the catalogue lacks: ``4GB``, ``GDDR6``.
    """

    hw_id: str
    vendor: str
    name: str
    architecture: str
    category: str
    codename: str | None = None
    form_factor: str | None = None
    release: str | None = None
    release_price_usd: float | None = None
    foundry: str | None = None
    process_nm: int | None = None
    die_mm2: float | None = None
    transistors_m: float | None = None
    memory_bytes: int | None = None
    memory_kind: str | None = None
    memory_bus_bits: int | None = None
    memory_bandwidth_bytes_per_s: float | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None
    units: int | None = None
    unit_kind: str | None = None
    vector_lanes: int | None = None
    tensor_units: int | None = None
    threads: int | None = None
    dies: int | None = None
    base_clock_mhz: float | None = None
    boost_clock_mhz: float | None = None
    tdp_w: float | None = None
    interconnect: str | None = None
    interconnect_bytes_per_s: float | None = None
    rates: Mapping[str, float]
    target: str | None = None
    software: str | None = None
    aliases: tuple[str, ...] = ()
    also_sold: tuple[str, ...] = ()
    source_rules: tuple[tuple[str, str], ...] = ()
    """(start of a column's name, source id), the first with an empty start; the longest that fits counts."""

    @property
    def kind(self) -> str:
        """``cpu``, ``gpu``, ``soc`` (both, in one name) or ``accelerator``."""
        return kind_of(self.category)

    def peak(self, precision: str) -> float | None:
        """The highest dense rate of ``precision``, by whichever unit; None where none is known."""
        known = [rate for unit in ("tensor", "vector") if (rate := self.rates.get(f"{unit}_{precision}")) is not None]
        return max(known, default=None)

    def source_id(self, column: str) -> str:
        """Return the id of the source of one column (names as in the data files)."""
        fitting = [rule for rule in self.source_rules if column.startswith(rule[0])]
        return max(fitting, key=lambda rule: len(rule[0]))[1]
