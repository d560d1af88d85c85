"""Tables of pytorch-image-models: ``results/benchmark-*.csv`` (speed) and ``results-*.csv`` (accuracy).

Columns as its ``benchmark.py`` and ``validate.py`` write them: step time in ms of a batch, parameters in millions,
GMACs in 10^9, activations in 10^6, top-1 in percent. What a speed table was measured on stands only in the file's name.
Step time covers the calls alone and samples/s the whole loop, so the two differ a little. May import: core, importers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.core.case import ForeignCase, Scalar
from assay.core.records import MetricValue
from assay.core.words import Mode
from assay.importers.base import (
    Conversion,
    Facts,
    ImportedRow,
    ImportFileError,
    Item,
    Note,
    RowError,
    importers,
)
from assay.importers.numbers import Numbers, read_number
from assay.importers.source import Source
from assay.importers.tools.records import count_of, refuse, require_some

_PREFIXES = {"infer": Mode.INFERENCE, "train": Mode.TRAINING}
_SPEED = ("samples_per_sec", "step_time")
_ACCURACY = frozenset({"model", "img_size", "top1", "top1_err", "top5", "top5_err", "param_count"})
_SPLITS = {"fwd_time": "forward", "bwd_time": "backward", "opt_time": "optimizer"}
_AGREE = (0.1, 10.0)
"""Samples/s x step time / batch is 0.95 to 1.07 in the published tables; ten times off is a wrong unit."""

_NAME = re.compile(
    r"benchmark-(?:infer|train)-(?P<precision>[a-z0-9_]+)-(?P<layout>nchw|nhwc)-pt(?P<torch>\d{3})"
    r"(?:-cu(?P<cuda>\d{3}))?-(?P<cpu>cpu-)?(?P<chip>[A-Za-z0-9_]+)(?P<dynamo>-dynamo)?\.csv"
)
_GEFORCE = re.compile(r"(?:rtx_?)?([2-5]0[5-9]0)")
_CORE = re.compile(r"i([3579])_(\d{4,5}[a-z]{0,2})")
_DATASET = re.compile(r"results-(?P<dataset>[a-z0-9-]+)\.csv")


@dataclass(frozen=True, slots=True)
class Setting:
    """What the name of a speed table says of all its rows; None for what it does not."""

    precision: str | None = None
    device: str | None = None
    hardware: str | None = None
    options: Mapping[str, Scalar | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


class Timm:
    """Speed and accuracy of image models by name."""

    name = "timm"
    title = "pytorch-image-models tables"

    def recognise(self, source: Source) -> bool:
        """True for a header with a model and its speed or its top-1 and top-5."""
        header = set(source.csv_header)
        return "model" in header and bool(_prefixes(header) or header >= _ACCURACY)

    def read(self, source: Source) -> Iterator[Item]:
        """Give what the file's name says, then a row for each model (two where a table has inference and training)."""
        header = set(source.csv_header)
        file_name = re.split(r"[/\\!]", source.name)[-1]
        prefixes = _prefixes(header)
        if "model" not in header or not (prefixes or header >= _ACCURACY):
            raise ImportFileError(
                f"{source.name} has the columns {', '.join(source.csv_header)[:200]}; expected model and "
                "infer_samples_per_sec, train_samples_per_sec, or top1 and top5 with their errors."
            )
        if not prefixes:
            yield from _read_accuracies(source, file_name)
            return
        setting = read_name(file_name)
        if setting is None:
            yield Note(f"{file_name} is not named as timm names its tables, so precision and hardware are not known.")
            setting = Setting()
        else:
            yield Facts(setting.facts, setting.hardware)
        for number, cells in source.csv_rows():
            for prefix in prefixes:
                place = f"row {number}" if len(prefixes) == 1 else f"row {number}, {prefix}"
                try:
                    yield _read_speed(place, cells, prefix, setting)
                except RowError as error:
                    yield refuse(place, error, cells)


def read_name(file_name: str) -> Setting | None:
    """Read what a file's name says, as in ``benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv``; None for another name.

    PyTorch's version has two parts before 2 (pt113 is 1.13) and three since (pt240 is 2.4.0). A chip that is not known
    by its short name stays as written.
    """
    match = _NAME.fullmatch(file_name)
    if match is None:
        return None
    torch, cuda, chip = match["torch"], match["cuda"], match["chip"]
    facts = {"torch": f"{torch[0]}.{torch[1:]}" if torch[0] < "2" else ".".join(torch)}
    if cuda:
        facts["cuda"] = f"{cuda[:2]}.{cuda[2:]}"
    geforce, core = _GEFORCE.fullmatch(chip), _CORE.fullmatch(chip)
    hardware = chip
    if match["cpu"] and core:
        hardware = f"Intel Core i{core[1]}-{core[2].upper()}"
    elif geforce:
        hardware = f"NVIDIA GeForce RTX {geforce[1]}"
    device = "cpu" if match["cpu"] else "cuda" if cuda else None
    options = {"layout": match["layout"], "dynamo": True if match["dynamo"] else None}
    return Setting(match["precision"], device, hardware, options, facts)


def _prefixes(header: set[str]) -> list[str]:
    return [prefix for prefix in _PREFIXES if all(f"{prefix}_{column}" in header for column in _SPEED)]


