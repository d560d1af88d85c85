"""``assay predict train`` and ``validate``: learn predictors, and show how good they are beside naive baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    from assay.predict.base import ExampleSource
    from assay.predict.drift import Need
    from assay.predict.scores import Score, SplitOutcome

_COLUMNS = (
    "kind", "split", "method", "n", "mean_error", "median_error", "within_10", "within_20", "coverage_90", "width_90",
    "goal", "published",
)  # fmt: skip
_LEVEL = 0.9


def complete_kind(incomplete: str) -> list[str]:
    """Names of predictors that begin so, for the shell."""
    from assay.predict.base import predictors

    return [name for name in predictors.names() if name.startswith(incomplete)]


KindOption = Annotated[
    list[str] | None,
    typer.Option("--kind", "-k", autocompletion=complete_kind, show_default=False, help="Which predictors; by commas."),
]
SplitOption = Annotated[
    list[str] | None, typer.Option("--split", show_default=False, help="Which splits; by commas. Default: all.")
]
DataOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        show_default=False,
        help="A folder of published data, or of several; may be repeated.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of folds and of learning.")]


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command("train")(train)
    app.command("validate")(validate)


def train(
    kind: KindOption = None,
    data: DataOption = None,
    split: SplitOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the version; do not have it answer.")] = False,
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Only what has drifted, or where enough is new: for a nightly job.")
    ] = False,
    seed: SeedOption = 0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from the store's results, and from published data; a version that deserves it answers from now on."""
    from assay.cli.flags import split_values
    from assay.predict.models import shelf_of
    from assay.predict.train import train_kinds

    opened = open_for_reading(store)
    source = _source(opened, data)
    splits, kinds = split_values(split) or None, split_values(kind)
    if if_needed:
        kinds, waiting = _needed(kinds, opened)
        if not kinds:
            _say_waiting(waiting, as_json=as_json)
            return
    with StatusLine("reading") as line:
        found = list(
            train_kinds(
                kinds, source, shelf_of(opened.location), seed=seed, splits=splits,
                is_promoting=not keep, listener=line.show,
            )
        )  # fmt: skip
    if as_json:
        rows = [
            asdict(one) | {"path": str(one.path), "outcomes": [outcome_row(o) for o in one.outcomes]} for one in found
        ]
        print_json(rows)
        return
    console = make_console()
    for one in found:
        if one.version is None:
            console.print(f"{one.kind}: nothing learned: {one.reason}", soft_wrap=True)
        else:
            does = "answers from now on" if one.promoted else "is kept and does not answer"
            console.print(
                f"{one.kind}: version {one.version} of {one.examples} examples {does}: {one.why}", soft_wrap=True
            )
        for note in one.notes[:5]:
            console.print(f"  ! {note}", style="dim", soft_wrap=True)


