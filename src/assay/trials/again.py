"""Measure again what stored runs measured, interleaved this time: from runs back to what was asked for.

May import: core, analysis, probes, runner, store, trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.analysis.pairing import HARDWARE, case_fields, pair_results
from assay.analysis.sides import NamedRun
from assay.core.case import Case, Scalar
from assay.core.errors import UsageError
from assay.core.records import EnvironmentRecord, ResultRecord, RunRecord
from assay.core.words import Status
from assay.runner.repository import read_repository
from assay.runner.suite_model import Suite, build_suite
from assay.trials.values import SideSpec, TrialRequest

_SUITE_KEYS = ("timing", "launch_limit_s", "seed")
_KEY_OF_FIELD = {"workload": "model"}


def ask_again(
    named: Sequence[NamedRun],
    results: Sequence[Sequence[ResultRecord]],
    varied: Sequence[str],
    *,
    here: EnvironmentRecord,
    made_in: Mapping[str, EnvironmentRecord],
    folder: Path,
) -> TrialRequest:
    """Return the request that launches the cases which all of some stored runs have, each side as its run was.

    ``varied`` are the fields in which the sides differ on purpose; the user's own code is taken from the commits of the
    runs. ``made_in`` has the environments of the runs by id, ``here`` is the present one, ``folder`` where the user
    stands. Windows, seed and limit are those of the first run. Raises UsageError for what cannot be had again: another
    machine, uncommitted changes, another interpreter, or no difference at all.
    """
    for one in named:
        _refuse_lost(one, made_in[one.run.env_id], here)
    pairs = [pair for pair in pair_results(results, varied) if all(_worked(one) for one in pair.results)]
    if not pairs:
        raise UsageError("No case worked in all of these runs, so there is none to launch again.")
    firsts = [pair.results[0].own_case for pair in pairs if pair.results[0] is not None]
    refs = _refs(named, firsts, folder)
    keys = [_keys_of(side, varied) for side in results]
    if all(one == keys[0] for one in keys) and len(set(refs)) == 1:
        raise UsageError(
            "These runs differ neither in flags nor in the code that they measured, so launching both again would "
            "compare a thing with itself.",
            hint="What else differs cannot be had again: `assay compare` without --fresh lists it.",
        )
    sides = tuple(SideSpec(one.ref, own, ref) for one, own, ref in zip(named, keys, refs, strict=True))
    return TrialRequest(_suite_of(named[0].run, firsts), sides, folder, note="launched again")


def _refuse_lost(one: NamedRun, made_in: EnvironmentRecord, here: EnvironmentRecord) -> None:
    if not isinstance(one.run.config.get("suite"), Mapping):
        raise UsageError(f"{one.ref} ({one.run.run_id}) was not made by `assay run`, so it cannot be launched again.")
    if made_in.host_id != here.host_id or made_in.hardware_class != here.hardware_class:
        raise UsageError(
            f"{one.ref} was made on another machine, {made_in.hardware_class}; this one is {here.hardware_class}.",
            hint="Launches of two machines cannot be interleaved; compare the stored runs without --fresh.",
        )
    trial = one.run.config.get("trial")
    if isinstance(trial, Mapping) and trial.get("has_own_python"):
        raise UsageError(
            f"{one.ref} was made with the interpreter of another environment, of which the store keeps no path.",
            hint="Name the interpreters: assay compare --python A --python B",
        )


def _worked(result: ResultRecord | None) -> bool:
    return result is not None and result.status is Status.OK and isinstance(result.case, Case)


def _refs(named: Sequence[NamedRun], cases: Sequence[Case], folder: Path) -> list[str | None]:
    """The commit of each side, where the user's own code is measured and the tree here is not simply of that commit."""
    if not any(_is_own(case) for case in cases) or all(one.run.git_commit is None for one in named):
        return [None] * len(named)
    for one in named:
        if one.run.git_commit is None or one.run.git_dirty:
            state = "outside a git checkout" if one.run.git_commit is None else "with uncommitted changes"
            raise UsageError(
                f"{one.ref} measured code of your own {state}: what it was cannot be had again.",
                hint="Commit first; or name two commits: assay compare --ref A --ref B",
            )
    commits = [one.run.git_commit for one in named]
    now = read_repository(folder)
    is_here = set(commits) == {now.commit} and not now.dirty
    return [None] * len(named) if is_here else list(commits)


def _is_own(case: Case) -> bool:
    """True of what does not come with assay: a module's function, a file, a folder."""
    return ":" in case.workload or case.workload.startswith((".", "/", "~")) or case.family == case.workload


def _keys_of(side: Sequence[ResultRecord], varied: Sequence[str]) -> dict[str, str]:
    """What the side has in each varied field, as keys. A field it has several values of is not one of its keys."""
    keys = {}
    for name in varied:
        values: set[Scalar | None] = {case_fields(one).get(name) for one in side}
        if name != HARDWARE and len(values) == 1 and None not in values:
            keys[_KEY_OF_FIELD.get(name, name)] = str(values.pop())
    return keys


def _suite_of(run: RunRecord, cases: Sequence[Case]) -> Suite:
    before = run.config["suite"]
    content: dict[str, Any] = {key: before[key] for key in _SUITE_KEYS if key in before}
    content |= {"name": run.suite, "cases": [_entry_of(case) for case in cases]}
    return build_suite(content)


def _entry_of(case: Case) -> dict[str, Any]:
    options = dict(case.options)
    threads = options.pop("threads", None)
    entry: dict[str, Any] = {
        "model": [case.workload], "engine": [case.engine], "device": [case.device], "mode": [case.mode.value],
        "precision": [case.precision.value], "batch": [case.batch], "threads": [] if threads is None else [threads],
        "shape": {name: [size] for name, size in case.shape},
        "options": {name: [value] for name, value in options.items()},
    }  # fmt: skip
    return {key: value for key, value in entry.items() if value}
