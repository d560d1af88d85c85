"""What a cloud's machine names stand for: ``g5.12xlarge`` is four A10G, ``Standard_NC40ads_H100_v5`` one H100 NVL.

A provider's name says which device and how many only through the provider's own tables, so it is data with sources
(``data/instances.csv``) and not a rule of words. The names are looked up whole: nothing is guessed from a part of one.
May import: standard library, core.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType

from assay.core.errors import AssayError

_DATA = Path(__file__).parent / "data"
_COLUMNS = ["provider", "instance", "hw_id", "device", "n_devices", "share", "source"]
_SOURCE_COLUMNS = ["source_id", "publisher", "title", "date"]
_TPU_SLICE = re.compile(r"(v2|v3|v4|v5p|v5litepod|v6e)-([1-9]\d{0,4})")
_TPU = {
    # version: (device, TensorCores that the number counts for each chip); Cloud TPU documentation, accelerator types
    "v2": ("google-tpu-v2", 2),
    "v3": ("google-tpu-v3", 2),
    "v4": ("google-tpu-v4", 2),
    "v5p": ("google-tpu-v5p", 2),
    "v5litepod": ("google-tpu-v5e", 1),
    "v6e": ("google-tpu-v6e", 1),
}
_BARE_MACHINE = re.compile(r"(?:n1|custom)-(?:standard|highmem|highcpu|megamem|ultramem)?-?\d+(?:-\d+)?")
"""Machine types of Google Cloud to which the user attaches accelerators one by one (N1)."""


@dataclass(frozen=True, slots=True)
class NameSource:
    """Where it is published what a name stands for. ``date`` is a year, a month or a range of years."""

    source_id: str
    publisher: str
    title: str
    date: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One kind of a provider's machine, by its accelerators.

    ``hw_id`` is None where the catalogue lacks the device or the provider does not say which variant it is; ``device``
    is then its name. ``n_devices`` counts devices as a driver shows them, None where the name is that of an
    accelerator alone. ``share`` is the part of one device, None where it is whole.
    """

    provider: str
    instance: str
    hw_id: str | None
    device: str
    n_devices: int | None
    share: float | None
    share_text: str | None
    source_id: str


def find_instance(text: str) -> Instance | None:
    """Return the machine that ``text`` names as a whole, or None; case, spaces and Azure's ``Standard_`` do not matter.

    Slices of TPUs count chips: ``v4-8`` is 4 (its number counts TensorCores), ``v5litepod-8`` is 8.
    """
    key = _key(text)
    found = load_instances().get(key)
    if found is not None:
        return found
    tpu = _TPU_SLICE.fullmatch(key)
    if tpu is None:
        return None
    hw_id, cores_per_chip = _TPU[tpu[1]]
    n_chips, rest = divmod(int(tpu[2]), cores_per_chip)
    if rest:
        return None
    return Instance("Google Cloud", text.strip(), hw_id, hw_id, n_chips, None, None, "gcp-tpus")


def takes_any_accelerator(text: str) -> bool:
    """Tell whether ``text`` names a kind of machine whose accelerators are chosen apart from it (``n1-highmem-8``)."""
    return _BARE_MACHINE.fullmatch(_key(text)) is not None


@cache
def load_instances() -> Mapping[str, Instance]:
    """Return every kind of machine by its name in lower case. Raises AssayError where the file cannot be read."""
    with (_DATA / "instances.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != _COLUMNS:
            raise AssayError(f"instances.csv has the columns {reader.fieldnames}; expected {_COLUMNS}.")
        found: dict[str, Instance] = {}
        for row in reader:
            key = _key(row["instance"])
            if key in found:
                raise AssayError(f"instances.csv, line {reader.line_num}: {row['instance']!r} is there twice.")
            found[key] = _make(row)
    return MappingProxyType(found)


@cache
def load_name_sources() -> Mapping[str, NameSource]:
    """Return the documents behind instances and browsers' adapters, by id."""
    with (_DATA / "name_sources.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != _SOURCE_COLUMNS:
            raise AssayError(f"name_sources.csv has the columns {reader.fieldnames}; expected {_SOURCE_COLUMNS}.")
        return MappingProxyType({row["source_id"]: NameSource(*row.values()) for row in reader})


def _make(row: Mapping[str, str]) -> Instance:
    return Instance(
        provider=row["provider"],
        instance=row["instance"],
        hw_id=row["hw_id"] or None,
        device=row["device"] or row["hw_id"],
        n_devices=int(row["n_devices"]) if row["n_devices"] else None,
        share=float(Fraction(row["share"])) if row["share"] else None,
        share_text=row["share"] or None,
        source_id=row["source"],
    )


def _key(text: str) -> str:
    return re.sub(r"\s+", "_", text.strip().casefold()).removeprefix("standard_")
