"""What each side of a trial really was, in words: commit, keys, packages that differ, hardware.

May import: core, analysis.values, runner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.analysis.values import Side
from assay.core.records import RunRecord
from assay.runner.request import FinishedRun
from assay.trials.sides import OpenSide, leaves_out_changes

_SHORT_COMMIT = 10


def describe_sides(sides: Sequence[OpenSide], runs: Sequence[FinishedRun]) -> tuple[Side, ...]:
    """Return the sides as values of a report, in their order; of the software only what differs between them."""
    software = [_software(side.environment.facts) for side in sides]
    differing = [name for name in sorted(set[str]().union(*software)) if len({one.get(name) for one in software}) > 1]
    return tuple(
        Side(
            label=side.spec.label,
            run_ids=(finished.run.run_id,),
            env_ids=(finished.run.env_id,),
            hardware=_hardware(finished),
            git_commit=finished.run.git_commit,
            described=(
                *_code(side, finished.run),
                *side.spec.keys.items(),
                *((name, own.get(name, "absent")) for name in differing),
                *(("hardware", name) for name in _hardware(finished)),
            ),
        )
        for side, finished, own in zip(sides, runs, software, strict=True)
    )


def _code(side: OpenSide, run: RunRecord) -> Iterator[tuple[str, str]]:
    if run.git_commit is None:
        return
    where = f" ({run.git_branch})" if run.git_branch else ""
    changed = ", with changes that are not committed" if run.git_dirty else ""
    yield "code", f"{run.git_commit[:_SHORT_COMMIT]}{where}{changed}"
    if leaves_out_changes(side):
        yield "left out", "changes that are not committed; --ref . measures the tree as it is"


def _software(facts: Mapping[str, Any]) -> dict[str, str]:
    """Python and the packages that bear on speed, by name."""
    python = facts["python"]
    name = f"{python['implementation']} {python['version']}"
    return {"python": name, **{str(name): str(version) for name, version in python["packages"].items()}}


def _hardware(finished: FinishedRun) -> tuple[str, ...]:
    return tuple(dict.fromkeys(result.hardware for result in finished.results if result.hardware))
