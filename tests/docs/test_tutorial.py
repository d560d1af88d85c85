"""The tutorial is followed, command by command, by the real program; and the pictures of the architecture are true."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
Run = Callable[..., "subprocess.CompletedProcess[str]"]
SHORT = ("--launches", "1", "--min-time", "0.05", "--max-time", "0.1")
"""What a run of the tutorial gets beside its own options: tests are no measurement."""


def steps() -> list[list[str]]:
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a dozen real measurements: a limit for what hangs, on a machine that others use too
def test_the_tutorial_can_be_followed(assay: Run, tmp_path: Path, artefact_cache: Path) -> None:
    pytest.importorskip("torch", reason="the tutorial measures with PyTorch")
    pytest.importorskip("onnxruntime", reason="the tutorial measures with ONNX Runtime")
    pytest.importorskip("jinja2", reason="the tutorial writes a page")
    for words in steps():
        assert words[0] == "assay"
        if words[1] == "run":
            at = words.index("--launches")
            words = [*words[1:at], *words[at + 2 :], *SHORT]  # noqa: PLW2901
        else:
            words = words[1:]  # noqa: PLW2901
        done = assay(*words, ASSAY_CACHE=str(artefact_cache))
        assert "Traceback" not in done.stderr, (words, done.stderr)
        # One launch a case decides nothing, which a target may say and a check must.
        allowed = {0, 1} if words[0] == "targets" else {0}
        assert done.returncode in allowed, (words, done.stdout, done.stderr)
    assert (tmp_path / "decision.html").stat().st_size > 10_000
    assert (tmp_path / "decision.xlsx").is_file()


def test_the_layers_of_the_picture_are_those_that_are_held() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    held = project["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (DOCS / "architecture-diagram.md").read_text(encoding="utf-8")
    drawn = text.partition("holds it.\n\n```text\n")[2].partition("```")[0].splitlines()
    assert drawn == [layer.replace("assay.", "") for layer in held]


def test_every_box_of_the_picture_is_a_package_or_data() -> None:
    drawing = ET.parse(DOCS / "architecture.svg").getroot()  # noqa: S314  (ours)
    names = {text.text or "" for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    packages = {file.parent.name for file in (ROOT / "src" / "assay").glob("*/__init__.py")}
    shown = {word for name in names for word in re.findall(r"\w+", name)} & packages
    # Not in it: data and values that every box uses, and the copy in another database.
    assert packages - shown == {"core", "catalog", "mirrors"}
    assert drawing.find("{http://www.w3.org/2000/svg}title") is not None


def said_in_code() -> str:
    """Every text in the package, with blanks for what is filled in."""
    found: list[str] = []
    for file in (ROOT / "src" / "assay").rglob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        found += [one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return "\n".join(found)


def test_messages_that_troubleshooting_explains_are_those_of_the_program() -> None:
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    tables = re.split(r"\n\n", text)
    messages = [
        cell
        for table in tables
        if table.lstrip().startswith("| message")
        for cell in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    ]
    assert len(messages) > 12
    said = said_in_code()
    for message in messages:
        for part in message.split("..."):
            assert part.strip(" :") in said, message
