"""``assay predict neusight``: whole models on GPUs that were not measured, told from kernels alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StatusLine,
    choose_form,
    make_console,
    new_table,
    print_csv,
    print_json,
)

if TYPE_CHECKING:
    from assay.predict.kernels.labels import Label
    from assay.predict.kernels.model import KernelModel
    from assay.predict.kernels.whole import StepPrediction

_COLUMNS = (
    "device", "config", "predicted_ms", "lo_50_ms", "hi_50_ms", "lo_80_ms", "hi_80_ms", "measured_ms", "error",
    "kernels", "linear_ms", "bmm_ms", "elementwise_ms", "softmax_ms", "norm_ms", "flags",
)  # fmt: skip
_STEPS = (
    "bert_large-inf-512-16", "bert_large-train-512-8", "gpt2_large-inf-1024-4", "gpt2_large-train-1024-4",
    "gpt3_xl-inf-2048-2", "gpt3_xl-train-2048-2", "opt_13-inf-2048-2", "opt_13-train-2048-2",
    "switchxl4-inf-512-1", "switchxl4-train-512-1",
)  # fmt: skip
_LEVELS = (0.5, 0.8)
_HINT = "pip install 'assay[torch,predict]'"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("neusight")(neusight)


def complete_step(incomplete: str) -> list[str]:
    """Steps of the published models that begin so, for the shell."""
    return [one for one in _STEPS if one.startswith(incomplete)]


def neusight(
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            show_default=False,
            help="The folder `neusight` with kernels.parquet, or one that holds it.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="CSV",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="Measured times: device, config, e2e_latency in ms. Errors are printed.",
        ),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            "-c",
            autocompletion=complete_step,
            show_default=False,
            help="Steps such as bert_large-inf-512-16; by commas. Default: those of the labels, else ten.",
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on", show_default=False, help="GPUs; by commas. Default: the labels', else H100, L4, A100 80 GB."
        ),
    ] = None,
    configurations: Annotated[
        Path | None,
        typer.Option(
            "--configurations",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            show_default=False,
            help="Configurations as NAME.json, before the built-in ones.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of learning.")] = 0,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Learn kernels on P4, P100, V100, T4 and A100 40 GB; predict whole models on GPUs that were not among them.

    For example:

      assay predict neusight --data data/neusight --labels labels.csv
    """  # fmt: skip
    from assay.cli.flags import split_values
    from assay.core.errors import UsageError
    from assay.predict.base import ExampleSource
    from assay.predict.devices import find_profile
    from assay.predict.kernels.labels import read_labels
    from assay.predict.kernels.models import read_step
    from assay.predict.kernels.table import gather_kernels
    from assay.predict.kernels.validate import HELD_OUT
    from assay.predict.kernels.whole import predict_step, trace_steps

    form = choose_form(as_json=as_json, as_csv=as_csv)
    if not data:
        raise UsageError("No kernels were given to learn from.", hint="For example: --data data/neusight")
    known = read_labels(labels) if labels is not None else ()
    wanted = split_values(on) or tuple(dict.fromkeys(one.device for one in known)) or HELD_OUT
    profiles = {one.name: one for one in map(find_profile, wanted)}
    measured = {(find_profile(one.device).name, one.step): one for one in known}
    steps = [read_step(one) for one in split_values(config) or ([] if known else _STEPS)]
    if known:
        pairs = [(name, step) for name, step in measured if name in profiles and (not steps or step in steps)]
    else:
        pairs = [(name, step) for step in steps for name in profiles]
    with StatusLine("counting the kernels of the models") as line:
        kernels = trace_steps([step for _, step in pairs], configurations)
        line.show("learning what kernels take")
        model = _learn(gather_kernels(ExampleSource(None, tuple(data))), seed)
    found = [predict_step(model, step, kernels[step], profiles[name]) for name, step in pairs]
    rows = [_row(one, measured.get((one.device, one.step))) for one in found]
    if form is Form.JSON:
        print_json({"learned_on": list(model.devices), "rows": rows, "scores": _scores(rows)})
    elif form is Form.CSV:
        print_csv(rows, _COLUMNS)
    else:
        _print(rows, model)


