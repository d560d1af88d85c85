"""``assay import``: others' results into the store, with a report of what was and was not taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonOption, StatusLine, StoreOption, new_table, print_json, print_table
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.importers.pipeline import Progress
    from assay.importers.report import FileReport, ImportReport, Tally
    from assay.store import Store

EXIT_INCOMPLETE = 4
_OUTCOME_STYLES = {"taken": "green", "would be taken": "green", "already there": "dim", "refused": "red"}
_SHOWN_NOTES = 6
_SHOWN_COMPLAINTS = 20


def complete_format(incomplete: str) -> list[str]:
    """Names of formats that begin so, for the shell."""
    from assay.importers.base import importers

    return [name for name in importers.names() if name.startswith(incomplete)]


def import_results(  # noqa: PLR0913  (a command has as many options as people need)
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Files, folders, .zip or .gz, http(s) addresses; - for standard input.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="What every file is, where its content does not say; --list-formats lists them.",
            autocompletion=complete_format,
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", metavar="FILE", help="What the columns of CSV or Parquet files mean."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, and write nothing.")] = False,
    max_json_bytes: Annotated[
        int | None, typer.Option("--max-json-bytes", min=1, help="Largest JSON file to read; 256 MiB unless told.")
    ] = None,
    suggest_mapping: Annotated[
        bool, typer.Option("--suggest-mapping", help="Print a mapping file for one CSV or Parquet file to start from.")
    ] = False,
    list_formats: Annotated[bool, typer.Option("--list-formats", help="List the formats, and import nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import results that others measured. What is in the store already is not added again."""
    from assay.importers.pipeline import import_paths
    from assay.importers.source import Limits

    if list_formats:
        _print_formats(as_json=as_json)
        return
    if not sources:
        raise UsageError("Nothing to import was named.", hint="Name files, folders or addresses: assay import results/")
    limits = Limits() if max_json_bytes is None else Limits(json_bytes=max_json_bytes)
    if suggest_mapping:
        _print_suggestion(sources, limits)
        return
    with StatusLine("Looking at what is there") as line:
        report = import_paths(
            _open(store, dry_run=dry_run),
            sources,
            format=format_name,
            mapping=mapping,
            dry_run=dry_run,
            limits=limits,
            progress=lambda progress: line.show(_describe(progress)),
        )
    if as_json:
        print_json(_plain(report))
    else:
        _print_report(report, dry_run=dry_run)
    if not report.is_complete:
        raise typer.Exit(EXIT_INCOMPLETE)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("import")(import_results)


def _open(location: str | None, *, dry_run: bool) -> Store | None:
    """The store; a dry run makes none where there is none."""
    from assay.core.errors import StoreError, StoreVersionError
    from assay.store import Store

    if not dry_run:
        return Store.open(location)
    try:
        return Store.open(location, create=False)
    except StoreVersionError:
        raise
    except StoreError:
        return None


def _describe(progress: Progress) -> str:
    rows = f", {progress.rows} rows" if progress.rows else ""
    return f"{progress.stage} {progress.name[-80:]}{rows}"


def _print_formats(*, as_json: bool) -> None:
    from assay.importers.base import importers

    titles = {name: importers.get(name).title for name in importers.names()}
    if as_json:
        print_json([{"format": name, "title": title} for name, title in titles.items()])
        return
    table = new_table()
    table.add_column("format")
    table.add_column("results of", overflow="fold")
    for name, title in titles.items():
        table.add_row(name, title)
    print_table(table)


def _print_suggestion(sources: Sequence[str], limits: Any) -> None:
    from assay.importers.collect import check_targets
    from assay.importers.source import Source
    from assay.importers.tables.suggest import suggest_mapping

    check_targets(sources)
    path = Path(sources[0])
    if len(sources) > 1 or not path.is_file():
        raise UsageError("--suggest-mapping takes one CSV or Parquet file.")
    typer.echo(suggest_mapping(Source(path, str(path), path.stat().st_size, limits)), nl=False)


