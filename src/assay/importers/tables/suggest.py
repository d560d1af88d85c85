"""Write a mapping file to start from, out of a table's header. May import: core, catalog, importers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from assay.importers.base import ImportFileError
from assay.importers.plain import plain
from assay.importers.source import Source, unrepeated
from assay.importers.tables.cells import shorten
from assay.importers.tables.mapped_parquet import parquet_head

_FIELDS: tuple[tuple[str, str], ...] = (
    ("workload", r"model(_?(name|id))?|workload|network|benchmark|task|test"),
    ("engine", r"engine|framework|backend|runtime"),
    ("device", r"device(_?name)?|gpu(_?(name|model|type))?|hardware|accelerator|cpu(_?name)?"),
    ("mode", r"mode"),
    ("precision", r"precision|dtype|quant(i[sz]ation)?|weight_precision"),
    ("batch", r"batch(_?size)?|bs"),
)
_SHAPES = re.compile(r"^(seq(_?len(gth)?)?|sequence_length)$", re.IGNORECASE)
_METRICS: tuple[tuple[str, str], ...] = (
    ("time_to_first_token_ns", r"ttft|time_to_first_token"),
    ("inter_token_latency_ns", r"\bitl|_itl|inter_token"),
    ("time_per_output_token_ns", r"tpot|time_per_output_token"),
    ("latency_ns", r"latency|inference_time|duration|elapsed|step_time|^time|_time"),
    ("throughput_per_s", r"throughput|_per_s(ec(ond)?)?$|samples_s\b|\bips\b|\bfps\b|qps"),
    ("average_power_w", r"power|watt"),
    ("energy_j", r"energy|joule"),
    ("memory_used_bytes", r"memory|\bram\b|vram"),
    ("accuracy", r"accuracy|top1|top_1"),
    ("loss", r"loss"),
)
_UNITS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ns": ((r"_ns$", "ns"), (r"_us$", "us"), (r"_ms$", "ms"), (r"_s(ec(ond)?s?)?$", "s"), (r"_min(utes)?$", "min")),
    "B": (
        *((rf"_{unit}$", unit) for unit in ("GiB", "MiB", "KiB", "GB", "MB", "KB")),
        (r"_bytes$", "B"),
    ),
    "J": ((r"_mj$", "mJ"), (r"_kwh$", "kWh"), (r"_wh$", "Wh"), (r"_(j|joules)$", "J")),
    "W": ((r"_mw$", "mW"), (r"_kw$", "kW"), (r"_(w|watts?)$", "W")),
    "1/s": ((r"_per_min(ute)?$", "1/min"), (r"", "1/s")),
    "1": ((r"(_pct|_percent|%)$", "%"), (r"", "1")),
}
_STATS = (
    (r"median|p50", "median"),
    (r"p(\d{2})", None),
    (r"\bmin_|_min", "min"),
    (r"\bmax|_max|peak", "max"),
    (r"std", "std"),
)
_STATUS = re.compile(r"^(status|success|ok|passed|result)$", re.IGNORECASE)
_TIME = re.compile(r"^(timestamp|date|time|datetime|created_at|when|measured_at)$", re.IGNORECASE)
_SIMULATED = re.compile(r"^(is_)?(simulated|simulation|mock|fake)$", re.IGNORECASE)


def suggest_mapping(source: Source) -> str:
    """Return a mapping file for a CSV or Parquet file, with comments, as its header suggests.

    What could be told from a name is filled in, whatever is doubtful is a comment; a unit that no name gives is
    ``ms`` with a comment that says so. Raises ImportFileError for a file without a header.
    """
    names, first = _read_head(source)
    taken: set[str] = set()
    lines = [
        f"# Mapping for {_comment(source.name)}. Check every line: names are guesses until you have read them.",
        "# Keys and what they take: docs/importing-tables.md",
        "",
    ]
    lines += _suggest_fields(names, first, taken)
    lines += _suggest_rest(names, taken)
    lines += ["", "metrics:", *_suggest_metrics(names, first, taken)]
    others = [name for name in names if name not in taken]
    if others:
        lines += ["", "# Columns that are kept as they are, among the fields of the row:"]
        lines += [f"#   {_comment(name)}{_example(first.get(name))}" for name in others]
    return "\n".join(lines) + "\n"


def _read_head(source: Source) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    if source.is_parquet:
        names, first = parquet_head(source)
    else:
        delimiter = _guess_delimiter(source)
        first = next((record for _, record in source.csv_rows(delimiter=delimiter)), {})
        names = tuple(first) or _read_header(source, delimiter)
    if not any(names):
        raise ImportFileError(f"{source.name} has no header, so no mapping can be suggested.")
    return names, first


def _read_header(source: Source, delimiter: str) -> tuple[str, ...]:
    """The header of a table without rows; () for what is none."""
    try:
        names = next(csv.reader(io.StringIO(source.head_text), delimiter=delimiter, strict=True), [])
    except csv.Error:
        return ()
    return tuple(unrepeated([name.strip() for name in names]))


def _guess_delimiter(source: Source) -> str:
    line = source.head_text.partition("\n")[0]
    return max(",;\t|", key=line.count)


def _suggest_fields(names: tuple[str, ...], first: Mapping[str, Any], taken: set[str]) -> list[str]:
    lines: list[str] = []
    for key, pattern in _FIELDS:
        free = [name for name in names if name not in taken]
        column = next((name for name in free if re.fullmatch(pattern, name, re.IGNORECASE)), None)
        if column is not None:
            taken.add(column)
            lines.append(f"{key}: {{column: {_quote(column)}}}{_example(first.get(column))}")
        elif key == "workload":
            lines.append("workload: {value: unknown}  # no column looks like a model's name")
        else:
            lines.append(f"# {key}: {{value: ...}}")
    sizes = [name for name in names if name not in taken and _SHAPES.match(name)][:1]
    taken.update(sizes)
    lines += [f"shape: {{seq: {{column: {_quote(name)}}}}}{_example(first.get(name))}" for name in sizes]
    return lines


def _suggest_rest(names: tuple[str, ...], taken: set[str]) -> list[str]:
    lines = ["# options: {threads: {column: ...}}  # what else tells rows apart"]
    for pattern, text in (
        (_STATUS, 'status: {{column: {column}, ok: ["ok", "true", "success"], failed: ["failed", "false", "error"]}}'),
        (_TIME, "timestamp: {{column: {column}, zone: UTC}}  # the zone of times that do not say theirs"),
        (_SIMULATED, 'simulated: {{column: {column}, yes: ["true", "yes"], no: ["false", "no"]}}'),
    ):
        column = next((name for name in names if name not in taken and pattern.match(name)), None)
        if column is not None:
            taken.add(column)
            lines.append(text.format(column=_quote(column)))
    lines.append("# skip: [{column: ..., equals: [warmup]}]  # rows that are no results")
    return lines


def _suggest_metrics(names: tuple[str, ...], first: Mapping[str, Any], taken: set[str]) -> list[str]:
    from assay.catalog.metrics import metrics as registry

    lines: list[str] = []
    used: set[tuple[str, str]] = set()
    for name in names:
        metric = next((metric for metric, pattern in _METRICS if re.search(pattern, name, re.IGNORECASE)), None)
        if name in taken or metric is None:
            continue
        unit, certain = _unit_of(name, registry.get(metric).unit)
        stat = _stat_of(name)
        if (metric, stat) in used:
            continue
        used.add((metric, stat))
        taken.add(name)
        doubt = "" if certain else "  # the name gives no unit"
        entry = f"{{metric: {metric}, column: {_quote(name)}, unit: {_quote(unit)}, stat: {stat}}}"
        lines.append(f"  - {entry}{doubt}{_example(first.get(name))}")
    if not lines:
        column = next((name for name in names if name not in taken), names[-1])
        taken.add(column)
        lines.append(f"  - {{metric: score, column: {_quote(column)}, unit: '1'}}  # no column looks like a metric")
    return lines


def _unit_of(name: str, ours: str) -> tuple[str, bool]:
    for pattern, unit in _UNITS.get(ours, ()):
        if re.search(pattern, name, re.IGNORECASE):
            return unit, True
    return ("ms" if ours == "ns" else ours), False


def _stat_of(name: str) -> str:
    for pattern, stat in _STATS:
        if match := re.search(pattern, name, re.IGNORECASE):
            return stat or f"p{match[1]}"
    return "mean"


def _quote(name: str) -> str:
    """A name as YAML reads it back, whatever is in it."""
    return json.dumps(name)


def _example(value: Any) -> str:
    return "" if value in (None, "") else f"  # such as {_comment(shorten(str(plain(value))))}"


def _comment(text: str) -> str:
    return re.sub(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd]", "?", text)
