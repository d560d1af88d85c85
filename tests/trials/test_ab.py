"""Trials in real processes: both sides run, interleaved, each its own code in its own environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.core.errors import SuiteError, UsageError
from assay.core.records import LaunchRecord
from assay.core.words import RunStatus, Status
from assay.runner.execute import Event, FinishedRun, LaunchBegan
from assay.runner.plan import Plan, make_plan, read_machine
from assay.runner.program import WorkerProgram
from assay.runner.protocol import Failed, Job, PrepareJob
from assay.runner.suite_model import Suite, suite_to_dict
from assay.runner.supervise import LaunchOutcome
from assay.store import Store
from assay.trials.ab import plan_trial, run_trial
from assay.trials.values import SideSpec, Trial, TrialRequest
from assay.trials.worktrees import check_out

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="the environments of these tests have bin/python"),
    pytest.mark.usefixtures("told"),
]

Commit = Callable[[str, Mapping[str, str]], str]
Git = Callable[..., str]
MakeSuite = Callable[..., Suite]


def factory(told: str, *, uses: str = "") -> str:
    """A user's module whose model says ``told``, and the ``WORD`` of the module ``uses`` where one is named."""
    word = f"import {uses}" if uses else ""
    more = f" + {uses}.WORD" if uses else ""
    return f"""
import time
{word}

class Model:
    told = {told!r}{more}
    def __call__(self, seconds):
        time.sleep(seconds)

def make(batch=1):
    return Model(), (0.001,)
"""


def launches_of(store: Store, finished: FinishedRun) -> list[LaunchRecord]:
    return store.launches(run_id=finished.run.run_id)


