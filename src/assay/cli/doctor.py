"""``assay doctor``: what this machine can run, what bends its timings, and what to install for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from assay.cli.output import JsonOption, StoreOption, make_console, print_json

if TYPE_CHECKING:
    from assay.runner.diagnose import Finding

_MARKS = {
    "ok": ("✓", "green"),
    "note": ("·", "cyan"),
    "warning": ("!", "yellow"),
    "missing": ("–", "dim"),
    "error": ("✗", "red"),
}
EXIT_ERRORS = 2


def doctor(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say what this machine can run, what would bend its timings, and what to install for the rest."""
    from assay.runner.diagnose import diagnose

    findings = diagnose(store)
    if as_json:
        print_json([{name: getattr(finding, name) for name in finding.__dataclass_fields__} for finding in findings])
    else:
        _print_findings(findings)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(EXIT_ERRORS)


def _print_findings(findings: list[Finding]) -> None:
    from rich.text import Text

    console = make_console()
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            console.print(Text(area, style="bold"))
        mark, style = _MARKS[finding.level]
        console.print(Text.assemble("  ", (mark, style), f" {finding.what}"), soft_wrap=True)
        if finding.advice:
            console.print(Text(f"      → {finding.advice}", style="cyan"), soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor")(doctor)
