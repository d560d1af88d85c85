"""Measured times of whole models, as others publish them: a CSV of device, config and milliseconds.

May import: core, predict.kernels.models.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import AssayError
from assay.predict.kernels.models import Step, read_step

COLUMNS = ("device", "config", "e2e_latency")


@dataclass(frozen=True, slots=True)
class Label:
    """One measured step; ``row`` is its place in the file, the first being 1."""

    device: str
    step: Step
    latency_ns: float
    row: int


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read a file of labels, milliseconds. Raises AssayError naming the row for what cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = tuple(_read_rows(csv.DictReader(file), path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AssayError(f"{path} could not be read: {error}", hint="Expected a CSV in UTF-8.") from error
    if not found:
        raise AssayError(f"{path} has no row.", hint=f"Expected columns: {', '.join(COLUMNS)}")
    return found


def _read_rows(reader: csv.DictReader[str], path: Path) -> Iterator[Label]:
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise AssayError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(reader.fieldnames or ()) or 'none'}.",
            hint=f"Expected columns: {', '.join(COLUMNS)} (milliseconds).",
        )
    for number, row in enumerate(reader, start=1):
        text = (row["e2e_latency"] or "").strip()
        if not text:
            continue  # it did not fit: there is no time
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise AssayError(
                f"{path}, row {number}: e2e_latency is {text!r}; expected milliseconds above 0.",
                hint="Leave it empty where nothing was measured.",
            )
        yield Label((row["device"] or "").strip(), read_step(row["config"] or ""), value * 1e6, number)
