"""Which state of the user's own code a run measured: commit, branch, dirty. Absent outside a git checkout.

May import: core.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import UsageError, join_or, nearest_names

_LONGEST_S = 10.0
_OF_ONE_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""What git sets for its hooks: it would answer for that repository and its index, whatever folder it is asked about."""
_NAMED = ("refs/heads/", "refs/tags/", "refs/remotes/")


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """Git's view of a folder; every field None where it is no checkout or git is not installed."""

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True, slots=True)
class GitAnswer:
    """What git said. ``error`` is its last line of complaint, or why it could not be asked."""

    ok: bool
    text: str
    error: str


def read_repository(folder: Path) -> RepositoryState:
    """Ask git about ``folder``. Never raises."""
    commit = ask_git(folder, "rev-parse", "HEAD")
    if not commit.ok:
        return RepositoryState()
    status = ask_git(folder, "status", "--porcelain", "--untracked-files=no")
    branch = ask_git(folder, "symbolic-ref", "--short", "--quiet", "HEAD")
    return RepositoryState(
        commit=commit.text,
        branch=branch.text if branch.ok else None,
        dirty=bool(status.text) if status.ok else None,
    )


def find_root(folder: Path) -> Path:
    """Return the top of the working tree that ``folder`` is in. Raises UsageError where there is none."""
    answer = ask_git(folder, "rev-parse", "--show-toplevel")
    if answer.ok and answer.text:
        return Path(answer.text)
    raise UsageError(
        f"--ref needs the git repository of the code, and {folder} is in none: {answer.error or 'it has no files'}.",
        hint="Run assay from the folder of your code, in its git checkout.",
    )


def resolve_ref(folder: Path, ref: str) -> RepositoryState:
    """Return the commit that ``ref`` names, as the state of a clean checkout of it.

    ``branch`` is the name of a branch or tag, and None of anything else (``HEAD~3``, a hash). Raises UsageError for
    what names no commit, with the nearest names that do.
    """
    answer = ask_git(folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if ref.startswith("-") or not answer.ok:
        raise UsageError(f"--ref {ref!r} is no commit here. {_advise(folder, ref)}", hint=_explain_shallow(folder))
    full = ask_git(folder, "rev-parse", "--symbolic-full-name", ref).text
    short = next((full.removeprefix(kind) for kind in _NAMED if full.startswith(kind)), None)
    return RepositoryState(commit=answer.text, branch=short, dirty=False)


def ask_git(folder: Path, *arguments: str, longest_s: float = _LONGEST_S) -> GitAnswer:
    """Run the user's own git, from the user's own PATH, in ``folder``. Never raises."""
    environ = {name: value for name, value in os.environ.items() if name not in _OF_ONE_REPOSITORY}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607  (see above)
            capture_output=True,
            text=True,
            errors="replace",
            timeout=longest_s,
            env=environ,
            check=False,
        )
    except FileNotFoundError:
        return GitAnswer(ok=False, text="", error="git is not installed")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return GitAnswer(ok=False, text="", error=f"git could not be asked ({error})")
    complaint = done.stderr.strip().splitlines()
    return GitAnswer(done.returncode == 0, done.stdout.strip(), _tidy(complaint[-1]) if complaint else "")


def _tidy(line: str) -> str:
    return line.removeprefix("fatal: ").removeprefix("error: ").rstrip(".")


def _advise(folder: Path, ref: str) -> str:
    """Name what the person may have meant: the branch of a remote, or a name that is spelt alike."""
    names = ask_git(folder, "for-each-ref", "--format=%(refname:short)", *_NAMED).text.split()
    meant = [name for name in names if name.endswith(f"/{ref}")] or list(nearest_names(ref, names))
    if meant:
        return f"Did you mean {join_or(meant[:3])}?"
    return "Expected a branch, a tag, a commit, or . for the tree as it is."


def _explain_shallow(folder: Path) -> str | None:
    if ask_git(folder, "rev-parse", "--is-shallow-repository").text != "true":
        return None
    return "This clone is shallow: fetch the rest with `git fetch --unshallow` (in CI: a checkout of depth 0)."
