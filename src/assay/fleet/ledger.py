"""The ledger of a fleet run: each attempt as lines that are on the disk before anything rests on them.

It lies beside the store (for object storage: in the folder of this machine that stands for it) as
``fleet/ID.jsonl``. Every line is written in one call and synced. A line that a crash cut short is dropped when the file
is read, and cut off before it is written on. One process writes at a time, which a lock holds. May import: core, store.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from assay.core.errors import NotFoundError, StoreError, UsageError
from assay.fleet.values import Attempt, Ended, FleetCase, Order, Outcome, Started
from assay.store.address import reason_of
from assay.store.locks import FileLock, create_locked, is_held, take_abandoned
from assay.store.spool import ensure_state_folder, state_folder

FOLDER = "fleet"
SUFFIX = ".jsonl"
_TAIL = 1 << 16


@dataclass(slots=True)
class LedgerState:
    """What the lines add up to: the header, the cases in their order, the attempts of each, what befell the driver."""

    header: dict[str, Any]
    cases: dict[str, FleetCase] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def fleet_id(self) -> str:
        """The id of the fleet run."""
        return str(self.header["fleet_id"])

    @property
    def resumed_at(self) -> str:
        """When a person last asked for it: at the beginning, or by ``--resume``."""
        return next((one["at"] for one in reversed(self.events) if one["event"] == "resumed"), str(self.header["at"]))

    def final(self, case_id: str) -> Attempt | None:
        """Return the attempt that answered a case, None where none has yet."""
        return next((one for one in self.attempts.get(case_id, ()) if one.is_final), None)

    def open_attempts(self) -> list[Attempt]:
        """Return attempts that began and of which no end is known."""
        return [one for attempts in self.attempts.values() for one in attempts if one.outcome is None]

    def lost_attempts(self) -> list[Attempt]:
        """Return attempts that were lost, of cases without an answer."""
        left = [one.case_id for one in self.unfinished()]
        attempts = [one for case_id in left for one in self.attempts.get(case_id, ())]
        return [one for one in attempts if one.outcome in {Outcome.LOST, Outcome.TIMEOUT}]

    def unfinished(self) -> list[FleetCase]:
        """Return cases without an answer, in their order."""
        return [case for case_id, case in self.cases.items() if self.final(case_id) is None]

    def take(self, line: Mapping[str, Any]) -> None:
        """Add one line. A kind that is not known is a later version's and is left out."""
        match line.get("kind"):
            case "case":
                case = FleetCase.from_dict(line["case"])
                self.cases[case.case_id] = case
            case "began":
                self._begin(line)
            case "started":
                self._change(line, host=line["host"], pid=line["pid"])
            case "ended":
                self._end(line)
            case "driver":
                self.events.append(dict(line))

    def _begin(self, line: Mapping[str, Any]) -> None:
        case = self.cases[line["case_id"]]
        attempt = Attempt(case.case_id, case.label, line["number"], line["node"], line["at"])
        self.attempts.setdefault(case.case_id, []).append(attempt)

    def _end(self, line: Mapping[str, Any]) -> None:
        known = {
            name: line[name] for name in ("host", "pid", "status", "run_id", "error", "wall_s")
            if line.get(name) is not None
        }  # fmt: skip
        self._change(line, ended_at=line["at"], outcome=Outcome(line["outcome"]), **known)

    def _change(self, line: Mapping[str, Any], **changes: Any) -> None:
        attempts = self.attempts.get(line["case_id"], [])
        for index, attempt in enumerate(attempts):
            if attempt.number == line["number"]:
                attempts[index] = replace(attempt, **changes)


