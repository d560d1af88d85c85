"""``assay predict``: numbers that nobody measured, with intervals, and the predictors behind them."""

from __future__ import annotations

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
    short_id,
)

if TYPE_CHECKING:
    from assay.predict.values import Answer, Conditions, Prediction, Question

app = typer.Typer(help="Predict what was not measured, with tested intervals; learn, validate and choose predictors.")


def register(parent: typer.Typer) -> None:
    """Add the group, with the commands of the other modules."""
    from assay.cli import predict_auto, predict_learn, predict_models, predict_neusight, predict_scores

    predict_learn.register(app)
    predict_models.register(app)
    predict_scores.register(app)
    predict_neusight.register(app)
    predict_auto.register(app)
    parent.add_typer(app, name="predict")


def complete_device(incomplete: str) -> list[str]:
    """Ids of the catalogue that begin so, for the shell."""
    from assay.catalog.hardware.load import load_catalogue

    return [hw_id for hw_id in load_catalogue() if incomplete.casefold() in hw_id][:50]


@app.callback(invoke_without_command=True)
def predict(  # noqa: PLR0913  (a command has as many options as people need)
    context: typer.Context,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            autocompletion=complete_model,
            show_default=False,
            help="Families (bert/base), configurations, modules, ONNX files, or published ones (mlperf/resnet).",
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option("--on", autocompletion=complete_device, help="Devices: l4,rtx4090, or cpu for this machine's."),
    ] = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", "-p", help="By commas.")] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", "-b", help="By commas.")] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", "-e", autocompletion=complete_engine, help="By commas.")
    ] = None,
    mode: Annotated[str, typer.Option("--mode", help="inference or training.")] = "inference",
    metric: Annotated[
        str, typer.Option("--metric", help="latency, throughput, memory, power, ttft, tpot, itl, or a metric.")
    ] = "latency",
    shape: Annotated[list[str] | None, typer.Option("--shape", help="Free dimensions: seq=256.")] = None,
    devices: Annotated[int, typer.Option("--devices", help="How many of the device together: of published ones.")] = 1,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="What a case is asked under: scenario=Server.")
    ] = None,
    level: Annotated[float, typer.Option("--level", help="Which interval to print: 0.5, 0.8 or 0.9.")] = 0.9,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Ask only these predictors; by commas.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print why: layer, evidence, what would change it.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Keep the predictions, to be held against measurements.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Predict models on devices that were not measured; what was measured is given as that.

    For example:

      assay predict --model bert/base --on h100,l4,rtx4090,cpu --precision fp16 --batch 1,8,32
      assay predict --model mlperf/resnet --metric throughput --on h200,l40s --engine tensorrt --devices 8 -p int8
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from assay.cli.flags import read_integers, read_shape, split_values
    from assay.core.errors import UsageError
    from assay.predict.answers import COLUMNS, answer_to_row, ask, read_level, read_metric
    from assay.predict.layers import open_estimator
    from assay.predict.questions import Asked, make_questions, read_options

    form, level = choose_form(as_json=as_json, as_csv=as_csv), read_level(level)
    if not model:
        raise UsageError("Nothing was asked.", hint="For example: assay predict --model bert/base --on l4,cpu")
    opened = open_for_reading(store)
    asked = Asked(
        models=tuple(split_values(model)),
        devices=tuple(split_values(on)) or ("cpu",),
        precisions=tuple(split_values(precision)) or ("fp32",),
        batches=tuple(read_integers("batch", batch)) or (1,),
        engines=tuple(split_values(engine)) or ("torch",),
        mode=mode,
        metric=read_metric(metric),
        shape=_one_shape(read_shape(seq=None, image=None, others=shape)),
        options=read_options(option or ()),
        count=devices,
    )
    with StatusLine("counting what the models compute"):
        questions = make_questions(asked, store=opened)
    estimator = open_estimator(opened, kinds=split_values(kind) or None)
    answers = ask(estimator, questions)
    rows = [answer_to_row(*pair, level) for pair in zip(questions, answers, strict=True)]
    if form is Form.JSON:
        print_json({"predictions": rows, "broken": dict(estimator.broken)})
    elif form is Form.CSV:
        print_csv(rows, COLUMNS)
    else:
        _print(questions, answers, level, with_reasons=explain, broken=estimator.broken)
    if save:
        _save(store, questions, answers, is_quiet=form is not Form.TABLE)


def _refuse_options(context: typer.Context) -> None:
    """An option before a subcommand would do nothing: say so rather than ignore it."""
    from assay.core.errors import UsageError

    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            command = context.invoked_subcommand
            raise UsageError(
                f"--{name.removeprefix('as_').replace('_', '-')} stands before {command!r}, where it does nothing.",
                hint=f"Options of a subcommand go behind it: assay predict {command} --help",
            )


