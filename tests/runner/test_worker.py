"""The worker's own steps, in this process with sessions made up here; and real launches through PyTorch."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter_ns
from typing import Any

import pytest

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.case import Case
from assay.core.errors import EngineError, UnsupportedError, WorkloadError
from assay.core.words import Precision, Status
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.runner.child import Speaker, describe_failure
from assay.runner.protocol import Job, Measured, PhaseBegan, decode
from assay.runner.supervise import run_launch
from assay.runner.timing import Timing
from assay.runner.worker import is_out_of_memory, run_job
from assay.workloads.base import Workload

SHORT = Timing(min_time_s=0.01, max_time_s=0.05, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.01)


class OutOfDeviceMemoryError(RuntimeError):
    pass


class FakeEngine:
    """Gives out one session, and keeps what it was asked for."""

    name = "fake"
    capabilities = Capabilities(precisions={"cpu": (Precision.FP32,)}, packages=(), install_hint="")

    def __init__(self, session: Session | None = None) -> None:
        self.session = session
        self.asked: list[LoadRequest] = []

    def availability(self, device_kind: str) -> Unavailable | None:
        return None if device_kind == "cpu" else Unavailable("it has a CPU only")

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        del request
        return ()

    def import_libraries(self, workload: Workload) -> None:
        pass

    def load(self, request: LoadRequest) -> Session:
        self.asked.append(request)
        assert self.session is not None
        return self.session

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, OutOfDeviceMemoryError)


@pytest.fixture
def speaker() -> Iterator[tuple[Speaker, Callable[[], list[Any]]]]:
    """A speaker, and what the other end of its pipe has heard."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)

    def hear() -> list[Any]:
        return [decode(line) for line in os.read(reader, 1 << 20).splitlines()]

    yield Speaker(writer), hear
    os.close(reader)
    os.close(writer)


def make_job(workload: str = "bert/tiny", engine: str = "fake") -> Job:
    case = Case.make(workload=workload, engine=engine, device="cpu", batch=2, shape={"seq": 16})
    return Job(case, {"seq": 16}, threads=3, seed=5, timing=SHORT, spawned_ns=perf_counter_ns())


def make_session(
    unload: Callable[[], None],
    *,
    reset: Callable[[], None] | None = None,
    memory: Callable[[], Mapping[str, int]] | None = None,
) -> Session:
    return Session(
        infer=lambda: sum(range(50_000)),
        unload=unload,
        effective_precision="bf16",
        threads=2,
        hardware="some device",
        parameters=7,
        facts={"driver": "1.2"},
        reset_device_memory=reset,
        device_memory=memory,
    )


def test_a_job_is_done_step_by_step(
    monkeypatch: pytest.MonkeyPatch, speaker: tuple[Speaker, Callable[[], list[Any]]]
) -> None:
    done: list[str] = []
    session = make_session(
        lambda: done.append("unload"),
        reset=lambda: done.append("reset"),
        memory=lambda: {"allocator_peak": 1000, "driver_used": 2000},
    )
    engine = FakeEngine(session)
    monkeypatch.setitem(engines._loaded, "fake", engine)
    said = run_job(make_job(), speaker[0], perf_counter_ns())
    (asked,) = engine.asked
    assert (asked.workload.name, asked.batch, asked.shape, asked.threads, asked.seed) == (
        "bert/tiny", 2, {"seq": 16}, 3, 5,
    )  # fmt: skip
    assert done == ["reset", "unload"]
    assert (said.effective_precision, said.threads, said.hardware, said.parameters) == ("bf16", 2, "some device", 7)
    assert said.facts == {"driver": "1.2"}
    assert {key: value for key, value in said.memory_bytes.items() if key.startswith("device")} == {
        "device_allocator_peak": 1000,
        "device_driver_used": 2000,
    }
    phases = [message.phase for message in speaker[1]() if isinstance(message, PhaseBegan)]
    assert phases == ["import", "load", "first_infer", "warmup", "measure", "memory", "unload"]