class Ledger:
    """The open ledger of one fleet run. Use as a context manager, or call :meth:`close`."""

    def __init__(self, lock: FileLock, state: LedgerState) -> None:
        self._lock = lock
        self.state = state

    @classmethod
    def begin(cls, location: str, header: Mapping[str, Any], cases: Sequence[FleetCase]) -> Self:
        """Create the ledger of a new fleet run. ``header`` has a ``fleet_id``. Raises StoreError."""
        ensure_state_folder(location)
        lock = create_locked(ledger_path(location, str(header["fleet_id"])))
        made = cls(lock, LedgerState({}))
        made.state.header = {"kind": "fleet", "at": _now(), **header}
        lines = [made.state.header, *({"kind": "case", "case": case.to_dict()} for case in cases)]
        made._append(lines)  # all cases in one write: a ledger has its whole plan or is none
        return made

    @classmethod
    def reopen(cls, location: str, ref: str) -> Self:
        """Open the ledger of a fleet run to go on with it. Raises NotFoundError, or UsageError while another does."""
        path = find_ledger(location, ref)
        lock = take_abandoned(path)
        if lock is None:
            raise UsageError(
                f"Fleet run {path.stem} is being carried out by another process.",
                hint=f"Watch it: assay fleet status {path.stem[-8:]}",
            )
        _cut_torn_line(lock)
        return cls(lock, read_state(path))

    @property
    def path(self) -> Path:
        """The file."""
        return self._lock.path

    def began(self, order: Order) -> None:
        """Write that an attempt was handed out. Written before it is, so that none is ever unknown."""
        self._write({"kind": "began", "case_id": order.case.case_id, "number": order.number, "node": order.node.name})

    def started(self, said: Started) -> None:
        """Write which process has it."""
        case_id, _, number = said.key.rpartition("/")
        line = {"kind": "started", "case_id": case_id, "number": int(number), "host": said.host, "pid": said.pid}
        self._write(line)

    def ended(self, ended: Ended) -> None:
        """Write how an attempt ended."""
        case_id, _, number = ended.key.rpartition("/")
        self._write({
            "kind": "ended", "case_id": case_id, "number": int(number), "outcome": ended.outcome.value,
            "host": ended.host, "pid": ended.pid, "run_id": ended.run_id, "status": ended.status,
            "error": ended.error, "wall_s": ended.wall_s,
        })  # fmt: skip

    def driver(self, event: str, **more: Any) -> None:
        """Write what befell the process that drives: ``resumed``, ``connection lost``, ``finished`` ..."""
        self._write({"kind": "driver", "event": event, **more})

    def _write(self, line: Mapping[str, Any]) -> None:
        line = {**line, "at": _now()}
        self._append([line])
        self.state.take(line)

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        content = "".join(json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n" for line in lines).encode()
        try:
            written = 0
            while written < len(content):
                written += os.write(self._lock.descriptor, content[written:])
            os.fsync(self._lock.descriptor)
        except OSError as error:
            raise StoreError(
                f"The ledger {self.path} could not be written: {reason_of(error)}.",
                hint="Make room, then go on with assay fleet run --resume.",
            ) from error
        for line in lines:
            if line.get("kind") == "case":
                self.state.take(line)

    def close(self) -> None:
        """Let go; the file stays."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ledger_path(location: str, fleet_id: str) -> Path:
    """Return where the ledger of a fleet run is."""
    return state_folder(location) / FOLDER / f"{fleet_id}{SUFFIX}"


def list_ledgers(location: str) -> list[Path]:
    """Return the ledgers beside a store, newest first."""
    return sorted((state_folder(location) / FOLDER).glob(f"*{SUFFIX}"), key=lambda path: path.name, reverse=True)


def find_ledger(location: str, ref: str) -> Path:
    """Return the ledger meant by an id, a unique beginning or end of one, or ``last``.

    Raises NotFoundError, UsageError.
    """
    known = list_ledgers(location)
    if ref == "last" and known:
        return known[0]
    hits = [path for path in known if path.stem.startswith(ref) or path.stem.endswith(ref)]
    if not hits:
        raise NotFoundError(f"There is no fleet run {ref!r} beside {location}.", hint="See them: assay fleet ls")
    if len(hits) > 1:
        raise UsageError(f"{ref!r} means {len(hits)} fleet runs: {', '.join(path.stem for path in hits[:5])}.")
    return hits[0]


def read_state(path: Path) -> LedgerState:
    """Read a ledger, whoever writes it. Raises StoreError for a file that is none."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise StoreError(f"The ledger {path} could not be read: {reason_of(error)}.") from error
    state: LedgerState | None = None
    for line in lines[:-1]:  # what comes after the last line end is empty, or was cut short
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if state is None:
            state = LedgerState(content) if isinstance(content, dict) and content.get("kind") == "fleet" else None
            if state is None:
                break
        else:
            state.take(content)
    if state is None:
        raise StoreError(f"{path} is no ledger of a fleet run.", hint="Remove it if nothing else needs it.")
    return state


def is_driven(path: Path) -> bool:
    """Whether a living process on this machine drives the fleet run."""
    return is_held(path)


def _cut_torn_line(lock: FileLock) -> None:
    """Cut off what a crash left of a line, so that the next one begins at the margin."""
    size = os.fstat(lock.descriptor).st_size
    start = max(0, size - _TAIL)
    with lock.path.open("rb") as file:
        file.seek(start)
        tail = file.read()
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(lock.descriptor, start + tail.rfind(b"\n") + 1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