def _one_shape(sizes: dict[str, list[int]]) -> dict[str, int] | None:
    from assay.core.errors import UsageError

    for name, values in sizes.items():
        if len(values) > 1:
            raise UsageError(f"--shape: {name} has {len(values)} sizes; a prediction takes one at a time.")
    return {name: values[0] for name, values in sizes.items()} or None


def _print(questions: list[Question], answers: list[Answer], level: float, *, with_reasons: bool, broken: Any) -> None:
    from rich.text import Text

    from assay.predict.values import Prediction

    console = make_console()
    table = new_table()
    for name in ("workload", "device", "conditions"):
        table.add_column(name)
    for name in ("predicted", f"{level:.0%} interval"):
        table.add_column(name, justify="right")
    table.add_column("by")
    notes: dict[str, None] = {}
    for question, answer in zip(questions, answers, strict=True):
        words = _words_of(question.conditions)
        notes.update(dict.fromkeys(question.device.notes))
        if isinstance(answer, Prediction):
            said = Text(format_answer(answer), "bold" if answer.layer.value == "measured" else "")
            by = answer.layer.value if answer.model is None else f"{answer.layer.value} ({answer.model})"
            table.add_row(question.workload, question.device.name, words, said, format_interval(answer, level), by)
            notes.update(dict.fromkeys(answer.flags))
        else:
            table.add_row(question.workload, question.device.name, words, "–", "", Text(answer.reason, "dim"))
    console.print(table)
    if with_reasons:
        for question, answer in zip(questions, answers, strict=True):
            _explain(console, question, answer)
    for note in notes:
        console.print(f"  ! {note}", soft_wrap=True)
    for name, why in broken.items():
        console.print(f"  ! the predictor {name} was left out: {why}", soft_wrap=True)
    console.print("predicted, not measured, except where it says measured; intervals are tested: assay predict show",
                  style="dim", soft_wrap=True)  # fmt: skip


def _words_of(conditions: Conditions) -> str:
    words = [f"{conditions.engine} {conditions.precision} b{conditions.batch}"]
    words += [f"{conditions.devices} devices"] if conditions.devices != 1 else []
    words += [f"{name}={value}" for name, value in conditions.options]
    plain = "" if conditions.mode == "inference" else f"{conditions.mode} "
    return plain + ", ".join(words)


def format_answer(answer: Prediction) -> str:
    """Write a value for people."""
    from assay.core.units import format_bytes, format_duration_ns, format_significant

    if answer.unit == "ns":
        return format_duration_ns(answer.value)
    return format_bytes(answer.value) if answer.unit == "B" else f"{format_significant(answer.value)} {answer.unit}"


def format_interval(answer: Prediction, level: float) -> str:
    """Write an interval as two factors of the value; empty without one."""
    from assay.predict.answers import interval_of

    found = interval_of(answer, level)
    if found is None or not answer.value:
        return "none"
    return f"{found.lo / answer.value - 1:+.0%} … {found.hi / answer.value - 1:+.0%}"


def _explain(console: Any, question: Question, answer: Answer) -> None:
    from assay.predict.values import Prediction

    console.print(f"{question.workload} on {question.device.name}", style="bold", soft_wrap=True)
    if not isinstance(answer, Prediction):
        console.print(f"  no number: {answer.reason}", soft_wrap=True)
        for one in answer.measure:
            console.print(f"  measure: {one}", soft_wrap=True)
        return
    for one in answer.reasons:
        console.print(f"  {one}", soft_wrap=True)
    if answer.calibrated_on is not None:
        held = f"{answer.calibration_n} outcomes of {answer.calibration_groups} held-out groups"
        console.print(f"  interval from the situation {answer.calibrated_on.value}: {held}", soft_wrap=True)
    for evidence in answer.evidence:
        source = f" (result {short_id(evidence.result_id)})" if evidence.result_id else ""
        console.print(f"  evidence: {evidence.what}: {evidence.value:g} {evidence.unit}{source}; {evidence.why}",
                      style="dim", soft_wrap=True)  # fmt: skip
    for change in answer.would_change:
        console.print(f"  would change it: {change}", style="dim", soft_wrap=True)


def _save(location: str | None, questions: list[Question], answers: list[Answer], *, is_quiet: bool) -> None:
    from assay.predict.stored import store_predictions
    from assay.probes.environment import collect_environment
    from assay.store import Store

    opened = Store.open(location)
    run = store_predictions(opened, questions, answers, collect_environment())
    if not is_quiet:
        said = "nothing to keep: no answer is a prediction" if run is None else f"kept as run {short_id(run.run_id)}"
        make_console().print(f"{said} in {opened.location}", style="dim", soft_wrap=True)
