"""``assay catalog quality``: what the table of devices lacks, and what in it looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.catalog_view import DeviceArgument, PreferOption, read_facts, resolve_in
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    make_console,
    new_table,
    print_csv,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from assay.catalog.hardware.findings import Finding
    from assay.catalog.hardware.quality import FieldCoverage

_COVERAGE_COLUMNS = ("column", "vendor", "architecture", "kind", "filled", "missing", "absent")


def show_quality(
    device: DeviceArgument = None,
    by_architecture: Annotated[
        bool, typer.Option("--by-architecture", help="Coverage by architecture instead of by field.")
    ] = False,
    explained: Annotated[bool, typer.Option("--explained", help="Also findings that a known reason explains.")] = False,
    prefer: PreferOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show what is filled of what can be, and figures that contradict each other or are unlike their architecture's.

    A cell counts as missing only where the device has such a thing. What was imported into the store counts too.

    For example:

      assay catalog quality

      assay catalog quality "RTX 4090"

      assay catalog quality --prefer imported
    """
    from assay.catalog.hardware.quality import find_findings, measure_fields

    form = choose_form(as_json=as_json, as_csv=as_csv)
    facts = read_facts(store, prefer)
    chosen = None if device is None else resolve_in(device, facts)
    findings = [one for one in find_findings(facts.values()) if chosen is None or one.hw_id == chosen]
    held = list(facts.values()) if chosen is None else [facts[chosen]]
    coverage = measure_fields(held, among=facts.values())
    if form is Form.JSON:
        print_json(
            {
                "devices": len(held),
                "coverage": [_row(one) for one in coverage],
                "findings": [_finding_row(one) for one in findings],
            }
        )
    elif form is Form.CSV:
        print_csv([_row(one) for one in coverage], _COVERAGE_COLUMNS)
    else:
        if chosen is None:
            _print_coverage(coverage, len(held), by_architecture=by_architecture)
        else:
            _print_one(chosen, coverage)
        _print_findings(findings, show_explained=explained or chosen is not None)


def register(parent: typer.Typer) -> None:
    """Add the command to ``assay catalog``."""
    parent.command("quality")(show_quality)


def _row(record: FieldCoverage) -> dict[str, Any]:
    return {column: getattr(record, column) for column in _COVERAGE_COLUMNS}


def _finding_row(finding: Finding) -> dict[str, Any]:
    row = {name: getattr(finding, name) for name in ("hw_id", "rule", "problem", "explained")}
    return {"kind": finding.kind.value, "columns": list(finding.columns), **row}


def _print_coverage(coverage: Sequence[FieldCoverage], devices: int, *, by_architecture: bool) -> None:
    from assay.catalog.hardware.presence import KINDS

    filled, missing = (sum(getattr(one, name) for one in coverage) for name in ("filled", "missing"))
    counts: dict[tuple[str, str], list[int]] = {}
    for one in coverage:
        name = f"{one.vendor} {one.architecture}" if by_architecture else one.column
        count = counts.setdefault((name, one.kind), [0, 0])
        count[0] += one.filled
        count[1] += one.filled + one.missing
    share = f", {filled / (filled + missing):.1%}" if filled + missing else ""
    table = new_table(f"{devices} devices: {filled} cells filled of {filled + missing} that can be{share}")
    table.add_column("architecture" if by_architecture else "field", overflow="fold")
    for kind in (*KINDS, "all"):
        table.add_column(kind, justify="right", no_wrap=True)
    for name in dict.fromkeys(name for name, _ in counts):
        parts = [counts.get((name, kind), [0, 0]) for kind in KINDS]
        total = [sum(part[place] for part in parts) for place in (0, 1)]
        if total[1]:
            table.add_row(name, *(_share(part) for part in [*parts, total]))
    print_table(table)


def _print_one(hw_id: str, coverage: Sequence[FieldCoverage]) -> None:
    from rich.text import Text

    console = make_console()
    filled = sum(one.filled for one in coverage)
    missing = [one.column for one in coverage if one.missing]
    console.print(Text(f"{hw_id}: {filled} cells filled of {filled + len(missing)} that can be", style="bold"))
    if missing:
        console.print(Text(f"nobody states: {', '.join(missing)}"), soft_wrap=True)


def _share(part: Sequence[int]) -> str:
    from assay.core.units import MISSING

    return f"{part[0]}/{part[1]}" if part[1] else MISSING


def _print_findings(findings: Sequence[Finding], *, show_explained: bool) -> None:
    from rich.text import Text

    console = make_console()
    for finding in sorted(findings, key=lambda one: one.explained is not None):
        if finding.explained is not None and not show_explained:
            continue
        line = f"{finding.kind}: {finding.hw_id}, {finding.rule}: {finding.problem}"
        style = "yellow" if finding.explained is None else "dim"
        ending = "" if finding.explained is None else f" · right all the same: {finding.explained}"
        console.print(Text(line + ending, style=style), soft_wrap=True)
    open_ones = Counter(finding.kind.value for finding in findings if finding.explained is None)
    known = len(findings) - open_ones.total()
    counts = ", ".join(f"{count} {kind}s" if count > 1 else f"1 {kind}" for kind, count in open_ones.items())
    hint = "" if show_explained or not known else " (--explained)"
    console.print(Text(f"{counts or 'nothing'} to look at, {known} explained{hint}"), soft_wrap=True)
