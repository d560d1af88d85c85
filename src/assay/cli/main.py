"""The ``assay`` command: groups, options that all share, and the one place where errors become exit codes.

Only typer is imported here; every command imports what it needs when it runs, which keeps ``--help`` fast.

Exit codes (METHOD 6): 0 ok; 1 confirmed regression; 2 usage or configuration; 3 suspect or inconclusive, with
--strict; 4 expected results missing or failed; 70 a fault of assay itself (sysexits.h's EX_SOFTWARE, because Python's
own 1 would read as a regression); 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from assay import __version__
from assay.cli import annotations as annotating
from assay.cli import (
    baseline,
    cache,
    calibrate,
    catalog,
    check,
    ci,
    compare,
    dataset,
    doctor,
    export,
    fleet,
    imports,
    kpi,
    listing,
    matrix,
    plan,
    predict,
    probe,
    recommend,
    report,
    run,
    serve,
    states,
    store,
    suggest,
    suite,
    sweep,
    targets,
    trend,
    web,
)
from assay.cli.output import escape_what_cannot_be_printed
from assay.core.errors import AssayError

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_FAULT = 70
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="assay",
    help="Measure AI workloads on the hardware at hand, and keep every number with its provenance.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich help costs 150 ms, which is half of what `--help` may take
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  (typer hands an option's value over by position)
    if wanted:
        typer.echo(f"assay {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Measure AI workloads on the hardware at hand, and keep every number with its provenance."""


run.register(app)
sweep.register(app)
probe.register(app)
listing.register(app)
compare.register(app)
check.register(app)
trend.register(app)
calibrate.register(app)
baseline.register(app)
annotating.register(app)
export.register(app)
imports.register(app)
doctor.register(app)
targets.register(app)
recommend.register(app)
predict.register(app)
matrix.register(app)
suggest.register(app)
plan.register(app)
report.register(app)
serve.register(app)
app.add_typer(suite.app, name="suite")
app.add_typer(ci.app, name="ci")
app.add_typer(dataset.app, name="dataset")
app.add_typer(fleet.app, name="fleet")
states.register(store.app)
app.add_typer(store.app, name="store")
web.register(app)
cache.register(app)
catalog.register(app)
kpi.register(app)


def main() -> None:
    """Run the command line; the entry point of the package."""
    escape_what_cannot_be_printed()
    code = _run_app()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, say) has gone: keep the interpreter from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def _run_app() -> int | str | None:
    try:
        app(prog_name="assay")  # also where it was started as a module
    except SystemExit as stop:
        # typer and rich end with 1 where the reader has gone, which is nothing wrong, and no regression.
        return EXIT_OK if isinstance(stop.__context__, BrokenPipeError) else stop.code
    except AssayError as error:
        _print_error(error)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001  (the last resort, which shows all of it)
        traceback.print_exc()
        typer.echo("This is a fault of assay, not of your input; please report it with the lines above.", err=True)
        return EXIT_FAULT
    return EXIT_OK


def _print_error(error: AssayError) -> None:
    typer.secho("error: ", fg=typer.colors.RED, bold=True, err=True, nl=False)
    typer.echo(error.message, err=True)
    if error.hint:
        typer.secho(f"  {error.hint}", fg=typer.colors.CYAN, err=True)


if __name__ == "__main__":
    main()