def validate(  # noqa: PLR0913  (a command has as many options as people need)
    kind: KindOption = None,
    split: SplitOption = None,
    data: DataOption = None,
    groups: Annotated[bool, typer.Option("--groups", help="Print every held-out group, not only the worst.")] = False,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write a report: .html, .md, .json, ...; repeatable.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Hold out models, families, devices, makers and times, and show the errors beside naive baselines.

    For example:

      assay predict validate --kind graph --data FOLDER
    """
    from assay.cli.flags import split_values

    form = choose_form(as_json=as_json, as_csv=as_csv)
    source = _source(open_for_reading(store), data)
    with StatusLine("reading") as line:
        outcomes, skipped = _validate(split_values(kind), split_values(split), source, seed, line)
    if form is Form.JSON:
        print_json({"outcomes": [outcome_row(one) for one in outcomes], "skipped": skipped})
    elif form is Form.CSV:
        print_csv([row for one in outcomes for row in _method_rows(one)], _COLUMNS)
    else:
        print_outcomes(outcomes, all_groups=groups)
        for reason in skipped:
            make_console().print(f"left out: {reason}", style="dim", soft_wrap=True)
    if output and outcomes:
        from assay.cli.predict_report import report_validation
        from assay.cli.report_output import write_files
        from assay.report.base import RenderOptions

        write_files(report_validation(outcomes, skipped), output, None, RenderOptions())


def outcome_row(one: SplitOutcome) -> dict[str, Any]:
    """Return an outcome as plain values, levels as text."""
    return {
        "kind": one.kind, "split": one.split, "question": one.question, "metric": one.metric, "goal": one.goal,
        "published": one.published, "beaten_by": list(one.beaten_by), "notes": list(one.notes),
        "methods": {name: _score_row(score) for name, score in one.methods.items()},
        "worst": [{"group": group.group, **_score_row(group.score)} for group in one.worst_groups],
        "groups": [{"group": group.group, **_score_row(group.score)} for group in one.groups],
        "stratified": {
            title: [{"group": group.group, **_score_row(group.score)} for group in groups]
            for title, groups in one.stratified.items()
        },
    }  # fmt: skip


def print_outcomes(outcomes: Sequence[SplitOutcome], *, all_groups: bool = False) -> None:
    """Print one table, assay's own beside each naive baseline, then where it is worst."""
    console = make_console()
    table = new_table()
    for name in ("predictor", "held out", "method"):
        table.add_column(name)
    for name in ("n", "mean error", "median", "≤ 10 %", "≤ 20 %", "90 % holds", "hi / lo", "goal"):
        table.add_column(name, justify="right")
    for one in outcomes:
        for place, (name, score) in enumerate(one.methods.items()):
            goal = "" if one.goal is None or place else f"≤ {one.goal:.1%}"
            first = (one.kind, one.split) if place == 0 else ("", "")
            table.add_row(*first, name, *_cells(score), goal, style=None if place == 0 else "dim")
    console.print(table)
    for one in outcomes:
        shown = one.groups if all_groups else one.worst_groups
        said = ", ".join(f"{group.group} {group.score.mean_error:.0%} (n {group.score.n})" for group in shown)
        if said:
            word = "groups" if all_groups else "worst decile"
            console.print(f"{one.kind} {one.split}, {word}: {said}", soft_wrap=True)
        if one.beaten_by:
            text = f"{one.kind} {one.split}: {', '.join(one.beaten_by)} did better, so it does not answer there"
            console.print(f"  ! {text}", soft_wrap=True)
        for note in one.notes:
            console.print(f"  {note}", style="dim", soft_wrap=True)


def _cells(score: Score) -> tuple[str, ...]:
    return (
        str(score.n), f"{score.mean_error:.1%}", f"{score.median_error:.1%}", f"{score.within_10:.0%}",
        f"{score.within_20:.0%}", f"{score.coverage[_LEVEL]:.0%}" if _LEVEL in score.coverage else "–",
        f"{score.width[_LEVEL]:.2f}" if _LEVEL in score.width else "–",
    )  # fmt: skip


def _score_row(score: Score) -> dict[str, Any]:
    def plain(levels: Mapping[float, float]) -> dict[str, float]:
        return {f"{level:g}": value for level, value in levels.items()}

    return asdict(score) | {"coverage": plain(score.coverage), "width": plain(score.width)}


def _method_rows(one: SplitOutcome) -> list[dict[str, Any]]:
    return [
        asdict(score) | {
            "kind": one.kind, "split": one.split, "method": name, "goal": one.goal, "published": one.published,
            "coverage_90": score.coverage.get(_LEVEL), "width_90": score.width.get(_LEVEL),
        }
        for name, score in one.methods.items()
    ]  # fmt: skip


def _validate(
    kinds: Sequence[str], wanted: Sequence[str], source: ExampleSource, seed: int, line: StatusLine
) -> tuple[list[SplitOutcome], list[str]]:
    """Run every split there is data for; what is left out comes back in words. Raises UnknownNameError for a slip."""
    from assay.core.errors import AssayError, UnknownNameError
    from assay.predict.train import choose_kinds, validate_kind

    chosen = choose_kinds(kinds)
    known = {name for one in chosen for name in one.splits}
    for name in wanted:
        if name not in known:
            raise UnknownNameError("split", name, known)
    outcomes: list[SplitOutcome] = []
    skipped: list[str] = []

    def listen(text: str) -> None:
        line.show(text)
        if " left out: " in text:
            skipped.append(text.replace(" left out: ", ": "))

    for one in chosen:
        names = [name for name in one.splits if not wanted or name in wanted]
        if not names:
            continue
        line.show(f"{one.name}: reading")
        try:
            gathered = one.gather(source)
            if len(gathered.examples) < one.fewest:
                skipped.append(f"{one.name}: {len(gathered.examples)} examples, and it takes {one.fewest}")
                continue
            outcomes += validate_kind(one, gathered, names, seed=seed, listener=listen)
        except ImportError as error:
            skipped.append(f"{one.name}: {error} ({one.install_hint})")
        except AssayError as error:
            skipped.append(f"{one.name}: {error}")
    return outcomes, skipped


def _needed(kinds: Sequence[str], opened: Any) -> tuple[list[str], list[Need]]:
    from assay.predict.drift import judge_need, read_pairs
    from assay.predict.models import shelf_of
    from assay.predict.train import choose_kinds

    pairs, shelf = read_pairs(opened), shelf_of(opened.location)
    needs = [judge_need(one.name, opened, shelf, pairs) for one in choose_kinds(kinds)]
    return [one.kind for one in needs if one.is_needed], needs


def _say_waiting(needs: Sequence[Need], *, as_json: bool) -> None:
    if as_json:
        print_json([])
        return
    for one in needs:
        make_console().print(f"{one.kind}: nothing to learn yet: {one.known}", soft_wrap=True)


def _source(opened: Any, data: Sequence[Path] | None) -> ExampleSource:
    from assay.predict.base import ExampleSource

    return ExampleSource(opened, tuple(data or ()))
