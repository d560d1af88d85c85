"""Published timings of vision models as examples: timm's own benchmark tables, joined with what their graphs compute.

The batch of its GPU tables is the largest that fitted: it goes with the device's memory and is taken as given. Rows of
one model stand in many tables, so rows held out at random leak. May import: core, predict; catalog by
predict.devices.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.predict.base import DataUse, ExampleSource, Gathered
from assay.predict.graph.families import family_of, group_models
from assay.predict.graph.features import round_of
from assay.predict.graphs import from_timm_row, profile_at
from assay.predict.values import Conditions, DeviceProfile, Example, GraphProfile, Question

FOLDER = "timm_bench"
_FEATURES = "timm_op_features.csv"
_TABLE = re.compile(
    r"benchmark-(?P<mode>infer|train)-(?P<precision>[a-z0-9]+)-(?P<layout>nchw|nhwc)-pt(?P<torch>\d+)-"
    r"(?:cu\d+|cpu)-(?P<device>[a-z0-9_]+)(?P<compiled>-dynamo)?\.csv"
)
_DEVICES = {
    "rtx3090": "RTX 3090", "rtx4090": "RTX 4090", "4090": "RTX 4090", "5090": "RTX 5090",
    "i9_10940x": "i9-10940X", "i7_12700h": "i7-12700H",
}  # fmt: skip
_PRECISIONS = {"amp": "fp16", "fp32": "fp32"}
"""Automatic mixed precision computes products in fp16."""
_SHEET_LACKS = {"i7-12700H": 6 * 32 * 4.7e9}
"""Flop/s in fp32 where the maker's sheet says none: 6 performance cores x 2 multiply-adds of 8 numbers a cycle (Golden
Cove without AVX-512) x the boost clock of the sheet. Its efficiency cores are left out."""
_STANDARDIZES = re.compile(r"(?:nf_|dm_nfnet|eca_nfnet|nfnet|resnetv2_(?!.*_bn)|vit_(?:tiny|small|base|large)_r\d)")
_CONVOLUTIONS = ("conv", "pointwise_conv", "grouped_conv", "depthwise_conv")
_FUSED_SINCE = "200"
"""PyTorch 2.0 brought one operation for attention."""


@dataclass(frozen=True, slots=True)
class Table:
    """What the name of a table says."""

    path: Path
    mode: str
    precision: str
    layout: str
    torch: str
    device: str
    compiled: bool

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def version(self) -> str:
        """The version of torch: 1.13 of ``113``, 2.4 of ``240``."""
        return f"1.{self.torch[1:]}" if self.torch.startswith("1") else f"2.{self.torch[1:-1]}"


def gather_timm(source: ExampleSource, *, every: int = 1) -> Gathered:
    """Read the examples of a folder ``timm_bench``, or each ``every``-th row of its tables; none without it."""
    folder = source.find(FOLDER)
    if folder is None:
        return Gathered((), (), (f"no folder {FOLDER} was given",))
    rows = list(csv.DictReader((folder / _FEATURES).read_text(encoding="utf-8").splitlines()))
    counted = {(row["model"], int(row["img_size"])): row for row in rows if row["ok"] == "1"}
    models = group_models({key: _flops_of(row) for key, row in counted.items()})
    graphs = _Graphs(counted)
    examples: list[Example] = []
    digest = hashlib.sha256((folder / _FEATURES).read_bytes())
    unjoined = 0
    for table in find_tables(folder):
        digest.update(table.path.read_bytes())
        device = find_device(table.device)
        for number, row in enumerate(csv.DictReader(table.path.read_text(encoding="utf-8").splitlines()), start=2):
            if number % every:
                continue
            one = _example(table, device, row, number, graphs, models)
            unjoined += one is None
            if one is not None:
                examples.append(one)
    use = DataUse(FOLDER, len(examples), digest.hexdigest(), "Apache-2.0")
    notes = (f"{unjoined} rows of {FOLDER} have no time, or no graph that was counted",) if unjoined else ()
    return Gathered(tuple(examples), (use,), notes)


def find_tables(folder: Path) -> Iterator[Table]:
    """Return the tables of timings of a folder, by name."""
    for path in sorted(folder.glob("benchmark-*.csv")):
        found = _TABLE.fullmatch(path.name)
        if found:
            yield Table(
                path, "training" if found["mode"] == "train" else "inference", _PRECISIONS[found["precision"]],
                found["layout"], found["torch"], _DEVICES[found["device"]], found["compiled"] is not None,
            )  # fmt: skip


def find_device(name: str) -> DeviceProfile:
    """Return the profile of a device of the tables, with a rate where the catalogue has none."""
    from assay.predict.devices import find_profile

    profile = find_profile(name)
    if not profile.flops_per_s and name in _SHEET_LACKS:
        rate = _SHEET_LACKS[name]
        origin = {**profile.origin, "flops_per_s": "computed", "vector_flops_per_s": "computed"}
        return replace(profile, flops_per_s={"fp32": rate}, vector_flops_per_s=rate, origin=origin)
    return profile


def keep_weights(model: str, graph: GraphProfile) -> GraphProfile:
    """Tell normalized weights from normalized activations, where a model standardizes its weights at each call.

    Those read and write every weight of a convolution once, whatever the batch (Brock et al. 2021, NFNets, section 4).
    """
    norm = graph.work.get("norm")
    if norm is None or not _STANDARDIZES.match(model):
        return graph
    convolved = sum(graph.work[name].weight_elements for name in _CONVOLUTIONS if name in graph.work)
    own = replace(norm, weight_elements=min(norm.elements, 2 * convolved))
    return replace(graph, work={**graph.work, "norm": own})


class _Graphs:
    """Graphs of rows at a batch: each is made once."""

    def __init__(self, counted: Mapping[tuple[str, int], Mapping[str, str]]) -> None:
        self._counted = counted
        self._known: dict[tuple[str, int, bool], GraphProfile] = {}
        self._scaled: dict[tuple[str, int, bool, int], GraphProfile] = {}

    def at(self, model: str, size: int, batch: int, *, fused: bool) -> GraphProfile | None:
        row = self._counted.get((model, size))
        if row is None:
            return None
        key = (model, size, fused)
        if key not in self._known:
            self._known[key] = keep_weights(model, from_timm_row(row, fused=fused))
        if (*key, batch) not in self._scaled:
            self._scaled[*key, batch] = profile_at(self._known[key], batch)
        return self._scaled[*key, batch]


def _example(
    table: Table, device: DeviceProfile, row: Mapping[str, str], number: int, graphs: _Graphs, models: Mapping[str, str]
) -> Example | None:
    what = "train" if table.mode == "training" else "infer"
    batch, step_ms = row[f"{what}_batch_size"], row[f"{what}_step_time"]
    if not batch or not step_ms:
        return None
    model, size, count = row["model"], int(float(row[f"{what}_img_size"])), int(float(batch))
    graph = graphs.at(model, size, count, fused=table.torch >= _FUSED_SINCE)
    if graph is None:
        return None
    options = {"layout": table.layout, "torch": table.version}
    engine = "torch-compile" if table.compiled else "torch"
    conditions = Conditions(engine, table.precision, count, table.mode, 1, tuple(sorted(options.items())))
    family = family_of(model)
    question = Question(model, family, device, conditions, "latency_ns", graph)
    groups = {
        "model": models[model], "family": family, "device": device.name, "vendor": device.vendor, "config": table.name,
        "round": round_of(conditions),
    }  # fmt: skip
    return Example(question, float(step_ms) * 1e6, groups, f"{table.path.name}:{number}")


def _flops_of(row: Mapping[str, str]) -> Sequence[float]:
    return [float(value or 0) for name, value in row.items() if name.endswith("_f")]
