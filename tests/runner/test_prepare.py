"""What is made before a case is launched, by which process, and what becomes of what cannot be made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.artefacts.base import ArtefactRequest, BuildRequest, Recipe, recipes, request_artefact
from assay.artefacts.cache import list_artefacts, make_artefact
from assay.artefacts.reference import REFERENCE, read_reference
from assay.core.absence import Unavailable
from assay.core.case import Case
from assay.core.errors import UnsupportedError
from assay.core.words import Precision, Status
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.runner.plan import PlannedCase, is_own_reference
from assay.runner.prepare import Workshop, prepare_case
from assay.runner.protocol import Failed, Message, Prepared, PrepareJob
from assay.runner.supervise import LaunchOutcome, run_launch
from assay.workloads.base import Workload
from assay.workloads.resolve import resolve_workload

STARTED = datetime(2026, 11, 20, tzinfo=UTC)


def build_graph(wanted: BuildRequest) -> Mapping[str, str]:
    (wanted.folder / "graph.bin").write_bytes(b"graph")
    return {"nodes": "7"}


class GraphEngine:
    """Needs the artefact ``graph`` and gives its outputs back."""

    name = "graphs"
    capabilities = Capabilities(precisions={"cpu": (Precision.FP32,)}, packages=(), install_hint="", reads_outputs=True)

    def availability(self, device_kind: str) -> Unavailable | None:
        return None if device_kind == "cpu" else Unavailable("it has a CPU only")

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        if request.batch > 64:
            raise UnsupportedError("engine graphs has no batch above 64")
        return (
            request_artefact("graph", request.workload, batch=request.batch, shape=request.shape, seed=request.seed),
        )

    def import_libraries(self, workload: Workload) -> None:
        del workload

    def load(self, request: LoadRequest) -> Session:
        raise NotImplementedError

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)


@pytest.fixture(autouse=True)
def graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("graph", 1, "the graph", build_graph, packages=(), install_hint="", serves_every_batch=True)
    monkeypatch.setitem(recipes._loaded, "graph", recipe)
    reference = Recipe(REFERENCE, 1, "the reference", build_graph, packages=(), install_hint="")
    monkeypatch.setitem(recipes._loaded, REFERENCE, reference)
    monkeypatch.setitem(engines._loaded, "graphs", GraphEngine())


class FakeLauncher:
    """Makes the artefact here instead of in a process, unless ``answers`` has another outcome for the recipe."""

    def __init__(self, **answers: Failed) -> None:
        self.made: list[str] = []
        self._answers = answers

    def __call__(
        self, job: PrepareJob, *, limit_s: float, on_message: Callable[[Message | None], None]
    ) -> LaunchOutcome:
        del limit_s, on_message
        self.made.append(job.request.recipe)
        outcome: Failed | Prepared | None = self._answers.get(job.request.recipe)
        if outcome is None:
            workload = resolve_workload(job.request.workload)
            outcome = Prepared(make_artefact(job.request, workload, Path(job.root), threads=1).folder.name)
        return LaunchOutcome(outcome, STARTED, 1, 0.0)


def case_of(**fields: Any) -> PlannedCase:
    given = {"workload": "bert/tiny", "engine": "graphs", "device": "cpu", "shape": {"seq": 8}} | fields
    case = Case.make(**given)
    return PlannedCase(case, resolve_workload(case.workload), threads=1)


def workshop(root: Path, launcher: Any, memory_bytes: int | None = None) -> Workshop:
    return Workshop(root, "run-1", 60.0, memory_bytes, launcher)


def test_the_engines_artefact_and_the_reference_are_made_once(tmp_path: Path) -> None:
    launcher, heard = FakeLauncher(), []
    shop = workshop(tmp_path, launcher)
    first = prepare_case(case_of(), 0, shop, on_message=lambda recipe, _message: heard.append(recipe))
    second = prepare_case(case_of(), 0, shop)
    assert launcher.made == heard == ["graph", REFERENCE]
    assert set(first.artefacts) == {"graph"}
    assert (first.artefacts["graph"].was_cached, second.artefacts["graph"].was_cached) == (False, True)
    assert first.reference == second.reference
    assert first.reference is not None
    assert first.obstacle is None


def test_an_export_that_fails_is_the_result_of_the_case(tmp_path: Path) -> None:
    launcher = FakeLauncher(graph=Failed(Status.TIMEOUT, "still in prepare after the limit of 60 s; killed", "prepare"))
    made = prepare_case(case_of(), 0, workshop(tmp_path, launcher))
    assert made.obstacle is not None
    assert made.obstacle.status is Status.TIMEOUT
    assert made.obstacle.reason.startswith("the graph could not be made: still in prepare")
    assert launcher.made == ["graph"]


def test_a_reference_that_fails_leaves_the_fidelity_unknown_with_its_reason(tmp_path: Path) -> None:
    launcher = FakeLauncher(reference=Failed(Status.OOM, "out of memory in prepare", "prepare"))
    made = prepare_case(case_of(), 0, workshop(tmp_path, launcher))
    assert (made.obstacle, made.reference) == (None, None)
    assert made.reference_reason == "no reference: out of memory in prepare"


def test_a_reference_that_cannot_fit_is_not_tried(tmp_path: Path) -> None:
    launcher = FakeLauncher()
    made = prepare_case(case_of(), 0, workshop(tmp_path, launcher, memory_bytes=1_000_000))
    assert launcher.made == ["graph"]
    assert made.reference_reason is not None
    assert made.reference_reason.startswith("no reference: in fp32 the model takes 16.7 MiB and more")


def test_what_an_engine_refuses_is_unsupported(tmp_path: Path) -> None:
    made = prepare_case(case_of(batch=65), 0, workshop(tmp_path, FakeLauncher()))
    assert made.obstacle is not None
    assert (made.obstacle.status, made.obstacle.reason) == (
        Status.UNSUPPORTED,
        "engine graphs has no batch above 64",
    )


def test_float32_eager_on_the_cpu_needs_nothing(tmp_path: Path) -> None:
    launcher = FakeLauncher()
    made = prepare_case(case_of(engine="torch"), 0, workshop(tmp_path, launcher))
    assert launcher.made == []
    assert (dict(made.artefacts), made.reference, made.reference_reason, made.obstacle) == ({}, None, None, None)


@pytest.mark.parametrize(
    "fields",
    [{"precision": "bf16"}, {"options": {"prune": "magnitude:0.5"}}, {"device": "cuda:0"}, {"engine": "graphs"}],
)
def test_anything_else_is_compared(fields: dict[str, Any]) -> None:
    assert is_own_reference(case_of(engine="torch", options={"threads": 1}))
    assert not is_own_reference(case_of(**{"engine": "torch", **fields}))


def test_what_comes_from_a_users_function_serves_one_run_only(tmp_path: Path) -> None:
    launcher = FakeLauncher()
    planned = case_of(workload="plain_models:good", shape={})
    prepare_case(planned, 0, workshop(tmp_path, launcher))
    prepare_case(planned, 0, replace(workshop(tmp_path, launcher), scope="run-2"))
    prepare_case(planned, 0, workshop(tmp_path, launcher))
    assert launcher.made == ["graph", REFERENCE] * 2


def test_another_program_is_asked_each_time_and_says_what_it_had(tmp_path: Path) -> None:
    """Only it sees the package versions and the files that decide what an artefact is."""
    launcher = FakeLauncher()
    shop = replace(workshop(tmp_path, launcher), is_own=False)
    first, second = prepare_case(case_of(), 0, shop), prepare_case(case_of(), 0, shop)
    assert launcher.made == ["graph", REFERENCE] * 2
    assert (first.artefacts["graph"].was_cached, second.artefacts["graph"].was_cached) == (False, True)


# --- in real processes ------------------------------------------------------------------------------------------


def test_a_process_makes_the_reference_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install 'assay[torch]'")
    monkeypatch.delitem(recipes._loaded, REFERENCE)
    import assay.artefacts.reference as module

    recipes.add(REFERENCE, Recipe(REFERENCE, 1, "x", module._build, ("torch", "transformers"), ""))
    workload = resolve_workload("unet/tiny")
    request = request_artefact(REFERENCE, workload, batch=1, shape=workload.resolve_shape({}), seed=0)
    outcome = run_launch(PrepareJob(request, str(tmp_path), 1), limit_s=120).outcome
    assert isinstance(outcome, Prepared), outcome
    (made,) = list_artefacts(tmp_path)
    assert made.key == outcome.key
    (output,) = read_reference(made.folder)
    assert (str(output.dtype), output.shape[0]) == ("float32", 1)


def test_a_process_that_cannot_says_why(tmp_path: Path) -> None:
    request = ArtefactRequest("no-such-recipe", "bert/tiny", 1, (), 0)
    outcome = run_launch(PrepareJob(request, str(tmp_path), 1), limit_s=60).outcome
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith("Unknown recipe 'no-such-recipe'.")


def test_a_job_survives_the_pipe() -> None:
    request = request_artefact(
        "onnx", resolve_workload("bert/tiny"), batch=2, shape={"seq": 8}, seed=3, options={"prune": "magnitude:0.5"}
    )
    job = PrepareJob(request, "/cache", 2)
    assert PrepareJob.from_line(job.to_line()) == job
    assert json.loads(job.to_line())["request"]["recipe"] == "onnx"
