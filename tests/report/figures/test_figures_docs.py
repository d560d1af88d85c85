"""The page about figures: it has a part for each, and its example prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "figures.md").read_text(encoding="utf-8")


def test_the_example_prints_what_is_written() -> None:
    [(code, printed)] = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "docs/figures.md", "exec"), {})  # noqa: S102  (a page of ours)
    assert out.getvalue() == printed


def test_every_figure_has_a_part() -> None:
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert headings == [
        "What holds for all",
        "Latency by launch",
        "Share of calls by latency",
        "Latency over time",
        "Rate, latency and memory over batch, threads or length",
        "Roofline",
        "Matrix",
        "Pareto",
        "Loss and accuracy",
        "Which metrics go together",
        "Predicted against measured",
        "Power and energy",
        "Two sides: the ratio of each case",
        "Bars",
        "From Python",
    ]
