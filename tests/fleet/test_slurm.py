"""Slurm by its stand-in: submitit's executor of processes on this machine, which has the same calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.core.errors import UsageError
from assay.fleet.backend import read_target
from assay.fleet.drive import End, Policy
from assay.fleet.ledger import list_ledgers
from assay.fleet.plan import Needs
from assay.fleet.sitting import Asked, begin_fleet, resume_fleet
from assay.fleet.slurm_backend import job_parameters, outcome_of
from assay.fleet.values import FleetCase, Node, Order, Outcome
from assay.runner.plan import read_machine
from assay.runner.suite_model import build_suite
from assay.store import Store

pytest.importorskip("submitit", reason="Slurm is reached through submitit: pip install 'assay[fleet]'")

TINY = {
    "name": "tiny", "launches": 1, "launch_limit_s": 60,
    "timing": {"min_time_s": 0.05, "max_time_s": 0.2, "min_samples": 5, "warmup_min_s": 0, "warmup_max_s": 0.1},
}  # fmt: skip


@pytest.fixture
def found_by_workers(
    monkeypatch: pytest.MonkeyPatch, plugin_paths: tuple[str, str], install_plain: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """Let this process and the jobs find the engine ``plain``."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(plugin_paths))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    install_plain(monkeypatch)


@pytest.mark.usefixtures("found_by_workers")
def test_cases_run_as_jobs_and_their_results_are_in_the_store(tmp_path: Path) -> None:
    models = ["plain_models:good", "plain_models:raises"]
    suite = build_suite({**TINY, "cases": [{"model": models, "engine": "plain", "device": "cpu", "batch": 1}]})
    store = Store.open(tmp_path / "store")
    asked = Asked(suite, read_target("slurm:local"), Policy(retries=1), options={"parallel": 2})
    sat = begin_fleet(asked, read_machine(), store)
    assert sat.end is End.FINISHED
    outcomes = {one.label.split()[0]: one for made in sat.state.attempts.values() for one in made}
    assert outcomes["plain_models:good"].outcome is Outcome.OK
    failed = outcomes["plain_models:raises"]
    assert (failed.outcome, failed.status, failed.number) == (Outcome.FAILED, "failed", 1)
    assert {run.run_id for run in store.runs()} == {one.run_id for one in outcomes.values()}
    assert all(run.tags == (f"fleet:{sat.state.fleet_id}",) for run in store.runs())
    again = resume_fleet(store, "last")
    assert again.end is End.FINISHED
    assert len(store.runs()) == 2, "nothing was left to do"


@pytest.mark.usefixtures("found_by_workers")
def test_what_no_node_could_run_is_refused_before_anything_begins(tmp_path: Path) -> None:
    suite = build_suite({**TINY, "cases": [{"model": ["plain_models:good"], "engine": "plain", "device": "cpu"}]})
    store = Store.open(tmp_path / "store")
    asked = Asked(suite, read_target("slurm:local"), needs=Needs(on_each_node=True), options={"parallel": 0})
    with pytest.raises(UsageError, match="No node has what the cases need"):
        begin_fleet(asked, read_machine(), store)
    assert list_ledgers(store.location) == []


def test_what_slurm_is_asked_for(make_case: Callable[..., FleetCase]) -> None:
    node = Node("p", "p")
    cpu = job_parameters(Order(make_case("a", limit_s=600, memory_bytes=3 << 30), 1, node), "long")
    assert cpu == {
        "timeout_min": 10, "name": "assay-fleet", "nodes": 1, "tasks_per_node": 1, "slurm_partition": "long",
        "slurm_exclusive": True, "slurm_mem": "3072M",
    }  # fmt: skip
    gpus = job_parameters(Order(make_case("b", kind="cuda", count=4, accelerator="h100"), 1, node), "")
    assert (gpus["gpus_per_node"], gpus["slurm_constraint"]) == (4, "h100")
    assert "slurm_exclusive" not in gpus


@pytest.mark.parametrize(
    ("state", "is_crash", "outcome"),
    [
        ("TIMEOUT", True, Outcome.TIMEOUT),
        ("NODE_FAIL", True, Outcome.LOST),
        ("FAILED", True, Outcome.LOST),
        ("FAILED", False, Outcome.FAILED),
        ("PREEMPTED", False, Outcome.LOST),
    ],
)
def test_what_an_end_means(state: str, *, is_crash: bool, outcome: Outcome) -> None:
    assert outcome_of(state, is_crash=is_crash) is outcome
