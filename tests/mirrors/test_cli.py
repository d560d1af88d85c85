from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from assay.cli import mirror as command
from assay.mirrors.connection import MirrorError
from assay.store import Store

Invoke = Callable[..., Any]


@pytest.fixture
def invoke(filled: Store, url: str) -> Invoke:
    """Run the command over a filled store."""
    app = typer.Typer()
    command.register(app)

    def run(*options: str) -> Any:
        return CliRunner().invoke(app, [url, "--store", filled.location, *options])

    return run


def test_mirroring_and_verifying_from_the_command_line(invoke: Invoke, tamper: Callable[[str], None]) -> None:
    planned = invoke("--dry-run")
    assert planned.exit_code == 0
    assert "of 4 runs 4 would be copied" in planned.stdout

    done = invoke("--verify")
    assert done.exit_code == 0, done.output
    assert "schema assay (new): of 4 runs 4 copied" in done.stdout
    assert "The mirror is as the store." in done.stdout

    again = json.loads(invoke("--json").stdout)
    assert (again["mirror"]["moved"], again["verification"]) == (0, None)
    assert "Nothing moved" in invoke().stdout

    tamper("UPDATE assay.samples SET values[1] = 0")
    differing = invoke("--dry-run", "--verify")
    assert differing.exit_code == 4
    assert "samples: run " in differing.stdout
    assert "The mirror differs from the store." in differing.stdout
    content = json.loads(invoke("--verify", "--json", "--dry-run").stdout)
    assert content["mirror"] is None
    assert content["verification"]["is_equal"] is False


def test_an_unknown_table_is_refused(invoke: Invoke) -> None:
    outcome = invoke("--tables", "launches,sample")
    assert "Unknown optional table 'sample'. Did you mean 'samples'" in str(outcome.exception)


def test_a_store_that_is_not_there_is_not_made(url: str, tmp_path: Any) -> None:
    app = typer.Typer()
    command.register(app)
    outcome = CliRunner().invoke(app, [url, "--store", str(tmp_path / "none")])
    assert "There is no store" in str(outcome.exception)
    assert not isinstance(outcome.exception, MirrorError)
    assert not (tmp_path / "none").exists()
