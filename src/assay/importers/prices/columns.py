"""What the columns of a price list mean: known lists as data, any other by a mapping file.

A mapping file is YAML of four keys; docs/prices.md has one::

    kind: cloud              # cloud (USD for an hour), street or release (USD for the device)
    amounts_are_for: machine # all devices of a row together, or device: one of them
    columns: {provider: Cloud, device: GPU Type, count: GPUs, instance: Name, on_demand: ($)On-demand, spot: Spot}
    values: {region: eu-north1, as_of: 2023-06}

May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from assay.catalog.hardware.prices import PriceKind, Terms
from assay.core.errors import join_or, nearest_names
from assay.importers.tables.mapping_yaml import MappingError, Places, load_mapping_yaml

AMOUNTS: Mapping[str, Terms | None] = MappingProxyType(
    {"on_demand": Terms.ON_DEMAND, "reserved": Terms.RESERVED, "spot": Terms.SPOT, "price": None}
)
"""Things that are amounts of USD; ``price`` is what a device costs to buy, the others an hour."""
_WORDS = ("device", "provider", "region", "instance", "count", "as_of", "currency")
THINGS = (*_WORDS, *AMOUNTS)
"""What a column or a value of a mapping can be."""
_KEYS = ("kind", "amounts_are_for", "columns", "values")
_SCOPES = ("machine", "device")


@dataclass(frozen=True, slots=True)
class PriceColumns:
    """A format of price lists: column by thing, and what all rows of a list have in common.

    ``is_for_one`` is True where amounts are for one device, False where they are for all of a row together. ``wanted``
    are the columns that a file must have to be taken for one of this format without being told.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    kind: PriceKind = PriceKind.CLOUD
    is_for_one: bool = False
    wanted: tuple[str, ...] = ()

    def text(self, thing: str, record: Mapping[str, str]) -> str:
        """What a row, or else the mapping, says of a thing; empty where neither does."""
        column = self.columns.get(thing)
        said = record.get(column, "").strip() if column is not None else ""
        return said or self.values.get(thing, "")

    def fits(self, header: Collection[str]) -> bool:
        """Tell whether a file with this header is of this format."""
        return bool(self.wanted) and set(self.wanted) <= set(header)


_AWS = {
    "instance": "instance", "device": "gpu", "count": "gpu_count", "region": "region",
    "on_demand": "on_demand_usd_h", "reserved": "reserved_usd_h", "spot": "spot_usd_h",
}  # fmt: skip
_FSDL = {
    "provider": "Cloud", "device": "GPU Type", "count": "GPUs", "instance": "Name",
    "on_demand": "($)On-demand", "spot": "Spot",
}  # fmt: skip
_SKYPILOT = {
    "provider": "provider", "instance": "instance_type", "device": "accelerator", "count": "accelerator_count",
    "region": "region", "on_demand": "on_demand_usd_h", "spot": "spot_usd_h",
}  # fmt: skip
_SKYPILOT_CATALOG = {
    "instance": "InstanceType", "device": "AcceleratorName", "count": "AcceleratorCount", "region": "Region",
    "on_demand": "Price", "spot": "SpotPrice",
}  # fmt: skip

