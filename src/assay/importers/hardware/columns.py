"""Cells of a CSV into statements by a table of columns: which column, which of ours, times what.

May import: core, catalog, importers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assay.importers.base import RowError
from assay.importers.hardware.table import Statement
from assay.importers.numbers import read_number

_RELEASE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")
_MOST_OF_FP32 = 4.1
"""Packed fp16 of vector units is at most four times fp32 (NVIDIA GA100), and tables round."""
_UNKNOWN_WORDS = frozenset({"", "-", "unknown", "n/a", "na", "none", "nan", "tbd"})


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column of numbers: times ``factor`` it is the first of ``fields`` that the device has.

    ``names`` are what the column was called over the years, the newest first. In most tables a 0 stands for what is not
    known or not there; neither is a statement.
    """

    names: tuple[str, ...]
    fields: tuple[str, ...]
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class WordColumn:
    """A column of words; ``spelling`` turns the table's into the catalogue's, the others are taken as they are."""

    names: tuple[str, ...]
    field: str
    spelling: Mapping[str, str] | None = None


Column = NumberColumn | WordColumn


def read_statements(record: Mapping[str, str], columns: Iterable[Column]) -> tuple[list[Statement], list[str]]:
    """Return what a row says, and a sentence for each cell that cannot be read. Empty cells say nothing."""
    found: list[Statement] = []
    problems: list[str] = []
    for column in columns:
        name = find_column(record, column.names)
        if name is None:
            continue
        if isinstance(column, WordColumn):
            found += _read_word(record[name], column, name)
            continue
        try:
            number = read_number(record[name].strip().lstrip("$"))
        except RowError as error:
            problems.append(f"{name}: {error.message}")
            continue
        if number is None or number == 0:
            continue
        if number < 0:
            problems.append(f"{name}: {number:g} is negative.")
        else:
            # As people would write it: 2.039e12 * 1e-9 is not 2039 in binary.
            found.append(Statement(column.fields, float(f"{number * column.factor:.10g}"), name))
    return found, problems


def find_column(record: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Return the first of ``names`` that the row has; None where it has none of them."""
    return next((name for name in names if name in record), None)


def find_value(statements: Iterable[Statement], field: str) -> float | None:
    """Return the number that a row says for a column of the catalogue."""
    values = (one.value for one in statements if one.fields[0] == field)
    value = next(values, None)
    return value if isinstance(value, float) else None


def drop_matrix_rate(statements: Sequence[Statement]) -> tuple[list[Statement], list[str]]:
    """Leave out an fp16 rate that no vector units have, with the sentence that says so.

    Tables give the rate of the matrix units there for some devices, in a column that is of the vector units for most.
    """
    half, single = (find_value(statements, f"vector_{precision}_tflops") for precision in ("fp16", "fp32"))
    matrix = find_value(statements, "tensor_bf16_tflops")
    if half is not None and single is not None and half > _MOST_OF_FP32 * single:
        problem = f"{half / single:.3g} times the fp32 rate is a rate of matrix units."
    elif half is not None and single is None and half == matrix:
        problem = f"{half:g} is the rate of the matrix units, and no fp32 rate says otherwise."
    else:
        return list(statements), []
    place = next(one.place for one in statements if one.fields[0] == "vector_fp16_tflops")
    return [one for one in statements if one.fields[0] != "vector_fp16_tflops"], [f"{place}: {problem}"]


def is_header_again(record: Mapping[str, str]) -> bool:
    """True for a row that repeats the header, as files that were put together have."""
    return all(value.strip() == name.partition(".1")[0] for name, value in record.items())


def _read_word(raw: str, column: WordColumn, name: str) -> list[Statement]:
    word = " ".join(raw.split())
    if column.field == "release":
        word = word[:10]
        return [Statement(("release",), word, name)] if _RELEASE.fullmatch(word) else []
    if column.spelling is not None:
        word = column.spelling.get(word.casefold(), word)
    return [] if word.casefold() in _UNKNOWN_WORDS else [Statement((column.field,), word, name)]
