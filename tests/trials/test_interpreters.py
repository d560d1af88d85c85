"""Other interpreters as sides: what is accepted, what is refused and why, and what they are lent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import assay
from assay.core.errors import AssayError, UsageError
from assay.runner.plan import make_plan, read_machine
from assay.runner.program import WorkerProgram
from assay.runner.suite_model import build_suite
from assay.trials.interpreters import find_interpreter, foresee, lend_assay

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the environments of these tests have bin/python")


def script(folder: Path, text: str) -> Path:
    file = folder / "python-like"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def refuse(given: Path | str, folder: Path) -> str:
    with pytest.raises(UsageError) as raised:
        find_interpreter(Path(given), folder)
    return str(raised.value)


def test_a_folder_a_file_or_a_relative_path(other_environment: Path) -> None:
    python = other_environment / "bin" / "python"
    assert find_interpreter(other_environment, Path("/")) == python
    assert find_interpreter(python, Path("/")) == python
    assert find_interpreter(Path("other/bin/python"), other_environment.parent) == python


def test_the_environment_that_runs_now_is_no_other() -> None:
    assert find_interpreter(Path(sys.executable), Path("/")) is None
    assert find_interpreter(Path(sys.prefix), Path("/")) is None


def test_what_is_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refuse("nowhere/bin/python", tmp_path).startswith(
        "--python nowhere/bin/python: there is no such file or folder."
    )
    tmp_path.joinpath("empty").mkdir()
    assert "is a folder without a Python in it. Expected a virtual environment" in refuse("empty", tmp_path)
    tmp_path.joinpath("text").write_text("not a program")
    assert refuse("text", tmp_path).startswith("--python text cannot be used: ")
    assert "it did not answer as a Python does" in refuse(script(tmp_path, "echo hello"), tmp_path)
    failing = script(tmp_path, "echo first >&2; echo 'broken beyond repair.' >&2; exit 3")
    assert refuse(failing, tmp_path).endswith("cannot be used: broken beyond repair. Expected a Python interpreter.")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refuse("python-like", Path("/")) == refuse(failing, tmp_path).replace(str(failing), "python-like")


def test_one_that_is_too_old(tmp_path: Path) -> None:
    told = json.dumps({"version": [3, 9, 2], "prefix": "/usr", "missing": {}})
    message = refuse(script(tmp_path, f"echo '{told}'"), tmp_path)
    assert "is Python 3.9.2; assay needs 3.11 or newer. Make the environment with a newer Python" in message


def test_one_that_lacks_what_every_worker_needs(bare_environment: Path) -> None:
    message = refuse(bare_environment, Path("/"))
    python = bare_environment / "bin" / "python"
    assert message.startswith(f"--python {bare_environment}: numpy cannot be imported (ModuleNotFoundError: ")
    assert message.endswith(f"Install there: {python} -m pip install numpy")


def test_assay_is_lent_and_nothing_else(other_environment: Path) -> None:
    python = str(other_environment / "bin" / "python")
    code = "import assay, importlib.metadata as m; print(assay.__version__, len(m.entry_points(group='assay.engine')))"
    command = [python, "-P", "-c", code]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0, "it has none of its own"
    with lend_assay() as folder:
        assert {entry.name for entry in folder.iterdir()} == {"assay", f"assay-{assay.__version__}.dist-info"}
        environ = os.environ | {"PYTHONPATH": str(folder)}
        said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == assay.__version__
    assert int(said[1]) >= 4
    assert not folder.exists()
    assert Path(assay.__file__).is_file(), "what was lent is still here"


def test_an_environment_is_asked_what_it_can_run(other_environment: Path) -> None:
    suite = build_suite({
        "name": "x", "cases": [
            {"model": "bert/tiny", "device": "cpu", "batch": [1, 2], "threads": 1, "shape": {"seq": 16}},
            {"model": "bert/tiny", "engine": ["torch", "onnxruntime"], "precision": ["fp32", "int8"], "device": "cpu",
             "options": {"quantization": ["dynamic"]}},
        ]
    })  # fmt: skip
    with lend_assay() as folder:
        program = WorkerProgram(other_environment / "bin" / "python", (folder,))
        foresight = foresee(program, suite, read_machine(), label="new")
        with pytest.raises(AssayError, match=r"imports the assay in .*, and not the one that runs now"):
            foresee(WorkerProgram(search_path=(folder / "nothing",)), suite, read_machine(), label="new")
    here = make_plan(suite, read_machine())
    assert [case for case, _, _ in foresight.cases] == [planned.case for planned in here.cases]
    assert [threads for _, threads, _ in foresight.cases] == [planned.threads for planned in here.cases]
    assert [obstacle for _, _, obstacle in foresight.cases] == [planned.obstacle for planned in here.cases]
    assert foresight.python["packages"]["transformers"] == "99.1"
