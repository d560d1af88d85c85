"""``assay suggest``: which measurements would change a decision, or spare most regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.flags import complete_model
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
)

if TYPE_CHECKING:
    from assay.recommend.decision import Decision

COLUMNS = (
    "device", "devices", "workload", "precision", "batch", "engine", "strategy", "value", "p_changes", "spread_factor",
    "error_now", "error_then", "command", "note",
)  # fmt: skip
_MOST_PROBES = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("suggest")(suggest)


def suggest(  # noqa: PLR0913  (a command has as many options as people need)
    model: Annotated[str, typer.Option("--model", "-m", autocompletion=complete_model, help="What is to be run.")],
    objective: Annotated[str, typer.Option("--objective", help="latency, throughput, energy or cost.")] = "latency",
    on: Annotated[
        list[str] | None,
        typer.Option("--on", show_default=False, help="Devices, by commas. Default: all with a stored price, and cpu."),
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option("--precision", "-p", help="What may be chosen; by commas.")
    ] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", "-b", help="What may be chosen; by commas.")] = None,
    engine: Annotated[list[str] | None, typer.Option("--engine", help="What may be chosen; by commas.")] = None,
    max_latency: Annotated[
        str | None,
        typer.Option("--max-latency", metavar="TIME", help="Longest time of a call: 50ms.", show_default=False),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option("--price", metavar="LIST", help="USD an hour: l4=0.71,nvidia-t4=0.35.", show_default=False),
    ] = None,
    devices: Annotated[
        list[str] | None,
        typer.Option(
            "--devices",
            metavar="COUNTS",
            help="How many of each device may be chosen, by commas: 1,2,4,8.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[str, typer.Option("--mode", help="inference, or training.")] = "inference",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most to print.")] = 5,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Say what to measure next, so that the choice of hardware gets surer: what changes it most likely comes first.

    For example:

      assay suggest --model bert/base --objective cost --on l4,a10,t4,h100
    """
    from assay.cli.decide import HardwareAsked, make_decision
    from assay.cli.flags import split_values
    from assay.predict.layers import open_estimator
    from assay.recommend.suggest import describe, suggest_measurements
    from assay.recommend.suggest_probes import describe_probes, suggest_probes

    form = choose_form(as_json=as_json, as_csv=as_csv)
    asked = HardwareAsked(
        model, objective, tuple(split_values(on)), tuple(split_values(precision)), tuple(split_values(batch)),
        tuple(split_values(engine)), max_latency, None, None, price, tuple(split_values(devices)), mode=mode,
    )  # fmt: skip
    opened = open_for_reading(store)
    decision = make_decision(opened, asked)
    rows = describe(suggest_measurements(decision))[:limit]
    probes = describe_probes(suggest_probes(decision, open_estimator(opened, kinds=("transfer",))))
    if form is Form.JSON:
        print_json({"suggestions": rows, "probes": probes})
        return
    if form is Form.CSV:
        print_csv([*rows, *probes], COLUMNS)
        return
    if rows:
        _print(rows, decision)
    else:
        said = "Nothing to measure would change the choice" if decision.ranked else "Nothing is known to choose between"
        make_console().print(f"{said}: see assay recommend --model {model}", soft_wrap=True)
    _print_probes(probes)


def _print(rows: Sequence[Mapping[str, Any]], decision: Decision) -> None:
    console = make_console()
    table = new_table()
    for name in ("measure on", "spares", "changes the choice", "may be off by"):
        table.add_column(name, justify="left" if name == "measure on" else "right")
    table.add_column("with")
    for row in rows:
        many = row["device"] if row["devices"] == 1 else f"{row['devices']} × {row['device']}"
        table.add_row(
            many, f"{row['value']:.1%}", f"{row['p_changes']:.0%}", f"x{row['spread_factor']:.2f}",
            row["command"] or row["note"],
        )  # fmt: skip
    console.print(table)
    first = decision.ranked[0]
    console.print(f"the choice now: {first.label}, the best with {first.p_best:.0%}", style="dim")


def _print_probes(probes: Sequence[Mapping[str, Any]]) -> None:
    """What to measure on a device that is foretold by others, so that everything else on it gets surer."""
    console = make_console()
    for device in dict.fromkeys(row["device"] for row in probes):
        own = [row for row in probes if row["device"] == device][:_MOST_PROBES]
        now, then = own[0]["error_now"], own[0]["error_then"]
        gain = (
            ""
            if now is None or then is None
            else f" (mean error of held-out devices: {now:.1%} without, {then:.1%} with)"
        )
        console.print(f"to foretell any other model on {device}, measure these there{gain}:", soft_wrap=True)
        for row in own:
            console.print(f"  {row['command'] or row['note']}", soft_wrap=True)
