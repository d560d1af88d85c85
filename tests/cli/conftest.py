from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import typer.main

from assay.cli.main import main

FAST_SUITE = """\
name: fast
launches: {launches}
launch_limit_s: {limit}
timing: {{min_time_s: 0.05, max_time_s: 0.2, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.1}}
cases:
  - model: [{models}]
    engine: plain
    batch: {batch}
"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Said]
WriteSuite = Callable[..., Path]


def suite_text(models: str = "plain_models:good", batch: str = "1", launches: int = 1, limit: float = 60) -> str:
    return FAST_SUITE.format(models=models, batch=batch, launches=launches, limit=limit)


@pytest.fixture
def write_suite(tmp_path: Path) -> WriteSuite:
    """Write a suite of misbehaving models whose launches take a fraction of a second."""

    def write(models: str = "plain_models:good", batch: str = "1", launches: int = 1, limit: float = 60) -> Path:
        path = tmp_path / "fast.yaml"
        path.write_text(suite_text(models, batch, launches, limit))
        return path

    return write


# Typer makes the parser from the signatures of all commands anew at each call. They do not change between two of them.
_get_command = cache(typer.main.get_command)


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    install_plain: Callable[[pytest.MonkeyPatch], None],
    worker_environ: dict[str, str],
    tmp_path: Path,
) -> Here:
    """Run a command in this process, which saves the second that a process of its own takes to start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(typer.main, "get_command", _get_command)
    install_plain(monkeypatch)
    for name in os.environ.keys() - worker_environ.keys():
        monkeypatch.delenv(name)
    for name, value in worker_environ.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        printed = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def kept(plugin_paths: tuple[str, str], make_once: Callable[[str, Callable[[Path], None]], Path]) -> str:
    """A store with two runs made by the real command: two good cases, then one good and one failed. Only read it."""

    def fill(folder: Path) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "PYTHON"))}
        environ |= {"PYTHONPATH": os.pathsep.join(plugin_paths), "ASSAY_STORE": str(folder / "store")}
        first, second = folder / "fast.yaml", folder / "mixed.yaml"
        first.write_text(suite_text(batch="[2, 1]", launches=2))
        second.write_text(suite_text("plain_models:raises, plain_models:good").replace("fast", "mixed", 1))
        for path, code in ((first, 0), (second, 4)):
            words = ["run", "--suite", str(path), "--note", f"[{code}] ü"]
            command = [sys.executable, "-P", "-m", "assay.cli.main", *words]
            done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == code, done.stderr

    return str(make_once("kept", fill) / "store")
