"""docs/data-quality.md says what the catalogue has; run as a script, this file writes its three generated tables.

The test of masked cells takes seconds, and its last digit may differ between builds of numpy: its table is held to the
columns and methods that there are, and written by the script.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from assay.analysis.hardware_imputation import impute_devices
from assay.catalog.hardware.facts import view_facts
from assay.catalog.hardware.fields import FACTS
from assay.catalog.hardware.physics import LAWS
from assay.catalog.hardware.presence import KINDS
from assay.catalog.hardware.quality import FieldCoverage, measure_fields
from assay.stats.gaps import Method, Situation
from assay.stats.method_choice import MaskedTest, Score

PAGE = Path(__file__).parents[3] / "docs" / "data-quality.md"
COVERAGE, LAW, MASKED = "| field | gpu |", "| law | because |", "| of whom, field, situation |"
_WHERE = {Situation.WITHIN: "others", Situation.BEYOND: "none"}
_SHORT = {Method.MEDIAN: "median", Method.REGRESSION: "regression", Method.NEIGHBOURS: "k-NN"}


def coverage_table() -> list[str]:
    rows = measure_fields(view_facts().values())
    lines = []
    for column in dict.fromkeys(row.column for row in rows):
        parts = [[row for row in rows if row.column == column and row.kind == kind] for kind in KINDS]
        cells = [share(part) for part in [*parts, [row for part in parts for row in part]]]
        if cells[-1] != "–":
            lines.append(f"| `{column}` | {' | '.join(cells)} |")
    return lines


def share(rows: Sequence[FieldCoverage]) -> str:
    filled, missing = sum(row.filled for row in rows), sum(row.missing for row in rows)
    return f"{filled}/{filled + missing}" if filled + missing else "–"


def law_table() -> list[str]:
    return [f"| {law.name} | {law.meaning} |" for law in LAWS]


def masked_table() -> list[str]:
    tested = impute_devices(view_facts(), every_test=True).tests
    return [masked_row(one.population, test) for one in tested for test in one.tests if test.scores]


def masked_row(population: str, test: MaskedTest) -> str:
    errors = [error(test.score(method)) for method in Method]
    used = None if test.used is None else test.score(test.used)
    width = "–" if used is None or used.half_width is None else f"{used.half_width:.2f}"
    held = "–" if test.chosen is None else f"{test.chosen.coverage:.0%}"
    first = f"{population}, `{test.column}`, {_WHERE[test.situation]}"
    method = "nothing" if test.used is None else _SHORT[test.used]
    return f"| {first} | {test.gaps} | {test.scores[0].n} | {' | '.join(errors)} | {method} | {width} | {held} |"


def error(score: Score | None) -> str:
    return "–" if score is None else f"{score.mean:.2f}{'*' if score.beats_median else ''}"


def rows_of(text: str, header: str) -> list[str]:
    found = re.search(rf"^{re.escape(header)}.*\n\|[-|]+\|\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert found is not None, header
    return found[1].splitlines()


def test_coverage_and_laws_are_the_catalogue_s() -> None:
    text = PAGE.read_text(encoding="utf-8")
    again = f"run: python {Path(__file__).name}"
    assert rows_of(text, COVERAGE) == coverage_table(), again
    assert rows_of(text, LAW) == law_table(), again


def test_the_masked_cells_are_of_columns_and_methods_that_exist() -> None:
    rows = rows_of(PAGE.read_text(encoding="utf-8"), MASKED)
    assert len(rows) > 50
    for row in rows:
        named = re.search(r"^\| (?:processors|accelerators), `(\w+)`, (?:others|none) \|", row)
        assert named is not None, row
        assert named[1] in FACTS
        assert row.split(" | ")[6] in {"nothing", *_SHORT.values()}, row


def test_its_python_example_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "tensor_units True True\n"


def write_tables() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for header, lines in ((COVERAGE, coverage_table()), (LAW, law_table()), (MASKED, masked_table())):
        pattern = rf"(^{re.escape(header)}.*\n\|[-|]+\|\n)(?:\|.*\n)*"
        written = "\n".join(lines) + "\n"
        text = re.sub(pattern, lambda found, rows=written: found[1] + rows, text, flags=re.MULTILINE)  # type: ignore[misc]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_tables()
