"""Reading what LLM-Pilot published: latencies by model, set-up and users, sheets, prices, and others' predictions.

The H100's rates in its table count zeros that sparsity skips, twice what it does with dense numbers: halved here.
Prices are those of its table, in USD an hour. May import: standard library, core, predict.serving.protocol.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import AssayError
from assay.predict.serving.protocol import Curve, Demand
from assay.predict.values import DeviceProfile

FOLDER = "llm_pilot"
LICENCE = "CDLA-Permissive-2.0"
METHODS = ("LLM-Pilot", "PARIS", "RF", "Selecta", "PerfNet", "PerfNetV2", "Morphling")
TWO_SHOT = frozenset({"PARIS", "Selecta", "Morphling"})
"""Methods that were shown the tested model's own latencies on the reference set-ups."""
REFERENCE_SETUPS = ("1 x T4", "4 x H100")
_TARGETS = "expected_predictions_LLM-Pilot.csv"
_ONE_KEY = frozenset({"gpt_bigcode"})
"""Multi-query attention: Li et al. 2023, StarCoder."""
_SPARSE = frozenset({"H100"})
_GIGA, _TERA = 1e9, 1e12


@dataclass(frozen=True, slots=True)
class Llm:
    """A model by what its card says. ``parameters`` is a count."""

    name: str
    parameters: float
    layers: int
    heads: int
    is_encoder_decoder: bool
    has_flash_attention: bool
    vocabulary: int
    kind: str

    @property
    def cache_share(self) -> float:
        """Keys and values kept, as a share of one for each head: models of this kind keep one for all heads."""
        return 1 / self.heads if self.kind in _ONE_KEY else 1.0


@dataclass(frozen=True, slots=True)
class Setup:
    """So many of one device that hold one replica. ``usd_h`` is the price of all together."""

    name: str
    device: DeviceProfile
    devices: int
    usd_h: float


@dataclass(frozen=True, slots=True)
class PilotData:
    """All that was published. ``curves`` are of each model on each set-up it was measured on, in the file's order."""

    llms: Mapping[str, Llm]
    setups: Mapping[str, Setup]
    curves: tuple[Curve, ...]
    sha256: str

    @property
    def price(self) -> dict[str, float]:
        """USD an hour by set-up."""
        return {name: one.usd_h for name, one in self.setups.items()}

    def truth(self, demand: Demand) -> dict[str, dict[str, int]]:
        """Users held by model and set-up."""
        return held_by(self.curves, demand)


def held_by(curves: Iterator[Curve] | tuple[Curve, ...], demand: Demand) -> dict[str, dict[str, int]]:
    """Return the users that each set-up holds by model."""
    found: dict[str, dict[str, int]] = {}
    for one in curves:
        found.setdefault(one.model, {})[one.setup] = one.held(demand)
    return found


def read_pilot(folder: Path) -> PilotData:
    """Read the tables. Raises AssayError for a file that is absent or broken."""
    try:
        prices = {row["GPU"]: float(row["price"]) for row in _rows(folder / "prices.csv")}
        llms = {one.name: one for one in map(_read_llm, _rows(folder / "llm_features.csv"))}
        setups = {row["gpu"]: _read_setup(row, prices[row["gpu"]]) for row in _rows(folder / "gpu_features.csv")}
        curves = tuple(_read_curves(folder / _TARGETS, "median_nttft", "median_itl"))
        for one in curves:
            _ = llms[one.model], setups[one.setup]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise AssayError(
            f"The published tables in {folder.name} cannot be read: {type(error).__name__}: {error}.",
            hint=f"Give the folder {FOLDER} as it was published.",
        ) from error
    digest = hashlib.sha256()
    for name in (_TARGETS, "gpu_features.csv", "llm_features.csv", "prices.csv"):
        digest.update((folder / name).read_bytes())
    return PilotData(llms, setups, curves, digest.hexdigest())


def read_published(folder: Path, method: str, data: PilotData, demand: Demand) -> dict[str, dict[str, int]]:
    """Return the users that a published method said each set-up holds, in the order of its file."""
    path = folder / f"expected_predictions_{method}.csv"
    said = held_by(_read_curves(path, "prediction_median_nttft", "prediction_median_itl"), demand)
    if method in TWO_SHOT:
        truth = data.truth(demand)
        for model, held in said.items():
            held.update({name: truth[model][name] for name in REFERENCE_SETUPS if name in held})
    return said


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _read_curves(path: Path, nttft: str, itl: str) -> Iterator[Curve]:
    found: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    for row in _rows(path):
        cell = (int(row["num_users"]), float(row[nttft]), float(row[itl]))
        found.setdefault((row["model"], row["gpu"]), []).append(cell)
    for (model, setup), cells in found.items():
        users, firsts, gaps = zip(*cells, strict=True)
        yield Curve(model, setup, users, firsts, gaps)


def _read_llm(row: Mapping[str, str]) -> Llm:
    return Llm(
        name=row["model"], parameters=float(row["model_n_parameters"]) * _GIGA, layers=int(row["model_n_layers"]),
        heads=int(row["model_n_heads"]), is_encoder_decoder=row["model_is_encoder_decoder"].casefold() == "true",
        has_flash_attention=row["model_is_flash_attention"].casefold() == "true",
        vocabulary=int(row["model_vocabulary_size"]), kind=row["model_type"],
    )  # fmt: skip


def _read_setup(row: Mapping[str, str], usd_h: float) -> Setup:
    count, _, device = row["gpu"].partition(" x ")
    rate = next(
        one for name in ("gpu_tflops_tc_fp16", "gpu_tflops_cuda_mixed") if (one := float(row[name])) > 0
    )  # the table has -1 where it has nothing
    profile = DeviceProfile(
        name=device, vendor="nvidia", architecture=row["gpu_architecture"],
        flops_per_s={"fp16": rate * _TERA / (2 if device in _SPARSE else 1)},
        bandwidth_bytes_per_s=float(row["gpu_memory_bandwidth"]) * _GIGA,
        memory_bytes=float(row["gpu_memory_capacity_gb"]) * _GIGA,
    )  # fmt: skip
    return Setup(row["gpu"], profile, int(count), usd_h)
