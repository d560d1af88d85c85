"""``assay catalog impute``: what gaps of the catalogue may hold, and how well that is known.

Imputed values are printed here and go nowhere else.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
from assay.core.errors import UnknownNameError
from assay.core.units import MISSING, format_significant

if TYPE_CHECKING:
    from assay.analysis.hardware_imputation import Imputation, ImputedCell, RefusedCell
    from assay.stats.method_choice import MaskedTest

_CELL_COLUMNS = (
    "hw_id", "column", "is_imputed", "value", "lo", "hi", "level", "method", "n", "situation", "reason",
)  # fmt: skip
_TEST_COLUMNS = (
    "population", "column", "situation", "gaps", "n", "architectures", "median_error", "regression_error",
    "regression_over_median", "regression_worst", "neighbours_error", "neighbours_over_median", "neighbours_worst",
    "used", "half_width", "coverage", "reason",
)  # fmt: skip
_SHORT = {"architecture median": "med.", "regression on logs": "regr.", "k nearest neighbours": "k-NN"}
_WITHIN = "within"


def show_imputation(
    device: DeviceArgument = None,
    field: Annotated[list[str] | None, typer.Option("--field", help="Only this column; may be repeated.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Show how the methods did on known cells that were hidden.")
    ] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Also the gaps that stay empty, and why.")] = False,
    prefer: PreferOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Say what empty cells probably hold, with method and interval. Nothing in assay takes these values for known.

    For example:

      assay catalog impute "Radeon RX 7600"

      assay catalog impute --check --field tdp_w
    """
    from assay.analysis.hardware_imputation import impute_devices

    form = choose_form(as_json=as_json, as_csv=as_csv)
    _refuse_unknown(field)
    facts = read_facts(store, prefer)
    chosen = None if device is None else resolve_in(device, facts)
    result = impute_devices(facts, hw_id=chosen, columns=field or (), every_test=check)
    if check:
        rows = [_test_row(one.population, test) for one in result.tests for test in one.tests]
        _print_as(form, rows, _TEST_COLUMNS, _print_tests)
        return
    found: list[ImputedCell | RefusedCell] = [*result.cells, *(result.refused if refused or device else ())]
    rows = [_cell_row(one) for one in found]
    _print_as(form, rows, _CELL_COLUMNS, _print_cells)
    if form is Form.TABLE:
        _print_sum(result)


def register(parent: typer.Typer) -> None:
    """Add the command to ``assay catalog``."""
    parent.command("impute")(show_imputation)


def _refuse_unknown(fields: Sequence[str] | None) -> None:
    from assay.catalog.hardware.fields import NUMBER_COLUMNS, RATE_COLUMNS

    known = (*NUMBER_COLUMNS, *RATE_COLUMNS)
    for name in fields or ():
        if name not in known:
            raise UnknownNameError("column of numbers", name, known)


def _cell_row(found: ImputedCell | RefusedCell) -> dict[str, Any]:
    from assay.analysis.hardware_imputation import RefusedCell

    row: dict[str, Any] = dict.fromkeys(_CELL_COLUMNS)
    row |= {"hw_id": found.hw_id, "column": found.column, "is_imputed": False}
    if isinstance(found, RefusedCell):
        return row | {"reason": found.reason}
    imputed = found.imputed
    row |= {name: getattr(imputed, name) for name in ("is_imputed", "value", "lo", "hi", "level", "n")}
    return row | {"method": imputed.method.value, "situation": imputed.situation.value}


def _test_row(population: str, test: MaskedTest) -> dict[str, Any]:
    from assay.stats.gaps import Method

    row: dict[str, Any] = dict.fromkeys(_TEST_COLUMNS)
    row |= {"population": population, "column": test.column, "situation": test.situation.value}
    row |= {"gaps": test.gaps, "reason": test.reason, "used": None if test.used is None else test.used.value}
    for method, word in (
        (Method.MEDIAN, "median"),
        (Method.REGRESSION, "regression"),
        (Method.NEIGHBOURS, "neighbours"),
    ):
        score = test.score(method)
        if score is None:
            continue
        row |= {"n": score.n, "architectures": score.groups, f"{word}_error": score.mean}
        if method is not Method.MEDIAN:
            row |= {f"{word}_over_median": score.over_median, f"{word}_worst": score.worst_over_median}
        if method is test.used:
            row["half_width"] = score.half_width
    return row | {"coverage": None if test.chosen is None else test.chosen.coverage}


