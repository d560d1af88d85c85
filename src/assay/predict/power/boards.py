"""Power of boards in training under power limits, as the authors of Zeus published it. May import: core, catalog.

Four boards, five or six networks, batches and limits: the mean power of the board over the epochs, in W. The files name
the boards by half: the form with PCI Express is meant where the largest limit set is that form's own.
Source: You, Chung, Chowdhury 2023, Zeus: understanding and optimizing GPU energy consumption of DNN training, NSDI.
"""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.load import find_hardware
from assay.core.errors import AssayError

ZEUS = "zeus_power"
_BOARDS = {
    "a40": "nvidia-a40", "p100": "nvidia-tesla-p100-pcie-16gb", "rtx6000": "nvidia-quadro-rtx-6000",
    "v100": "nvidia-tesla-v100-pcie-32gb",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BoardRun:
    """A network trained on one board under a limit."""

    place: str
    device: Hardware
    network: str
    batch: int
    limit_w: float
    average_w: float


@dataclass(frozen=True, slots=True)
class BoardRuns:
    """What the folder holds, and the hash of its files."""

    runs: tuple[BoardRun, ...]
    sha256: str


def read_boards(folder: Path) -> BoardRuns:
    """Read the tables of boards. Raises AssayError where there is none, or one has other columns."""
    digest = hashlib.sha256()
    runs: list[BoardRun] = []
    for name, hw_id in _BOARDS.items():
        path = folder / f"summary_power_{name}.csv"
        if not path.is_file():
            continue
        raw = path.read_bytes()
        digest.update(raw)
        device = find_hardware(hw_id)
        try:
            for number, row in enumerate(csv.DictReader(raw.decode("utf-8").splitlines()), 2):
                run = BoardRun(
                    f"{path.name}, line {number}", device, row["network"], int(row["batch_size"]),
                    float(row["power_limit"]), float(row["average_power"]),
                )  # fmt: skip
                if math.isfinite(run.average_w) and run.average_w > 0:
                    runs.append(run)
        except (KeyError, TypeError, ValueError) as error:
            raise AssayError(f"{path.name} is no table of power: {error!r}.", hint="Fetch the file again.") from error
    if not runs:
        raise AssayError(f"{folder.name} holds no tables of power.", hint=f"Give the folder {ZEUS} as published.")
    return BoardRuns(tuple(runs), digest.hexdigest())
