"""``assay cache ls`` and ``assay cache clear``: what exporting and converting left on disk, and how to be rid of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.flags import read_duration
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    choose_form,
    format_age,
    new_table,
    print_csv,
    print_json,
    print_table,
)
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from assay.artefacts.cache import Artefact

app = typer.Typer(help="Exported, converted and quantized models, kept by content: list, clear.", no_args_is_help=True)

COLUMNS = ("recipe", "workload", "batch", "size_bytes", "made_at", "used_at", "build_ns", "total_ns", "key", "folder")


def complete_recipe(incomplete: str) -> list[str]:
    """Names of recipes that begin so, for the shell."""
    from assay.artefacts.base import recipes

    return [name for name in recipes.names() if name.startswith(incomplete)]


RecipeOption = Annotated[
    list[str] | None,
    typer.Option("--recipe", help="Only what this recipe made; may be repeated.", autocompletion=complete_recipe),
]
WorkloadOption = Annotated[
    list[str] | None, typer.Option("--workload", help="Only what was made of this workload; may be repeated.")
]


@app.command("ls")
def list_cache(
    recipe: RecipeOption = None,
    workload: WorkloadOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List what is kept, the newest first: size, age, and what making it again would take."""
    from assay.artefacts.cache import cache_location

    form = choose_form(as_json=as_json, as_csv=as_csv)
    root = cache_location()
    found = _select(root, recipe, workload)
    if form is Form.JSON:
        rows = [_row(one) for one in found]
        print_json({"location": str(root), "artefacts": rows, "size_bytes": _total(found), "drafts": _drafts(root)})
    elif form is Form.CSV:
        print_csv([_row(one) for one in found], COLUMNS)
    else:
        _print_artefacts(root, found)


@app.command("clear")
def clear_cache(
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Only what was not used for this long: 30d.")
    ] = None,
    recipe: RecipeOption = None,
    workload: WorkloadOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what is kept, or a part of it, and what killed processes left half made.

    Nothing is lost but the time that making it again takes. Results of runs are not touched.
    """
    from assay.artefacts.cache import cache_location, remove_artefact, remove_drafts

    root = cache_location()
    chosen = _select(root, recipe, workload, None if older_than is None else read_duration("older-than", older_than))
    drafts = _drafts(root)
    if dry_run or not (chosen or drafts):
        _report(chosen, drafts, removed=False, as_json=as_json)
        return
    _ask(chosen, drafts, root, yes=yes)
    for one in chosen:
        remove_artefact(one)
    _report(chosen, remove_drafts(root), removed=True, as_json=as_json)


def register(app_of_all: typer.Typer) -> None:
    """Add the group to the application."""
    app_of_all.add_typer(app, name="cache")


def _select(
    root: Path, recipe: Sequence[str] | None, workload: Sequence[str] | None, unused_for_s: float | None = None
) -> list[Artefact]:
    """What the filters leave. A recipe that made nothing, or is of a plugin that is gone, may be named too."""
    from assay.artefacts.base import recipes
    from assay.artefacts.cache import list_artefacts
    from assay.core.errors import UnknownNameError

    everything = list_artefacts(root)
    for kind, wanted, known in (
        ("recipe", recipe, {*recipes.names(), *(one.recipe for one in everything)}),
        ("workload in the cache", workload, {one.workload for one in everything}),
    ):
        for name in wanted or ():
            if name not in known:
                raise UnknownNameError(kind, name, known)
    now = datetime.now(UTC)
    return [
        one
        for one in everything
        if (not recipe or one.recipe in recipe)
        and (not workload or one.workload in workload)
        and (unused_for_s is None or (now - _used_at(one)).total_seconds() > unused_for_s)
    ]


def _used_at(artefact: Artefact) -> datetime:
    """When it was last made or read, to within the hour: the cache touches its manifest."""
    from assay.artefacts.cache import MANIFEST

    try:
        return datetime.fromtimestamp((artefact.folder / MANIFEST).stat().st_mtime, UTC)
    except OSError:
        return artefact.made_at


def _row(artefact: Artefact) -> dict[str, Any]:
    row = {name: getattr(artefact, name, None) for name in COLUMNS}
    return row | {"folder": str(artefact.folder), "used_at": _used_at(artefact), "facts": dict(artefact.facts)}


def _total(artefacts: Sequence[Artefact]) -> int:
    return sum(one.size_bytes for one in artefacts)


def _drafts(root: Path) -> int:
    """How many folders of killed processes there are."""
    from assay.artefacts.cache import list_drafts

    return len(list_drafts(root))


def _print_artefacts(root: Path, found: Sequence[Artefact]) -> None:
    from assay.core.units import format_bytes, format_duration_ns

    drafts = _drafts(root)
    if not found:
        typer.echo(f"Nothing is kept in {root}.")
    else:
        table = new_table()
        for header in ("recipe", "workload", "batch", "size", "made", "last used", "took", "key"):
            table.add_column(
                header, justify="right" if header in {"batch", "size", "took"} else "left", overflow="fold"
            )
        for one in found:
            table.add_row(
                one.recipe, one.workload, "any" if one.batch is None else str(one.batch), format_bytes(one.size_bytes),
                format_age(one.made_at), format_age(_used_at(one)), format_duration_ns(one.build_ns), one.key,
            )  # fmt: skip
        print_table(table)
        took = format_duration_ns(sum(one.build_ns for one in found))
        typer.echo(f"{_count(found)}, {format_bytes(_total(found))}, {took} of making, in {root}")
    if drafts:
        typer.secho(f"{drafts} half made by killed processes; assay cache clear removes them too.", err=True)


def _count(artefacts: Sequence[Artefact]) -> str:
    return f"{len(artefacts)} artefact{'s' if len(artefacts) != 1 else ''}"


def _ask(chosen: Sequence[Artefact], drafts: int, root: Path, *, yes: bool) -> None:
    """Have a person agree; a program must have said --yes."""
    from assay.core.units import format_bytes

    if yes:
        return
    what = _count(chosen) + (f" and {drafts} half made" if drafts else "")
    if not _is_terminal():
        raise UsageError(
            f"{what} ({format_bytes(_total(chosen))}) in {root} would be removed, and there is nobody to ask.",
            hint="Say --yes, or --dry-run to see what would go.",
        )
    if not typer.confirm(f"Remove {what} ({format_bytes(_total(chosen))}) from {root}?", err=True):
        raise typer.Exit


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _report(chosen: Sequence[Artefact], drafts: int, *, removed: bool, as_json: bool) -> None:
    from assay.core.units import format_bytes

    if as_json:
        print_json({
            "removed": removed, "artefacts": [_row(one) for one in chosen], "size_bytes": _total(chosen),
            "drafts": drafts,
        })  # fmt: skip
        return
    if not (chosen or drafts):
        typer.echo("Nothing to remove.")
        return
    if not removed:
        for one in chosen:
            typer.echo(f"{one.recipe} of {one.workload} ({format_bytes(one.size_bytes)}), {one.key}")
    half_made = f" and {drafts} half made" if drafts else ""
    words = "Removed" if removed else "Would remove"
    typer.echo(f"{words} {_count(chosen)}{half_made}: {format_bytes(_total(chosen))}.")