def test_a_session_is_unloaded_though_a_call_fails(
    monkeypatch: pytest.MonkeyPatch, speaker: tuple[Speaker, Callable[[], list[Any]]]
) -> None:
    done: list[str] = []

    def fail() -> None:
        raise OSError

    session = Session(fail, lambda: done.append("unload"), "fp32", 1, "", None, {})
    monkeypatch.setitem(engines._loaded, "fake", FakeEngine(session))
    with pytest.raises(OSError):  # noqa: PT011  (it has no message)
        run_job(make_job(), speaker[0], perf_counter_ns())
    assert done == ["unload"]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (UnsupportedError("No such device.", hint="Use cpu."), Status.UNSUPPORTED, "No such device. Use cpu."),
        (WorkloadError("No weights."), Status.FAILED, "No weights."),
        (EngineError("Needs 'x'.", hint="pip install x"), Status.FAILED, "Needs 'x'. pip install x"),
        (OutOfDeviceMemoryError("tried 5 GiB\ntrace"), Status.OOM, "out of memory in load: tried 5 GiB"),
        (MemoryError(), Status.OOM, "out of memory in load"),
        (KeyError("bias"), Status.FAILED, "KeyError in load: 'bias'"),
        (ValueError(), Status.FAILED, "ValueError in load"),
        (ValueError("x" * 5000), Status.FAILED, "ValueError in load: " + "x" * 2000),
    ],
)
def test_what_was_raised_becomes_a_status_and_a_reason(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: Status, reason: str
) -> None:
    monkeypatch.setitem(engines._loaded, "fake", FakeEngine())
    failed = describe_failure(error, "load", is_out_of_memory=functools.partial(is_out_of_memory, "fake"))
    assert (failed.status, failed.reason, failed.phase) == (status, reason, "load")


def test_an_engine_that_is_gone_does_not_hide_the_failure() -> None:
    asked = functools.partial(is_out_of_memory, "gone")
    failed = describe_failure(ValueError("bad"), "import", is_out_of_memory=asked)
    assert (failed.status, failed.reason) == (Status.FAILED, "ValueError in import: bad")


def test_the_reason_names_the_line_that_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines._loaded, "fake", FakeEngine())
    try:
        json.loads("{")
    except ValueError as error:
        reason = describe_failure(error, "load").reason
    assert reason.startswith("JSONDecodeError in load: Expecting property name")
    assert "(decoder.py:" in reason


# --- through PyTorch ------------------------------------------------------------------------------------------


def launch_through_torch(workload: str, environ: Mapping[str, str], batch: int = 1, shape: Any = None) -> Any:
    pytest.importorskip("torch", reason="needs torch: pip install 'assay[torch]'")
    case = Case.make(workload=workload, engine="torch", device="cpu", batch=batch, shape=shape)
    job = Job(case, shape or {}, threads=1, seed=0, timing=SHORT, spawned_ns=perf_counter_ns())
    return run_launch(job, limit_s=120, environ=environ).outcome


def test_a_family_is_measured_through_torch(worker_environ: dict[str, str]) -> None:
    said = launch_through_torch("unet/tiny", worker_environ, shape={"image": 32})
    assert isinstance(said, Measured)
    assert (said.effective_precision, said.threads) == ("fp32", 1)
    assert said.parameters is not None
    assert said.memory_bytes["peak"] >= 4 * said.parameters


def test_torchs_own_out_of_memory_is_told_from_other_errors(worker_environ: dict[str, str], tmp_path: Any) -> None:
    tmp_path.joinpath("big.py").write_text(
        "import torch\n\ndef make(batch):\n    return torch.relu, torch.empty(batch * 10**15)\n"
    )
    environ = worker_environ | {"PYTHONPATH": str(tmp_path)}
    said = launch_through_torch("big:make", environ, batch=2)
    assert said.status is Status.OOM
    assert said.reason.startswith("out of memory in load: ")
