"""``assay dataset``: the application alone, in this process; what it opens is tested with the data sets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assay.cli.dataset import app
from assay.core.errors import UsageError, WorkloadError
from assay.workloads.datasets import custom
from assay.workloads.datasets.base import datasets


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_ls_says_what_there_is_and_what_is_generated() -> None:
    rows = {row["name"]: row for row in json.loads(_run("ls", "--json"))}
    assert rows["cifar10-synthetic"]["synthetic"] is True
    assert rows["digits"]["synthetic"] is False
    assert rows["csv"]["place"] == "required"
    assert rows["hub"]["task"] == "text classification or image classification"
    assert "segmentation-synthetic[:WHERE]" in _run("ls")
    assert _run("ls", "--csv").startswith("name,task,synthetic,place,available,summary\n")


def test_show_says_where_the_samples_come_from() -> None:
    text = _run("show", "sst2-synthetic:400", "--shape", "seq=16")
    assert "synthetic" in text
    assert "400 to train with, 200 to test with" in text
    assert "seq 16" in text
    info = json.loads(_run("show", "cifar10-synthetic:100", "--json"))
    assert info["is_synthetic"] is True
    assert info["shape"] == {"image": 32, "channels": 3}


def test_check_passes_what_is_sound() -> None:
    text = _run("check", "cifar10-synthetic:100", "--samples", "50")
    assert "can be trained on" in text
    with pytest.raises(UsageError, match="expected NAME=SIZE"):
        _run("check", "cifar10-synthetic:100", "--shape", "image")
    with pytest.raises(WorkloadError, match="is read from a folder"):
        _run("check", "image-folder:/no/such/folder")


def test_new_writes_what_can_be_checked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert datasets.get("python").open is custom.open_custom
    assert "assay dataset check python:my_data_5127:open_mine" in _run("new", "my_data_5127.py")
    assert "can be trained on" in _run("check", "python:my_data_5127:open_mine", "--samples", "40")
    with pytest.raises(UsageError, match="is there already"):
        _run("new", "my_data_5127.py")
    with pytest.raises(UsageError, match="expected a module's name"):
        _run("new", "My Data.txt")


def test_a_faulty_data_set_ends_with_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert datasets.get("python").open is custom.open_custom
    _run("new", "my_faulty_5127.py")
    file = tmp_path / "my_faulty_5127.py"
    file.write_text(file.read_text(encoding="utf-8").replace("dtype=np.float32", "dtype=np.float64"), encoding="utf-8")
    result = CliRunner().invoke(app, ["check", "python:my_faulty_5127:open_mine"])
    assert result.exit_code == 2
    assert "pixel_values is float64" in result.output
