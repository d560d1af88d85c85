"""``assay dataset ...``: what can be learned from, one data set in full, a check of its samples, one of one's own."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
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
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.workloads.datasets.base import Dataset, DatasetInfo, DatasetSource
    from assay.workloads.datasets.check import Finding

app = typer.Typer(help="Data sets: list, show, check, and start one of your own.", no_args_is_help=True)

EXIT_FAULTS = 2
_COLUMNS = ("name", "task", "synthetic", "place", "available", "summary")

ReferenceArgument = Annotated[str, typer.Argument(metavar="DATASET", help="NAME or NAME:WHERE, such as digits.")]
ShapeOption = Annotated[
    list[str] | None, typer.Option("--shape", metavar="NAME=SIZE", help="A dimension that the reader may choose.")
]


@app.command("ls")
def list_datasets(as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List the data sets that assay can open, and which need files of yours or are generated."""
    from assay.workloads.datasets.base import datasets

    form = choose_form(as_json=as_json, as_csv=as_csv)
    rows = [_source_row(datasets.get(name)) for name in datasets.names()]
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, _COLUMNS)
    else:
        _print_sources(rows)


@app.command("show")
def show_dataset(reference: ReferenceArgument, shape: ShapeOption = None, as_json: JsonOption = False) -> None:
    """Open a data set and show counts, shapes, classes, where it comes from and its checksum.

    For example:

      assay dataset show digits

      assay dataset show cifar10-synthetic:2000
    """
    info = _open(reference, shape).info
    if as_json:
        print_json(_info_row(info))
        return
    table = new_table()
    table.add_column("what")
    table.add_column("value", overflow="fold")
    for name, text in _describe(info):
        table.add_row(name, text)
    print_table(table)


@app.command("check")
def check_samples(
    reference: ReferenceArgument,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Most samples of each split to look at.")] = 256,
    shape: ShapeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the samples of a data set: fields, types, labels, repetitions, leaks. Exit code 2 where it has faults.

    For example:

      assay dataset check image-folder:/data/flowers
    """
    from assay.workloads.datasets.check import Level, check_dataset

    found = _open(reference, shape)
    findings = check_dataset(found, samples)
    if as_json:
        print_json(
            {"dataset": reference, "findings": [{"level": str(one.level), "text": one.text} for one in findings]}
        )
    else:
        _print_findings(found.info, findings)
    if any(one.level is Level.FAULT for one in findings):
        sys.exit(EXIT_FAULTS)


@app.command("new")
def new_dataset(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Python file to write, such as my_data.py.")],
) -> None:
    """Write a data set that works as it is, to put your own reading into: assay dataset new my_data.py."""
    from assay.workloads.datasets.template import render_dataset_template

    if path.suffix != ".py" or re.fullmatch(r"[a-z_]\w*", path.stem) is None:
        raise UsageError(f"got the file {str(path)!r}, expected a module's name in small letters that ends in .py.")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(render_dataset_template(path.stem))
    except FileExistsError as error:
        raise UsageError(f"{path} is there already.", hint="Give another name, or move it away.") from error
    except OSError as error:
        raise UsageError(f"{path} could not be written: {error.strerror or error}.") from error
    typer.echo(f"wrote {path}; check it: assay dataset check python:{path.stem}:open_mine")


def _open(reference: str, shape: Sequence[str] | None) -> Dataset:
    from assay.workloads.datasets.resolve import open_reference

    chosen = {}
    for one in shape or ():
        name, _, size = one.partition("=")
        if not name or not size.isdecimal() or int(size) < 1:
            raise UsageError(f"got --shape {one!r}, expected NAME=SIZE, such as image=32.")
        chosen[name] = int(size)
    return open_reference(reference, shape=chosen)


def _source_row(source: DatasetSource) -> dict[str, Any]:
    from assay.workloads.datasets.resolve import find_missing

    missing = find_missing(source)
    return {
        "name": source.name,
        "task": " or ".join(map(str, dict.fromkeys((source.task, *source.other_tasks)))),
        "synthetic": source.is_synthetic,
        "place": source.takes_place,
        "available": "yes" if missing is None else str(missing),
        "summary": source.summary,
    }


def _print_sources(rows: Sequence[dict[str, Any]]) -> None:
    from rich.text import Text

    table = new_table()
    for header in ("data set", "task", "kind", "summary"):
        table.add_column(header, overflow="fold", no_wrap=header == "data set")
    for row in rows:
        where = {"required": ":WHERE", "optional": "[:WHERE]"}.get(row["place"], "")
        summary = row["summary"] if row["available"] == "yes" else f"{row['summary']}\nmissing: {row['available']}"
        kind = Text("synthetic", style="yellow") if row["synthetic"] else "real"
        # Any of four tasks is all of them: the list would only make the column wide.
        task = row["task"] if row["task"].count(" or ") < 2 else "any"  # noqa: PLR2004
        table.add_row(f"{row['name']}{where}", task, kind, summary)
    print_table(table)


def _info_row(info: DatasetInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in info.__dataclass_fields__} | {"shape": dict(info.shape)}


def _describe(info: DatasetInfo) -> list[tuple[str, str]]:
    from assay.core.units import MISSING

    shown = ", ".join(info.labels[:20]) + (", ..." if len(info.labels) > 20 else "")  # noqa: PLR2004
    return [
        ("name", info.name),
        ("task", str(info.task)),
        ("kind", "synthetic" if info.is_synthetic else "real"),
        ("samples", f"{info.train_samples} to train with, {info.test_samples} to test with"),
        ("shape", ", ".join(f"{name} {size}" for name, size in info.shape.items()) or MISSING),
        *([("vocabulary", f"{info.vocab} ids")] if info.vocab is not None else []),
        ("classes", f"{info.classes}: {shown}" if shown else str(info.classes)),
        ("source", info.source),
        ("licence", info.licence or MISSING),
        ("checksum", f"SHA-256 {info.checksum}" if info.checksum else MISSING),
        *(("note", note) for note in info.notes),
    ]


def _print_findings(info: DatasetInfo, findings: Sequence[Finding]) -> None:
    from rich.text import Text

    from assay.workloads.datasets.check import Level

    console = make_console()
    marks = {Level.FAULT: ("✗", "red"), Level.WARNING: ("!", "yellow"), Level.FACT: ("·", "dim")}
    for one in findings:
        mark, style = marks[one.level]
        console.print(Text(f"{mark} {one.text}", style=style), soft_wrap=True)
    if not any(one.level is Level.FAULT for one in findings):
        kind = "synthetic" if info.is_synthetic else "real"
        console.print(Text(f"✓ {info.name} ({kind}) can be trained on: {info.task}", style="green"), soft_wrap=True)
