"""A launch whose model runs in another process: what the worker asks of it, and whose accounts it keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.catalog.metrics import metrics
from assay.core.case import Case
from assay.core.errors import EngineError
from assay.core.records import MetricValue
from assay.core.words import Precision
from assay.engines.base import Capabilities, LoadRequest, Placement, Session, engines
from assay.probes.telemetry.load import run_energy_pass
from assay.runner.child import Speaker
from assay.runner.protocol import Job, Measured, PhaseBegan, decode, encode
from assay.runner.timing import Timing
from assay.runner.worker import run_job

SHORT = Timing(min_time_s=0.15, max_time_s=0.3, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.01)
PROGRAM = """
import json, sys, time
for line in sys.stdin:
    samples, calls, limit_ns = json.loads(line)
    begin, read = time.perf_counter_ns(), []
    for _ in range(samples):
        start = time.perf_counter_ns()
        for _ in range(calls):
            sum(range(20_000))
        end = time.perf_counter_ns()
        read.append(end - start)
        if limit_ns is not None and end - begin >= limit_ns:
            break
    print(json.dumps(read), flush=True)
"""


class Program:
    """A model in a Python of its own, told by its standard input what to do."""

    resolution_ns = 1000

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.asked: list[tuple[int, int, int | None]] = []

    def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
        self.asked.append((samples, calls_per_sample, limit_ns))
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(self.asked[-1]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise EngineError("the program is gone")
        answer: list[int] = json.loads(line)
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class FakeEngine:
    name = "fake"
    capabilities = Capabilities({"cpu": (Precision.FP32,)}, (), "", least_warmup_calls=25, least_warmup_s=0.1)

    def __init__(self, session: Session) -> None:
        self.session = session

    def import_libraries(self, workload: Any) -> None:
        pass

    def load(self, request: LoadRequest) -> Session:
        del request
        return self.session


@pytest.fixture
def program() -> Iterator[Program]:
    started = Program()
    yield started
    started.close()


def make_session(program: Program, **more: Any) -> Session:
    def refuse() -> None:
        raise AssertionError("its calls are not timed here")

    session = Session(
        infer=refuse,
        unload=program.close,
        effective_precision="fp32",
        threads=1,
        hardware="",
        parameters=7,
        facts={},
        costs_ns={"browser_launch": 10**12, "compile": 2},
        stopwatch=program,
        processes=lambda: [program.process.pid],
        process_memory=lambda: {"browser": 10, "renderer": 200, "gpu": 3000},
    )
    return replace(session, **more)


Launch = Callable[..., tuple[Measured, list[str]]]


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    """Make one launch of a session in this process; returns what was measured, and the phases told."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)

    def make(session: Session, **fields: Any) -> tuple[Measured, list[str]]:
        monkeypatch.setitem(engines._loaded, "fake", FakeEngine(session))
        case = Case.make(workload="bert/tiny", engine="fake", device="cpu", batch=1, shape={"seq": 16})
        job = Job(case, {"seq": 16}, 1, 0, SHORT, time.perf_counter_ns(), **fields)
        said = run_job(job, Speaker(writer), time.perf_counter_ns())
        told = [decode(line) for line in os.read(reader, 1 << 20).splitlines()]
        return said, [one.phase for one in told if isinstance(one, PhaseBegan)]

    yield make
    os.close(reader)
    os.close(writer)


def metrics_of(said: Measured) -> Mapping[str, float | None]:
    return {metric.name: metric.value for metric in said.metrics}


def test_the_other_programs_calls_cpu_time_and_memory_are_kept(program: Program, launch: Launch) -> None:
    said, phases = launch(make_session(program))
    assert phases == ["import", "load", "first_infer", "warmup", "measure", "memory", "unload"]
    assert decode(encode(said)) == said
    assert said.warmup_calls >= 25, "what the engine needs, though the suite allows 10 ms"
    assert said.costs_ns["warmup"] >= 10**8
    assert said.calls_per_sample > 1, "calls are short"
    assert program.asked[0] == (1, 1, None), "the first call is timed alone"
    assert program.asked[-1] == (3, 1, None), "the memory pass"
    assert len(said.values) >= 5
    cpu_ns = metrics_of(said)["cpu_time_ns"]
    assert cpu_ns is not None
    assert cpu_ns > 0
    assert said.witnesses["cpu_share"] > 0
    assert {key: value for key, value in said.memory_bytes.items() if key != "baseline"} == {
        "process_browser": 10, "process_renderer": 200, "process_gpu": 3000, "process_tree": 3210,
    }  # fmt: skip
    assert (said.costs_ns["load"], said.costs_ns["compile"]) == (0, 2), "parts that overlap are more than the whole"
    assert said.costs_ns["unload"] > 0
    assert program.process.returncode is not None


