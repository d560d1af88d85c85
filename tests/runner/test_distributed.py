"""The worker of several ranks: launches through torchrun, ranks that are killed or fail, and what it says of them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import psutil
import pytest

from assay.core.case import Case
from assay.core.errors import EngineError, UnsupportedError, WorkloadError
from assay.core.words import Mode, Precision, Status
from assay.engines.base import LoadRequest
from assay.engines.distributed_plan import batches_of_a_step, count_nodes, is_distributed, plan_distributed
from assay.engines.training_plan import read_training_options
from assay.runner.distributed import (
    FAILED,
    count_memory_kills,
    explain_loss,
    rank_threads,
    run_distributed,
    sweep_folders,
    torchrun_arguments,
    write_whole,
)
from assay.runner.protocol import Failed, Job, Measured, Message, PhaseBegan, encode
from assay.runner.rank_agent import FAILURES
from assay.runner.supervise import run_launch
from assay.runner.timing import Timing
from assay.runner.tree_worker import TreeFinder
from assay.workloads.resolve import resolve_workload

SHORT = Timing(min_time_s=0.05, max_time_s=0.5, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.2)
ENDLESS = replace(SHORT, min_time_s=100.0, max_time_s=200.0)
LIMIT_S = 200.0


def make_job(timing: Timing = SHORT, **options: Any) -> Job:
    """Two ranks of the model whose modules are imported fastest."""
    case = Case.make(
        workload="unet/tiny", engine="torch", device="cpu", mode=Mode.TRAINING, precision=Precision.FP32, batch=1,
        shape={"image": 32}, options={"ranks": 2, **options},
    )  # fmt: skip
    return Job(case, {"image": 32}, threads=2, seed=5, timing=timing, spawned_ns=perf_counter_ns())


def descendants() -> list[psutil.Process]:
    """The worker and all below it; not what else the tests of this process started, a database's server say."""
    workers = [one for one in psutil.Process().children() if "assay.runner.worker" in one.cmdline()]
    return [one for worker in workers for one in (worker, *worker.children(recursive=True))]


def find_rank(rank: int) -> psutil.Process:
    for process in descendants():
        if "assay.runner.rank" in process.cmdline() and process.environ().get("RANK") == str(rank):
            return process
    raise AssertionError(f"no rank {rank} among {[one.cmdline() for one in descendants()]}")


