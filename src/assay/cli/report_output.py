"""Where the report of ``assay report`` goes: the terminal, files, or the whole store as a site."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from assay.cli.output import Form, StatusLine, make_console, new_table, open_for_reading, print_json, print_table
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.report.base import RenderOptions, ReportKind
    from assay.report.values import Report

_PIPED_WIDTH = 120
_BINARY = ("xlsx", "png")
_STDOUT = "-"
_EXIT_MISSING = 4


def print_report(built: Report, form: str, drawing: RenderOptions) -> None:
    """Write a report to standard output. Raises UsageError where that is a terminal and the format is not for one."""
    from assay.report.build import render_report

    if form in _BINARY and sys.stdout.isatty():
        raise UsageError(f"{form} is not for a terminal.", hint="Name a file with -o.")
    content = render_report(built, form, drawing)
    if form == "text":  # for people: in the encoding of their terminal; the others are files, and UTF-8 everywhere
        sys.stdout.write(content.decode("utf-8"))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_files(built: Report, outputs: Sequence[str], form: str | None, drawing: RenderOptions) -> None:
    """Write every file, or none where a name or format is wrong: all are drawn before the first is written."""
    from assay.core.units import format_bytes
    from assay.report.build import render_report
    from assay.report.writing import write_file

    asked = [_place(built, output, form) for output in dict.fromkeys(outputs)]
    drawn = [(path, chosen, render_report(built, chosen, drawing)) for path, chosen in asked]
    for path, chosen, content in drawn:
        if path is None:
            print_report(built, chosen, drawing)
            continue
        write_file(path, content)
        typer.echo(f"{path}: {built.kind} report as {chosen}, {format_bytes(len(content))}", err=True)


def _place(built: Report, output: str, form: str | None) -> tuple[Path | None, str]:
    """Return where a report goes and as what; no path is stdout. Raises UsageError."""
    from assay.report.build import format_of, suffix_of
    from assay.report.cells import short_id
    from assay.report.writing import file_name

    if output == _STDOUT:
        return None, form or "text"
    path = Path(output)
    if not path.is_dir() and not output.endswith("/"):
        return path, form or format_of(output)
    if form is None:
        raise UsageError(f"{output} is a folder, which says no format.", hint="Name a file, or give --format too.")
    about = short_id(built.ref.id) if built.ref is not None else f"{built.generated_at:%Y-%m-%d}"
    return path / file_name(built.kind, about, suffix_of(form)), form


def text_columns() -> int:
    """Columns to write text in: the terminal's, or a usual width where it is piped."""
    console = make_console()
    return console.width if console.is_terminal else _PIPED_WIDTH


def write_whole_site(folder: Path, location: str | None, *, given: Mapping[str, object]) -> None:
    """Publish a store as static pages. Raises UsageError where anything of ``given`` asks for one report too."""
    refused = [name for name, value in given.items() if value]
    if refused:
        raise UsageError(f"--site publishes the whole store, and {', '.join(refused)} was given too.")
    from assay.core.units import format_bytes
    from assay.web.settings import ServeSettings
    from assay.web.site import write_site

    open_for_reading(location)
    with StatusLine("pages") as line:
        written = write_site(ServeSettings(store=location), folder, listener=line.show)
    size = format_bytes(written.size_bytes)
    typer.echo(f"{written.folder}: {written.pages} pages, {written.files} other files, {size}", err=True)
    if written.left_out:
        typer.secho(f"{written.left_out} pages beyond the limit were left out.", fg=typer.colors.YELLOW, err=True)
    for failure in written.failed:
        typer.secho(f"not written: {failure}", fg=typer.colors.RED, err=True)
    if written.failed:
        raise typer.Exit(_EXIT_MISSING)


def print_kinds(form: Form) -> None:
    """List the kinds of reports with their options, and the formats."""
    from assay.report.base import renderers, report_kinds

    kinds = [report_kinds.get(name) for name in report_kinds.names()]
    drawers = [renderers.get(name) for name in renderers.names()]
    if form is not Form.TABLE:
        print_json({
            "kinds": [
                {
                    "name": kind.name, "title": kind.title, "description": kind.description, "runs": list(kind.runs),
                    "options": dict(kind.options),
                }
                for kind in kinds
            ],
            "formats": [
                {"name": one.name, "suffixes": list(one.suffixes), "description": one.description} for one in drawers
            ],
        })  # fmt: skip
        return
    table = new_table("kinds of reports")
    for header in ("kind", "of", "what it answers", "--option"):
        table.add_column(header, overflow="fold")
    for kind in kinds:
        table.add_row(kind.name, _runs_of(kind), kind.description, ", ".join(kind.options))
    print_table(table)
    formats = new_table("formats")
    for header in ("format", "ending", "what it is"):
        formats.add_column(header, overflow="fold")
    for one in drawers:
        formats.add_row(one.name, ", ".join(one.suffixes), one.description)
    print_table(formats)


def _runs_of(kind: ReportKind) -> str:
    least, most = kind.runs
    if most == 0:
        return "a selection"
    if least == 0:
        return "a selection, or runs"
    return "one run" if most == 1 else "runs"
