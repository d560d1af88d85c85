"""``assay baseline set | ls | rm``: runs pinned under a name, for later ones to be checked against."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from assay.cli.compare_sides import complete_run
from assay.cli.flags import in_utf8
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    format_age,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
    short_id,
)

COLUMNS = ("name", "run_id", "series_id", "created_at", "author", "note", "baseline_id")

app = typer.Typer(help="Runs pinned under a name, to check others against.", no_args_is_help=True)


def complete_baseline(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of baselines that begin so, for the shell."""
    from assay.core.errors import AssayError

    try:
        pinned = open_for_reading(ctx.params.get("store")).baselines()
    except AssayError:  # there is nothing to offer, and nowhere to say why
        return []
    return [name for name in dict.fromkeys(one.name for one in pinned) if name.startswith(incomplete)]


NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="For instance main, or a release.", autocompletion=complete_baseline)
]
SeriesOption = Annotated[
    str | None, typer.Option("--series", help="Only for this series: its id or case.", show_default=False)
]


@app.command("set")
def pin(
    name: NameArgument,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Default: the newest that is no trial.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    series: SeriesOption = None,
    note: Annotated[
        str | None, typer.Option("--note", callback=in_utf8, help="Why this one.", show_default=False)
    ] = None,
) -> None:
    """Pin a run under a name, in place of the one pinned before."""
    from assay.cli.check import find_judged_run
    from assay.cli.subjects import find_author
    from assay.store.annotations import pin_baseline

    opened = open_for_reading(store)
    found = find_judged_run(opened, run)
    series_id = _series_id(series, store)
    pin_baseline(opened.location, name, found.run_id, series_id=series_id, note=note, author=find_author())
    of = "" if series_id is None else f" for series {series_id}"
    code = "" if found.git_commit is None else f", {found.git_commit[:12]}"
    typer.echo(f"baseline {name}: run {short_id(found.run_id)} of {found.suite}{code}{of}")
    typer.echo(f"check against it with: assay check --against baseline:{name}")


@app.command("ls")
def list_baselines(store: StoreOption = None, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List what is pinned now."""
    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store)
    pinned = opened.baselines()
    rows = [asdict(one) for one in pinned]
    if form is Form.JSON:
        print_json([{name: row[name] for name in COLUMNS} for row in rows])
    elif form is Form.CSV:
        print_csv(rows, COLUMNS)
    elif not pinned:
        typer.echo("No baselines yet. Pin one with: assay baseline set NAME [RUN]")
    else:
        from assay.cli.subjects import read_labels

        ids = [one for record in pinned for one in (record.run_id, record.series_id) if one is not None]
        labels = read_labels(opened, ids)
        table = new_table()
        for header in ("name", "run", "of", "for", "pinned", "by", "note"):
            table.add_column(header, overflow="fold")
        for one in pinned:
            run_id = one.run_id or ""
            series = "all its cases" if one.series_id is None else labels.get(one.series_id, one.series_id)
            table.add_row(
                one.name, short_id(run_id), labels.get(run_id, "a run that is gone"), series,
                format_age(one.created_at), one.author, one.note or "",
            )  # fmt: skip
        print_table(table)


@app.command("rm")
def unpin(name: NameArgument, store: StoreOption = None, series: SeriesOption = None) -> None:
    """End a name. The run stays."""
    from assay.cli.subjects import find_author
    from assay.store.annotations import pin_baseline

    opened = open_for_reading(store)
    pin_baseline(opened.location, name, None, series_id=_series_id(series, store), author=find_author())
    typer.echo(f"baseline {name} ended")


def register(app_of_all: typer.Typer) -> None:
    """Add the group to the application."""
    app_of_all.add_typer(app, name="baseline")


def _series_id(series: str | None, store: str | None) -> str | None:
    from assay.cli.subjects import find_subject
    from assay.core.errors import UsageError

    if series is None:
        return None
    found = find_subject(open_for_reading(store), series)
    if found.kind == "series":
        return found.subject_id
    if found.finding is not None:
        return found.finding.series_id
    raise UsageError(f"{series!r} is a {found.kind}; expected a series.", hint="Give its id, or the label of its case.")
