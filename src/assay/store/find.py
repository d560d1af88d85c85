"""Finding the run a person means. May import: core."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assay.core.errors import NotFoundError, UsageError, nearest_names
from assay.core.records import RunRecord

_LAST = re.compile(r"last(?:~(\d+))?")
_FULL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN = 8


def is_full_id(ref: str) -> bool:
    """Return whether a reference is a whole id, which is looked up without reading every run."""
    return _FULL.fullmatch(ref) is not None


def find_run(runs: Sequence[RunRecord], ref: str) -> RunRecord:
    """Return the one run, of some that are ordered newest first, that ``ref`` names.

    ``ref`` is a full id, a unique beginning *or end* of one (ids begin with their time, so those of one day look
    alike and people type the last characters), ``last``, or ``last~N`` for the N-th before it.
    """
    wanted = ref.strip().lower()
    if not runs:
        raise NotFoundError(f"There is no run {ref!r}: the store holds no runs yet.", hint="`assay run` makes one.")
    if by_age := _LAST.fullmatch(wanted):
        back = int(by_age[1] or 0)
        if back >= len(runs):
            raise NotFoundError(f"There is no run {ref!r}: the store holds {len(runs)}.", hint="The newest is last~0.")
        return runs[back]
    hits = [run for run in runs if wanted and (run.run_id.startswith(wanted) or run.run_id.endswith(wanted))]
    exact = [run for run in hits if run.run_id == wanted]
    if len(exact or hits) == 1:
        return (exact or hits)[0]
    if hits:
        listed = "; ".join(f"{run.run_id} ({run.suite}, {run.started_at:%Y-%m-%d %H:%M} UTC)" for run in hits[:_SHOWN])
        more = f"; and {len(hits) - _SHOWN} more" if len(hits) > _SHOWN else ""
        raise UsageError(f"{ref!r} fits {len(hits)} runs: {listed}{more}.", hint="Give more characters.")
    raise NotFoundError(f"There is no run {ref!r}.", hint=_advice(runs, wanted))


def _advice(runs: Sequence[RunRecord], wanted: str) -> str:
    ends = {run.run_id[-len(wanted) :]: run.run_id for run in runs} if wanted else {}
    near = [ends[end] for end in nearest_names(wanted, ends)]
    shown = near or [run.run_id for run in runs[:3]]
    return f"{'The nearest are' if near else 'The newest are'} {', '.join(shown)}; `assay ls` lists all."
