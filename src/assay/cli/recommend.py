"""``assay recommend``: what would be better, by what was measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.flags import complete_model
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    make_console,
    open_for_reading,
    print_csv,
    print_json,
    short_id,
)

if TYPE_CHECKING:
    from assay.recommend.advise import Recommendations

COLUMNS = ("rule", "subject", "action", "because", "gain", "gain_of", "cost", "evidence")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recommend")(recommend)


def complete_rule(incomplete: str) -> list[str]:
    """Names of rules that begin so, for the shell."""
    from assay.recommend.base import rules

    return [name for name in rules.names() if name.startswith(incomplete)]


def complete_mode(incomplete: str) -> list[str]:
    """Modes that are foretold and begin so, for the shell."""
    return [one for one in ("inference", "training") if one.startswith(incomplete)]


def complete_optimizer(incomplete: str) -> list[str]:
    """Optimizers whose state is known and that begin so, for the shell."""
    from assay.predict.memory import OPTIMIZER_BYTES

    return [one for one in OPTIMIZER_BYTES if one.startswith(incomplete)]


def recommend(  # noqa: PLR0913  (a command has as many options as people need)
    run: Annotated[str, typer.Argument(help="The run: an id, last, last~2.")] = "last",
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="Only these rules; by commas.", autocompletion=complete_rule, show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most pieces of advice to print.")] = 20,
    evidence: Annotated[bool, typer.Option("--evidence", "-e", help="Print the numbers behind each.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            autocompletion=complete_model,
            show_default=False,
            help="Ask instead which hardware to use for this model.",
        ),
    ] = None,
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
    budget: Annotated[float | None, typer.Option("--budget", metavar="USD", help="Most USD an hour.")] = None,
    qps: Annotated[float | None, typer.Option("--qps", metavar="RATE", help="Load: units a second.")] = None,
    price: Annotated[
        str | None,
        typer.Option("--price", metavar="LIST", help="USD an hour: l4=0.71,nvidia-t4=0.35.", show_default=False),
    ] = None,
    devices: Annotated[
        list[str] | None,
        typer.Option("--devices", metavar="COUNTS", help="How many of each device may be chosen, by commas: 1,2,4,8."),
    ] = None,
    cloud: Annotated[
        bool, typer.Option("--cloud", help="Let rented machines with a stored price be chosen too.")
    ] = False,
    mode: Annotated[
        str, typer.Option("--mode", help="inference, or training.", autocompletion=complete_mode)
    ] = "inference",
    optimizer: Annotated[
        str | None,
        typer.Option(
            "--optimizer",
            help="Of training; its state takes memory.",
            autocompletion=complete_optimizer,
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Say what would be faster, larger, cheaper or safer than what a run did, by what was measured on this machine.

    Nothing is guessed: each piece of advice has the numbers behind it, and where nothing was measured nothing is said.

    For example:

      assay run --model bert/tiny --batch 1,8,32 --engine torch,onnxruntime && assay recommend
      assay recommend --model bert/base --objective cost --max-latency 50ms --on l4,a10,t4,h100
      assay recommend --model llama/8b --precision fp16 --on h100,l4,p5.48xlarge --devices 1,2,4,8

    With --model: which hardware, by what was measured on it or is foretold, each said.
    """
    from assay.cli.flags import split_values
    from assay.recommend.advise import recommend as advise

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store)
    if model is not None:
        from assay.cli.decide import HardwareAsked, recommend_hardware

        wanted = HardwareAsked(
            model, objective, tuple(split_values(on)), tuple(split_values(precision)), tuple(split_values(batch)),
            tuple(split_values(engine)), max_latency, budget, qps, price, tuple(split_values(devices)), cloud, mode,
            optimizer,
        )  # fmt: skip
        recommend_hardware(opened, wanted, form, limit)
        return
    found = advise(opened, opened.find_run(run), only=split_values(rule))
    rows = [asdict(one) for one in found.advice]
    if form is Form.JSON:
        print_json({"run": found.run.run_id, "results": found.subjects, "known": found.known, "advice": rows})
    elif form is Form.CSV:
        print_csv(rows, COLUMNS)
    else:
        _print(found, limit, with_evidence=evidence)


def _print(found: Recommendations, limit: int, *, with_evidence: bool) -> None:
    from rich.text import Text

    console = make_console()
    run = f"run {short_id(found.run.run_id)}, {found.subjects} results"
    scope = f"{run}; {found.known} of this machine and software are known"
    if not found.advice:
        console.print(f"No advice: nothing that was measured speaks for doing otherwise ({scope}).")
        return
    for one in found.advice[:limit]:
        console.print(Text.assemble((one.action, "bold"), f"  [{one.rule}]"), soft_wrap=True)
        console.print(f"  {one.subject}", soft_wrap=True)
        console.print(f"  {one.because}" + (f"; {one.cost}" if one.cost else ""), soft_wrap=True)
        if with_evidence:
            for number in one.evidence:
                source = f" (result {short_id(number.result_id)})" if number.result_id else ""
                console.print(f"    {number.what}: {number.value:g} {number.unit}{source}", style="dim", soft_wrap=True)
    left = len(found.advice) - limit
    more = f"; {left} more with --limit {len(found.advice)}" if left > 0 else ""
    pieces = "1 piece" if len(found.advice) == 1 else f"{len(found.advice)} pieces"
    console.print(f"{pieces} of advice by {scope}{more}", style="dim", soft_wrap=True)
