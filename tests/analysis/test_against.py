"""What a run can be held against: how it is written, and the fork point of a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.against import Against, Kind, find_merge_base, find_reference, read_run
from assay.core.errors import NotFoundError, UnknownNameError, UsageError
from assay.store import Store

runs = load_module("analysis.composed_runs")


@pytest.mark.parametrize(
    ("text", "kind", "name", "words"),
    [
        ("history", Kind.HISTORY, None, "history"),
        ("baseline:main", Kind.BASELINE, "main", "baseline main"),
        ("tag:v1:rc", Kind.TAG, "v1:rc", "tag v1:rc"),
        ("run:last~1", Kind.RUN, "last~1", "run last~1"),
        ("fork-point", Kind.FORK_POINT, None, "fork point"),
        ("fork-point:origin/main", Kind.FORK_POINT, "origin/main", "fork point of origin/main"),
    ],
)
def test_references_are_read(text: str, kind: Kind, name: str | None, words: str) -> None:
    against = Against.parse(text)
    assert (against.kind, against.name, against.text) == (kind, name, words)


@pytest.mark.parametrize("text", ["baseline", "tag:", "run: ", "history:main"])
def test_references_that_say_too_little_or_too_much_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Against.parse(text)


def test_a_slip_gets_the_nearest_kind() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'baseline'"):
        Against.parse("basline:main")


class Repository:
    """A scratch repository; every commit changes one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        command = [
            "/usr/bin/env",
            "git",
            "-C",
            str(self.folder),
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, text: str) -> str:
        (self.folder / "file").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def composer(tmp_path: Path) -> Any:
    return runs.Composer(Store.open(tmp_path / "store"))


def test_the_fork_point_is_where_a_branch_left_another(repository: Repository, composer: Any) -> None:
    first, second = repository.commit("1"), repository.commit("2")
    repository.git("checkout", "-q", "-b", "feature")
    mine = repository.commit("3")
    repository.git("checkout", "-q", "main")
    later = repository.commit("4")
    assert find_merge_base(repository.folder, mine, "main") == (second, "main")
    assert find_merge_base(repository.folder, mine, None) == (second, "main")

    older = composer.add({"a": 10.0}, git_commit=first)
    composer.add({"a": 10.0}, git_commit=second)
    newer = composer.add({"a": 10.0}, git_commit=second)
    composer.add({"a": 10.0}, git_commit=second, git_dirty=True)
    composer.add({"a": 10.0}, git_commit=second, suite="other")
    composer.add({"a": 10.0}, git_commit=second, tags=("trial:1", "side:a"))
    composer.add({"a": 10.0}, git_commit=second, env=runs.environment("elsewhere", "other cpu"))
    composer.add({"a": 10.0}, git_commit=later)
    run = composer.add({"a": 10.0}, git_commit=mine)
    store = composer.flush()
    against = Against.parse("fork-point:main")
    found = find_reference(store, run, against, folder=repository.folder)
    assert (found.run.run_id, found.text, found.notes) == (newer.run_id, "fork point of main", ())

    # On main itself it is the commit before; and where no run is of that, the nearest ancestor that has one.
    on_main = find_reference(store, read_run(store, newer.run_id), against, folder=repository.folder)
    assert on_main.run.run_id == older.run_id


def test_a_fork_point_without_a_run_falls_back_to_an_ancestor_and_says_so(
    repository: Repository, composer: Any
) -> None:
    first = repository.commit("1")
    for number in range(3):
        repository.commit(f"without a run {number}")
    base = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "-q", "-b", "feature")
    older = composer.add({"a": 10.0}, git_commit=first)
    run = composer.add({"a": 10.0}, git_commit=repository.commit("mine"))
    found = find_reference(composer.flush(), run, Against.parse("fork-point:main"), folder=repository.folder)
    assert found.run.run_id == older.run_id
    assert found.notes == (
        f"this code left main at {base[:12]}; the nearest commit before it that has a run is {first[:12]}",
    )


def test_a_fork_point_that_cannot_be_had_is_explained(repository: Repository, composer: Any) -> None:
    commit = repository.commit("1")
    alone = composer.add({"a": 10.0}, git_commit=commit)
    outside = composer.add({"a": 10.0}, git_commit=None)
    store = composer.flush()
    with pytest.raises(NotFoundError, match="No run of suite 'nightly' on this hardware"):
        find_reference(store, alone, Against.parse("fork-point:main"), folder=repository.folder)
    with pytest.raises(UsageError, match="not made in a git checkout"):
        find_reference(store, outside, Against.parse("fork-point"), folder=repository.folder)
    with pytest.raises(UsageError, match=r"no common ancestor of .* and nowhere"):
        find_reference(store, alone, Against.parse("fork-point:nowhere"), folder=repository.folder)
