"""Which predictors are there, and which one answers: versions beside the store, and the priors that ship with assay.

A version is never changed. Which one answers is the last line of a log that only grows, so going back is a line more
and nothing is lost. May import: core, store.spool, predict.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from assay.core.errors import AssayError, NotFoundError, UsageError
from assay.predict.base import Fitted, predictors
from assay.predict.model_file import SUFFIX, ModelRecord, read_model, save_bytes, write_model

PRIOR = "prior"
_LOG = "active.jsonl"
_FOLDER = "predictors"
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One version that is there. ``origin``: ``prior`` (shipped) or ``own``; ``is_active``: it answers for its kind."""

    kind: str
    version: str
    path: Path
    origin: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Promotion:
    """A line of the log: from when on which version of a kind answers, and why. None: the prior, or nobody."""

    kind: str
    version: str | None
    at: datetime
    why: str


def shelf_of(location: str) -> Path:
    """Return the folder of the predictors of a store; of a remote one, what this machine keeps for it."""
    from assay.store.spool import state_folder

    return state_folder(location) / _FOLDER


def prior_folder() -> Path:
    """Return the folder of the predictors that ship with assay."""
    return Path(str(files("assay.predict"))) / "data"


def list_models(shelf: Path | None) -> list[ModelEntry]:
    """Return every version, by kind, shipped ones first."""
    own = sorted(_own_files(shelf), key=lambda path: path.stat().st_mtime)
    priors = sorted(prior_folder().glob(f"*{SUFFIX}"))
    active = {kind: find_active(kind, shelf) for kind in {_kind_of(path) for path in (*own, *priors)}}
    found = [
        ModelEntry(_kind_of(path), _version_in(path), path, origin, active[_kind_of(path)] == path)
        for origin, paths in ((PRIOR, priors), ("own", own))
        for path in paths
    ]
    return sorted(found, key=lambda one: one.kind)


def save_model(record: ModelRecord, shelf: Path) -> Path:
    """Keep a version; it answers once it is promoted. Raises AssayError."""
    content, version = write_model(record)
    path = shelf / f"{record.kind}-{version}{SUFFIX}"
    if not path.exists():
        save_bytes(content, path)
    return path


def promote(kind: str, version: str, shelf: Path, *, why: str, now: datetime | None = None) -> ModelEntry:
    """Have a version answer for its kind. Raises NotFoundError, and AssayError for a damaged one."""
    entry = find_entry(kind, version, shelf)
    read_model(entry.path)
    _note(shelf, Promotion(kind, PRIOR if entry.origin == PRIOR else entry.version, now or datetime.now(UTC), why))
    return find_entry(kind, entry.version, shelf)


def roll_back(kind: str, shelf: Path, *, why: str, now: datetime | None = None) -> Promotion:
    """Have the version answer that did before the one that does. Raises UsageError where there was none."""
    past = [one for one in read_log(shelf) if one.kind == kind]
    if not past:
        raise UsageError(
            f"No version of {kind!r} was promoted here, so there is none to go back from.", hint="See: assay predict ls"
        )
    before = past[-2].version if len(past) > 1 else PRIOR
    found = Promotion(kind, before, now or datetime.now(UTC), why)
    _note(shelf, found)
    return found


def find_entry(kind: str, version: str, shelf: Path | None) -> ModelEntry:
    """Return a version by its name or the beginning of it, or ``prior``. Raises NotFoundError, UsageError."""
    known = [one for one in list_models(shelf) if one.kind == kind]
    if version == PRIOR:
        fitting = [one for one in known if one.origin == PRIOR]
    else:
        fitting = [one for one in known if len(version) >= _SHORTEST and one.version.startswith(version)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(f"{version!r} fits {len(fitting)} versions of {kind!r}.", hint="Give more of it.")
    names = ", ".join(one.version for one in known) or "none"
    raise NotFoundError(f"No version {version!r} of {kind!r} is here; there are: {names}.", hint="assay predict ls")


def find_active(kind: str, shelf: Path | None) -> Path | None:
    """Return the file that answers for a kind: the last one promoted, else the prior; None for neither."""
    chosen = next((one.version for one in reversed(read_log(shelf)) if one.kind == kind), PRIOR)
    if chosen == PRIOR or shelf is None or chosen is None:
        prior = prior_folder() / f"{kind}{SUFFIX}"
        return prior if prior.exists() else None
    path = shelf / f"{kind}-{chosen}{SUFFIX}"
    return path if path.exists() else None


def load_active(kind: str, shelf: Path | None) -> tuple[ModelRecord, Fitted] | None:
    """Load what answers for a kind, None where nothing does. Raises AssayError where it is damaged."""
    path = find_active(kind, shelf)
    if path is None:
        return None
    record = read_model(path)
    if record.kind != kind:
        raise AssayError(f"The predictor {path} is of the kind {record.kind!r}, expected {kind!r}.")
    return record, predictors.get(kind).load(record.payload)


def read_log(shelf: Path | None) -> Sequence[Promotion]:
    """Return what was promoted, oldest first. Lines that a crash cut off are left out."""
    path = None if shelf is None else shelf / _LOG
    if path is None or not path.exists():
        return ()
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            one = json.loads(line)
            found.append(Promotion(one["kind"], one["version"], datetime.fromisoformat(one["at"]), one["why"]))
        except (ValueError, KeyError, TypeError):
            continue
    return tuple(found)


def _note(shelf: Path, one: Promotion) -> None:
    line = json.dumps({"kind": one.kind, "version": one.version, "at": one.at.isoformat(), "why": one.why})
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with (shelf / _LOG).open("a", encoding="utf-8") as log:
            log.write(line + "\n")
            log.flush()
            os.fsync(log.fileno())
    except OSError as error:
        raise AssayError(f"The log {shelf / _LOG} cannot be written: {error.strerror or error}.") from error


def _own_files(shelf: Path | None) -> Iterator[Path]:
    if shelf is not None and shelf.is_dir():
        yield from shelf.glob(f"*-*{SUFFIX}")


def _kind_of(path: Path) -> str:
    return path.stem.rpartition("-")[0] or path.stem


def _version_in(path: Path) -> str:
    from assay.predict.model_file import version_of

    return path.stem.rpartition("-")[2] if "-" in path.stem else version_of(path.read_bytes())
