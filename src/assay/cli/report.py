"""``assay report``: one report in the terminal, or as files of several formats, or the whole store as a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.compare_sides import complete_field, complete_metric, complete_run
from assay.cli.flags import complete_engine, complete_model
from assay.cli.output import AsOfOption, CsvOption, Form, JsonOption, StoreOption, choose_form, open_for_reading
from assay.cli.report_output import print_kinds, print_report, text_columns, write_files, write_whole_site
from assay.cli.report_request import build, choose_kind, given_of, read_options, read_targets, where_of
from assay.core.errors import UsageError

_DEFAULT_KIND = "run"
_LIMIT = 1000
_TextsOption = typer.Option(show_default=False, help="Only these; by commas, '*' allowed.")
Texts = Annotated[list[str] | None, _TextsOption]


def complete_word(ctx: typer.Context, incomplete: str) -> list[str]:
    """Kinds of reports, then runs, that begin so, for the shell."""
    from assay.report.base import report_kinds

    kinds = [] if ctx.params.get("words") else [name for name in report_kinds.names() if name.startswith(incomplete)]
    return [*kinds, *complete_run(ctx, incomplete)]


def complete_format(incomplete: str) -> list[str]:
    """Formats that begin so, for the shell."""
    from assay.report.base import renderers

    return [name for name in renderers.names() if name.startswith(incomplete)]


def complete_option(ctx: typer.Context, incomplete: str) -> list[str]:
    """Options of the kind that was named, for the shell."""
    from assay.report.base import report_kinds

    words = ctx.params.get("words") or [_DEFAULT_KIND]
    if words[0] not in report_kinds.names():
        return []
    return [f"{name}=" for name in report_kinds.get(words[0]).options if f"{name}=".startswith(incomplete)]


def report(  # noqa: PLR0913  (a command has as many options as people need)
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND] [RUN]...",
            help="What kind of report (--list), and of which runs. Default: run last.",
            autocompletion=complete_word,
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File, whose ending says the format; a folder, with --format; '-': stdout. May be repeated.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", "-f", help="Format, where no ending says it.", autocompletion=complete_format),
    ] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            "--workload", "--model", "-m", help="Only these; by commas, '*' allowed.", autocompletion=complete_model
        ),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option("--engine", "-e", help="Only these engines.", autocompletion=complete_engine),
    ] = None,
    device: Annotated[list[str] | None, typer.Option("--device", "-d", help="Only these devices.")] = None,
    hardware: Texts = None,
    mode: Texts = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", "-p", help="Only these precisions.")] = None,
    suite: Annotated[list[str] | None, typer.Option("--suite", "-s", help="Only results of these suites.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only results of runs with this tag.")] = None,
    source: Texts = None,
    provenance: Annotated[
        str | None,
        typer.Option(
            help="measured, imported, predicted, or any. Usual: measured; any, each marked, of reports that compare.",
            show_default=False,
        ),
    ] = None,
    usable: Annotated[bool, typer.Option("--usable", help="Only what rankings may use.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", help="Only results since then: 30d, 2026-11-01.", show_default=False)
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only results before then.", show_default=False)] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="Which number, where the kind asks for one: latency_ns, latency_ns.p90.",
            autocompletion=complete_metric,
        ),
    ] = None,
    stat: Annotated[
        str | None, typer.Option("--stat", help="Which statistic of it: median, p90 ...", show_default=False)
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Compare parts of one run: engine, batch ...", autocompletion=complete_field),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="The side that others are held against.", autocompletion=complete_run),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", help="Instead of the suite's: 'p99_latency_ms <= 50'.", show_default=False),
    ] = None,
    targets_file: Annotated[
        Path | None,
        typer.Option("--targets-file", help="Instead: a suite file's 'targets'.", show_default=False),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="NAME=VALUE", help="What this kind alone knows.", autocompletion=complete_option
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows of a table.")] = _LIMIT,
    table: Annotated[str | None, typer.Option("--table", metavar="KEY", help="Only this table.")] = None,
    figure: Annotated[str | None, typer.Option("--figure", metavar="KEY", help="Only this figure.")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Pictures for a dark page.")] = False,
    width: Annotated[
        int | None, typer.Option("--width", min=40, max=1000, help="Columns of text.", show_default=False)
    ] = None,
    site: Annotated[
        Path | None,
        typer.Option("--site", metavar="DIR", help="Publish the whole store as static pages.", show_default=False),
    ] = None,
    list_kinds: Annotated[bool, typer.Option("--list", help="List kinds and formats, and report nothing.")] = False,
    store: StoreOption = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Report on a run, on runs beside each other, on histories, targets, devices and more, in any format.

    Without -o it is printed. Several -o write several formats of one report. Files are self-contained: a page opens
    without a network.

    For example:

      assay report last -o report.html

      assay report last --by engine -o engines.html -o engines.xlsx

      assay report history --workload 'bert/*' --since 30d

      assay report summary -o summary.png
    """
    chosen_form = choose_form(as_json=as_json, as_csv=as_csv)
    if list_kinds:
        print_kinds(chosen_form)
        return
    if site is not None:
        write_whole_site(site, store, given={"words": words, "--output": output, "--as-of": as_of})
        return
    if chosen_form is not Form.TABLE and (output or form):
        raise UsageError("--json and --csv print to stdout, and -o or --format was given.", hint="Give one of them.")
    opened = open_for_reading(store, as_of)
    name, refs = choose_kind(
        opened, list(words or ()), by=by, against=against, has_targets=bool(target or targets_file)
    )
    where = where_of(
        workload=workload, engine=engine, device=device, hardware=hardware, mode=mode, precision=precision,
        suite=suite, tag=tag, source=source, provenance=provenance, usable=usable, since=since, until=until,
    )  # fmt: skip
    options = read_options(option) | given_of({"by": by, "against": against})
    options |= read_targets(target, targets_file)
    built = build(opened, name, refs, where=where, metric=metric, stat=stat, options=options, limit=limit)
    from assay.report.base import RenderOptions

    drawing = RenderOptions(table=table, figure=figure, is_dark=dark, width=width or text_columns())
    if output:
        write_files(built, output, form, drawing)
    else:
        print_report(built, form or {Form.JSON: "json", Form.CSV: "csv"}.get(chosen_form, "text"), drawing)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report")(report)
