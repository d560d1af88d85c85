"""What a run is held against, and which run that is: a pinned baseline, a tag, a run, the fork point of a branch.

May import: core, store.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from assay.analysis.environments import TABLES_READ
from assay.analysis.history import NOT_A_TRIAL, naive
from assay.core.errors import NotFoundError, UnknownNameError, UsageError
from assay.core.records import RunRecord
from assay.core.words import Provenance
from assay.store.query import fetch_rows
from assay.store.rows import run_from_row

if TYPE_CHECKING:
    from assay.store import Store

_LONGEST_GIT_S = 30
_MOST_COMMITS = 20_000
"""Ancestors of a fork point that are looked at for one with a run."""
_OF_ONE_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
_USUAL_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


class Kind(StrEnum):
    """The kinds of reference."""

    HISTORY = "history"
    BASELINE = "baseline"
    TAG = "tag"
    RUN = "run"
    FORK_POINT = "fork-point"


@dataclass(frozen=True, slots=True)
class Against:
    """A reference as a person names it. ``name`` is of the baseline, tag, run or branch; a fork point needs none."""

    kind: Kind = Kind.HISTORY
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Against:
        """Read ``history``, ``baseline:NAME``, ``tag:NAME``, ``run:REF`` or ``fork-point[:BRANCH]``.

        Raises UsageError.
        """
        word, colon, name = text.strip().partition(":")
        if word not in list(Kind):
            raise UnknownNameError("reference", word, [kind.value for kind in Kind])
        kind = Kind(word)
        if kind is Kind.HISTORY and colon:
            raise UsageError(f"{text!r}: a history has no name.", hint="Expected just `history`.")
        if kind in (Kind.BASELINE, Kind.TAG, Kind.RUN) and not name.strip():
            raise UsageError(f"{text!r} does not say which {kind}.", hint=f"Expected for instance {kind}:NAME.")
        return cls(kind, name.strip() or None)

    @property
    def text(self) -> str:
        """The reference in words: ``history``, ``baseline main``, ``fork point of main``."""
        if self.kind is Kind.FORK_POINT:
            return f"fork point of {self.name}" if self.name else "fork point"
        return self.kind.value if self.name is None else f"{self.kind} {self.name}"


AGAINST_HISTORY = Against()


def fork_point_of(branch: str | None) -> str | None:
    """Write the reference of a change that is to go into ``branch`` of the origin; None where that is not known."""
    return f"{Kind.FORK_POINT}:origin/{branch}" if branch else None


@dataclass(frozen=True, slots=True)
class Reference:
    """The one run that others are held against; of some series another, where a baseline is pinned for them alone."""

    text: str
    run: RunRecord
    by_series: Mapping[str, RunRecord] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[RunRecord, ...]:
        """Every run that is referred to, each once."""
        return runs_behind(self.run, self.by_series)


def runs_behind(run: RunRecord, by_series: Mapping[str, RunRecord]) -> tuple[RunRecord, ...]:
    """Return a run, and the others that are pinned for single series, each once."""
    return tuple({one.run_id: one for one in (run, *by_series.values())}.values())


def find_reference(store: Store, run: RunRecord, against: Against, *, folder: Path) -> Reference:
    """Return the run meant; ``folder`` is where git is asked for a fork point. Raises NotFoundError, UsageError."""
    match against.kind:
        case Kind.BASELINE:
            return _find_baseline(store, against)
        case Kind.TAG:
            return _find_tagged(store, run, against)
        case Kind.RUN:
            found = store.find_run(against.name or "")
            return Reference(f"run {found.run_id[-8:]}", found)
        case Kind.FORK_POINT:
            return _find_fork_point(store, run, against, folder)
        case _:
            raise UsageError("A history is not one run.", hint="Expected a baseline, tag, run or fork point.")


def find_merge_base(folder: Path, commit: str, branch: str | None) -> tuple[str, str]:
    """Return where ``commit`` left a branch, and that branch's name; without one, the usual names are tried.

    Raises UsageError where git cannot say.
    """
    branches = (branch,) if branch else _USUAL_BRANCHES
    for name in branches:
        found = _git(folder, "merge-base", commit, name)
        if found:
            return found[0], name
    tried = ", ".join(branches)
    raise UsageError(
        f"git finds no common ancestor of {commit[:12]} and {tried} in {folder}.",
        hint="Name the branch (fork-point:BRANCH), and fetch its history: CI checkouts often have one commit only.",
    )


def read_run(store: Store, run_id: str) -> RunRecord:
    """Return one run by its full id, without reading all. Raises NotFoundError."""
    rows = fetch_rows(
        store.location, "SELECT * FROM runs WHERE run_id = ?", [run_id], tables=TABLES_READ, versions=store.versions
    )
    if not rows:
        raise NotFoundError(f"There is no run {run_id!r} in the store {store.location}.")
    return run_from_row(rows[0])


def _find_baseline(store: Store, against: Against) -> Reference:
    pinned = [one for one in store.baselines() if one.run_id is not None]
    named = [one for one in pinned if one.name == against.name]
    if not named:
        raise UnknownNameError(
            "baseline", against.name or "", {one.name for one in pinned}, hint="Pin one: assay baseline set NAME [RUN]"
        )
    runs = {one.series_id: read_run(store, one.run_id or "") for one in named}
    usual = runs.pop(None, None) or next(iter(runs.values()))
    return Reference(against.text, usual, {series: run for series, run in runs.items() if series is not None})


def _find_tagged(store: Store, run: RunRecord, against: Against) -> Reference:
    rows = fetch_rows(
        store.location,
        """
        SELECT runs.* FROM runs JOIN environments USING (env_id)
        WHERE list_contains(tags, ?) AND run_id <> ? AND provenance = ? AND NOT superseded AND started_at <= ?
        ORDER BY suite = ? DESC, hardware_class = (SELECT hardware_class FROM environments WHERE env_id = ?) DESC,
                 started_at DESC, run_id DESC LIMIT 1
        """,
        [against.name, run.run_id, Provenance.MEASURED.value, naive(run.started_at), run.suite, run.env_id],
        tables=TABLES_READ,
        versions=store.versions,
    )
    if not rows:
        raise NotFoundError(
            f"There is no earlier run with the tag {against.name!r}.", hint="`assay run --tag NAME` gives one a tag."
        )
    return Reference(against.text, run_from_row(rows[0]))


def _find_fork_point(store: Store, run: RunRecord, against: Against, folder: Path) -> Reference:
    if run.git_commit is None:
        raise UsageError(
            f"Run {run.run_id[-8:]} was not made in a git checkout, so it has no fork point.",
            hint="Check it against history, or against a baseline.",
        )
    base, branch = find_merge_base(folder, run.git_commit, against.name)
    ancestors = list(_git(folder, "rev-list", f"--max-count={_MOST_COMMITS}", base) or [base])
    if base == run.git_commit and not run.git_dirty:
        ancestors = ancestors[1:]  # at its own commit there is nothing to hold a clean run against but itself
    rows = fetch_rows(
        store.location,
        f"""
        SELECT runs.* FROM runs JOIN environments USING (env_id)
        JOIN (SELECT unnest(?::VARCHAR[]) AS git_commit, unnest(?::BIGINT[]) AS place) AS ancestors USING (git_commit)
        WHERE run_id <> ? AND suite = ? AND provenance = ? AND NOT superseded AND git_dirty IS DISTINCT FROM true
          AND {NOT_A_TRIAL}
          AND hardware_class = (SELECT hardware_class FROM environments WHERE env_id = ?)
        ORDER BY place, started_at DESC, run_id DESC LIMIT 1
        """,  # noqa: S608  (a condition of ours)
        [
            ancestors, list(range(len(ancestors))), run.run_id, run.suite, Provenance.MEASURED.value, run.env_id,
        ],
        tables=TABLES_READ,
        versions=store.versions,
    )  # fmt: skip
    if not rows:
        raise NotFoundError(
            f"No run of suite {run.suite!r} on this hardware is of {base[:12]}, where this code left {branch}, or "
            "of an ancestor of it.",
            hint=f"Run the suite on {branch}, or keep the store between CI jobs.",
        )
    found = run_from_row(rows[0])
    used = str(found.git_commit)
    note = f"this code left {branch} at {base[:12]}; the nearest commit before it that has a run is {used[:12]}"
    return Reference(f"fork point of {branch}", found, notes=() if used == base else (note,))


def _git(folder: Path, *arguments: str) -> list[str] | None:
    """Return the words git prints, or None where it refuses."""
    environ = {name: value for name, value in os.environ.items() if name not in _OF_ONE_REPOSITORY}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607  (the user's own git, from the user's own PATH)
            capture_output=True,
            text=True,
            timeout=_LONGEST_GIT_S,
            env=environ,  # in a hook git's variables name that hook's repository, whatever folder is asked about
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.split() if done.returncode == 0 else None