def _print_report(report: ImportReport, *, dry_run: bool) -> None:
    from rich.text import Text

    folder = _shared_folder([one.name for one in report.files])
    table = new_table(folder or None)
    for header, side in (("file", "left"), ("format", "left"), ("outcome", "left"), ("rows", "right")):
        table.add_column(header, justify="right" if side == "right" else "left", overflow="fold")
    for header in ("refused", "usable", "status", "marks"):
        table.add_column(header, justify="right" if header in {"refused", "usable"} else "left", overflow="fold")
    for one in report.files:
        style = _OUTCOME_STYLES.get(one.outcome.value, "yellow")
        numbers = [_count(number) for number in (one.rows_taken, one.rows_refused, one.tally.usable)]
        words = [_listed(one.tally.statuses), _listed(one.tally.marks)]
        outcome = Text(one.outcome.value, style=style)
        table.add_row(one.name.removeprefix(folder), one.format or "", outcome, *numbers, *words)
    print_table(table)
    for line in _complaints(report.files):
        typer.echo(line)
    for line in _notes(report.files, folder):
        typer.echo(line)
    for line in _totals(report, dry_run=dry_run):
        typer.echo(line)


def _complaints(files: Sequence[FileReport]) -> list[str]:
    """What was not taken, and why, file by file and then row by row."""
    lines = []
    for one in files:
        if one.reason is not None and one.outcome.value in {"refused", "not recognised"}:
            lines.append(f"{one.outcome}: {one.reason}{f' {one.hint}' if one.hint else ''}")
        lines += [f"{one.name}, {refusal.place}: {refusal.error}" for refusal in one.refusals]
        more = one.rows_refused - len(one.refusals)
        if more > 0:
            lines.append(f"{one.name}: and {more} more; the table import_refusals has all of those of files taken")
    left = len(lines) - _SHOWN_COMPLAINTS
    return lines if left <= 0 else [*lines[:_SHOWN_COMPLAINTS], f"... and {left} more lines; --json has them"]


def _notes(files: Sequence[FileReport], folder: str) -> list[str]:
    """What importers found out about files, said once for all that it is true of."""
    counts = Counter(note for one in files for note in one.notes)
    first = {note: one.name.removeprefix(folder) for one in reversed(files) for note in one.notes}
    lines = [
        f"note ({first[note]}{f' and {count - 1} more' if count > 1 else ''}): {note}"
        for note, count in counts.most_common(_SHOWN_NOTES)
    ]
    left = len(counts) - _SHOWN_NOTES
    return lines if left <= 0 else [*lines, f"... and {left} more notes; the table imports has them"]


def _totals(report: ImportReport, *, dry_run: bool) -> list[str]:
    from assay.core.units import format_elapsed

    files = ", ".join(f"{count} {outcome}" for outcome, count in report.outcomes.items())
    seconds = report.wall_ns / 1e9
    elapsed = f"{seconds:.1f} s" if seconds < 10 else format_elapsed(seconds)  # noqa: PLR2004  (a tenth tells then)
    lines = [f"{len(report.files)} files: {files or 'none'} ({elapsed})"]
    taken, refused = sum(one.rows_taken for one in report.files), sum(one.rows_refused for one in report.files)
    word = "would be added" if dry_run else "added"
    lines.append(f"{taken} rows {word}{f', {refused} refused' if refused else ''}")
    if taken:
        lines += _breakdown(report.tally)
    return lines


def _breakdown(tally: Tally) -> list[str]:
    return [
        f"provenance: {_listed(tally.provenances)}; the sources call {tally.simulated} of them simulated",
        f"status: {_listed(tally.statuses)}",
        f"marks: {_listed(tally.marks) or 'none'}",
        f"usable in aggregates: {tally.usable}; raw readings: {tally.samples}",
    ]


def _plain(report: ImportReport) -> dict[str, Any]:
    totals = {"rows_added": report.rows_added, "is_complete": report.is_complete, "outcomes": dict(report.outcomes)}
    return {**asdict(report), "totals": {**totals, "tally": asdict(report.tally)}}


def _listed(counts: Any) -> str:
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{count} {word}" for word, count in ordered)


def _count(number: int) -> str:
    return str(number) if number else ""


def _shared_folder(names: Sequence[str]) -> str:
    """The folder that all of several names begin with, up to its last slash."""
    if len(names) < 2:  # noqa: PLR2004  (a name by itself is shown whole)
        return ""
    shortest, longest = min(names), max(names)
    same = next((place for place, letter in enumerate(shortest) if letter != longest[place]), len(shortest))
    return shortest[: shortest.rfind("/", 0, same) + 1]