def told_by(store: Store, trial: Trial) -> list[set[tuple[str, str]]]:
    """For each side what its launches told of their code, and what their artefacts had been told."""
    return [
        {(one.engine_facts["told"], one.engine_facts["artefact told"]) for one in launches_of(store, finished)}
        for finished in trial.runs
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside any repository, with a user's module in it."""
    place = tmp_path / "plain"
    place.mkdir()
    place.joinpath("mine.py").write_text(factory("as it is"))
    return place


def test_each_ref_runs_its_own_code(
    make_suite: MakeSuite, store: Store, commit: Commit, git: Git, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the code is installed in editable form, which names the user's own tree, and imports more of it."""
    files = {"src/parts/__init__.py": "WORD = ' one'\n", "models/mine.py": factory("first", uses="parts")}
    first = commit("first", files)
    git("tag", "v1")
    files = {"src/parts/__init__.py": "WORD = ' two'\n", "models/mine.py": factory("second", uses="parts")}
    second = commit("second", files)
    folder = repository / "models"
    folder.joinpath("mine.py").write_text(factory("changed", uses="parts"))
    inherited = os.environ["PYTHONPATH"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([inherited, str(repository / "src")]))
    monkeypatch.chdir(folder)
    sides = (SideSpec("old", ref="v1"), SideSpec("new", ref="HEAD"), SideSpec("mine", ref="."))
    trial = run_trial(TrialRequest(make_suite("mine:make"), sides, folder), store)

    assert told_by(store, trial) == [
        {("first one", "first one")}, {("second two", "second two")}, {("changed two", "changed two")},
    ]  # fmt: skip
    states = [(one.run.git_commit, one.run.git_branch, one.run.git_dirty, one.run.status) for one in trial.runs]
    assert states == [
        (first, "v1", False, RunStatus.OK),
        (second, "main", False, RunStatus.OK),
        (second, "main", True, RunStatus.OK),
    ]
    assert {one.run.env_id for one in trial.runs} == {trial.runs[0].run.env_id}, "the same environment thrice"
    assert [dict(side.described).get("code") for side in trial.sides] == [
        f"{first[:10]} (v1)", f"{second[:10]} (main)", f"{second[:10]} (main), with changes that are not committed",
    ]  # fmt: skip
    assert [dict(side.described).get("left out", "")[:29] for side in trial.sides] == [
        "", "changes that are not committe", "",
    ]  # fmt: skip
    assert not {"mine", "parts"} & sys.modules.keys(), "the supervisor imports nothing of the user's"
    assert git("worktree", "list").count("\n") == 0, "only the user's own is left"
    assert folder.joinpath("mine.py").read_text() == factory("changed", uses="parts")


def test_each_environment_is_its_own(
    make_suite: MakeSuite, store: Store, folder: Path, other_environment: Path
) -> None:
    sides = (SideSpec("here"), SideSpec("there", python=other_environment))
    trial = run_trial(TrialRequest(make_suite("mine:make"), sides, folder), store)
    assert told_by(store, trial) == [{("as it is", "as it is")}] * 2
    here, there = (store.environment(finished.run.env_id) for finished in trial.runs)
    assert here.env_id != there.env_id
    assert there.facts["python"]["packages"]["transformers"] == "99.1"
    changed = {name for name in here.facts if here.facts[name] != there.facts[name]}
    assert changed == {"python"}
    assert [dict(side.described).get("transformers") for side in trial.sides] == [
        here.facts["python"]["packages"].get("transformers", "absent"),
        "99.1",
    ]
    assert {one.series_id for finished in trial.runs for one in finished.results} == {
        trial.runs[0].results[0].series_id
    }


def test_sides_differ_by_keys_and_say_what_they_cannot(make_suite: MakeSuite, store: Store, folder: Path) -> None:
    planned: list[Plan] = []
    request = TrialRequest(
        make_suite("mine:make"), (SideSpec("a"), SideSpec("b", keys={"batch": "2,65", "threads": "1"})), folder,
        tags=("nightly",), note="why",
    )  # fmt: skip
    trial = run_trial(request, store, on_planned=planned.extend)
    assert [len(plan.cases) for plan in planned] == [1, 2]
    (one,), (two, too_many) = (finished.results for finished in trial.runs)
    assert (one.case.batch, one.status) == (1, Status.OK)
    assert (two.case.batch, two.own_case.options, two.status) == (2, (("threads", 1),), Status.OK)
    assert (too_many.status, too_many.reason) == (Status.UNSUPPORTED, "engine told has no batch above 64")
    for finished, label, other in zip(trial.runs, "ab", "ba", strict=True):
        nightly, of_trial, of_side = finished.run.tags
        assert (nightly, of_side) == ("nightly", f"side:{label}")
        assert of_trial == f"trial:{trial.runs[0].run.config['trial']['trial_id']}"
        assert finished.run.note == f"why (side '{label}' of a trial, interleaved with '{other}')"
    assert ("batch", "2,65") in trial.sides[1].described
    assert store.runs(limit=2) == [finished.run for finished in reversed(trial.runs)]


def test_a_model_file_is_the_one_of_the_ref(
    make_suite: MakeSuite, store: Store, commit: Commit, repository: Path
) -> None:
    """Its inputs are read while planning, and what is made from it is named by its content, where it is made."""
    onnx = pytest.importorskip("onnx", reason="writes a model file: pip install 'assay[onnx]'")

    def graph(width: int) -> bytes:
        tensor = [onnx.helper.make_tensor_value_info(name, 1, [1, width]) for name in "xy"]
        made = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "relu", tensor[:1], tensor[1:])
        opsets = [onnx.helper.make_opsetid("", 17)]
        content: bytes = onnx.helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString()
        return content

    for width in (4, 8):
        repository.joinpath("relu.onnx").write_bytes(graph(width))
        commit(f"{width} wide", {"width": str(width)})
    planned: list[Plan] = []
    asked: list[tuple[object, WorkerProgram]] = []

    def refuse(job: object, *, program: WorkerProgram, **_limits: object) -> LaunchOutcome:
        asked.append((type(job), program))
        return LaunchOutcome(Failed(Status.FAILED, "not made", "start"), datetime.now(UTC), 1, 0.0)

    suite = make_suite("./relu.onnx", engine="onnxruntime")
    request = TrialRequest(suite, (SideSpec("a", ref="HEAD~1"), SideSpec("b", ref="HEAD")), repository)
    trial = run_trial(request, store, on_planned=planned.extend, launcher=refuse)
    (four,), (eight,) = (plan.cases for plan in planned)
    assert four.case == eight.case, "the same case: it is named as the user named it"
    assert [one.workload.family.inputs[0].dims[1:] for one in (four, eight)] == [(4,), (8,)]
    assert {kind for kind, _ in asked} == {PrepareJob, Job}
    folders = {program.folder for _, program in asked}
    assert len(folders) == 2
    assert not any(folder is None or folder == repository for folder in folders)
    assert [finished.run.status for finished in trial.runs] == [RunStatus.FAILED] * 2


def test_a_side_that_fails_does_not_end_the_other(
    make_suite: MakeSuite, store: Store, commit: Commit, repository: Path
) -> None:
    commit("first", {"mine.py": factory("good")})
    commit("second", {"mine.py": "raise RuntimeError('broken here')"})
    sides = (SideSpec("good", ref="HEAD~1"), SideSpec("bad", ref="HEAD"))
    trial = run_trial(TrialRequest(make_suite("mine:make", launches=2), sides, repository), store)
    good, bad = trial.runs
    assert (good.run.status, good.results[0].launches_ok, good.run.git_branch) == (RunStatus.OK, 2, None)
    assert (bad.run.status, bad.results[0].launches_ok) == (RunStatus.FAILED, 0)
    assert bad.results[0].reason is not None
    assert "broken here" in bad.results[0].reason


def test_ctrl_c_keeps_what_every_side_has_and_leaves_nothing(
    make_suite: MakeSuite, store: Store, commit: Commit, git: Git, repository: Path
) -> None:
    commit("first", {"mine.py": factory("good")})

    def interrupt(event: Event) -> None:
        if isinstance(event, LaunchBegan) and event.number == 3:
            raise KeyboardInterrupt

    sides = (SideSpec("a", ref="main"), SideSpec("b"))
    trial = run_trial(TrialRequest(make_suite("mine:make", launches=2), sides, repository), store, listener=interrupt)
    assert [finished.run.status for finished in trial.runs] == [RunStatus.INTERRUPTED] * 2
    assert [finished.results[0].launches_ok for finished in trial.runs] == [1, 1]
    assert store.orphans() == []
    assert git("worktree", "list").count("\n") == 0


KILLED = """
import json, os, signal, sys
from pathlib import Path
from assay.runner.execute import LaunchEnded
from assay.runner.suite_model import build_suite
from assay.store import Store
from assay.trials.ab import plan_trial, run_trial
from assay.trials.values import SideSpec, TrialRequest

def kill(event):
    if isinstance(event, LaunchEnded) and event.side == 1:
        os.kill(os.getpid(), signal.SIGKILL)

content, location, folder = json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
sides = (SideSpec("a", ref="main"), SideSpec("b", ref="main"))
run_trial(TrialRequest(build_suite(content), sides, folder), Store.open(location), listener=kill)
"""


def test_what_a_killed_trial_measured_is_recovered_and_its_worktrees_go_with_the_next(
    make_suite: MakeSuite, store: Store, commit: Commit, git: Git, repository: Path
) -> None:
    commit("first", {"mine.py": factory("good")})
    content = json.dumps(suite_to_dict(make_suite("mine:make", launches=2)))
    command = [sys.executable, "-c", KILLED, content, store.location, str(repository)]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert git("worktree", "list").count("\n") == 2
    recovered = store.recover()
    assert [one.status for one in recovered] == [RunStatus.INTERRUPTED] * 2
    assert sorted(tag for run in store.runs() for tag in run.tags if tag.startswith("side:")) == ["side:a", "side:b"]
    assert sum(len(store.launches(run_id=run.run_id)) for run in store.runs()) in (1, 2)
    with check_out(repository, "main"):
        assert git("worktree", "list").count("\n") == 1
    assert git("worktree", "list").count("\n") == 0


def test_cases_asked_for_narrow_every_side(make_suite: MakeSuite, store: Store, folder: Path) -> None:
    suite = make_suite("mine:make", batch=[1, 2, 65])
    planned: list[Plan] = []
    sides = (SideSpec("a"), SideSpec("b"))
    wanted = frozenset(one.case.case_id for one in make_plan(suite, read_machine()).cases if one.case.batch == 65)
    trial = run_trial(TrialRequest(suite, sides, folder, case_ids=wanted), store, on_planned=planned.extend)
    assert [[one.case.batch for one in plan.cases] for plan in planned] == [[65], [65]]
    assert [finished.results[0].status for finished in trial.runs] == [Status.UNSUPPORTED] * 2
    again = plan_trial(TrialRequest(suite, sides, folder, case_ids=wanted))
    assert [[one.case.case_id for one in plan.cases] for plan in again] == [[*wanted]] * 2
    nothing = TrialRequest(suite, sides, folder, case_ids=frozenset({"e" * 16}))
    with pytest.raises(UsageError, match="Side 'a' has nothing to launch: none of the cases asked for"):
        run_trial(nothing, store)
    assert len(store.runs()) == 2


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ((SideSpec("a"),), "A comparison takes two sides or more, got 1."),
        ((SideSpec("a"), SideSpec("a")), "Two sides are both called 'a'."),
        ((SideSpec("a"), SideSpec("b", ref="")), "The ref of side 'b' is empty. . means the tree as it is."),
        ((SideSpec("a"), SideSpec("b", keys={"enginee": "torch"})), "Unknown key of side 'b' 'enginee'. Did you mean"),
        ((SideSpec("a"), SideSpec("b", keys={"batch": "many"})), "Side 'b': batch got 'many'; expected whole numbers"),
        ((SideSpec("a"), SideSpec("b", keys={"hint": "fastest"})), "Side 'b': got 'fastest' for the option 'hint'"),
        ((SideSpec("a"), SideSpec("b", keys={"precision": ""})), "Side 'b' gives 'precision' no value."),
        ((SideSpec("a"), SideSpec("b", keys={"hint": "latency"})), "Side 'b': the option 'hint' changes none of its"),
        ((SideSpec("a"), SideSpec("b", python=Path("nowhere"))), "--python nowhere: there is no such file or folder"),
    ],
)
def test_sides_that_cannot_be_are_refused_before_anything_runs(
    sides: tuple[SideSpec, ...], message: str, make_suite: MakeSuite, store: Store, folder: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        run_trial(TrialRequest(make_suite("mine:make"), sides, folder), store)
    assert store.runs() == []


def test_an_engine_that_a_side_lacks_is_said_before_anything_runs(
    make_suite: MakeSuite, store: Store, folder: Path, bare_environment: Path, other_environment: Path
) -> None:
    suite = make_suite("mine:make")
    request = TrialRequest(suite, (SideSpec("a"), SideSpec("b", keys={"precision": "int8"})), folder)
    with pytest.raises(SuiteError, match="side 'b': impossible here: engine told has no int8 on cpu; it has fp32"):
        run_trial(request, store)
    there = SideSpec("b", keys={"precision": "int8"}, python=other_environment)
    with pytest.raises(SuiteError, match=r"side 'b': impossible here: engine told has no int8.*bin/python said"):
        run_trial(TrialRequest(suite, (SideSpec("a"), there), folder), store)
    request = TrialRequest(suite, (SideSpec("a"), SideSpec("b", python=bare_environment)), folder)
    with pytest.raises(UsageError, match=r"numpy cannot be imported .*Install there: \S+/bin/python -m pip install"):
        run_trial(request, store)
    assert store.runs() == []