FORMATS: Mapping[str, PriceColumns] = MappingProxyType(
    {
        one.name: one
        for one in (
            PriceColumns(
                "aws-instances", "Amazon EC2 instances by region", _AWS, {"provider": "AWS"},
                wanted=("instance", "gpu", "gpu_count", "region", "on_demand_usd_h", "reserved_usd_h"),
            ),
            PriceColumns(
                "cloud-gpus", "Cloud GPUs of many providers (Full Stack Deep Learning)", _FSDL,
                wanted=("Cloud", "GPU Type", "GPUs", "($)On-demand", "Per-GPU"),
            ),
            PriceColumns(
                "skypilot-table", "SkyPilot's catalogues with the provider as a column", _SKYPILOT,
                wanted=("provider", "instance_type", "accelerator", "accelerator_count", "on_demand_usd_h"),
            ),
            PriceColumns(
                "skypilot", "A provider's catalogue of SkyPilot (vms.csv); name the provider", _SKYPILOT_CATALOG,
                wanted=("InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "SpotPrice"),
            ),
            PriceColumns(
                "gpu-price", "Two columns: GPU (2 x V100) and price of an hour (LLM-Pilot)",
                {"device": "GPU", "on_demand": "price"}, wanted=("GPU", "price"),
            ),
        )
    }
)  # fmt: skip
"""The formats that are known by their header, the most particular first."""


def find_format(header: Collection[str]) -> PriceColumns | None:
    """Return the format of a file with this header; None where it is none of these."""
    fitting = [one for one in FORMATS.values() if one.fits(header)]
    # Two words are soon in some other table: a format of few columns is meant only where there are no more.
    fitting = [one for one in fitting if len(one.wanted) > 2 or len(header) == len(one.wanted)]  # noqa: PLR2004
    return fitting[0] if fitting else None


def load_columns(path: Path) -> PriceColumns:
    """Read a mapping file. Raises MappingError with file, line and column for what cannot be used."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"The mapping file {path} cannot be read: {error}.") from None
    content, places = load_mapping_yaml(text, str(path))
    if not isinstance(content, dict):
        raise MappingError(f"{path}: expected the keys {', '.join(_KEYS)}.")
    for key in content:
        if key not in _KEYS:
            _refuse(places, (key,), f"unknown key {key!r}. {_advise(key, _KEYS)}", at_key=True)
    kind = _word(content, places, "kind", tuple(one.value for one in PriceKind), PriceKind.CLOUD.value)
    scope = _word(content, places, "amounts_are_for", _SCOPES, "machine" if kind == PriceKind.CLOUD else "device")
    columns, values = (dict(_things(content, places, part)) for part in ("columns", "values"))
    amounts = [thing for thing in AMOUNTS if thing in columns]
    for thing in amounts:
        if (thing == "price") is (kind == PriceKind.CLOUD):
            right = "on_demand, reserved or spot" if kind == PriceKind.CLOUD else "price"
            _refuse(places, ("columns", thing), f"{thing!r} is no amount of a {kind} price, expected {right}.")
    if not amounts:
        _refuse(places, ("columns",), f"no column is an amount, expected one of {', '.join(AMOUNTS)}.")
    if "device" not in columns and "instance" not in columns and "device" not in values:
        _refuse(places, ("columns",), "no column says what is priced, expected 'device' or 'instance'.")
    return PriceColumns(
        "csv", "CSV with a mapping file", columns, values, kind=PriceKind(kind), is_for_one=scope == "device"
    )


def _things(content: Mapping[str, Any], places: Places, part: str) -> Iterator[tuple[str, str]]:
    known = THINGS if part == "columns" else _WORDS
    said = content.get(part, {})
    if not isinstance(said, dict):
        _refuse(places, (part,), f"{part!r} is {said!r}, expected names of things with a word each.")
    for thing, word in said.items():
        if thing not in known:
            _refuse(places, (part, thing), f"unknown thing {thing!r}. {_advise(thing, known)}", at_key=True)
        if not isinstance(word, (str, int, float)) or isinstance(word, bool) or not str(word).strip():
            _refuse(places, (part, thing), f"{word!r} is no word, expected text.")
        yield thing, str(word).strip()


def _word(content: Mapping[str, Any], places: Places, key: str, known: tuple[str, ...], usual: str) -> str:
    word = content.get(key, usual)
    if word not in known:
        _refuse(places, (key,), f"{key!r} is {word!r}. {_advise(str(word), known)}")
    return str(word)


def _advise(got: str, known: tuple[str, ...]) -> str:
    near = nearest_names(got, known)
    return f"Did you mean {join_or(near)}?" if near else f"Expected one of: {', '.join(known)}."


def _refuse(places: Places, where: tuple[str, ...], message: str, *, at_key: bool = False) -> NoReturn:
    raise MappingError(places.describe(message, where, at_key=at_key))
