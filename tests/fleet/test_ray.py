"""One small cluster of this machine's, through the process that holds the connection."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from assay.fleet.backend import read_target
from assay.fleet.drive import End, Policy
from assay.fleet.ledger import Ledger
from assay.fleet.ray_bridge import read_error, read_node, task_options
from assay.fleet.sitting import Asked, Sat, begin_fleet
from assay.fleet.values import Outcome
from assay.runner.plan import read_machine
from assay.runner.suite_model import build_suite
from assay.store import Store

TINY = {
    "name": "tiny", "launches": 1, "launch_limit_s": 60,
    "timing": {"min_time_s": 0.05, "max_time_s": 0.2, "min_samples": 5, "warmup_min_s": 0, "warmup_max_s": 0.1},
}  # fmt: skip


@pytest.fixture(scope="module")
def carried_out(
    tmp_path_factory: pytest.TempPathFactory,
    plugin_paths: tuple[str, str],
    install_plain: Callable[[pytest.MonkeyPatch], None],
) -> Iterator[tuple[Sat, Store, list[int]]]:
    """Three cases on Ray; the first worker process that says it has begun is killed."""
    pytest.importorskip("ray", reason="this engine is Ray: pip install 'assay[fleet]'")
    if not hasattr(signal, "SIGKILL") or sys.platform != "linux":
        pytest.skip("workers are killed by signals")
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as place:
        patch.setenv("PYTHONPATH", os.pathsep.join(plugin_paths))
        patch.setenv("OMP_NUM_THREADS", "1")
        install_plain(patch)
        killed: list[int] = []

        def kill_the_first(ledger: Ledger) -> None:
            for one in ledger.state.open_attempts():
                if one.pid is not None and not killed:
                    killed.append(one.pid)
                    os.kill(one.pid, signal.SIGKILL)

        store = Store.open(tmp_path_factory.mktemp("fleet") / "store")
        cases = [{"model": ["plain_models:good"], "engine": "plain", "device": "cpu", "batch": [1, 2, 3]}]
        local = {"num_cpus": 1, "_temp_dir": place, "object_store_memory": 80 << 20}
        asked = Asked(
            build_suite({**TINY, "cases": cases}), read_target("ray://local"), Policy(), options={"local": local}
        )
        yield begin_fleet(asked, read_machine(), store, listener=kill_the_first), store, killed


def test_a_lost_worker_costs_an_attempt_and_no_case(carried_out: tuple[Sat, Store, list[int]]) -> None:
    sat, _, killed = carried_out
    assert sat.end is End.FINISHED
    assert sat.state.unfinished() == []
    attempts = [one for made in sat.state.attempts.values() for one in made]
    (lost,) = [one for one in attempts if one.outcome is Outcome.LOST]
    assert [lost.pid] == killed
    assert lost.error is not None
    assert "WorkerCrashedError" in lost.error
    assert sum(one.outcome is Outcome.OK for one in attempts) == 3


def test_each_answer_is_a_run_in_the_store(carried_out: tuple[Sat, Store, list[int]]) -> None:
    sat, store, _ = carried_out
    finals = [sat.state.final(case_id) for case_id in sat.state.cases]
    answers = {one.run_id for one in finals if one is not None and one.run_id is not None}
    runs = {run.run_id: run for run in store.runs()}
    assert len(answers) == 3
    assert answers <= set(runs)
    assert all(runs[one].config["fleet"]["fleet_id"] == sat.state.fleet_id for one in answers)
    assert store.orphans() == []


def test_nodes_are_read() -> None:
    row = {
        "NodeID": "abc", "NodeManagerAddress": "10.0.0.7", "Labels": {},
        "Resources": {"CPU": 64.0, "GPU": 8.0, "memory": 1e9, "accelerator_type:AMD-Instinct-MI300X-OAM": 1.0},
    }  # fmt: skip
    assert read_node(row) == {
        "node_id": "abc", "name": "10.0.0.7", "cpus": 64.0, "kind": "rocm", "devices": 8,
        "accelerator": "AMD-Instinct-MI300X-OAM", "memory_bytes": 1_000_000_000, "address": "10.0.0.7",
    }  # fmt: skip
    named = read_node({**row, "Resources": {"CPU": 2.0}, "Labels": {"assay-node": "node 7"}})
    assert (named["name"], named["kind"], named["devices"], named["memory_bytes"]) == ("node 7", "cpu", 0, None)


def test_what_ray_is_asked_for() -> None:
    resources: dict[str, Any] = {"kind": "cuda", "count": 2, "accelerator": "H100", "memory_bytes": 5}
    wanted = {"cpus": 16.0, "resources": resources, "reserve_memory": True}
    assert task_options(wanted) == {
        "num_cpus": 16.0, "max_retries": 0, "num_gpus": 2, "accelerator_type": "H100", "memory": 5,
    }  # fmt: skip
    cpu = {"kind": "cpu", "count": 1, "accelerator": None, "memory_bytes": None}
    assert task_options({"cpus": 2.0, "resources": cpu, "reserve_memory": True}) == {"num_cpus": 2.0, "max_retries": 0}


def test_errors_of_ray_are_told_apart() -> None:
    names = (
        "WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "RaySystemError", "TaskUnschedulableError",
        "ObjectLostError", "LocalRayletDiedError", "RayTaskError",
    )  # fmt: skip
    errors = {name: type(name, (Exception,), {}) for name in names}
    ray = SimpleNamespace(exceptions=SimpleNamespace(**errors))
    assert read_error(ray, errors["NodeDiedError"]("gone\nmore")) == {"outcome": "lost", "error": "NodeDiedError: gone"}
    assert read_error(ray, errors["RayTaskError"]("a fault"))["outcome"] == "failed"
