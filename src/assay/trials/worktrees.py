"""The user's code at another commit: a git worktree for as long as a trial lasts.

A worktree is a second checkout of the same repository: nothing of the user's own tree is touched, and what is not
committed is not in it. May import: core, store.locks, runner.repository.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import AssayError, UsageError
from assay.runner.repository import RepositoryState, ask_git, find_root, resolve_ref
from assay.store.locks import create_locked, is_held

AS_IT_IS = "."
"""The ref that means the working tree with whatever is not committed in it; git allows no such name."""

_PREFIX = "assay-tree-"
_LOCK = "lock"
_LONGEST_CHECKOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Worktree:
    """A checkout of one commit. ``folder`` is in it what the user's folder is in ``original``, the user's own tree."""

    root: Path
    folder: Path
    original: Path
    repository: RepositoryState


@contextlib.contextmanager
def check_out(folder: Path, ref: str) -> Iterator[Worktree]:
    """Check ``ref`` out beside the user's tree, for as long as the context lasts.

    ``folder`` is where the user stands, in the repository. Raises UsageError where it is in none, for a ref that names
    no commit, and for a commit in which there is no such folder; AssayError where git cannot check it out.
    """
    original = find_root(folder)
    state = resolve_ref(folder, ref)
    inner = ask_git(folder, "rev-parse", "--show-prefix").text
    remove_leftovers(original)
    nest = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    tree = nest / (original.name or "tree")
    try:
        lock = create_locked(nest / _LOCK)
        try:
            yield _add(original, tree, inner, ref, state)
        finally:
            _remove(original, tree)
            lock.remove()
    finally:
        shutil.rmtree(nest, ignore_errors=True)


def remove_leftovers(original: Path) -> int:
    """Remove the worktrees of trials whose process is gone (killed, say); return how many there were."""
    listed = ask_git(original, "worktree", "list", "--porcelain").text.splitlines()
    trees = [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]
    gone = [tree for tree in trees if tree.parent.name.startswith(_PREFIX) and not _is_used(tree.parent)]
    for tree in gone:
        _remove(original, tree)
        shutil.rmtree(tree.parent, ignore_errors=True)
    return len(gone)


def _is_used(nest: Path) -> bool:
    try:
        return is_held(nest / _LOCK)
    except OSError:  # another person's, on a repository that they share
        return True


def _add(original: Path, tree: Path, inner: str, ref: str, state: RepositoryState) -> Worktree:
    # Hooks would run the user's programs (post-checkout), at times in ways that mean the tree as it is.
    made = ask_git(
        original, "-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--detach", "--quiet",
        str(tree), state.commit or ref, longest_s=_LONGEST_CHECKOUT_S,
    )  # fmt: skip
    if not made.ok:
        raise AssayError(
            f"git could not check out {ref!r} in {tree.parent}: {made.error}.",
            hint="The checkout needs room for all files of that commit; TMPDIR chooses another place.",
        )
    folder = tree / inner
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {inner.rstrip('/')!r} in {ref!r}, and that is where you stand.",
            hint="Run assay from a folder that all of the refs have.",
        )
    return Worktree(tree, folder, original, state)


def _remove(original: Path, tree: Path) -> None:
    """Take a worktree away, also where git has forgotten it, or its folder is gone already."""
    ask_git(original, "worktree", "remove", "--force", "--force", str(tree), longest_s=_LONGEST_CHECKOUT_S)
    shutil.rmtree(tree, ignore_errors=True)