def _model(cells: Mapping[str, str]) -> str:
    if not cells["model"].strip():
        raise RowError("model is empty.")
    return cells["model"].strip()


def _parameters(cells: Mapping[str, str], conversions: dict[str, Conversion]) -> int | None:
    """Return the parameters, which the table rounds to 10 000."""
    try:
        millions = read_number(cells.get("param_count"))
    except RowError as error:
        raise RowError(f"param_count: {error.message}") from None
    if not millions:
        return None
    if not 0 < millions < 1e9:  # noqa: PLR2004  (10^15 parameters)
        raise RowError(f"param_count is {millions:g} million, expected a number above 0 that a model can have.")
    conversions["parameters"] = Conversion("param_count", "10^6", 1e6)
    return round(millions * 1e6)


def _read_speed(place: str, cells: dict[str, str], prefix: str, setting: Setting) -> ImportedRow:
    numbers = Numbers()
    names = {column: f"{prefix}_{column}" for column in (*_SPEED, *_SPLITS, "batch_size", "img_size", "gmacs", "macts")}
    model = _model(cells)
    if not any(cells[names[column]].strip() for column in _SPEED):
        raise RowError(f"{names['samples_per_sec']} and {names['step_time']} are empty: nothing was timed.")
    rate = numbers.add("throughput_per_s", cells[names["samples_per_sec"]], field=names["samples_per_sec"], unit="1/s")
    step = numbers.add("latency_ns", cells[names["step_time"]], field=names["step_time"], unit="ms")
    require_some(numbers)
    for column, phase in _SPLITS.items():
        if names[column] in cells:
            numbers.add("latency_ns", cells[names[column]], field=names[column], unit="ms", phase=phase)
    _add_scaled(numbers, "macs", cells, names["gmacs"], 1e9)
    _add_scaled(numbers, "activations", cells, names["macts"], 1e6)
    batch, image = (
        count_of(cells.get(names["batch_size"]), names["batch_size"]),
        count_of(cells.get(names["img_size"]), names["img_size"]),
    )
    _check_agreement(rate, step, batch, names)
    require_some(numbers)
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=model,
            engine="torch",
            device=setting.device,
            mode=_PREFIXES[prefix],
            precision=setting.precision,
            batch=batch,
            shape={"image": image} if image else {},
            options=setting.options,
        ),
        parameters=_parameters(cells, numbers.conversions),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=dict(cells),
        hardware=setting.hardware,
        units_per_call=float(batch) if batch else None,
        unit_of_work="sample",
    )


def _check_agreement(rate: float | None, step: float | None, batch: int | None, names: Mapping[str, str]) -> None:
    """Refuse a row whose two speeds cannot both be right: one of them has another unit."""
    if rate is None or step is None or not batch:
        return
    share = rate * step / 1e9 / batch
    if not _AGREE[0] <= share <= _AGREE[1]:
        raise RowError(
            f"{names['samples_per_sec']} x {names['step_time']} is {share:.3g} batches, expected about 1: "
            "the unit of one is wrong."
        )


def _add_scaled(numbers: Numbers, name: str, cells: Mapping[str, str], column: str, factor: float) -> None:
    """Add a count that the table gives in millions or thousands of millions. An older table may lack the column."""
    raw = cells.get(column, "").strip()
    if not raw:
        return
    numbers.add(name, raw, field=column, unit="1")
    value = numbers.metrics.pop().value
    numbers.metrics.append(
        MetricValue(
            name, None if value is None else value * factor, "1", "mean",
            reason=f"the table says {raw}, which is rounded from something smaller" if value is None else None,
        )
    )  # fmt: skip
    numbers.conversions[f"{name}.mean"] = Conversion(column, f"10^{len(f'{factor:.0f}') - 1}", factor)


def _read_accuracies(source: Source, file_name: str) -> Iterator[Item]:
    match = _DATASET.fullmatch(file_name)
    dataset = match["dataset"] if match else None
    if dataset is None:
        yield Note(f"{file_name} is not named as timm names its tables, so the dataset is not known.")
    for number, cells in source.csv_rows():
        place = f"row {number}"
        try:
            yield _read_accuracy(place, cells, dataset)
        except RowError as error:
            yield refuse(place, error, cells)


def _read_accuracy(place: str, cells: dict[str, str], dataset: str | None) -> ImportedRow:
    numbers = Numbers()
    for column in ("top1", "top5"):
        value = numbers.add(
            "accuracy", cells[column], field=column, unit="%", stat=column, phase="validation", zero_is_unknown=False
        )
        if value is not None and value > 1:
            raise RowError(f"{column} is {cells[column]} %, expected at most 100.")
    require_some(numbers)
    image = count_of(cells.get("img_size"), "img_size")
    options: dict[str, Any] = {"dataset": dataset, "interpolation": cells.get("interpolation") or None}
    crop = cells.get("crop_pct", "").strip()
    try:
        options["crop"] = read_number(crop)
    except RowError as error:
        raise RowError(f"crop_pct: {error.message}") from None
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=_model(cells), engine="torch", shape={"image": image} if image else {}, options=options
        ),
        parameters=_parameters(cells, numbers.conversions),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=dict(cells),
    )


importers.add(Timm.name, Timm())
