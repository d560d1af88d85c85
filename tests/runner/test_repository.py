"""The state of the user's code, asked of real git repositories."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.core.errors import UsageError
from assay.runner.repository import RepositoryState, find_root, read_repository, resolve_ref

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Run git in a fresh repository of one commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def run(*arguments: str) -> str:
        settings = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(tmp_path), *settings, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    run("init", "--initial-branch=trunk")
    tmp_path.joinpath("model.py").write_text("one\n")
    run("add", ".")
    run("commit", "-m", "first")
    return run


def test_a_clean_checkout(git: Git, tmp_path: Path) -> None:
    assert read_repository(tmp_path) == RepositoryState(git("rev-parse", "HEAD"), "trunk", dirty=False)


def test_changed_files_are_dirty_and_new_ones_are_not(git: Git, tmp_path: Path) -> None:
    tmp_path.joinpath("notes.txt").write_text("untracked\n")
    assert read_repository(tmp_path).dirty is False
    tmp_path.joinpath("model.py").write_text("two\n")
    assert read_repository(tmp_path).dirty is True
    assert git("status", "--porcelain") != ""


def test_a_folder_inside_and_a_detached_head(git: Git, tmp_path: Path) -> None:
    git("checkout", "--detach")
    folder = tmp_path / "inner"
    folder.mkdir()
    state = read_repository(folder)
    assert (state.commit, state.branch, state.dirty) == (git("rev-parse", "HEAD"), None, False)


def test_outside_a_checkout_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert read_repository(tmp_path) == RepositoryState(None, None, None)
    assert read_repository(tmp_path / "absent") == RepositoryState()


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", str(tmp_path)], capture_output=True, check=True)  # noqa: S607  (the PATH's git)
    assert read_repository(tmp_path) == RepositoryState()


def test_without_git_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_repository(tmp_path) == RepositoryState()


def test_a_hook_of_another_repository_changes_nothing(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git names its own repository to the hooks that it runs, and assay may be run by one."""
    commit = git("rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "elsewhere"))
    assert read_repository(tmp_path) == RepositoryState(commit, "trunk", dirty=False)


def test_a_ref_is_a_clean_commit_with_its_name(git: Git, tmp_path: Path) -> None:
    commit = git("rev-parse", "HEAD")
    tmp_path.joinpath("model.py").write_text("two\n")
    assert resolve_ref(tmp_path, "HEAD") == RepositoryState(commit, "trunk", dirty=False)
    assert resolve_ref(tmp_path, commit[:8]) == RepositoryState(commit, None, dirty=False)
    with pytest.raises(UsageError, match=r"--ref 'trunck' is no commit here. Did you mean 'trunk'?"):
        resolve_ref(tmp_path, "trunck")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert find_root(inner) == tmp_path
