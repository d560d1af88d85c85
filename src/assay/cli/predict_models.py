"""``assay predict ls``, ``show``, ``promote``, ``rollback``, ``export`` and ``import``: versions of predictors."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    format_age,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
)
from assay.cli.predict_learn import complete_kind, outcome_row, print_outcomes

_COLUMNS = ("kind", "version", "origin", "is_active", "made_at", "assay_version", "examples", "size_bytes", "splits")
KindArgument = Annotated[str, typer.Argument(metavar="KIND", autocompletion=complete_kind, help="The predictor.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="A version, its beginning, or prior.")]
WhyOption = Annotated[str, typer.Option("--why", help="A reason, kept in the log.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("ls")(list_versions)
    app.command("show")(show)
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("export")(export)
    app.command("import")(import_)


def list_versions(store: StoreOption = None, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List every version of every predictor, shipped and learned here; those that answer are marked."""
    from assay.core.errors import AssayError
    from assay.predict.model_file import read_model
    from assay.predict.models import list_models, shelf_of

    form = choose_form(as_json=as_json, as_csv=as_csv)
    rows = []
    for entry in list_models(shelf_of(open_for_reading(store).location)):
        row = {"kind": entry.kind, "version": entry.version, "origin": entry.origin, "is_active": entry.is_active,
               "size_bytes": entry.path.stat().st_size}  # fmt: skip
        try:
            record = read_model(entry.path)
            row |= {
                "made_at": record.made_at, "assay_version": record.assay_version,
                "examples": sum(use.rows for use in record.uses), "splits": [one.split for one in record.outcomes],
            }  # fmt: skip
        except AssayError as error:
            row["broken"] = str(error)
        rows.append(row)
    if form is Form.JSON:
        print_json(rows)
        return
    if form is Form.CSV:
        print_csv(rows, _COLUMNS)
        return
    if not rows:
        make_console().print("No predictor is here. Learn one: assay predict train")
        return
    table = new_table()
    for name in ("", "predictor", "version", "from"):
        table.add_column(name)
    for name in ("examples", "size", "made"):
        table.add_column(name, justify="right")
    table.add_column("tested on")
    for row in rows:
        made = row.get("made_at")
        tested = str(row["broken"]) if "broken" in row else ", ".join(row["splits"]) or "nothing"  # type: ignore[arg-type]
        table.add_row(
            "●" if row["is_active"] else "", str(row["kind"]), str(row["version"]), str(row["origin"]),
            str(row.get("examples", "")), f"{int(str(row['size_bytes'])) / 1024:.0f} KiB",
            "" if made is None else format_age(made), tested,  # type: ignore[arg-type]
        )  # fmt: skip
    print_table(table)
    make_console().print("● answers", style="dim")


def show(
    kind: KindArgument,
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="A version, its beginning, or prior; else what answers.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a version: what it was learned from, how good it is on every split, where not to trust it."""
    from assay.core.errors import NotFoundError
    from assay.predict.model_file import read_model
    from assay.predict.models import find_active, find_entry, shelf_of

    shelf = shelf_of(open_for_reading(store).location)
    path = find_active(kind, shelf) if version is None else find_entry(kind, version, shelf).path
    if path is None:
        raise NotFoundError(f"No version of {kind!r} answers here.", hint="assay predict ls; assay predict train")
    record = read_model(path)
    if as_json:
        print_json({
            "kind": record.kind, "version": record.version, "made_at": record.made_at, "seed": record.seed,
            "assay_version": record.assay_version, "uses": [asdict(one) for one in record.uses],
            "states": dict(record.states), "notes": list(record.notes),
            "outcomes": [outcome_row(one) for one in record.outcomes],
        })  # fmt: skip
        return
    console = make_console()
    console.print(
        f"{record.kind} {record.version}, made {record.made_at:%Y-%m-%d %H:%M} UTC by assay {record.assay_version}"
    )
    for use in record.uses:
        licence = f", {use.licence}" if use.licence else ""
        console.print(f"  learned from {use.name}: {use.rows} rows{licence}, sha256 {use.sha256[:12]}", soft_wrap=True)
    if record.outcomes:
        print_outcomes(record.outcomes)
    else:
        console.print("  not validated")
    for note in record.notes[:10]:
        console.print(f"  ! {note}", style="dim", soft_wrap=True)


def promote(
    kind: KindArgument, version: VersionArgument, why: WhyOption = "by hand", store: StoreOption = None
) -> None:
    """Have a version answer for its kind."""
    from assay.predict.models import promote as do
    from assay.predict.models import shelf_of

    entry = do(kind, version, shelf_of(open_for_reading(store).location), why=why)
    make_console().print(f"{entry.kind} {entry.version} answers from now on")


def rollback(kind: KindArgument, why: WhyOption = "by hand", store: StoreOption = None) -> None:
    """Have the version answer that did before."""
    from assay.predict.models import roll_back, shelf_of

    found = roll_back(kind, shelf_of(open_for_reading(store).location), why=why)
    make_console().print(f"{kind} {found.version} answers from now on")


def export(
    kind: KindArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")],
    version: Annotated[str | None, typer.Option("--version", help="Which; else what answers.")] = None,
    store: StoreOption = None,
) -> None:
    """Write a version to a file, for another machine or store."""
    from assay.core.errors import NotFoundError
    from assay.predict.model_file import read_model, save_bytes
    from assay.predict.models import find_active, find_entry, shelf_of

    shelf = shelf_of(open_for_reading(store).location)
    path = find_active(kind, shelf) if version is None else find_entry(kind, version, shelf).path
    if path is None:
        raise NotFoundError(f"No version of {kind!r} answers here.", hint="assay predict ls")
    record = read_model(path)
    save_bytes(path.read_bytes(), output)
    make_console().print(f"{kind} {record.version} written to {output}")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that assay predict export wrote.")],
    store: StoreOption = None,
) -> None:
    """Keep somebody else's version. It is checked, never unpickled, and answers once it is promoted."""
    from assay.predict.base import predictors
    from assay.predict.model_file import read_model
    from assay.predict.models import save_model, shelf_of

    record = read_model(file)
    predictors.get(record.kind).load(record.payload)
    version = save_model(record, shelf_of(open_for_reading(store).location)).stem.rpartition("-")[2]
    how = f"assay predict promote {record.kind} {version}"
    make_console().print(f"{record.kind} {version} kept; to have it answer: {how}", soft_wrap=True)
