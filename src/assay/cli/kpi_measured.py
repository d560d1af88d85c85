"""``assay kpi report``, ``bias`` and ``compare``: what was measured, held against what data sheets promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    AsOfOption,
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    open_for_reading,
    print_csv,
    print_json,
)
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.analysis.datasheet_bias import By
    from assay.analysis.datasheet_values import Basis, SheetEvidence
    from assay.core.words import Provenance

_GROUPINGS = {"vendor": "vendor", "architecture": "architecture", "precision": "precision",
              "both": "architecture and precision", "device": "device"}  # fmt: skip
_OF_PRECISION = ("precision", "both")
_REPORT_ROWS = 100

ByOption = Annotated[
    str, typer.Option("--by", help="vendor, architecture, precision, both (architecture and precision) or device.")
]
BasisOption = Annotated[
    str | None,
    typer.Option(
        "--basis",
        help="Figure of the data sheet: peak16, peak8, stated (of the precision that the source states) or bandwidth. "
        "Default: peak16; by precision: stated.",
        show_default=False,
    ),
]
ProvenanceOption = Annotated[
    str | None,
    typer.Option(
        "--provenance", help="imported or measured; they are never mixed. Default: what most are.", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the group ``kpi``."""
    app.command("report")(report)
    app.command("bias")(bias)
    app.command("compare")(compare)


def report(
    show: Annotated[
        str, typer.Option(help="results, bias (measured against data sheets), sheets (data sheets alone) or all.")
    ] = "all",
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File, whose ending says the format. May be repeated.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows of a table.")] = _REPORT_ROWS,
    store: StoreOption = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report on devices: correlations, measured over data sheet, trends, tiers, fronts. See also: assay report kpi.

    For example:

      assay kpi report -o kpi.html

      assay kpi report --show bias
    """  # fmt: skip
    from assay.cli.report_output import print_report, text_columns, write_files
    from assay.cli.report_request import build
    from assay.report.base import RenderOptions

    if as_json and output:
        raise UsageError("--json prints to stdout, and -o was given.", hint="Give one of them.")
    opened = open_for_reading(store, as_of)
    built = build(opened, "kpi", (), where={}, metric=None, stat=None, options={"show": show}, limit=limit)
    drawing = RenderOptions(width=text_columns())
    if output:
        write_files(built, output, None, drawing)
    else:
        print_report(built, "json" if as_json else "text", drawing)


def bias(  # noqa: PLR0913  (an option is an argument)
    by: ByOption = "architecture",
    basis: BasisOption = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="GROUP",
            help="What groups are held against. Default: the most measured.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Leave each witness out in turn and say whether the factors help.")
    ] = False,
    provenance: ProvenanceOption = None,
    store: StoreOption = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Estimate what groups of devices deliver of what their data sheets promise: factors with intervals.

    A factor of 0.8 against NVIDIA Hopper is a fifth less of its data sheet than devices of that generation deliver, at
    the same work. Whoever submits many numbers is one witness.

    For example:

      assay kpi bias

      assay kpi bias --by both --check
    """  # fmt: skip
    from assay.analysis.datasheet_bias import estimate_bias, estimate_parts
    from assay.analysis.datasheet_check import check_bias
    from assay.cli.kpi_measured_tables import bias_rows, check_row, print_bias, print_check

    form = choose_form(as_json=as_json, as_csv=as_csv)
    grouping, figure = _grouping(by), _basis(basis, by)
    evidence, word = _evidence(store, as_of, provenance)
    found = (
        estimate_parts(evidence, grouping, figure)
        if reference is None
        else (estimate_bias(evidence, grouping, figure, reference=reference),)
    )
    checked = check_bias(evidence, grouping, figure) if check else None
    rows = [row for each in found for row in bias_rows(each, word)]
    if form is Form.JSON:
        print_json({"estimates": [_plain(each, word) for each in found], "check": checked and check_row(checked)})
    elif form is Form.CSV:
        print_csv(rows, list(rows[0]) if rows else ["group"])
    else:
        for each in found:
            print_bias(each, word)
        if checked is not None:
            print_check(checked)


def compare(
    one: Annotated[str, typer.Argument(help="A group, such as 'AMD CDNA 3'; of devices any name that means one.")],
    other: Annotated[str, typer.Argument(help="What it is held against.")],
    by: ByOption = "architecture",
    basis: BasisOption = None,
    provenance: ProvenanceOption = None,
    store: StoreOption = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two makers, generations or devices by what was measured of both, beside what data sheets promise.

    For example:

      assay kpi compare "NVIDIA Hopper" "NVIDIA Ampere"

      assay kpi compare "H200 SXM" "H100 SXM" --by device
    """
    from assay.analysis.datasheet_compare import compare_measured
    from assay.cli.kpi_measured_tables import compare_row, print_comparison

    grouping, figure = _grouping(by), _basis(basis, by)
    evidence, word = _evidence(store, as_of, provenance)
    names = [_device(name) if by == "device" else name for name in (one, other)]
    found = compare_measured(evidence, names[0], names[1], grouping, figure)
    if as_json:
        print_json(compare_row(found, word))
    else:
        print_comparison(found, word)


def _evidence(store: str | None, as_of: str | None, provenance: str | None) -> tuple[SheetEvidence, Provenance | None]:
    from assay.analysis.datasheet_values import read_evidence, take_one_provenance
    from assay.analysis.usable_numbers import select_any
    from assay.core.words import Provenance

    words = [word.value for word in (Provenance.IMPORTED, Provenance.MEASURED)]
    if provenance is not None and provenance not in words:
        raise UnknownNameError("provenance", provenance, words)
    read = read_evidence(open_for_reading(store, as_of), select_any({}))
    return take_one_provenance(read, None if provenance is None else Provenance(provenance))


def _grouping(by: str) -> By:
    from assay.analysis.datasheet_bias import By

    if by not in _GROUPINGS:
        raise UnknownNameError("grouping of devices", by, _GROUPINGS)
    return By(_GROUPINGS[by])


def _basis(basis: str | None, by: str) -> Basis:
    from assay.analysis.datasheet_values import Basis

    if basis is None:
        return Basis.STATED if by in _OF_PRECISION else Basis.PEAK16
    words = [one.value for one in Basis]
    if basis not in words:
        raise UnknownNameError("figure of data sheets", basis, words)
    return Basis(basis)


def _device(name: str) -> str:
    """A device as results name it: by the catalogue's name where the catalogue knows which is meant."""
    from assay.analysis.device_names import name_device

    return name_device(name, None).label


def _plain(each: Any, word: Provenance | None) -> dict[str, Any]:
    from assay.cli.kpi_measured_tables import bias_head, bias_rows

    return bias_head(each, word) | {"factors": bias_rows(each, word)}
