"""``assay plan``: how many devices a load takes, and what that costs."""

from __future__ import annotations

from typing import Annotated, Any

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

COLUMNS = (
    "device", "provenance", "precision", "batch", "engine", "rate_per_s", "spread", "replicas", "p_meets", "busy",
    "p_wait", "mean_wait_s", "usd_h", "usd_per_million",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan")(plan)


def plan(  # noqa: PLR0913  (a command has as many options as people need)
    model: Annotated[str, typer.Option("--model", "-m", autocompletion=complete_model, help="What is to be served.")],
    qps: Annotated[
        float | None, typer.Option("--qps", metavar="RATE", help="Load: units a second.", show_default=False)
    ] = None,
    users: Annotated[
        int | None,
        typer.Option("--users", help="Load of a language model: texts at the same time.", show_default=False),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option("--on", show_default=False, help="Devices, by commas. Default: all with a stored price, and cpu."),
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option("--precision", "-p", help="What may be chosen; by commas.")
    ] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", "-b", help="What may be chosen; by commas.")] = None,
    engine: Annotated[list[str] | None, typer.Option("--engine", help="What may be chosen; by commas.")] = None,
    max_wait: Annotated[
        str | None,
        typer.Option("--max-wait", metavar="TIME", help="Longest wait in the queue: 20ms.", show_default=False),
    ] = None,
    wait_share: Annotated[float, typer.Option("--wait-share", help="Share of units that wait no longer.")] = 0.9,
    most_busy: Annotated[float, typer.Option("--most-busy", help="Share of time that a device may work.")] = 0.8,
    confidence: Annotated[float, typer.Option("--confidence", help="How sure it is to be that the load is met.")] = 0.9,
    max_ttft: Annotated[
        str, typer.Option("--max-ttft", metavar="TIME", help="With --users: longest wait for a first token (median).")
    ] = "5s",
    isl: Annotated[int, typer.Option("--isl", min=1, help="With --users: tokens of a prompt.")] = 512,
    max_itl: Annotated[
        str, typer.Option("--max-itl", metavar="TIME", help="With --users: longest time between tokens (median).")
    ] = "50ms",
    devices: Annotated[
        list[str] | None,
        typer.Option("--devices", metavar="COUNTS", help="With --users: devices of one replica, by commas: 1,2,4."),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option("--price", metavar="LIST", help="USD an hour: l4=0.71,nvidia-t4=0.35.", show_default=False),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Say how many of each device a load takes, by rates that were measured or are foretold, with room for the queue.

    For example:

      assay plan --model bert/base --qps 2000 --max-wait 20ms --on l4,t4,h100 --batch 8

    Of a language model the users are told that are there at the same time, and what they may wait for:

      assay plan --model llama/8b --users 200 --max-itl 50ms --on a10,t4,a100 --price a10=1.0,t4=0.5,a100=2.5
    """
    from assay.cli.decide import HardwareAsked, make_decision
    from assay.cli.flags import read_duration, split_values
    from assay.core.errors import UsageError
    from assay.recommend.capacity import Load, Margin
    from assay.recommend.rows import plan_rows

    form = choose_form(as_json=as_json, as_csv=as_csv)
    if (qps is None) == (users is None):
        raise UsageError("A plan is for a load: give --qps (units a second), or --users (of a language model).")
    if users is not None:
        from assay.cli.plan_text import TextAsked, show_plan

        told = TextAsked(
            model, users, max_ttft, isl, max_itl, tuple(split_values(on)), tuple(split_values(devices)), price
        )
        show_plan(open_for_reading(store), told, form)
        return
    assert qps is not None  # noqa: S101  (one of the two is)
    asked = HardwareAsked(
        model, "throughput", tuple(split_values(on)), tuple(split_values(precision)), tuple(split_values(batch)),
        tuple(split_values(engine)), None, None, None, price,
    )  # fmt: skip
    decision = make_decision(open_for_reading(store), asked)
    wait_s = None if max_wait is None else read_duration("max-wait", max_wait)
    load, margin = Load(qps, wait_s, wait_share), Margin(most_busy, confidence)
    rows, failed = plan_rows(decision, load, margin)
    left = [*((question.device.name, why) for question, why in decision.abstained), *failed]
    if form is Form.JSON:
        print_json({"plans": rows, "abstained": [{"device": name, "reason": why} for name, why in left]})
    elif form is Form.CSV:
        print_csv(rows, COLUMNS)
    else:
        _print(rows, left)


def _print(rows: list[dict[str, Any]], abstained: list[tuple[str, str]]) -> None:
    from assay.core.units import format_significant

    console = make_console()
    table = new_table()
    table.add_column("devices")
    table.add_column("with")
    for name in ("rate of one", "busy", "met with", "USD/h", "USD/million"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in rows:
        cost, each = row["usd_h"], row["usd_per_million"]
        table.add_row(
            f"{row['replicas']} × {row['device']}", f"{row['precision']} b{row['batch']} {row['engine']}",
            f"{format_significant(row['rate_per_s'])}/s", f"{row['busy']:.0%}", f"{row['p_meets']:.0%}",
            "–" if cost is None else f"{cost:.2f}", "–" if each is None else format_significant(each),
            row["provenance"],
        )  # fmt: skip
    console.print(table)
    for name, why in abstained:
        console.print(f"  no answer for {name}: {why}", style="dim", soft_wrap=True)
    console.print("queue: M/M/c (docs/predict-serving.md); rates that are foretold carry their interval into the count",
                  style="dim", soft_wrap=True)  # fmt: skip
