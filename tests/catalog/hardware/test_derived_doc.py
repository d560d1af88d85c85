"""docs/derived-metrics.md has every input, metric and model; run as a script, this file writes its three tables."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from assay.catalog.hardware.derived import GROUPS, REFERENCE
from assay.catalog.hardware.generations import RULE
from assay.catalog.hardware.quantities import QUANTITIES
from assay.catalog.hardware.standard_models import STANDARD_MODELS

PAGE = Path(__file__).parents[3] / "docs" / "derived-metrics.md"
INPUT, METRIC, MODEL = "| input | what |", "| metric | what |", "| model | of |"


def input_table() -> list[str]:
    return [f"| `{one.key}` | {one.title} | {one.unit} | {one.rule} |" for one in QUANTITIES.values()]


def metric_table() -> list[str]:
    lines = []
    for group, metrics in GROUPS.items():
        for one in metrics:
            better = "" if one.direction == "neither" else str(one.direction)
            source = "the rule above" if one.source.endswith(RULE) else one.source
            lines.append(
                f"| `{one.name}` | {one.title} | {one.unit} | {better} | `{one.formula}` | "
                f"{group}{', estimated' if one.is_estimate and group != 'estimates' else ''} | {source} |"
            )
    return lines


def model_table() -> list[str]:
    return [
        f"| {one.title} | one {one.unit}, batch {one.batch} | {one.flops_per_unit / 1e9:.4g} | "
        f"{one.bytes_per_unit / 1e6:.4g} | {one.work} | {one.source} |"
        for one in STANDARD_MODELS
    ]


TABLES = {INPUT: input_table, METRIC: metric_table, MODEL: model_table}


def rows_of(text: str, header: str) -> list[str]:
    found = re.search(rf"^{re.escape(header)}.*\n\|[-|]+\|\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert found is not None, header
    return found[1].splitlines()


def test_the_tables_are_the_registry_s() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for header, table in TABLES.items():
        assert rows_of(text, header) == table(), f"run: python {Path(__file__).name}"


def test_the_rule_and_the_reference_are_told() -> None:
    words = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert " ".join(RULE.split()) in words
    assert f"`{REFERENCE}`" in words


def test_its_python_example_runs() -> None:
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    run = subprocess.run([sys.executable, "-c", example[1]], capture_output=True, text=True, check=True)
    assert "NVIDIA L4: 403 FLOP/B" in run.stdout


def write() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for header, table in TABLES.items():
        found = re.search(rf"^{re.escape(header)}.*\n\|[-|]+\|\n((?:\|.*\n)*)", text, re.MULTILINE)
        assert found is not None, header
        text = text[: found.start(1)] + "".join(f"{line}\n" for line in table()) + text[found.end(1) :]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
