"""Runs that are going on: what their journals say so far, read without disturbing who writes them.

A journal is only appended to, so a follower reads what came since it last looked. May import: core and store.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assay.core.case import Case
from assay.core.errors import StoreError
from assay.store.address import reason_of
from assay.store.journal import FINAL, SUFFIX
from assay.store.location import JOURNALS
from assay.store.locks import is_held
from assay.store.spool import state_folder

PROGRESS = "progress"
"""A line of the runner's own, before each launch: number, total, case, case_id, began_at. Recovery passes over it."""
_KEPT_LAUNCHES = 20


@dataclass(frozen=True, slots=True)
class RunningLaunch:
    """A launch that ended: of which case, how, and its median in nanoseconds."""

    case_label: str
    ordinal: int
    status: str
    median_ns: float | None
    verdict: str | None
    reason: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunningResult:
    """A case so far. ``latency_ns`` is the median of the medians of its launches."""

    case_label: str
    status: str
    verdict: str | None
    launches_ok: int
    launches_planned: int
    latency_ns: float | None
    lo_ns: float | None
    hi_ns: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class RunningRun:
    """A run whose journal lies there. ``is_alive`` False: its process is gone, and `assay store recover` publishes it.

    ``number`` of ``total`` launches is the one being made (None before the first); ``total`` covers all sides of a
    trial. ``doing`` is the case of it, since ``doing_since``. ``launches`` are the newest, newest first; ``ended``
    counts all. ``is_publishing``: all launches are made and the rows are being written.
    """

    run_id: str
    suite: str
    started_at: datetime | None
    hardware: str | None
    cases_planned: int
    note: str | None
    is_alive: bool
    is_publishing: bool
    number: int | None
    total: int | None
    doing: str | None
    doing_since: datetime | None
    ended: int
    launches: tuple[RunningLaunch, ...]
    results: tuple[RunningResult, ...]

    def remaining_s(self, now: datetime) -> float | None:
        """Seconds left, if the launches to come take as long as those made here did; None before the first ended."""
        if self.started_at is None or not self.ended or self.number is None or self.total is None:
            return None
        made = self.number - 1
        if made < 1 or self.doing_since is None:
            return None
        each_s = (self.doing_since - self.started_at).total_seconds() / made
        return max(0.0, each_s * (self.total - made) - (now - self.doing_since).total_seconds())


class JournalFollower:
    """One journal, followed from its beginning. :meth:`advance` reads what is new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._run: Mapping[str, Any] = {}
        self._hardware: str | None = None
        self._progress: Mapping[str, Any] = {}
        self._is_publishing = False
        self._ended = 0
        self._labels: dict[str, str] = {}
        self._results: dict[str, RunningResult] = {}
        self._launches: deque[RunningLaunch] = deque(maxlen=_KEPT_LAUNCHES)
        self._waiting: list[Mapping[str, Any]] = []

    def advance(self) -> bool:
        """Read the whole lines that were appended; tell whether there were any.

        Raises FileNotFoundError where the run was published meanwhile, StoreError.
        """
        try:
            with self.path.open("rb") as journal:
                journal.seek(self._offset)
                fresh = journal.read()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(f"The journal {self.path} could not be read: {reason_of(error)}.") from error
        whole = fresh.rfind(b"\n") + 1
        self._offset += whole
        for line in fresh[:whole].splitlines():
            self._take(line)
        return whole > 0

    def state(self) -> RunningRun:
        """What the journal says so far, and whether somebody still writes it."""
        run, progress = self._run, self._progress
        return RunningRun(
            run_id=self.path.name.removesuffix(SUFFIX),
            suite=str(run.get("suite", "")),
            started_at=_time(run.get("started_at")),
            hardware=self._hardware,
            cases_planned=int(run.get("cases_planned", 0)),
            note=run.get("note"),
            is_alive=is_held(self.path),
            is_publishing=self._is_publishing,
            number=progress.get("number"),
            total=progress.get("total"),
            doing=progress.get("case"),
            doing_since=_time(progress.get("began_at")),
            ended=self._ended,
            launches=tuple(reversed(self._launches)),
            results=tuple(self._results.values()),
        )

    def _take(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            kind, payload = entry["kind"], entry["payload"]
            if not isinstance(payload, dict):
                return
            match kind:
                case "run":
                    self._run = payload
                case "environment":
                    self._hardware = payload.get("hardware_class")
                case "launch":
                    self._ended += 1
                    self._waiting.append(payload)
                case "result":
                    self._take_result(payload)
                case "progress":
                    self._progress = payload
                case _:
                    self._is_publishing = self._is_publishing or kind == FINAL
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # a torn line, or one of a later version: what is not understood is not shown

    def _take_result(self, payload: Mapping[str, Any]) -> None:
        label = Case.from_dict(payload["case"]).label
        latency: Mapping[str, Any] = next(
            (one for one in payload["metrics"] if (one["name"], one["stat"], one["phase"]) == _LATENCY), {}
        )
        self._labels[payload["result_id"]] = label
        self._results[payload["result_id"]] = RunningResult(
            case_label=label,
            status=payload["status"],
            verdict=payload["verdict"],
            launches_ok=payload["launches_ok"],
            launches_planned=payload["launches_planned"],
            latency_ns=latency.get("value"),
            lo_ns=latency.get("ci_lo"),
            hi_ns=latency.get("ci_hi"),
            reason=payload["reason"],
        )
        # A launch is written before the result that names its case.
        for launch in self._waiting:
            self._launches.append(_launch(launch, self._labels.get(launch["result_id"], "")))
        self._waiting.clear()


_LATENCY = ("latency_ns", "median", "steady")


def list_journals(location: str) -> list[Path]:
    """Return the journals that lie beside a store, oldest first."""
    folder = state_folder(location) / JOURNALS
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if not path.name.startswith(".")]


def list_running(location: str) -> tuple[RunningRun, ...]:
    """Read every journal beside a store once: runs that go on, and what crashed ones left. Raises StoreError."""
    found = []
    for path in list_journals(location):
        follower = JournalFollower(path)
        try:
            follower.advance()
        except FileNotFoundError:
            continue  # published meanwhile
        found.append(follower.state())
    return tuple(found)


def _launch(payload: Mapping[str, Any], label: str) -> RunningLaunch:
    began, wall_ns = _time(payload.get("started_at")), payload.get("wall_ns")
    ended = None
    if began is not None and wall_ns is not None:
        ended = began + timedelta(microseconds=wall_ns / 1e3)
    return RunningLaunch(
        case_label=label,
        ordinal=payload["ordinal"],
        status=payload["status"],
        median_ns=payload.get("median_ns"),
        verdict=payload.get("verdict"),
        reason=payload.get("reason"),
        ended_at=ended,
    )


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