def _learn(gathered: Any, seed: int) -> KernelModel:
    """Learn from the devices that are not held out: nothing of those is looked at."""
    import numpy as np

    from assay.predict.kernels.fit import fit_kernels, table_of
    from assay.predict.kernels.validate import HELD_OUT

    table = table_of(gathered)
    return fit_kernels(table.take(~np.isin(table.device, HELD_OUT)), seed)


def _row(one: StepPrediction, label: Label | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "device": one.device, "config": one.step.reference, "predicted_ms": one.latency_ns / 1e6,
        "measured_ms": None if label is None else label.latency_ns / 1e6,
        "error": None if label is None else one.latency_ns / label.latency_ns - 1,
        "kernels": one.kernels, "flags": "; ".join(one.flags),
    }  # fmt: skip
    for level in _LEVELS:
        low, high = one.intervals.get(level, (None, None))
        name = f"{level * 100:.0f}"
        row |= {f"lo_{name}_ms": low and low / 1e6, f"hi_{name}_ms": high and high / 1e6}
    return row | {f"{family}_ms": value / 1e6 for family, value in one.parts_ns.items()}


def _scores(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Errors over all, and by device, training and inference apart; nothing without labels."""
    import statistics

    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["error"] is None:
            continue
        mode = "training" if "-train-" in row["config"] else "inference"
        for name in ("all", mode, row["device"], f"{row['device']} {mode}"):
            groups.setdefault(name, []).append(row)
    found = []
    for name, own in groups.items():
        errors = [abs(row["error"]) for row in own]
        held = [row["lo_80_ms"] <= row["measured_ms"] <= row["hi_80_ms"] for row in own if row["lo_80_ms"] is not None]
        found.append(
            {
                "group": name, "n": len(own), "mean_error": statistics.fmean(errors),
                "median_error": statistics.median(errors), "held_80": sum(held) / len(held) if held else None,
            }
        )  # fmt: skip
    return found


def _print(rows: Sequence[Mapping[str, Any]], model: KernelModel) -> None:
    from assay.predict.kernels.validate import PUBLISHED

    console = make_console()
    table = new_table()
    for name in ("device", "config", "predicted", "80 % interval", "measured", "error", "kernels", "products"):
        table.add_column(name, justify="left" if name in ("device", "config") else "right")
    for row in rows:
        products = (row["linear_ms"] + row["bmm_ms"]) / row["predicted_ms"]
        low, high = row["lo_80_ms"], row["hi_80_ms"]
        table.add_row(
            row["device"], row["config"], f"{row['predicted_ms']:.4g} ms",
            "–" if low is None else f"{low:.4g} … {high:.4g}",
            "–" if row["measured_ms"] is None else f"{row['measured_ms']:.4g} ms",
            "–" if row["error"] is None else f"{row['error']:+.1%}", str(row["kernels"]), f"{products:.0%}",
        )  # fmt: skip
    console.print(table)
    console.print(
        f"predicted from {model.rows} kernels timed on {', '.join(model.devices)}; fp32, no fusion; sums of kernels, "
        "each without what starting it alone costs",
        style="dim", soft_wrap=True,
    )  # fmt: skip
    for flag in dict.fromkeys(row["flags"] for row in rows if row["flags"]):
        console.print(f"  ! {flag}", style="dim", soft_wrap=True)
    for one in _scores(rows):
        held = "" if one["held_80"] is None else f"; 80 % intervals held {one['held_80']:.0%}"
        console.print(
            f"{one['group']}: mean error {one['mean_error']:.1%}, median {one['median_error']:.1%} of {one['n']}{held}"
        )
    if any(row["error"] is not None for row in rows):
        console.print(f"published for NeuSight: mean error {PUBLISHED:.1%}", style="dim")
