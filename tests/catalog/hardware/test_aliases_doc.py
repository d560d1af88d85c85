"""docs/aliases.md says what the table of machines has; run as a script, this file writes its generated table."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from assay.catalog.hardware.instances import load_instances, load_name_sources

PAGE = Path(__file__).parents[3] / "docs" / "aliases.md"
HEADER = "| provider | machines | source |"


def provider_table() -> list[str]:
    counts = Counter((one.provider, one.source_id) for one in load_instances().values())
    sources = load_name_sources()
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return [f"| {provider} | {count} | {sources[source].title} ({source}) |" for (provider, source), count in rows]


def find_table(text: str) -> str:
    match = re.search(rf"^{re.escape(HEADER)}\n\|[-|]+\|\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert match is not None
    return match[1]


def test_the_providers_and_counts_are_the_table_s() -> None:
    text = PAGE.read_text(encoding="utf-8")
    again = f"run: python {Path(__file__).name}"
    assert find_table(text).splitlines() == provider_table(), again
    assert f"says for each of {len(load_instances())} kinds of machines" in text, again


def test_its_python_example_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ("nvidia-a10g 4 0.9 None\nnvidia-a100-sxm4-80gb None 1.0 None\nNone None 0 NVIDIA Ampere\n")


def write_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    text = text.replace(find_table(text), "\n".join(provider_table()) + "\n")
    text = re.sub(r"says for each of \S+ kinds", f"says for each of {len(load_instances())} kinds", text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_table()
