"""Launches that go wrong in every way a model can, in real worker processes: always an outcome, never a leftover."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

import psutil
import pytest

from assay.core.case import Case
from assay.core.words import Status
from assay.runner.program import WorkerProgram
from assay.runner.protocol import Failed, Job, Measured, Message, PhaseBegan, SamplesSoFar
from assay.runner.supervise import LaunchOutcome, run_launch, worker_environment
from assay.runner.timing import Timing

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the misbehaving models use fork and signals")

SHORT = Timing(min_time_s=0.05, max_time_s=0.3, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.1)
Marked = Callable[[], list[psutil.Process]]
Launch = Callable[..., LaunchOutcome]


def make_job(model: str, *, batch: int = 1, timing: Timing = SHORT, threads: int = 1) -> Job:
    name = model if ":" in model else f"plain_models:{model}"
    case = Case.make(workload=name, engine="plain", device="cpu", batch=batch)
    return Job(case, {}, threads=threads, seed=0, timing=timing, spawned_ns=perf_counter_ns())


@pytest.fixture
def launch(
    worker_environ: dict[str, str], marked: Marked, wait_until: Callable[[Callable[[], object]], None]
) -> Launch:
    """Make one launch, and see that no process of it is left."""

    def make(
        job: Job, *, limit_s: float = 60, on_message: Callable[[Message | None], None] = lambda _message: None
    ) -> LaunchOutcome:
        outcome = run_launch(job, limit_s=limit_s, on_message=on_message, environ=worker_environ)
        wait_until(lambda: not marked())  # the kernel takes a moment to end what was killed
        return outcome

    return make


def explain(launch: Launch, model: str, **options: float) -> tuple[Status, str]:
    outcome = launch(make_job(model), **options).outcome
    assert isinstance(outcome, Failed)
    return outcome.status, outcome.reason


# --- a launch that works --------------------------------------------------------------------------------------


def test_a_good_model_is_measured(launch: Launch) -> None:
    said: list[Message | None] = []
    made = launch(make_job("good", batch=2, threads=3), on_message=said.append)
    outcome = made.outcome
    assert isinstance(outcome, Measured)
    assert len(outcome.values) >= 5
    assert min(outcome.values) >= 2_000_000
    assert outcome.calls_per_sample == 1
    assert outcome.stop_reason in {"time cap", "precise enough"}
    assert set(outcome.costs_ns) == {"spawn", "import", "load", "first_infer", "warmup", "measure", "unload"}
    assert all(cost > 0 for cost in outcome.costs_ns.values())
    assert outcome.threads == 3
    assert [one.phase for one in said if isinstance(one, PhaseBegan)] == [
        "import", "load", "first_infer", "warmup", "measure", "memory", "unload",
    ]  # fmt: skip
    assert any(isinstance(one, SamplesSoFar) for one in said)
    assert said[-1] == outcome
    assert sum(outcome.costs_ns.values()) < made.wall_ns
    assert 0 <= made.supervisor_cpu_share < 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the peak of resident memory")
def test_the_memory_pass_is_net_of_what_the_process_held_before(launch: Launch) -> None:
    outcome = launch(make_job("good")).outcome
    assert isinstance(outcome, Measured)
    assert set(outcome.memory_bytes) == {"baseline", "load_peak", "peak"}
    assert outcome.memory_bytes["peak"] < outcome.memory_bytes["baseline"]


def test_what_a_model_prints_is_not_taken_for_a_message(launch: Launch) -> None:
    assert isinstance(launch(make_job("chatty")).outcome, Measured)


def test_50_mb_on_stderr_block_nothing(launch: Launch) -> None:
    assert isinstance(launch(make_job("floods_stderr")).outcome, Measured)


def test_a_process_that_the_model_left_running_is_ended(launch: Launch) -> None:
    assert isinstance(launch(make_job("leaves_a_grandchild")).outcome, Measured)


def test_files_of_the_user_do_not_replace_the_standard_library(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("statistics", "queue", "random", "json"):
        tmp_path.joinpath(f"{name}.py").write_text("raise RuntimeError('this is the file of the user')")
    tmp_path.joinpath("mine.py").write_text("def make():\n    return print, ()\n")
    monkeypatch.chdir(tmp_path)
    assert isinstance(launch(make_job("mine:make")).outcome, Measured)


# --- a launch that does not -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "status", "reason"),
    [
        ("raises_later", Status.FAILED, r"RuntimeError in first_infer \(plain_models.py:\d+\)"),
        ("leaves_by_sys_exit", Status.FAILED, r"SystemExit in load: 0 \(plain_models.py:\d+\)"),
        ("runs_out_of_memory", Status.OOM, r"out of memory in load"),
        ("allocates", Status.OOM, r"out of memory in load"),
        ("exits", Status.FAILED, r"the worker ended in load with exit code 3 and no result"),
        ("says_its_threads", Status.FAILED, r"ValueError in load: threads 1, hash seed 0 \(plain_models.py:\d+\)"),
        (
            "segfaults",
            Status.FAILED,
            r"the worker was killed by SIGSEGV in load; its last words: Fatal Python error: Segmentation fault",
        ),
        ("kills_itself", Status.FAILED, r"the worker was killed by SIGKILL in load"),
        (
            "raises_what_cannot_be_shown",
            Status.FAILED,
            r"the worker ended in load with exit code 1 and no result; its last words: ZeroDivisionError",
        ),
        (
            "returns_too_little",
            Status.FAILED,
            r"The factory 'plain_models:returns_too_little' returned builtin_function_or_method; expected a pair .*",
        ),
        ("godo", Status.FAILED, r"Unknown factory in plain_models 'godo'. Did you mean 'good'\?"),
        (
            "no_such_module:make",
            Status.FAILED,
            r"The factory 'no_such_module:make' could not be imported: No module named 'no_such_module'. Run assay .*",
        ),
    ],
)
def test_a_failure_has_a_status_and_a_reason(
    launch: Launch, full_match: Callable[[str, str], None], model: str, status: Status, reason: str
) -> None:
    got = explain(launch, model)
    assert got[0] is status
    full_match(reason, got[1])


def test_a_reason_can_be_printed_and_stored(launch: Launch, full_match: Callable[[str, str], None]) -> None:
    status, reason = explain(launch, "raises")
    assert status is Status.FAILED
    full_match(r"ValueError in load: the weights are missing \[/x\] \ufffd \(plain_models.py:\d+\)", reason)


def test_a_factory_without_batch_makes_batch_one_only(launch: Launch) -> None:
    assert isinstance(launch(make_job("without_batch")).outcome, Measured)
    outcome = launch(make_job("without_batch", batch=4)).outcome
    assert isinstance(outcome, Failed)
    assert outcome.reason == (
        "The factory 'plain_models:without_batch' takes no `batch`, so it cannot make a batch of 4. "
        "Give it a `batch` parameter, or ask for batch 1."
    )


@pytest.mark.parametrize(("model", "phase", "limit_s"), [("hangs", "load", 3), ("hangs_in_call", "first_infer", 2)])
def test_a_hanging_model_is_killed_at_the_limit(launch: Launch, model: str, phase: str, limit_s: int) -> None:
    ticks: list[Message | None] = []
    made = launch(make_job(model), limit_s=limit_s, on_message=ticks.append)
    reason = f"still in {phase} after the limit of {limit_s} s; killed"
    assert made.outcome == Failed(Status.TIMEOUT, reason, phase)
    assert None in ticks  # a display can count the seconds


@pytest.mark.parametrize("model", ["writes_rubbish", "writes_deep_rubbish", "writes_odd_json"])
def test_rubbish_on_the_pipe_ends_the_launch(launch: Launch, model: str) -> None:
    status, reason = explain(launch, model)
    assert status is Status.FAILED
    assert reason.startswith("the worker wrote what is no message in load (")
    assert reason.isprintable()


@pytest.mark.parametrize(("model", "left"), [("leaves_a_grandchild_and_exits", 0), ("leaves_a_daemon_and_exits", 1)])
def test_a_dead_worker_is_noticed_though_a_child_holds_its_pipe(
    worker_environ: dict[str, str],
    marked: Marked,
    wait_until: Callable[[Callable[[], object]], None],
    model: str,
    left: int,
) -> None:
    made = run_launch(make_job(model), limit_s=600, environ=worker_environ)
    # ... and neither at the limit nor when the child goes, which both would be ten minutes from now.
    assert made.outcome == Failed(Status.FAILED, "the worker ended in load with exit code 3 and no result", "load")
    wait_until(lambda: len(marked()) == left)


def test_a_worker_killed_from_outside_is_a_failure_with_the_signal(launch: Launch, marked: Marked) -> None:
    def kill(message: Message | None) -> None:
        if message == PhaseBegan("first_infer"):
            (worker,) = marked()
            worker.terminate()

    outcome = launch(make_job("hangs_in_call"), on_message=kill).outcome
    assert outcome == Failed(Status.FAILED, "the worker was killed by SIGTERM in first_infer", "first_infer")


def test_ctrl_c_kills_the_worker_and_goes_on_up(launch: Launch, marked: Marked) -> None:
    def interrupt(message: Message | None) -> None:
        if message == PhaseBegan("first_infer"):
            assert len(marked()) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(make_job("hangs_in_call"), on_message=interrupt)
    assert marked() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_a_killed_supervisor_takes_its_worker_along(
    worker_environ: dict[str, str], marked: Marked, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_supervise import make_job, run_launch
run_launch(make_job("hangs_in_call"), limit_s=600, on_message=lambda message: print(message, flush=True))
"""
    supervisor = subprocess.Popen([sys.executable, "-c", script], env=worker_environ, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with supervisor.stdout as said:
        assert any("first_infer" in line for line in said)
        assert len(marked()) == 2
        os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    wait_until(lambda: not marked())


# --- the environment of a worker ------------------------------------------------------------------------------


def test_a_worker_does_not_inherit_what_bends_timings() -> None:
    given = {"PATH": "/bin", "PYTHONPATH": "src", "PYTHONMALLOC": "debug", "PYTHONTRACEMALLOC": "1"}
    made = worker_environment(given | {"MKL_NUM_THREADS": "64"}, threads=2)
    assert "PYTHONMALLOC" not in made
    assert "PYTHONTRACEMALLOC" not in made
    assert (made["PATH"], made["PYTHONPATH"], made["PYTHONHASHSEED"]) == ("/bin", "src", "0")
    assert {made[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"2"}


def test_a_program_that_cannot_be_started_is_a_failure(worker_environ: dict[str, str], tmp_path: Path) -> None:
    for program in (WorkerProgram(python=tmp_path / "python"), WorkerProgram(folder=tmp_path / "gone")):
        outcome = run_launch(make_job("good"), limit_s=60, environ=worker_environ, program=program).outcome
        assert isinstance(outcome, Failed)
        assert outcome.reason.startswith("the worker could not be started: ")


def test_a_worker_stands_where_its_program_says(worker_environ: dict[str, str], tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    there.joinpath("standing.py").write_text("import found_first\ndef make():\n    return print, ()\n")
    lent = tmp_path / "lent"
    lent.mkdir()
    lent.joinpath("found_first.py").write_text("raise ValueError(__file__)")
    program = WorkerProgram(search_path=(lent,), folder=there)
    outcome = run_launch(make_job("standing:make"), limit_s=60, environ=worker_environ, program=program).outcome
    assert isinstance(outcome, Failed)
    assert f"ValueError in load: {lent / 'found_first.py'}" in outcome.reason
