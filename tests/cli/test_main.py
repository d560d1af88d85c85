"""The command as a whole: help, version, exit codes, pipes, completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from assay import __version__
from assay.cli.flags import complete_engine, complete_model, complete_suite
from assay.cli.main import app

Here = Callable[..., Any]
Assay = Callable[..., "subprocess.CompletedProcess[str]"]


def test_version(assay: Assay) -> None:
    said = assay("--version")
    assert (said.returncode, said.stdout, said.stderr) == (0, f"assay {__version__}\n", "")


def test_help_lists_every_command(here: Here) -> None:
    said = here("--help")
    assert said.code == 0
    listed = set(re.findall(r"^\W*(\w+)  +\S", said.out, flags=re.MULTILINE))
    assert {"run", "ls", "show", "sql", "doctor", "suite", "store"} <= listed
    assert here("-h").out == said.out


def test_every_command_and_option_has_a_help_text() -> None:
    import typer.main

    pending = [("assay", typer.main.get_command(app))]
    for name, command in pending:
        assert command.help, name
        pending.extend((f"{name} {child}", sub) for child, sub in getattr(command, "commands", {}).items())
        options = {option.opts[0]: getattr(option, "help", None) for option in command.params}
        assert [option for option, text in options.items() if not text and option.startswith("-")] == [], name


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from assay.cli.main import app
try:
    app(["--help"])
except SystemExit:
    print(sorted({"numpy", "scipy", "pyarrow", "duckdb", "deltalake", "pydantic", "torch", "yaml"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_nothing_at_all_shows_the_help(here: Here) -> None:
    said = here()
    assert said.code == 2
    assert "Usage: assay" in said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "No such command 'rnu'"),
        (["run", "--launches", "0"], "Invalid value for '--launches'"),
        (["run", "--min-time", "soon"], "Invalid value for '--min-time'"),
        (["run", "--sooner"], "No such option: --sooner"),
        (["sql"], "Missing argument 'QUERY'"),
    ],
)
def test_a_wrong_option_is_a_usage_error(here: Here, arguments: list[str], words: str) -> None:
    said = here(*arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err


def test_a_fault_of_assay_shows_itself_and_is_no_regression(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.store import Store

    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError("in the store")

    monkeypatch.setattr(Store, "open", break_down)
    said = here("ls")
    assert (said.code, said.out) == (70, "")
    assert "ZeroDivisionError: in the store" in said.err
    assert said.err.endswith("This is a fault of assay, not of your input; please report it with the lines above.\n")


def test_ctrl_c_anywhere_is_130(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.store import Store

    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "open", interrupt)
    assert here("ls").code == 130


@pytest.mark.skipif(os.name != "posix", reason="pipes end differently elsewhere")
@pytest.mark.parametrize("form", ["--csv", "--json", None])
@pytest.mark.parametrize("query", ["SELECT 1", "SELECT * FROM range(5000)"])
def test_a_reader_that_goes_away_is_no_fault(
    worker_environ: dict[str, str], tmp_path: Any, form: str | None, query: str
) -> None:
    command = [sys.executable, "-P", "-m", "assay.cli.main", "sql", query, "--limit", "5000"]
    process = subprocess.Popen(
        [*command, *([form] if form else [])],
        env=worker_environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == b""
    assert process.wait() == 0


def test_names_are_completed() -> None:
    assert {"engines", "quick", "standard", "training"} <= set(complete_suite(""))
    assert complete_suite("q") == ["quick"]
    assert "torch" in complete_engine("to")
    assert complete_engine("zz") == []
    models = complete_model("bert/")
    assert "bert/base" in models
    assert all(name.startswith("bert/") for name in models)


def test_the_shell_is_given_completions(assay: Assay) -> None:
    said = assay(_ASSAY_COMPLETE="complete_bash", COMP_WORDS="assay run --suite q", COMP_CWORD="3")
    assert said.stdout.split() == ["quick"]
