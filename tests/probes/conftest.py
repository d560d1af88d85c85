"""Replayed machines: trees of /proc and /sys built from text, and recorded command output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from assay.probes.commands import CommandOutput, CommandRunner

MakeTree = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """Write relative path -> text under a fresh root."""

    def make(files: Mapping[str, str]) -> Path:
        root = tmp_path / "root"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        root.mkdir(exist_ok=True)
        return root

    return make


@pytest.fixture
def replay() -> Callable[[Mapping[str, CommandOutput]], CommandRunner]:
    """Answer commands that start with a known text; every other program is not installed."""

    def make(answers: Mapping[str, CommandOutput]) -> CommandRunner:
        def run(arguments: Sequence[str]) -> CommandOutput | None:
            line = " ".join(arguments)
            return next((answer for start, answer in answers.items() if line.startswith(start)), None)

        return run

    return make
