"""The commands, in a small application of their own: what they print, what they refuse, how they end."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assay.cli import fleet as fleet_commands
from assay.cli import fleet_more
from assay.cli.output import short_id
from assay.core.errors import NotFoundError, UsageError
from assay.fleet.backend import read_target, require
from assay.fleet.ledger import Ledger
from assay.fleet.values import Ended, FleetCase, Node, Order, Outcome
from assay.store import Store

MakeCase = Callable[..., FleetCase]


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., str]:
    """Call ``assay fleet ...`` on a store of the test's own, and return what it printed."""

    def run(*words: object, code: int = 0) -> str:
        place = ["--store", str(tmp_path / "store")] if words[0] != "cron" else []
        head, *rest = map(str, words)
        found = CliRunner().invoke(fleet_commands.app, [head, *place, *rest])
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == code, found.output
        return found.stdout

    return run


@pytest.fixture
def ledger(tmp_path: Path, make_case: MakeCase) -> str:
    """The id of a fleet run of which one case is done, one lost and one waits."""
    store = Store.open(tmp_path / "store")
    header = {"fleet_id": "0000-aaaabbbb", "on": "ray://local", "store": store.location, "suite": {"name": "tiny"}}
    cases = [make_case(name) for name in "abc"]
    with Ledger.begin(store.location, {**header, "retries": 2}, cases) as open_ledger:
        for name, outcome in (("a", Outcome.OK), ("b", Outcome.LOST)):
            order = Order(open_ledger.state.cases[name], 1, Node("n", "node-1"))
            open_ledger.began(order)
            open_ledger.ended(Ended(order.key, outcome, "host", 5, "run", None, "why" if name == "b" else None, 2.0))
    return "0000-aaaabbbb"


def test_status_in_three_forms(call: Callable[..., str], ledger: str) -> None:
    text = call("status", short_id(ledger))
    assert "3 cases: 1 ok, 0 failed, 0 given up, 0 running, 2 waiting; 2 attempts (1 lost, 1 ok)" in text
    assert "node-1" in text
    found = json.loads(call("status", "last", "--json", "--attempts"))
    assert (found["cases"], found["ok"], found["outcomes"]) == (3, 1, {"ok": 1, "lost": 1})
    assert [row["outcome"] for row in found["attempt_rows"]] == ["ok", "lost"]
    rows = call("status", "last", "--csv").splitlines()
    assert rows[0].startswith("case,case_id,attempt,node,host,pid,")
    assert len(rows) == 3
    assert "why" in call("status", "last", "--attempts")


def test_ls(call: Callable[..., str], ledger: str) -> None:
    assert short_id(ledger) in call("ls")
    assert json.loads(call("ls", "--json"))[0]["fleet_id"] == ledger
    assert call("ls", "--csv").splitlines()[0].startswith("fleet_id,")


def test_drift_without_hosts_says_so(call: Callable[..., str], tmp_path: Path) -> None:
    Store.open(tmp_path / "store")
    assert "nothing to hold against each other" in call("drift")
    assert json.loads(call("drift", "--json")) == []
    with pytest.raises(NotFoundError):
        call("drift", "nothing")


def test_cron_prints(call: Callable[..., str]) -> None:
    text = call("cron", "--every", "1d", "--as", "github", "--", "quick", "--on", "ray://head:10001")
    assert 'run: "assay fleet run quick --on ray://head:10001"' in text
    found = json.loads(call("cron", "--every", "15m", "--json", "--", "quick"))
    assert (found["kind"], found["cron"]) == ("systemd", "*/15 * * * *")


def test_a_simulation_says_that_it_is_one(call: Callable[..., str], tmp_path: Path) -> None:
    words = ("simulate", "--nodes", 20, "--cases", 50, "--seconds", 5, "--commit-s", 0.1)
    assert "SIMULATED" in call(*words)
    found = json.loads(call(*words, "--json"))
    assert found["simulated"] is True
    assert found["breaks_first"].startswith("store commits")
    Store.open(tmp_path / "store")
    with pytest.raises(UsageError, match="no launches"):
        call("simulate")


@pytest.mark.parametrize("text", ["", "ray", "ray://", "slurm://x", "hosts.yaml", "k8s"])
def test_targets_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--on got"):
        read_target(text)


def test_targets() -> None:
    assert read_target("ray://head:10001").where == "head:10001"
    assert read_target("slurm:gpu").text == "slurm:gpu"
    assert read_target("slurm").where == ""
    with pytest.raises(UsageError, match="nothing on other hosts by SSH") as refused:
        read_target("ssh:hosts.yaml")
    assert "ray start" in str(refused.value.hint)


def test_what_is_missing_is_said_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    for text, package in (("ray://local", "ray"), ("slurm", "submitit")):
        with pytest.raises(UsageError, match=f"{package} is not installed here") as refused:
            require(read_target(text))
        assert refused.value.hint == "pip install 'assay[fleet]'"


def test_run_refuses_what_makes_no_sense(call: Callable[..., str], ledger: str) -> None:
    with pytest.raises(UsageError, match="--on is missing"):
        call("run", "quick")
    with pytest.raises(UsageError, match="--resume was given"):
        call("run", "quick", "--resume", ledger)


def test_completions() -> None:
    assert fleet_commands.complete_target("ray://l") == ["ray://local"]
    assert fleet_more.complete_kind("g") == ["github"]
