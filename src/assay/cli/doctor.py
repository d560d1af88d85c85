"""``assay doctor``: what this machine can run, what bends its timings, and what to install for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.output import JsonOption, StatusLine, StoreOption, make_console, print_json
from assay.core.errors import UsageError

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


def doctor(
    store: StoreOption = None,
    web: Annotated[
        bool, typer.Option("--web", help="Start each browser too, and say what really works in it; takes seconds.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="With --web: ask browsers anew; their answers are kept for a day.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what this machine can run, what would bend its timings, and what to install for the rest."""
    from assay.runner.diagnose import diagnose

    if again and not web:
        raise UsageError("--again was given without --web.", hint="Only what browsers answered is kept.")
    findings = _add_after("hardware", diagnose(store), list(_find_in_catalogue()))
    if web:
        findings = _add_after("engines", findings, _ask_browsers(again=again))
    if as_json:
        print_json([{name: getattr(finding, name) for name in finding.__dataclass_fields__} for finding in findings])
    else:
        _print_findings(findings)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(EXIT_ERRORS)


def _find_in_catalogue() -> Iterator[Finding]:
    """What each device is in the catalogue, or why it is none of it."""
    from assay.catalog.hardware.environment import match_environment
    from assay.probes.environment import collect_environment
    from assay.runner.diagnose import Finding

    area = "hardware"
    for found in match_environment(collect_environment().facts):
        match = found.match
        if match.hw_id is not None:
            what = (
                f"{found.device} in the catalogue: {found.describe()}, confidence {match.confidence:g}: {match.reason}"
            )
            yield Finding(area, "ok", what)
        else:
            advice = f"it may be {', '.join(match.candidates)}" if match.candidates else None
            what = f"{found.device} in the catalogue: no entry for {found.text!r}: {match.reason}"
            yield Finding(area, "note", what, advice)


def _ask_browsers(*, again: bool) -> list[Finding]:
    from assay.runner.diagnose_web import diagnose_browsers

    with StatusLine("looking for browsers") as line:
        return diagnose_browsers(again=again, on_start=lambda name: line.show(f"asking {name}"))


def _add_after(area: str, findings: list[Finding], more: list[Finding]) -> list[Finding]:
    position = max((at + 1 for at, finding in enumerate(findings) if finding.area == area), default=0)
    return [*findings[:position], *more, *findings[position:]]


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
