"""``assay catalog names`` and ``instances``: what a table's device names mean, and what clouds' machines have."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    choose_form,
    make_console,
    new_table,
    print_csv,
    print_json,
    print_table,
)
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.catalog.hardware.instances import Instance
    from assay.catalog.hardware.names import NamedDevice

_KINDS = ("cpu", "gpu", "accelerator")
_NAME_COLUMNS = ("text", "rows", "outcome", "hw_id", "confidence", "n_devices", "family", "reason", "candidates")
_INSTANCE_COLUMNS = ("provider", "instance", "hw_id", "device", "n_devices", "share", "source", "source_title")
_SHOWN = 30
_MOST_BYTES = 256 * 2**20


def register(parent: typer.Typer) -> None:
    """Add the commands to ``assay catalog``."""
    parent.command("names")(resolve_names)
    parent.command("instances")(list_instances)


def resolve_names(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV, TSV, JSON, Parquet, or a name a line; - reads it.")],
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="NAME", help="Column of names; may be repeated.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="What the names are: cpu, gpu or accelerator.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="List resolved names too, and every unknown one.")] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Say which devices a table's names mean: resolved, ambiguous, unknown, and why. JSON and CSV have every name.

    For example:

      assay catalog names prices.csv --column "GPU Type"

      lscpu | grep "Model name" | cut -d: -f2 | assay catalog names - --kind cpu
    """
    from assay.catalog.hardware.names import match_names

    form = choose_form(as_json=as_json, as_csv=as_csv)
    if kind is not None and kind not in _KINDS:
        raise UnknownNameError("kind of device", kind, _KINDS)
    named = match_names(_read_names(file, columns or []), kind=kind)
    if form is Form.JSON:
        print_json({"counts": _counts(named), "names": [_name_row(one) for one in named]})
    elif form is Form.CSV:
        print_csv([_name_row(one) for one in named], _NAME_COLUMNS)
    else:
        _print_names(named, show_all=show_all)


