"""``assay suggest``: which measurements would change a decision, or spare most regret."""

from __future__ import annotations

from typing import Annotated

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

COLUMNS = ("device", "workload", "precision", "batch", "engine", "value", "p_changes", "spread_factor", "command")


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
    from assay.recommend.suggest import describe, suggest_measurements

    form = choose_form(as_json=as_json, as_csv=as_csv)
    asked = HardwareAsked(
        model, objective, tuple(split_values(on)), tuple(split_values(precision)), tuple(split_values(batch)),
        tuple(split_values(engine)), max_latency, None, None, price,
    )  # fmt: skip
    decision = make_decision(open_for_reading(store), asked)
    rows = describe(suggest_measurements(decision))[:limit]
    if form is Form.JSON:
        print_json(rows)
        return
    if form is Form.CSV:
        print_csv(rows, COLUMNS)
        return
    console = make_console()
    if not rows:
        said = "Nothing to measure would change the choice" if decision.ranked else "Nothing is known to choose between"
        console.print(f"{said}: see assay recommend --model {model}", soft_wrap=True)
        return
    table = new_table()
    for name in ("measure on", "spares", "changes the choice", "may be off by"):
        table.add_column(name, justify="left" if name == "measure on" else "right")
    table.add_column("with")
    for row in rows:
        table.add_row(
            str(row["device"]), f"{row['value']:.1%}", f"{row['p_changes']:.0%}", f"x{row['spread_factor']:.2f}",
            str(row["command"]),
        )  # fmt: skip
    console.print(table)
    first = decision.ranked[0]
    console.print(f"the choice now: {first.question.device.name}, the best with {first.p_best:.0%}", style="dim")
