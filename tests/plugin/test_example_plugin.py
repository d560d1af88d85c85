"""examples/plugin is a package of somebody else's: built, installed into a folder of its own, and measured with."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed it into, without anything that it depends on."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--target", folder, EXAMPLE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "No module named pip" in done.stderr:
        pytest.skip("pip is not in this environment")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def measure(installed: Path, assay: Run) -> Run:
    """The real command, beside the installed package."""
    return lambda *arguments: assay(*arguments, PYTHONPATH=os.fspath(installed))


def test_it_declares_what_its_page_says(installed: Path) -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for group, points in project["entry-points"].items():
        for name, module in points.items():
            assert f"| `{group}`: `{name}` |" in text
            assert (installed / f"{module.replace('.', '/')}.py").is_file()


def test_it_is_planned_measured_and_advised_on(measure: Run) -> None:
    sizes = ("--model", "matmul/tiny,matmul/small", "--engine", "numpy")
    windows = ("--launches", "1", "--min-time", "0.05", "--max-time", "0.1")
    made = measure("run", *sizes, "--batch", "1", *windows, "--json")
    assert made.returncode == 0, made.stderr
    results = json.loads(made.stdout)["results"]
    assert [(one["workload"], one["engine"], one["status"]) for one in results] == [
        ("matmul/tiny", "numpy", "ok"), ("matmul/small", "numpy", "ok"),
    ]  # fmt: skip
    advised = measure("recommend", "last", "--rule", "matmul-rate", "--json")
    assert advised.returncode == 0, advised.stderr


def test_other_engines_leave_it_alone_and_it_leaves_others_alone(measure: Run) -> None:
    other = measure("run", "--model", "bert/tiny", "--engine", "numpy", "--dry-run")
    assert other.returncode == 2
    assert "runs functions of arrays" in other.stderr


def test_without_it_its_names_are_unknown(assay: Run) -> None:
    said = assay("run", "--model", "matmul/tiny", "--dry-run")
    assert said.returncode == 2
    assert "matmul" in said.stderr
