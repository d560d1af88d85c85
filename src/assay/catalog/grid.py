"""How much carbon dioxide a kilowatt-hour brings with it, by country, state or cloud region, each with its source.

Averages of a year, located where the power is used: no contracts for green power, no hours. The sources do not count
alike (Ember from cradle to grave, EPA and Google at the power plant only), so a factor names its own and two of them
are not compared to the gram. May import: standard library, core.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from assay.core.errors import AssayError, UnknownNameError, UsageError

WORLD = "WORLD"
"""The zone of the world's average."""
_DATA = Path(__file__).parent / "data"
_ZONE_COLUMNS = ["zone", "name", "g_co2e_per_kwh", "year", "source"]
_REGION_COLUMNS = ["provider", "region", "zone", "place"]
_SOURCE_COLUMNS = ["source_id", "publisher", "title", "date", "kind"]


@dataclass(frozen=True, slots=True)
class GridSource:
    """Where factors are published. ``kind`` says what they count."""

    source_id: str
    publisher: str
    title: str
    date: str
    kind: str


@dataclass(frozen=True, slots=True)
class GridFactor:
    """Mean carbon intensity of a zone's electricity in one year, in grams of CO2 equivalent for a kWh.

    ``zone`` is a country (ISO 3166: ``DE``), a state (``US-VA``), a cloud's region with a figure of its own
    (``GCP:us-central1``) or ``WORLD``.
    """

    zone: str
    name: str
    g_co2e_per_kwh: float
    year: int
    source_id: str

    @property
    def source(self) -> GridSource:
        """Where the figure is published."""
        return load_grid_sources()[self.source_id]

    @property
    def label(self) -> str:
        """The figure with its origin, in words: ``Virginia, 2023, 245 g CO2e/kWh (US EPA)``."""
        return f"{self.name}, {self.year}, {self.g_co2e_per_kwh:g} g CO2e/kWh ({self.source.publisher})"

    def grams_of(self, energy_j: float) -> float:
        """Return the CO2 equivalent of an energy, in grams."""
        return energy_j / 3.6e6 * self.g_co2e_per_kwh


@dataclass(frozen=True, slots=True)
class CloudRegion:
    """A provider's region and the zone whose electricity it uses. ``place`` is where it is."""

    provider: str
    region: str
    zone: str
    place: str


def find_grid_factor(text: str, *, provider: str | None = None) -> GridFactor:
    """Return the factor of a zone (``DE``, ``US-VA``), a name (``Germany``) or a cloud's region (``us-east-1``).

    Names are taken whole; a local zone such as ``us-east-1-lim-1`` may be in another country than its region. Raises
    UnknownNameError, and UsageError where regions of several providers have the name and ``provider`` does not decide.
    """
    wanted = text.strip().casefold()
    zones = load_grid()
    regions = [
        one
        for one in load_cloud_regions()
        if one.region.casefold() == wanted and (provider is None or one.provider.casefold() == provider.casefold())
    ]
    found = {one.zone for one in regions}
    if not found and provider is None:
        found = {one.zone for one in zones.values() if wanted in {one.zone.casefold(), one.name.casefold()}}
    if len(found) > 1:
        providers = ", ".join(sorted(one.provider for one in regions)) or ", ".join(sorted(found))
        raise UsageError(f"The region {text!r} means several: {providers}.", hint="Name the provider, or the zone.")
    if not found:
        known = [*zones, *(one.region for one in load_cloud_regions())]
        raise UnknownNameError("region", text, known, hint="List them: assay catalog grid.")
    return zones[found.pop()]


@cache
def load_grid() -> Mapping[str, GridFactor]:
    """Return every factor by its zone. Raises AssayError where the file cannot be read."""
    found: dict[str, GridFactor] = {}
    for row in _read("grid.csv", _ZONE_COLUMNS):
        if row["zone"] in found:
            raise AssayError(f"grid.csv: the zone {row['zone']} is there twice.")
        found[row["zone"]] = GridFactor(
            row["zone"], row["name"], float(row["g_co2e_per_kwh"]), int(row["year"]), row["source"]
        )
    return MappingProxyType(found)


@cache
def load_cloud_regions() -> tuple[CloudRegion, ...]:
    """Return the regions of clouds. Raises AssayError where the file cannot be read."""
    return tuple(CloudRegion(**row) for row in _read("cloud_regions.csv", _REGION_COLUMNS))


@cache
def load_grid_sources() -> Mapping[str, GridSource]:
    """Return where factors are published, by id."""
    rows = _read("grid_sources.csv", _SOURCE_COLUMNS)
    return MappingProxyType({row["source_id"]: GridSource(**row) for row in rows})


def _read(name: str, columns: list[str]) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != columns:
            raise AssayError(f"{name} has the columns {reader.fieldnames}; expected {columns}.")
        return list(reader)
