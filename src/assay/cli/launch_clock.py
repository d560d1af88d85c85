"""How long the launches that are left will take, by those of the same case that are over.

May import: standard library.
"""

from __future__ import annotations

from collections.abc import Collection
from statistics import fmean


class LaunchClock:
    """Takes in launches as they begin and end. Times are seconds of one monotonic clock."""

    def __init__(self, cases: Collection[str], *, expected_s: float) -> None:
        self._took_s: dict[str, list[float]] = {case_id: [] for case_id in cases}
        self._expected_s = expected_s
        self._doing: str | None = None
        self._began_s = 0.0

    def begin(self, case_id: str, now_s: float) -> None:
        """A launch of this case begins."""
        self._doing, self._began_s = case_id, now_s

    def end(self, case_id: str, took_s: float) -> None:
        """A launch of this case is over."""
        self._took_s.setdefault(case_id, []).append(took_s)
        self._doing = None

    def left_s(self, launches: int, now_s: float) -> float:
        """Return what so many launches will take, that which goes on among them.

        Rounds visit every case once, so those that were visited less often are the next. A case that is not over once
        takes as long as the others do on average, and the one that goes on at least as long as it has by now.
        """
        running_s = now_s - self._began_s if self._doing is not None else 0.0
        known = {case_id: fmean(took) for case_id, took in self._took_s.items() if took}
        usual_s = fmean(known.values()) if known else max(self._expected_s, running_s)
        if self._doing is not None:
            known[self._doing] = max(known.get(self._doing, usual_s), running_s)
        visits = -(-(launches + sum(map(len, self._took_s.values()))) // max(1, len(self._took_s)))
        due = {case_id: max(0, visits - len(took)) for case_id, took in self._took_s.items()}
        count = sum(due.values())
        each_s = sum(due[one] * known.get(one, usual_s) for one in due) / count if count else usual_s
        return max(0.0, launches * each_s - running_s)
