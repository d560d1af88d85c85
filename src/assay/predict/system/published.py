"""Results that submitters published (MLPerf inference), read from the collected table as it came.

Only the closed division: the same models at the same accuracy. What cannot be told is counted, not guessed: devices
that the catalogue lacks, slices of devices, systems that do not say how many they have. May import: core, catalog,
importers; pyarrow inside functions.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import match_hardware
from assay.core.errors import AssayError
from assay.importers.base import RowError
from assay.importers.mlperf.units import SAMPLES_PER_QUERY, read_unit

FOLDER = "mlperf_inference"
LICENCE = "Apache-2.0; results under the rules of MLCommons"
_FILE = "mlperf_inference_v2.0-v4.1.parquet"
_COLUMNS = (
    "round", "division", "submitter", "system_name", "platform", "model", "scenario", "result", "units", "units_fixed",
    "power_result", "power_units", "accelerator", "accelerators_per_node", "nodes", "cpu", "cpus_per_node",
    "software_class",
)  # fmt: skip
_MS_PER_S = 1000.0
_LIMITED = re.compile(r"max-?q|\bEE\b", re.IGNORECASE)
"""How submitters name runs under a power limit, or tuned for efficiency."""


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """One result of a whole system.

    ``rate_per_s`` of SingleStream and MultiStream are the samples that the judged latency lets through. ``power_w`` is
    what the system drew at the wall, None where nobody measured it.
    """

    place: str
    round: str
    benchmark: str
    scenario: str
    unit: str
    submitter: str
    system: str
    device: Hardware
    devices: int
    software: str
    is_power_limited: bool
    rate_per_s: float
    power_w: float | None
    processor: str
    processors: int


@dataclass(frozen=True, slots=True)
class Publication:
    """What a file holds: results, why others were left out, and the hash of the file."""

    results: tuple[PublishedResult, ...]
    left_out: Mapping[str, int]
    sha256: str


def read_publication(folder: Path) -> Publication:
    """Read the collected table of a folder. Raises AssayError where it is not there or cannot be read."""
    path = folder / _FILE
    if not path.is_file():
        raise AssayError(
            f"{folder.name} holds no {_FILE}.", hint="Give the folder of collected results as it was published."
        )
    changed = path.stat()
    return _read(path, changed.st_mtime_ns, changed.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, _changed_ns: int, _size: int) -> Publication:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=list(_COLUMNS), filters=[("division", "=", "closed")])
    except (OSError, pa.ArrowException) as error:
        raise AssayError(f"{path.name} cannot be read: {error}.", hint="Fetch the file again.") from error
    left_out: Counter[str] = Counter()
    results = []
    for number, record in enumerate(table.to_pylist()):
        found = _read_record(f"{path.name}, closed row {number}", record)
        if isinstance(found, str):
            left_out[found] += 1
        else:
            results.append(found)
    return Publication(tuple(results), dict(left_out), hashlib.sha256(path.read_bytes()).hexdigest())


def _read_record(place: str, record: Mapping[str, Any]) -> PublishedResult | str:
    device = _find_device(record["accelerator"] or "")
    if isinstance(device, str):
        return device
    count = (record["accelerators_per_node"] or 0) * (record["nodes"] or 1)
    if count < 1 or not math.isfinite(count):
        return "no count of accelerators"
    try:
        unit = read_unit(
            record["units"], model=record["model"], scenario=record["scenario"], round_=record["round"],
            fixed=record["units_fixed"],
        )  # fmt: skip
    except RowError:
        return "a unit that does not go with the scenario"
    result = record["result"]
    if not result or not math.isfinite(result) or result <= 0:
        return "no result"
    latency_s = None if unit.work else result / _MS_PER_S
    rate = result if latency_s is None else SAMPLES_PER_QUERY[record["scenario"]] / latency_s
    has_watts = record["power_units"] == "Watts" and record["power_result"] and record["power_result"] > 0
    is_limited = _LIMITED.search(f"{record['system_name']} {record['platform']}") is not None
    return PublishedResult(
        place, record["round"], record["model"], record["scenario"], unit.work or "sample", record["submitter"] or "",
        record["system_name"] or "", device, round(count), record["software_class"] or "other", is_limited, rate,
        float(record["power_result"]) if has_watts else None, record["cpu"] or "", round(record["cpus_per_node"] or 0),
    )  # fmt: skip


@lru_cache(maxsize=512)
def _find_device(name: str) -> Hardware | str:
    match = match_hardware(name)
    if match.hw_id is None:
        return "no accelerator that the catalogue knows for certain"
    if match.partition is not None:
        return "a slice of an accelerator"
    return load_catalogue()[match.hw_id]


@lru_cache(maxsize=512)
def find_processor(name: str) -> Hardware | None:
    """The host's processor in the catalogue."""
    match = match_hardware(name, kind="cpu")
    return None if match.hw_id is None else load_catalogue()[match.hw_id]


def count_left_out(publication: Publication) -> Iterator[str]:
    """Sentences on what was not taken."""
    for why, count in sorted(publication.left_out.items(), key=lambda one: -one[1]):
        yield f"{count} published results left out: {why}"
