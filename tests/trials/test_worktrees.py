"""Checkouts of other commits: the right content in the right folder, gone afterwards, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from assay.core.errors import AssayError, UsageError
from assay.runner.repository import RepositoryState, ask_git
from assay.trials.worktrees import check_out, remove_leftovers

Commit = Callable[[str, Mapping[str, str]], str]
Git = Callable[..., str]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where worktrees are made, for these processes and those that are started."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture
def first(commit: Commit) -> str:
    return commit("first", {"models/mine.py": "ONE", "README": "one"})


@pytest.fixture
def second(first: str, commit: Commit) -> str:
    del first
    return commit("second", {"models/mine.py": "TWO", "later/new.py": ""})


def test_a_ref_is_checked_out_where_the_user_stands_and_goes_again(
    first: str, second: str, git: Git, repository: Path, temporary: Path
) -> None:
    repository.joinpath("models/mine.py").write_text("changed")
    with check_out(repository / "models", "main~1") as tree:
        assert tree.repository == RepositoryState(first, None, dirty=False)
        assert (tree.original, tree.folder) == (repository, tree.root / "models")
        assert tree.root.name == "code"
        assert tree.folder.joinpath("mine.py").read_text() == "ONE"
        assert not tree.root.joinpath("later").exists()
        assert git("worktree", "list").count("\n") == 1
    assert git("worktree", "list").count("\n") == 0
    assert list(temporary.iterdir()) == []
    assert repository.joinpath("models/mine.py").read_text() == "changed"
    assert git("rev-parse", "HEAD") == second


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_it_goes_however_the_trial_ends(
    raised: type[BaseException], first: str, git: Git, repository: Path, temporary: Path
) -> None:
    with pytest.raises(raised), check_out(repository, first):
        raise raised
    assert git("worktree", "list").count("\n") == 0
    assert list(temporary.iterdir()) == []


def test_it_goes_where_git_has_forgotten_it(first: str, git: Git, repository: Path, temporary: Path) -> None:
    with check_out(repository, first) as tree:
        moved = tree.root.with_name("moved")
        tree.root.rename(moved)
        git("worktree", "prune")
        moved.rename(tree.root)
        assert git("worktree", "list").count("\n") == 0
    assert list(temporary.iterdir()) == []
    with check_out(repository, first) as tree:
        shutil.rmtree(tree.root)
    assert git("worktree", "list").count("\n") == 0


def test_names_of_branches_and_tags_are_kept(second: str, git: Git, repository: Path) -> None:
    git("tag", "-a", "v2", "-m", "annotated")
    git("branch", "topic/one")
    for ref, branch in (("v2", "v2"), ("topic/one", "topic/one"), ("HEAD", "main"), (second[:9], None)):
        with check_out(repository, ref) as tree:
            assert tree.repository == RepositoryState(second, branch, dirty=False)


KILLED = """
import os, signal, sys
from pathlib import Path
from assay.trials.worktrees import check_out
with check_out(Path(sys.argv[1]), "main"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
def test_what_a_killed_process_left_goes_with_the_next_and_what_is_used_stays(
    first: str, git: Git, repository: Path, temporary: Path
) -> None:
    git("worktree", "add", "--detach", str(temporary / "the-users-own"), first)
    command = [sys.executable, "-c", KILLED, str(repository)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert git("worktree", "list").count("\n") == 2
    with check_out(repository, first) as used:
        assert git("worktree", "list").count("\n") == 2, "its own, and the user's"
        assert remove_leftovers(repository) == 0
        assert used.root.is_dir()
    assert [one.name for one in temporary.iterdir()] == ["the-users-own"]


def test_inside_a_hook_of_git(first: str, git: Git, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook's environment names a repository and its index, which must stay as it is."""
    monkeypatch.setenv("GIT_DIR", str(repository.parent / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository / ".git/index.hook"))
    with check_out(repository, first) as tree:
        assert tree.folder.joinpath("README").is_file()
    assert not repository.joinpath(".git/index.hook").exists()
    monkeypatch.undo()
    assert git("status", "--porcelain") == ""


@pytest.mark.skipif(os.name != "posix", reason="a hook is a shell script")
def test_hooks_of_the_users_do_not_run(first: str, repository: Path) -> None:
    hook = repository / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
    hook.chmod(0o755)
    with check_out(repository, first) as tree:
        assert not tree.root.joinpath("ran").exists()


# --- what cannot be ---------------------------------------------------------------------------------------------


def refuse(folder: Path, ref: str) -> str:
    with pytest.raises(UsageError) as raised, check_out(folder, ref):
        pass
    return str(raised.value)


def test_a_misspelt_ref(first: str, git: Git, repository: Path) -> None:
    assert refuse(repository, "mian") == "--ref 'mian' is no commit here. Did you mean 'main'?"
    git("update-ref", "refs/remotes/origin/release", first)
    assert refuse(repository, "release") == "--ref 'release' is no commit here. Did you mean 'origin/release'?"
    assert refuse(repository, "-h").startswith("--ref '-h' is no commit here.")
    assert refuse(repository, "main:README").startswith("--ref 'main:README' is no commit here.")
    expected = "--ref '0123abcd' is no commit here. Expected a branch, a tag, a commit, or . for the tree as it is."
    assert refuse(repository, "0123abcd") == expected


def test_a_commit_that_a_shallow_clone_lacks(first: str, second: str, repository: Path, tmp_path: Path) -> None:
    del second
    command = ["git", "clone", "--quiet", "--depth", "1", repository.as_uri(), str(tmp_path / "shallow")]
    subprocess.run(command, check=True, capture_output=True)
    message = refuse(tmp_path / "shallow", first)
    assert message.startswith(f"--ref '{first}' is no commit here.")
    assert "This clone is shallow: fetch the rest with `git fetch --unshallow`" in message


def test_a_folder_in_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert refuse(tmp_path, "main").startswith(f"--ref needs the git repository of the code, and {tmp_path} is in none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "is in none: git is not installed. Run assay from" in refuse(tmp_path, "main")


def test_a_folder_that_the_ref_lacks(first: str, second: str, git: Git, repository: Path, temporary: Path) -> None:
    del second
    assert refuse(repository / "later", first).startswith(f"There is no folder 'later' in '{first}'")
    assert git("worktree", "list").count("\n") == 0
    assert list(temporary.iterdir()) == []


def test_a_checkout_that_git_cannot_make(first: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = repository.glob(".git/objects/??/*")
    next(file for file in objects if not is_commit(repository, file)).unlink()
    monkeypatch.setenv("LC_ALL", "C")
    with pytest.raises(AssayError, match="git could not check out"), check_out(repository, first):
        pass
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []


def is_commit(repository: Path, file: Path) -> bool:
    return ask_git(repository, "cat-file", "-t", file.parent.name + file.name).text == "commit"