def _print_as(
    form: Form, rows: list[dict[str, Any]], columns: Sequence[str], show: Callable[[list[dict[str, Any]]], None]
) -> None:
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, columns)
    else:
        show(rows)


def _print_cells(rows: list[dict[str, Any]]) -> None:
    from rich.text import Text

    if not rows:
        text = "No gaps here that could be filled: everything that it has is stated."
        make_console().print(Text(text), soft_wrap=True)
        return
    table = new_table("imputed: not stated by anybody")
    for header in ("field", "probably", "from", "to", "how"):
        right = header in {"probably", "from", "to"}
        table.add_column(header, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for hw_id, of_device in itertools.groupby(sorted(rows, key=lambda row: row["hw_id"]), lambda row: row["hw_id"]):
        table.add_row(Text(hw_id, style="bold"))
        for row in of_device:
            where = "some" if row["situation"] == _WITHIN else "none"
            how = row["reason"] or f"{row['method']}; {row['n']} known, {where} of its architecture"
            numbers = (
                "" if row[name] is None else f"~{format_significant(row[name])}" for name in ("value", "lo", "hi")
            )
            table.add_row(f"  {row['column']}", *numbers, how, style="dim" if row["reason"] else "")
    print_table(table)


def _print_sum(result: Imputation) -> None:
    from rich.text import Text

    methods = Counter(cell.imputed.method.value for cell in result.cells)
    how = ", ".join(f"{count} by {method}" for method, count in methods.most_common())
    line = f"{len(result.cells)} gaps filled ({how or 'none'}), {len(result.refused)} left empty; intervals hold 90 %"
    make_console().print(Text(line, style="dim"), soft_wrap=True)


def _print_tests(rows: list[dict[str, Any]]) -> None:
    from rich.text import Text

    console = make_console()
    for (population, situation), of_one in itertools.groupby(
        sorted(rows, key=lambda row: (row["population"], row["situation"] != _WITHIN)),
        lambda row: (row["population"], row["situation"]),
    ):
        where = "the architecture has others" if situation == _WITHIN else "none of the architecture has it"
        table = new_table(f"{population}, where {where}")
        for header in ("field", "gaps", "cells", *_SHORT.values(), "used", "×÷", "held"):
            left = header in {"field", "used"}
            table.add_column(header, justify="left" if left else "right", no_wrap=True)
        for row in of_one:
            if row["gaps"] or row["n"] is not None:
                table.add_row(*_test_texts(row))
        console.print(table)
    for line in (
        "cells: known ones, hidden and filled again; then the mean error of each method, as a factor",
        "*: beats the median in 95 of 100 resamples of architectures; without it a method is not used",
        "×÷: the factor either way that the 90 % interval reaches",
        "held: share of cells in it, of architectures that had no part in choosing method and interval",
    ):
        console.print(Text(line, style="dim"), soft_wrap=True)


def _test_texts(row: Mapping[str, Any]) -> list[str]:
    return [
        row["column"].removesuffix("_tflops").removesuffix("_tops"),
        str(row["gaps"]),
        MISSING if row["n"] is None else str(row["n"]),
        *(_error(row, word) for word in ("median", "regression", "neighbours")),
        MISSING if row["used"] is None else _SHORT[row["used"]],
        MISSING if row["half_width"] is None else f"{row['half_width']:.2f}",
        MISSING if row["coverage"] is None else f"{row['coverage']:.0%}",
    ]


def _error(row: Mapping[str, Any], word: str) -> str:
    error, worst = row[f"{word}_error"], row.get(f"{word}_worst")
    if error is None:
        return MISSING
    return f"{error:.2f}{'*' if worst is not None and worst < 1 else ''}"
