"""``assay suite ...``: the shipped suites, a template for one's own, the schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.output import JsonOption, print_json

app = typer.Typer(help="Suites: list, show, check, and start one of your own.", no_args_is_help=True)


@app.command("ls")
def list_suites(as_json: JsonOption = False) -> None:
    """List the suites that come with assay."""
    from assay.cli.output import new_table, print_table
    from assay.runner.suite_model import load_suite, suite_names

    suites = [load_suite(name) for name in suite_names()]
    if as_json:
        print_json([{"name": one.name, "description": one.description, "launches": one.launches} for one in suites])
        return
    table = new_table()
    for header in ("suite", "launches", "what"):
        table.add_column(header)
    for one in suites:
        table.add_row(one.name, str(one.launches), one.description)
    print_table(table)


@app.command("show")
def show_suite(
    ref: Annotated[str, typer.Argument(metavar="SUITE", help="Name of a shipped suite or path of a YAML file.")],
    as_json: JsonOption = False,
) -> None:
    """Print a suite as assay understands it, with every default filled in."""
    import yaml

    from assay.runner.suite_model import load_suite, suite_to_dict

    content = suite_to_dict(load_suite(ref))
    if as_json:
        print_json(content)
    else:
        typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


@app.command("check")
def check_suite(path: Annotated[Path, typer.Argument(metavar="FILE", help="The suite file, in YAML.")]) -> None:
    """Check a suite file; every fault is given with its line and column."""
    from assay.runner.suite_model import load_suite

    suite = load_suite(path)
    count = sum(matrix.combinations for matrix in suite.cases)
    typer.echo(
        f"{path}: ok: suite {suite.name}, {len(suite.cases)} entries, {count} combinations before default batches"
    )


@app.command("new")
def new_suite(
    family: Annotated[str | None, typer.Option("--family", help="Model family to start from; none: all.")] = None,
    size: Annotated[str | None, typer.Option("--size", help="Size of the family.")] = None,
) -> None:
    """Print a commented suite file to start from: assay suite new --family bert > bert.yaml."""
    from assay.runner.suite_templates import render_template

    typer.echo(render_template(family, size), nl=False)


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of suite files, for editors."""
    from assay.runner.suite_model import suite_json_schema

    print_json(suite_json_schema())
