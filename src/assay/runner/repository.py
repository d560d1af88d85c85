"""Which state of the user's own code a run measured: commit, branch, dirty. Absent outside a git checkout."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_LONGEST_S = 10


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """Git's view of a folder; every field None where it is no checkout or git is not installed."""

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None


def read_repository(folder: Path) -> RepositoryState:
    """Ask git about ``folder``. Never raises."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return RepositoryState()
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return RepositoryState(
        commit=commit,
        branch=_git(folder, "symbolic-ref", "--short", "--quiet", "HEAD"),
        dirty=None if status is None else bool(status),
    )


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607  (the user's own git, from the user's own PATH)
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