@pytest.mark.parametrize("processes", [None, list])
def test_where_no_process_is_known_nothing_of_this_machine_is_said_of_the_other(
    program: Program, launch: Launch, processes: Callable[[], list[int]] | None
) -> None:
    said, _ = launch(make_session(program, processes=processes, process_memory=None))
    assert said.witnesses == {"unwatched": 1.0}
    assert "cpu_time_ns" not in metrics_of(said)
    assert said.memory_bytes.keys() <= {"baseline"}


def test_the_energy_pass_asks_for_many_calls_at_a_time(
    program: Program, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {"idle_s": 0.01, "settle_s": 0.0, "lead_s": 0.0}
    monkeypatch.setattr(run_energy_pass, "__kwdefaults__", {**(run_energy_pass.__kwdefaults__ or {}), **short})
    said, phases = launch(make_session(program), energy_load_s=0.05)
    assert phases[-2:] == ["energy", "unload"]
    samples, calls, limit_ns = program.asked[-1]
    assert (samples, limit_ns) == (1, None)
    assert calls > 10
    assert said.energy["calls"] % calls == 0


def placed(nodes: Mapping[str, int], least_share: float) -> Placement:
    return Placement("WebNN", nodes, "onnxruntime-web's log", least_share)


def test_few_nodes_where_the_case_asked_for_them_are_a_silent_fallback(program: Program, launch: Launch) -> None:
    session = make_session(program, find_placement=lambda: placed({"WebNN": 4, "wasm": 76}, 0.9))
    expected = r"only 4 of 80 nodes ran on WebNN, and at least 90 % must: 4 on WebNN, 76 on wasm \(by onnxruntime-web"
    with pytest.raises(EngineError, match=expected):
        launch(session)
    assert program.process.returncode is not None, "unloaded all the same"


@pytest.mark.parametrize("least_share", [0.0, 0.95])
def test_enough_nodes_are_kept(program: Program, launch: Launch, least_share: float) -> None:
    session = make_session(program, find_placement=lambda: placed({"WebNN": 76, "wasm": 4}, least_share))
    said, phases = launch(session)
    assert said.placement == {"WebNN": 76, "wasm": 4}
    assert phases[-2:] == ["placement", "unload"]


def test_what_only_shows_after_all_timing_is_kept(program: Program, launch: Launch) -> None:
    def late() -> Sequence[MetricValue]:
        assert program.asked, "nothing is timed after it"
        asked.append(len(program.asked))
        return (MetricValue("error_vs_native", None, metrics.get("error_vs_native").unit, reason="no native runtime"),)

    asked: list[int] = []
    measured, _ = launch(make_session(program, late_metrics=late))
    (kept,) = [one for one in measured.metrics if one.name == "error_vs_native"]
    assert (kept.value, kept.reason) == (None, "no native runtime")
    assert asked == [len(program.asked)]


def test_a_program_that_dies_is_told_by_its_own_words_though_unloading_fails_too(
    program: Program, launch: Launch
) -> None:
    def unload() -> None:
        raise OSError("already gone")

    program.close()
    session = make_session(program, unload=unload)
    with pytest.raises((EngineError, ValueError, OSError)) as caught:
        launch(session)
    assert "already gone" not in str(caught.value)


def test_the_reference_is_compared_with_what_infer_brings(program: Program, launch: Launch, tmp_path: Path) -> None:
    import numpy as np

    from assay.artefacts.reference import write_reference

    write_reference(tmp_path, [np.ones((2, 3), np.float32)])
    session = make_session(
        program, infer=lambda: "brought", read_outputs=lambda said: [np.full((2, 3), len(said) / 7, np.float32)]
    )
    said, phases = launch(session, reference=str(tmp_path))
    assert said.fidelity["max_relative_error"] == 0
    assert phases[-2:] == ["fidelity", "unload"]