def await_ranks(seconds: float = 60.0) -> list[psutil.Process]:
    """The worker, torchrun and both ranks: rank 0 may speak before torchrun has started the other one."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(AssertionError, psutil.Error):
            find_rank(1)
            return descendants()
        assert time.monotonic() < deadline, "rank 1 was never started"
        time.sleep(0.02)


# -- launches --------------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_two_ranks_train_together() -> None:
    pytest.importorskip("torch", reason="ranks are PyTorch's")
    said: list[Message | None] = []
    outcome = run_launch(make_job(overlap="off"), limit_s=LIMIT_S, on_message=said.append).outcome
    assert isinstance(outcome, Measured), outcome
    phases = [one.phase for one in said if isinstance(one, PhaseBegan)]
    assert phases[:7] == ["import", "join", "load", "first_infer", "warmup", "measure", "learn"]
    series = {(one.name, one.rank): one for one in outcome.series}
    assert len(series["latency", 0].values) == len(series["rank_latency", 1].values) >= 5
    assert len(series["loss", 0].values) >= 20
    metrics = {(one.name, one.phase): one for one in outcome.metrics}
    assert metrics["loss_ratio", "steady"].value < 0.9  # type: ignore[operator]
    assert metrics["communication_ns", "alone"].value > 0  # type: ignore[operator]
    assert metrics["communication_ns", "profiler"].value > 0  # type: ignore[operator]
    assert metrics["communication_ns", "exposed"].value is not None or metrics["communication_ns", "exposed"].reason
    assert metrics["straggler_ratio", "steady"].value >= 1  # type: ignore[operator]
    assert metrics["all_reduce_bytes_per_s", "1.00 MiB"].value > 0  # type: ignore[operator]
    assert outcome.threads == 1, "two threads are shared out to two ranks"
    assert (outcome.facts["ranks"], outcome.facts["backend"]) == ("2", "gloo")
    assert outcome.facts["dataset_kind"] == "synthetic"
    assert {"spawn", "start_ranks", "import", "join", "load", "first_infer", "measure"} <= set(outcome.costs_ns)
    assert "peak" in outcome.memory_bytes
    assert [one for one in descendants() if "assay.runner.rank" in one.cmdline()] == []


@pytest.mark.timeout(300)
def test_a_rank_that_is_killed_midway_is_a_failed_launch_and_leaves_nobody() -> None:
    pytest.importorskip("torch", reason="ranks are PyTorch's")
    seen: list[psutil.Process] = []
    killed_at: list[float] = []

    def on_message(message: Message | None) -> None:
        if isinstance(message, PhaseBegan) and message.phase == "measure":
            seen.extend(descendants())
            find_rank(1).kill()
            killed_at.append(time.monotonic())

    outcome = run_launch(make_job(ENDLESS), limit_s=LIMIT_S, on_message=on_message).outcome
    assert isinstance(outcome, Failed)
    assert (outcome.status, outcome.phase) == (Status.FAILED, "measure")
    assert outcome.reason == "rank 1 of 2 was killed by SIGKILL in measure"
    assert time.monotonic() - killed_at[0] < 100, "it ended by the limit, and not by the loss"
    gone, alive = psutil.wait_procs(seen, timeout=10)
    assert alive == []
    assert len(gone) >= 4, "worker, torchrun and two ranks"


@pytest.mark.timeout(300)
def test_a_worker_that_is_killed_takes_torchrun_and_its_ranks_with_it() -> None:
    pytest.importorskip("torch", reason="ranks are PyTorch's")
    seen: list[psutil.Process] = []

    def on_message(message: Message | None) -> None:
        if isinstance(message, PhaseBegan) and message.phase == "import":
            seen.extend(await_ranks())
            next(one for one in seen if "assay.runner.worker" in one.cmdline()).kill()

    outcome = run_launch(make_job(), limit_s=LIMIT_S, on_message=on_message).outcome
    assert isinstance(outcome, Failed)
    assert "the worker was killed by SIGKILL" in outcome.reason
    gone, alive = psutil.wait_procs(seen, timeout=10)
    assert alive == []
    assert len(gone) >= 4, "worker, torchrun and two ranks"


@pytest.mark.timeout(300)
def test_two_machines_meet_where_the_users_launcher_says() -> None:
    pytest.importorskip("torch", reason="ranks are PyTorch's")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environ = {
        **os.environ, "PET_NNODES": "2", "PET_RDZV_BACKEND": "c10d", "PET_RDZV_ENDPOINT": f"localhost:{port}",
    }  # fmt: skip
    job = replace(make_job(threads=1), threads=1)
    with ThreadPoolExecutor(2) as machines:
        launches = [machines.submit(run_launch, job, limit_s=LIMIT_S, environ=environ) for _ in range(2)]
        outcomes = [one.result().outcome for one in launches]
    found = set()
    for outcome in outcomes:
        assert isinstance(outcome, Measured), outcome
        assert outcome.facts["machines"] == "2"
        own = next(one for one in outcome.series if one.name == "latency")
        other = next(one for one in outcome.series if one.name == "rank_latency")
        assert len(own.values) == len(other.values)
        found.add((own.rank, other.rank))
    assert found == {(0, 1), (1, 0)}


# -- what is asked of torchrun ---------------------------------------------------------------------------------


def test_one_machine_is_standalone_and_several_meet_where_the_launcher_says(tmp_path: Path) -> None:
    job = make_job(ranks=4)
    alone = torchrun_arguments(job, tmp_path, {})
    assert alone[:2] == ["--standalone", "--nproc-per-node=4"]
    assert alone[-5:] == [sys.executable, "-P", "-m", "assay.runner.rank", str(tmp_path)]
    several = torchrun_arguments(job, tmp_path, {"PET_NNODES": "2", "PET_RDZV_ID": "job7"})
    assert several[:2] == [f"--rdzv-id=job7-{job.case.case_id}", "--nproc-per-node=2"]
    assert "--standalone" not in several


def test_threads_are_each_ranks_own_where_asked_for_else_shared_out() -> None:
    assert rank_threads(make_job(), 2) == 1
    assert rank_threads(make_job(), 8) == 1
    assert rank_threads(make_job(threads=2), 2) == 2


def test_a_number_of_machines_that_is_none_is_refused() -> None:
    assert count_nodes({}) == 1
    with pytest.raises(UnsupportedError, match="1:4"):
        count_nodes({"PET_NNODES": "1:4"})


def test_a_trial_of_another_commit_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, TreeFinder(tmp_path, tmp_path)])
    with pytest.raises(WorkloadError, match="another commit"):
        run_distributed(make_job(), None, 0)  # type: ignore[arg-type]  # never spoken to


def test_folders_of_workers_that_are_gone_are_removed(tmp_path: Path) -> None:
    gone = next(pid for pid in range(2**22, 2, -1) if not psutil.pid_exists(pid))
    names = (f"assay-ranks-{gone}-abc", f"assay-ranks-{os.getpid()}-abc", "assay-ranks-mine", "other")
    for name in names:
        (tmp_path / name).mkdir()
    sweep_folders(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(names[1:])


# -- who is to blame -------------------------------------------------------------------------------------------


def lose(folder: Path, codes: dict[int, int], said: dict[int, Failed] | None = None, words: str = "") -> Exception:
    ranks = [[rank, 100 + rank, code] for rank, code in codes.items()]
    if codes or words:
        (folder / FAILURES).write_text(json.dumps({"ranks": ranks, "words": words}))
    for place, (rank, failed) in enumerate((said or {}).items()):
        file = folder / FAILED.format(rank=rank)
        write_whole(file, encode(failed))
        os.utime(file, ns=(place, place))
    return explain_loss(folder, 4, "measure", is_for_memory=False)


def test_who_was_killed_is_to_blame_and_not_who_lost_the_connection(tmp_path: Path) -> None:
    broken = Failed(Status.FAILED, "RuntimeError in measure: Connection closed by peer", "measure")
    error = lose(tmp_path, {0: 1, 1: 1, 2: -9, 3: -15}, {0: broken, 1: broken})
    assert isinstance(error, EngineError)
    assert str(error) == "rank 2 of 4 was killed by SIGKILL in measure"


def test_who_failed_first_is_to_blame(tmp_path: Path) -> None:
    first = Failed(Status.FAILED, "ValueError in load: nothing", "load")
    later = Failed(Status.FAILED, "RuntimeError in load: Connection closed by peer", "load")
    assert str(lose(tmp_path, {0: 1, 3: 1}, {3: first, 0: later})) == "rank 3 of 4: ValueError in load: nothing"


def test_an_exit_without_words_has_its_code_and_the_last_line_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "none_x" / "attempt_0" / "1" / "stderr.log"
    log.parent.mkdir(parents=True)
    log.write_text("first\nthe last \x1b[31mword\n\n")
    error = lose(tmp_path, {0: -15, 1: 7})
    assert str(error) == "rank 1 of 4 ended in measure with exit code 7 and no result; its last words: the last word"


def test_a_status_of_a_rank_is_that_of_the_launch(tmp_path: Path) -> None:
    unsupported = lose(tmp_path, {1: 1}, {1: Failed(Status.UNSUPPORTED, "no such head", "load")})
    assert isinstance(unsupported, UnsupportedError)
    other = tmp_path / "other"
    other.mkdir()
    memory = lose(other, {1: 1}, {1: Failed(Status.OOM, "out of memory in load", "load")})
    assert isinstance(memory, MemoryError)


def test_a_kill_for_memory_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / FAILURES).write_text(json.dumps({"ranks": [[1, 101, -9]], "words": ""}))
    assert isinstance(explain_loss(tmp_path, 2, "load", is_for_memory=True), MemoryError)
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("pgfault 3\noom_kill 12\n")
    assert count_memory_kills(vmstat) == 12
    assert count_memory_kills(tmp_path / "none") == 0


def test_torchrun_that_fails_itself_says_why(tmp_path: Path) -> None:
    error = lose(tmp_path, {}, words="RendezvousTimeoutError: nobody came")
    assert str(error) == "torchrun ended in measure without a result: RendezvousTimeoutError: nobody came."
    silent = tmp_path / "silent"
    silent.mkdir()
    assert str(lose(silent, {})) == "torchrun ended in measure without a result."


# -- what is refused while planning ----------------------------------------------------------------------------


def plan(workload: str = "unet/tiny", engine: str = "torch", device: str = "cpu", **options: Any) -> None:
    found = resolve_workload(workload)
    request = LoadRequest(found, device, Precision.FP32, 2, found.resolve_shape({}), 1, 0, options)
    plan_distributed(engine, request, read_training_options(options))


def test_what_ranks_cannot_train_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(ranks=2)
    plan(ranks=2, strategy="fsdp2")
    plan("bert/tiny", ranks=2, strategy="tensor")
    refused: tuple[tuple[str, dict[str, Any]], ...] = (
        ("engine torch only", {"engine": "torch-compile"}),
        ("between mps devices", {"device": "mps"}),
        ("on one rank", {"dataset": "digits", "target": 0.9}),
        ("overlap=off is for ddp", {"strategy": "fsdp2", "overlap": "off"}),
        ("as tensor parallel", {"strategy": "tensor"}),
        ("as pipeline parallel", {"strategy": "pipeline"}),
        ("learned under ddp or fsdp2", {"workload": "bert/tiny", "strategy": "tensor", "dataset": "sst2-synthetic"}),
    )
    for words, asked in refused:
        with pytest.raises(UnsupportedError, match=words):
            plan(**{"ranks": 2, **asked})
    monkeypatch.setenv("PET_NNODES", "2")
    with pytest.raises(UnsupportedError, match="3 ranks cannot be shared out evenly to 2 machines"):
        plan(ranks=3)


def test_one_rank_under_a_strategy_is_started_like_many() -> None:
    assert is_distributed(make_job().case)
    assert is_distributed(make_job(ranks=1, strategy="ddp").case)
    assert not is_distributed(make_job(ranks=1).case)
    inference = Case.make(workload="unet/tiny", engine="torch", device="cpu", options={"ranks": 2})
    assert not is_distributed(inference)


def test_a_step_takes_a_batch_of_every_rank_or_one_of_all() -> None:
    assert batches_of_a_step("ddp", 4) == 4
    assert batches_of_a_step("fsdp2", 4) == 4
    assert batches_of_a_step("tensor", 4) == 1
    assert batches_of_a_step("pipeline", 4) == 1
