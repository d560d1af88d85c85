"""``assay matrix``: workloads x devices, measured, foretold, or neither, each said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.flags import complete_engine, complete_model
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StatusLine,
    StoreOption,
    choose_form,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
)

if TYPE_CHECKING:
    from rich.text import Text


COLUMNS = (
    "workload", "device", "precision", "batch", "engine", "metric", "value", "unit", "lo", "hi", "level", "provenance",
    "layer", "model", "relative", "reason",
)  # fmt: skip
_LEVEL = 0.9
_FAMILIES = ("bert/base", "resnet/50", "vit/base", "t5/small", "whisper/base", "wav2vec2/base", "clip/base", "llama/1b")
_SHADES = ("red", "yellow", "green")
"""Of cells by how near they come to the best of their row: below a third, below two, above."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("matrix")(matrix)


def matrix(  # noqa: PLR0913  (a command has as many options as people need)
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            autocompletion=complete_model,
            show_default=False,
            help="Rows, by commas. Default: the models that the store has results of.",
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option("--on", show_default=False, help="Columns, by commas. Default: all with a stored price, and cpu."),
    ] = None,
    precision: Annotated[str, typer.Option("--precision", "-p", help="One for all cells.")] = "fp32",
    batch: Annotated[int, typer.Option("--batch", "-b", min=1, help="One for all cells.")] = 1,
    engine: Annotated[
        str, typer.Option("--engine", "-e", autocompletion=complete_engine, help="One for all cells.")
    ] = "torch",
    metric: Annotated[str, typer.Option("--metric", help="latency_ns or throughput_per_s.")] = "latency_ns",
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show models against devices: what was measured, what is foretold, and where nobody can say, with the reason.

    For example:

      assay matrix --model bert/base,resnet/50 --on l4,t4,a10,h100 --precision fp16 --batch 8
    """
    from assay.cli.flags import split_values
    from assay.predict.answers import ask_numbers
    from assay.predict.layers import open_estimator
    from assay.predict.matrix_rows import matrix_rows
    from assay.predict.questions import Asked, make_questions
    from assay.recommend.decision import candidates

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store)
    models = split_values(model) or _known_models(opened)
    asked = Asked(
        tuple(models), tuple(candidates(opened, split_values(on))), (precision,), (batch,), (engine,), metric=metric
    )
    with StatusLine("counting what the models compute"):
        questions = make_questions(asked, store=opened)
    rows = matrix_rows(questions, ask_numbers(open_estimator(opened), questions))
    if form is Form.JSON:
        print_json({"metric": metric, "precision": precision, "batch": batch, "engine": engine, "cells": rows})
    elif form is Form.CSV:
        print_csv(rows, COLUMNS)
    else:
        _print(rows, f"{metric} · {engine} · {precision} · batch {batch}")


def _known_models(store: Any) -> list[str]:
    """The models measured here that are families or files, newest first; else well known ones."""
    from assay.workloads.base import families

    found = [result.case.workload for result in store.results(status="ok") if result.case.family in families.names()]
    return list(dict.fromkeys(reversed(found))) or list(_FAMILIES)


def _print(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    console = make_console()
    devices = list(dict.fromkeys(row["device"] for row in rows))
    table = new_table(title)
    table.add_column("workload")
    for name in devices:
        table.add_column(name, justify="right")
    reasons: dict[str, None] = {}
    for workload in dict.fromkeys(row["workload"] for row in rows):
        cells = {row["device"]: row for row in rows if row["workload"] == workload}
        table.add_row(workload, *(_cell(cells.get(name)) for name in devices))
    for row in rows:
        if row["value"] is None:
            reasons.setdefault(f"{row['workload']} on {row['device']}: {row['reason']}")
    console.print(table)
    counts = {word: sum(row["provenance"] == word for row in rows) for word in ("measured", "predicted", None)}
    console.print(
        f"{counts['measured']} measured (bold), {counts['predicted']} predicted (~), {counts[None]} without (·)",
        style="dim", soft_wrap=True,
    )  # fmt: skip
    for reason in list(reasons)[:5]:
        console.print(f"  · {reason}", style="dim", soft_wrap=True)


def _cell(row: Mapping[str, Any] | None) -> Text | str:
    from rich.text import Text

    from assay.core.units import format_duration_ns, format_significant

    if row is None or row["value"] is None:
        return "·"
    said = format_duration_ns(row["value"]) if row["unit"] == "ns" else format_significant(row["value"])
    shade = _SHADES[min(2, int(3 * row["relative"]))]
    return Text(said, f"bold {shade}") if row["provenance"] == "measured" else Text(f"~{said}", shade)