def list_instances(
    words: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Only names that have these.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Only this provider's.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List clouds' machines with the accelerators they have: which, how many, what share of one, by whose table.

    For example:

      assay catalog instances g5

      assay catalog instances --provider azure h100
    """
    from assay.catalog.hardware.instances import load_instances

    form = choose_form(as_json=as_json, as_csv=as_csv)
    every = list(load_instances().values())
    known = {one.provider.casefold(): one.provider for one in every}
    if provider is not None and provider.casefold() not in known:
        raise UnknownNameError("provider", provider, known.values())
    wanted = [word.casefold() for word in words or ()]
    chosen = [
        one
        for one in every
        if (provider is None or one.provider.casefold() == provider.casefold())
        and all(word in f"{one.instance} {one.device}".casefold() for word in wanted)
    ]
    rows = [_instance_row(one) for one in chosen]
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, _INSTANCE_COLUMNS)
    else:
        _print_instances(chosen)


def _read_names(file: str, columns: Sequence[str]) -> list[str]:
    if file == "-":
        return _pick(_parse("lines", sys.stdin.read(), "standard input"), columns, "standard input")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"{file} is not a file.", hint="Give a table with device names, or - for standard input.")
    if path.stat().st_size > _MOST_BYTES:
        raise UsageError(f"{file} has {path.stat().st_size / 2**20:.0f} MiB; expected at most {_MOST_BYTES >> 20}.")
    form = path.suffix.casefold().removeprefix(".")
    if form == "parquet":
        return _read_parquet(path, columns)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text: {error}.", hint="Save it as UTF-8, or as Parquet.") from error
    return _pick(_parse(form, text, file), columns, file)


def _parse(form: str, text: str, file: str) -> list[Mapping[str, Any]]:
    if form in {"csv", "tsv"}:
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if form == "tsv" else ","))
    if form in {"json", "jsonl", "ndjson"}:
        try:
            content = json.loads(text) if form == "json" else [json.loads(line) for line in text.splitlines() if line]
        except ValueError as error:
            raise UsageError(f"{file} is not JSON: {error}.") from error
        if not isinstance(content, list):
            raise UsageError(f"{file} holds {type(content).__name__}; expected a list of names or of objects.")
        return [row if isinstance(row, dict) else {"name": row} for row in content]
    return [{"name": line} for line in text.splitlines()]


def _read_parquet(path: Path, columns: Sequence[str]) -> list[str]:
    import pyarrow.parquet

    there: list[str] = pyarrow.parquet.read_schema(path).names
    wanted = _choose_columns(there, columns, str(path))
    table = pyarrow.parquet.read_table(path, columns=wanted)
    return [str(name) for column in table.columns for name in column.to_pylist() if name is not None]


def _pick(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], file: str) -> list[str]:
    if not rows:
        return []
    there = list(dict.fromkeys(name for row in rows for name in row if name is not None))
    wanted = _choose_columns(there, columns, file)
    return [str(row[name]) for row in rows for name in wanted if row.get(name) is not None]


def _choose_columns(there: list[str], columns: Sequence[str], file: str) -> list[str]:
    if not columns and len(there) > 1:
        raise UsageError(f"{file} has {len(there)} columns: {', '.join(there)}.", hint="Say which: --column NAME.")
    for column in columns:
        if column not in there:
            raise UnknownNameError(f"column of {file}", column, there)
    return list(columns) or there


def _counts(named: Sequence[NamedDevice]) -> dict[str, dict[str, int]]:
    from assay.catalog.hardware.names import count_outcomes

    return {one.outcome.value: {"names": one.names, "rows": one.rows} for one in count_outcomes(named)}


def _name_row(one: NamedDevice) -> dict[str, Any]:
    match = one.match
    return {
        "text": one.text,
        "rows": one.rows,
        "outcome": one.outcome.value,
        "hw_id": match.hw_id,
        "confidence": match.confidence,
        "n_devices": match.n_devices,
        "family": match.family,
        "reason": match.reason,
        "candidates": list(match.candidates),
    }


def _instance_row(one: Instance) -> dict[str, Any]:
    from assay.catalog.hardware.instances import load_name_sources

    source = load_name_sources()[one.source_id]
    return {
        "provider": one.provider,
        "instance": one.instance,
        "hw_id": one.hw_id,
        "device": one.device,
        "n_devices": one.n_devices,
        "share": one.share,
        "source": one.source_id,
        "source_title": f"{source.publisher}, {source.title}, {source.date}",
    }


def _print_names(named: Sequence[NamedDevice], *, show_all: bool) -> None:
    from rich.text import Text

    from assay.catalog.hardware.names import Outcome, count_outcomes

    console = make_console()
    if not named:
        console.print("no names: the file has none in that column")
        return
    table = new_table()
    for header in ("outcome", "names", "rows"):
        table.add_column(header, justify="left" if header == "outcome" else "right")
    for count in count_outcomes(named):
        table.add_row(count.outcome.value, str(count.names), str(count.rows))
    print_table(table)
    for outcome in Outcome:
        found = [one for one in named if one.outcome is outcome]
        if not found or (outcome is Outcome.RESOLVED and not show_all):
            continue
        _print_outcome(f"{outcome.value}", found if show_all else found[:_SHOWN])
        if len(found) > _SHOWN and not show_all:
            console.print(Text(f"{len(found) - _SHOWN} more; --all lists them", style="dim"))


def _print_outcome(title: str, named: Iterable[NamedDevice]) -> None:
    table = new_table(title)
    table.add_column("name", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("means", overflow="fold")
    table.add_column("why", overflow="fold")
    for one in named:
        match = one.match
        many = "" if match.n_devices is None else f"{match.n_devices} x "
        means = f"{many}{match.hw_id}" if match.hw_id else match.family or ", ".join(match.candidates[:2])
        more = len(match.candidates) - 2
        if match.hw_id is None and match.family is None and more > 0:
            means = f"{means} and {more} more"
        table.add_row(one.text, str(one.rows), means or "-", match.reason)
    print_table(table)


def _print_instances(chosen: Sequence[Instance]) -> None:
    from rich.text import Text

    from assay.core.units import MISSING

    console = make_console()
    if not chosen:
        console.print("no machine of the table has this name")
        return
    table = new_table()
    for header in ("provider", "machine", "accelerators", "device", "source"):
        table.add_column(header, justify="right" if header == "accelerators" else "left", overflow="fold")
    for one in chosen:
        many = MISSING if one.n_devices is None else one.share_text or str(one.n_devices)
        table.add_row(one.provider, one.instance, many, one.hw_id or f"{one.device} (no entry)", one.source_id)
    print_table(table)
    console.print(Text(f"{len(chosen)} machines", style="dim"))
