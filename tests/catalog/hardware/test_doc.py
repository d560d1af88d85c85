"""docs/catalogue.md says what the catalogue has; run as a script, this file writes its two generated tables."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from assay.catalog.hardware.check import _CATEGORIES, measure_coverage
from assay.catalog.hardware.fields import LISTS, NUMBERS, PRECISIONS, REQUIRED, TEXTS

PAGE = Path(__file__).parents[3] / "docs" / "catalogue.md"
HEADERS = ("| maker |", "| column |")
UNITS = {
    "mm2": "mm²", "usd": "USD",
    "nm": "nm", "gib": "GiB", "bits": "bit", "gb_s": "GB/s", "mib": "MiB", "mhz": "MHz", "w": "W",
}  # fmt: skip


def coverage_table() -> list[str]:
    rows = [
        (row.vendor, row.devices, row.cells, row.from_vendor, row.computed, row.secondary) for row in measure_coverage()
    ]
    total = ("**all**", *(sum(int(row[column]) for row in rows) for column in range(1, 6)))
    return [f"| {' | '.join(map(str, row))} |" for row in [*rows, total]]


def field_table() -> list[str]:
    lines = []
    for field in NUMBERS:
        unit = next((text for end, text in UNITS.items() if field.column.endswith(f"_{end}")), "count")
        lines.append(f"| `{field.column}` | {unit} | {field.meaning}. |")
    return lines


def split_tables(text: str) -> dict[str, list[str]]:
    """The rows of the tables that begin with one of HEADERS."""
    found = {}
    for header in HEADERS:
        match = re.search(rf"^{re.escape(header)}.*\n\|[-|]+\|\n((?:\|.*\n)*)", text, re.MULTILINE)
        assert match is not None, header
        found[header] = match[1].splitlines()
    return found


def test_the_counts_and_columns_are_the_catalogue_s() -> None:
    tables = split_tables(PAGE.read_text(encoding="utf-8"))
    again = f"run: python {Path(__file__).name}"
    assert tables[HEADERS[0]] == coverage_table(), again
    assert tables[HEADERS[1]] == field_table(), again


def test_every_word_column_category_and_precision_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for word in (*REQUIRED, *TEXTS, *LISTS, "sources", *PRECISIONS, *_CATEGORIES):
        assert f"`{word}`" in text.replace("\n", " "), word


def test_its_python_example_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "312000000000000.0 A100 data sheet\n"


def write_tables() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for header, lines in zip(HEADERS, (coverage_table(), field_table()), strict=True):
        (old,) = re.findall(rf"^{re.escape(header)}.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
        text = text.replace(old, "\n".join(lines) + "\n")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_tables()
