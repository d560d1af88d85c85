"""A scratch git repository with a model of the user's own: eight real runs, then what ``assay check`` says of changes.

Every launch is a real process, every before side a worktree of the real commit. Two things are not left to the machine
that the tests share with others: models sleep rather than compute, and launches are never called disturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from assay.ci.markdown import render_check
from assay.ci.stored import read_context, read_report
from assay.cli.main import main
from assay.core.words import Verdict
from assay.engines.base import engines
from assay.store import Store

MODELS = """\
import time
from pathlib import Path

STEADY_S = {steady_s}


def steady(batch: int = 1):
    return time.sleep, (STEADY_S * (5 if Path("throttled").exists() else 1),)


def other(batch: int = 1):
    return time.sleep, (0.004,)
"""
SUITE = """\
name: perf
launches: 1
launch_limit_s: 60
timing: {{min_time_s: 0.05, max_time_s: 0.2, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.1}}
cases:
  - model: [{models}]
    engine: plain
    batch: 1
"""
ONE, BOTH = '"mine:steady"', '"mine:steady", "mine:other"'
LABEL = "mine:steady plain cpu fp32 b1"
pytestmark = pytest.mark.slow
# Typer makes the parser from the signatures of all commands anew at each call. They do not change between two of them.
_get_command = cache(typer.main.get_command)


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.out)
        return content

    def finding(self, label: str = LABEL) -> dict[str, Any]:
        found = [one for one in self.report["findings"] if one["case_label"] == label]
        assert len(found) == 1, self.report
        return dict(found[0])


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [
            "/usr/bin/env",
            "git",
            "-C",
            str(folder),
            "-c",
            "user.name=ada",
            "-c",
            "user.email=ada@example.org",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def write(folder: Path, *, steady_s: float = 0.005, models: str = ONE) -> None:
    (folder / "mine.py").write_text(MODELS.format(steady_s=steady_s))
    (folder / ".gitignore").write_text("__pycache__\n")
    (folder / "perf.yaml").write_text(SUITE.format(models=models))


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def stand(patch: pytest.MonkeyPatch, folder: Path, plugin_paths: tuple[str, str]) -> None:
    """Run commands in this process as if it had been started in the repository, beside a store of its own."""
    patch.chdir(folder / "repo")
    for name in [name for name in os.environ if name.startswith(("ASSAY_", "PYTHON", "GIT_"))]:
        patch.delenv(name)
    patch.setenv("PYTHONPATH", os.pathsep.join(plugin_paths))
    patch.setenv("ASSAY_STORE", str(folder / "store"))
    for path in plugin_paths:
        patch.syspath_prepend(path)
    patch.setattr(engines, "_declared", None)
    patch.setattr(typer.main, "get_command", _get_command)
    patch.setattr("assay.runner.record.judge_noise", lambda _witnesses: (Verdict.TRUSTED, ()))


def run(patch: pytest.MonkeyPatch, *arguments: object) -> int:
    patch.setattr(sys, "argv", ["assay", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    sys.stdout.flush()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, plugin_paths: tuple[str, str]) -> Iterator[Path]:
    """A repository and a store with eight runs of its first commit. Only copy it."""
    folder = tmp_path_factory.mktemp("history")
    repo = folder / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    write(repo)
    commit(repo, "first")
    with pytest.MonkeyPatch.context() as patch:
        stand(patch, folder, plugin_paths)
        for _ in range(8):
            assert run(patch, "run", "--suite", "perf.yaml", "--json") == 0
    yield folder
    engines._loaded.pop("plain", None)
    sys.modules.pop("plain_engine", None)


@pytest.fixture
def repo(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "copy")
    return tmp_path / "copy" / "repo"


@pytest.fixture
def assay(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], plugin_paths: tuple[str, str]
) -> Callable[..., Said]:
    stand(monkeypatch, repo.parent, plugin_paths)

    def command(*arguments: object) -> Said:
        capfd.readouterr()
        code = run(monkeypatch, *arguments)
        printed = capfd.readouterr()
        return Said(code, printed.out, printed.err)

    return command


Assay = Callable[..., Said]


def test_a_planted_regression_is_suspected_confirmed_and_gone_once_reverted(repo: Path, assay: Assay) -> None:
    good = git(repo, "rev-parse", "HEAD")
    write(repo, steady_s=0.025)
    bad = commit(repo, "five times the work")
    said = assay("check", "--suite", "perf.yaml", "--json")
    finding = said.finding()
    assert said.code == said.report["exit_code"] == 1, said.report
    assert (finding["change"], finding["method"], finding["is_worse"]) == ("regressed", "fresh-welch", True)
    assert finding["ratio"] > 2
    assert finding["ci_lo"] > 1.5
    assert (finding["reference_git_commit"], finding["git_commit"]) == (good, bad)
    assert (finding["launches"], finding["reference_n"]) == (5, 5)
    assert "against 8 results" in finding["reasons"][0]
    assert finding["reasons"][1].startswith("confirmed by 5 + 5 interleaved launches: +")
    assert "Launching 1 suspect again: 10 launches, about" in said.err
    assert any("1 launched again: 1 confirmed" in note for note in said.report["notes"])

    store = Store.open(repo.parent / "store")
    before, now = (store.find_run(run_id) for run_id in finding["confirmed_by"])
    assert (before.git_commit, now.git_commit) == (good, bad)
    assert [one.case.label for one in store.results(run_id=now.run_id)] == [LABEL]
    kept = read_report(store)
    assert [one.change.value for one in kept.findings] == [one["change"] for one in said.report["findings"]]
    comment = render_check(kept, read_context(store, kept))
    assert "1 regressed" in comment
    assert "mine:steady" in comment

    git(repo, "revert", "--no-edit", "HEAD")
    reverted = assay("check", "--suite", "perf.yaml", "--json")
    assert reverted.code == 0, reverted.report
    assert reverted.finding()["reference_n"] == 8  # neither the regressed result nor the trial's became its level
    assert reverted.finding()["change"] in {"unchanged", "inconclusive"}


def test_without_confirmation_it_stays_suspect_and_can_be_confirmed_later(repo: Path, assay: Assay) -> None:
    write(repo, steady_s=0.025)
    slow = commit(repo, "five times the work")
    said = assay("check", "--suite", "perf.yaml", "--no-confirm", "--json")
    assert (said.code, said.finding()["change"]) == (0, "suspect")
    assert (said.finding()["confirmed_by"], said.err) == ([], "")
    assert assay("check", "--no-confirm", "--strict").code == 3
    write(repo)
    commit(repo, "as it was")
    later = assay("check", "--json")
    # The run is of the slow commit, and so a worktree of that is launched, whatever the tree holds by now.
    assert (later.code, later.finding()["change"], later.finding()["git_commit"]) == (1, "regressed", slow)
    again = assay("check", "--no-confirm", "--json")
    assert again.report["run_id"] == said.report["run_id"]  # trials are not what `check` checks


def test_the_same_code_that_is_slower_stays_suspect(repo: Path, assay: Assay) -> None:
    (repo / "throttled").touch()
    said = assay("check", "--suite", "perf.yaml", "--json")
    assert (said.code, said.finding()["change"]) == (0, "suspect")
    assert said.finding()["reasons"][-1].startswith("the same code is still worse (")
    assert "5 launches" in said.err
    assert assay("run", "--suite", "perf.yaml", "--json").code == 0
    (repo / "throttled").unlink()
    again = assay("check", "--json")
    assert (again.code, again.finding()["change"]) == (0, "unchanged")
    assert again.finding()["reasons"][-1].startswith("not confirmed: fresh launches of the same code gave")


def test_a_case_that_is_gone_exits_4_until_it_is_accepted(repo: Path, assay: Assay) -> None:
    write(repo, models=BOTH)
    commit(repo, "one case more")
    assert assay("run", "--suite", "perf.yaml", "--json").code == 0
    write(repo)
    commit(repo, "one case less")
    said = assay("check", "--suite", "perf.yaml", "--json")
    assert said.code == 4
    assert said.report["counts"]["missing"] == 1
    assert said.finding("mine:other plain cpu fp32 b1")["change"] == "missing"
    assert assay("accept", "last", "it moved to another suite").code == 0
    assert assay("check").code == 0


def test_a_changed_environment_is_a_break(repo: Path, assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repo, steady_s=0.025)
    commit(repo, "five times the work")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    said = assay("check", "--suite", "perf.yaml")
    assert said.code == 0, said.out
    assert "a break in the environment, not a regression (OMP_WAIT_POLICY none -> active)" in said.out
    assert "incomparable" in said.out
