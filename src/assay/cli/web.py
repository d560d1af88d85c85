"""``assay web ...``: what measuring in browsers needs here, listed and fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StatusLine,
    choose_form,
    new_table,
    print_csv,
    print_json,
    print_table,
)
from assay.core.absence import Unavailable
from assay.core.errors import UnknownNameError

if TYPE_CHECKING:
    from assay.artefacts.npm import Package

app = typer.Typer(help="Models in browsers: which browsers are here, and what else it takes.", no_args_is_help=True)

EXIT_MISSING = 4
COLUMNS = ("name", "kind", "version", "path", "reason", "install_hint")
_RUNTIME = "runtime"
_FETCHED = (_RUNTIME, "sparticuz")


def register(app_of_all: typer.Typer) -> None:
    """Add the group to the application."""
    app_of_all.add_typer(app, name="web")


def complete_fetched(incomplete: str) -> list[str]:
    """What can be fetched and begins so, for the shell."""
    return [name for name in _FETCHED if name.startswith(incomplete)]


@app.command("fetch")
def fetch(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WHAT",
            help="runtime: onnxruntime-web (33 MB to load, 41 MB kept). sparticuz: a Chromium with WebNN for Linux on "
            "x86-64 that needs no administrator (68 MB, 200 MB). [default: runtime]",
            autocompletion=complete_fetched,
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have npm bring what is missing, and hold every file to its SHA-512; what was changed here is replaced.

    npm only downloads: nothing of a package is run.
    """
    wanted = list(dict.fromkeys(what or [_RUNTIME]))
    for name in wanted:
        if name not in _FETCHED:
            raise UnknownNameError("thing to fetch", name, _FETCHED)
    done = [_fetch_runtime() if name == _RUNTIME else _fetch_sparticuz() for name in wanted]
    if as_json:
        print_json(done)
        return
    for one in done:
        typer.echo(f"{one['name']} {one['version']}: {'fetched into' if one['fetched'] else 'was in'} {one['path']}")


@app.command("ls")
def list_browsers(as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List the runtime and the browsers that are found here. ``assay doctor --web`` asks what each can do.

    Exits 4 where the runtime or every browser is missing.
    """
    form = choose_form(as_json=as_json, as_csv=as_csv)
    rows = [_runtime_row(), *_browser_rows()]
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, COLUMNS)
    else:
        _print_rows(rows)
    found = {row["kind"] for row in rows if row["reason"] is None}
    if found != {"runtime", "browser"}:
        raise typer.Exit(EXIT_MISSING)


def _fetch_runtime() -> dict[str, Any]:
    from assay.engines.web.assets import fetch_runtime, find_runtime, runtime_package

    package = runtime_package()
    was_here = not isinstance(find_runtime(), Unavailable)
    with StatusLine(f"npm brings {package.name} {package.version}"):
        folder = fetch_runtime(replace=True)
    return _fetched(package, str(folder), was_here=was_here)


def _fetch_sparticuz() -> dict[str, Any]:
    from assay.engines.web.sparticuz import chromium_package, fetch_sparticuz, find_sparticuz

    package = chromium_package()
    was_here = not isinstance(find_sparticuz(), Unavailable)
    with StatusLine(f"npm brings {package.name} {package.version}, and it is unpacked"):
        found = fetch_sparticuz()
    return _fetched(package, str(found.executable), was_here=was_here)


def _fetched(package: Package, path: str, *, was_here: bool) -> dict[str, Any]:
    return {"name": package.name, "version": package.version, "path": path, "fetched": not was_here}


def _runtime_row() -> dict[str, Any]:
    from assay.engines.web.assets import find_runtime, runtime_package

    package = runtime_package()
    found = find_runtime()
    if isinstance(found, Unavailable):
        return _absent(package.name, "runtime", found)
    return _row(package.name, "runtime", package.version, str(found))


def _browser_rows() -> list[dict[str, Any]]:
    from assay.engines.web.browsers import BROWSERS, find_browser

    rows = []
    for name in BROWSERS:
        found = find_browser(name)
        if isinstance(found, Unavailable):
            rows.append(_absent(name, "browser", found))
        else:
            rows.append(_row(name, "browser", found.version, str(found.executable)))
    return rows


def _row(name: str, kind: str, version: str | None, path: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "version": version, "path": path, "reason": None, "install_hint": None}


def _absent(name: str, kind: str, why: Unavailable) -> dict[str, Any]:
    return {"name": name, "kind": kind, "version": None, "path": None} | {
        "reason": why.reason,
        "install_hint": why.install_hint,
    }


def _print_rows(rows: list[dict[str, Any]]) -> None:
    table = new_table()
    for header in ("what", "version", "where, or why not"):
        table.add_column(header, overflow="fold")
    for row in rows:
        hint = f" ({row['install_hint']})" if row["install_hint"] else ""
        table.add_row(row["name"], row["version"] or "-", row["path"] or f"{row['reason']}{hint}")
    print_table(table)
