"""A predictor as one file: a zip of a manifest in JSON and arrays of numbers. Nothing in it is ever unpickled.

The file's name is the hash of its content, so a version says what it holds. A file of somebody else's is data: every
length, name and type is checked before it is used. May import: core, predict.base, predict.scores; numpy inside
functions.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.core.errors import AssayError
from assay.predict.base import DataUse, Payload
from assay.predict.scores import GroupScore, Score, SplitOutcome

FORMAT = "assay-predictor"
FORMAT_VERSION = 1
SUFFIX = ".predictor"
_MANIFEST = "manifest.json"
_LONGEST_MANIFEST = 8 << 20
_LONGEST_ARRAYS = 256 << 20
_MOST_ARRAYS = 256
_NAME = re.compile(r"(?=.{1,100}$)[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
"""Names of arrays; they may be grouped by slashes. Nothing is ever unpacked to a path of that name."""
_KINDS_OF_NUMBERS = "biuf"
_NPY_VERSION = (1, 0)
_WHEN = (1980, 1, 1, 0, 0, 0)
"""Time of every member: equal content is an equal file."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One learned predictor and where it came from.

    ``version`` is the hash of its content, 12 hexadecimal digits. ``uses`` are the data it was learned from, ``states``
    the versions of the store's tables then, ``outcomes`` what its validation printed.
    """

    kind: str
    made_at: datetime
    assay_version: str
    payload: Payload
    uses: tuple[DataUse, ...] = ()
    outcomes: tuple[SplitOutcome, ...] = ()
    states: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    notes: tuple[str, ...] = ()
    version: str = ""

    def outcome(self, split: str) -> SplitOutcome | None:
        """What the validation of a split gave, None where it was not run."""
        return next((one for one in self.outcomes if one.split == split), None)


def write_model(record: ModelRecord) -> tuple[bytes, str]:
    """Return the file's content and its version. The same record is the same content.

    Raises ValueError for a name of an array, or numbers, that could not be read back.
    """
    import numpy as np

    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": record.kind,
        "made_at": record.made_at.astimezone(UTC).isoformat(),
        "assay_version": record.assay_version,
        "seed": record.seed,
        "uses": [asdict(one) for one in record.uses],
        "states": dict(record.states),
        "notes": list(record.notes),
        "outcomes": [outcome_to_dict(one) for one in record.outcomes],
        "meta": record.payload.meta,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        text = json.dumps(manifest, sort_keys=True, allow_nan=False).encode()
        file.writestr(zipfile.ZipInfo(_MANIFEST, _WHEN), text, zipfile.ZIP_DEFLATED)
        for name, values in sorted(record.payload.arrays.items()):
            if not _NAME.fullmatch(name) or np.asarray(values).dtype.kind not in _KINDS_OF_NUMBERS:
                raise ValueError(f"got an array {name!r} of {np.asarray(values).dtype}; expected numbers and a name")
            array = io.BytesIO()
            np.lib.format.write_array(array, np.ascontiguousarray(values), version=_NPY_VERSION, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"arrays/{name}.npy", _WHEN), array.getvalue(), zipfile.ZIP_DEFLATED)
    content = buffer.getvalue()
    return content, version_of(content)


def version_of(content: bytes) -> str:
    """Return the version that a file's content is."""
    return hashlib.sha256(content).hexdigest()[:12]


def read_model(path: Path) -> ModelRecord:
    """Read a file. Raises AssayError naming what is wrong with it."""
    try:
        content = path.read_bytes() if path.stat().st_size <= _LONGEST_ARRAYS else None
    except OSError as error:
        raise AssayError(f"The predictor {path} cannot be read: {error.strerror or error}.") from error
    if content is None:
        raise _broken(path, f"it is larger than {_LONGEST_ARRAYS >> 20} MiB")
    return read_content(content, str(path))


def read_content(content: bytes, name: str) -> ModelRecord:
    """Read a file's content; ``name`` is for messages. Raises AssayError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            return _read(file, version_of(content))
    except (
        zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError, OverflowError, AttributeError, OSError,
        NotImplementedError, RuntimeError, RecursionError, MemoryError, zlib.error,
    ) as error:  # fmt: skip
        raise _broken(name, f"{type(error).__name__}: {error}") from error


def save_bytes(content: bytes, path: Path) -> None:
    """Write a file whole or not at all. Raises AssayError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise AssayError(f"The predictor could not be written to {path}: {error.strerror or error}.") from error


def _broken(name: object, why: str) -> AssayError:
    return AssayError(
        f"The predictor {name} is damaged or not one of assay's: {why}.",
        hint="Learn it again (assay predict train), or take another version (assay predict ls).",
    )


def _read(file: zipfile.ZipFile, version: str) -> ModelRecord:
    members = file.infolist()
    if len(members) > _MOST_ARRAYS or sum(one.file_size for one in members) > _LONGEST_ARRAYS:
        raise ValueError(f"{len(members)} members of {sum(one.file_size for one in members)} bytes are too many")
    manifest = json.loads(_member(file, _MANIFEST, _LONGEST_MANIFEST))
    if manifest["format"] != FORMAT:
        raise ValueError(f"its format is {manifest['format']!r}")
    if manifest["format_version"] != FORMAT_VERSION:
        raise ValueError(f"its format has version {manifest['format_version']}, and this assay reads {FORMAT_VERSION}")
    arrays = {}
    for one in members:
        if one.filename == _MANIFEST:
            continue
        name = one.filename.removeprefix("arrays/").removesuffix(".npy")
        if one.filename != f"arrays/{name}.npy" or not _NAME.fullmatch(name):
            raise ValueError(f"it has a member {one.filename[:100]!r}")
        arrays[name] = _array(_member(file, one.filename, _LONGEST_ARRAYS))
    return ModelRecord(
        kind=str(manifest["kind"]),
        made_at=datetime.fromisoformat(manifest["made_at"]),
        assay_version=str(manifest["assay_version"]),
        payload=Payload(dict(manifest["meta"]), arrays),
        uses=tuple(DataUse(**one) for one in manifest["uses"]),
        outcomes=tuple(_outcome_from_dict(one) for one in manifest["outcomes"]),
        states={str(name): int(value) for name, value in manifest["states"].items()},
        seed=int(manifest["seed"]),
        notes=tuple(str(one) for one in manifest["notes"]),
        version=version,
    )


def _member(file: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member that says it is short and is long would fill the memory: no more than it says is read."""
    size = file.getinfo(name).file_size
    if size > limit:
        raise ValueError(f"{name} has {size} bytes")
    with file.open(name) as member:
        content = member.read(size + 1)
    if len(content) != size:
        raise ValueError(f"{name} has not the {size} bytes that it says")
    return content


def _array(content: bytes) -> Any:
    import numpy as np

    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != _NPY_VERSION:
        raise ValueError("an array is of a format that assay does not write")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in _KINDS_OF_NUMBERS:
        raise ValueError(f"an array holds {dtype}, not numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"an array of the shape {shape} has {len(content) - file.tell()} bytes")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


# -- outcomes ----------------------------------------------------------------------------------------------------


def outcome_to_dict(one: SplitOutcome) -> dict[str, Any]:
    """Return an outcome as JSON-able data, levels as text."""
    return {
        "kind": one.kind, "split": one.split, "question": one.question, "metric": one.metric,
        "methods": {name: _score_to_dict(score) for name, score in one.methods.items()},
        "groups": [_group_to_dict(group) for group in one.groups],
        "stratified": {title: [_group_to_dict(group) for group in groups] for title, groups in one.stratified.items()},
        "goal": one.goal, "published": one.published, "notes": list(one.notes),
    }  # fmt: skip


def _outcome_from_dict(content: Mapping[str, Any]) -> SplitOutcome:
    return SplitOutcome(
        content["kind"], content["split"], content["question"], content["metric"],
        {name: _score_from_dict(score) for name, score in content["methods"].items()},
        tuple(_group_from_dict(group) for group in content["groups"]),
        {title: tuple(_group_from_dict(group) for group in groups) for title, groups in content["stratified"].items()},
        content["goal"], content["published"], tuple(content["notes"]),
    )  # fmt: skip


def _score_to_dict(score: Score) -> dict[str, Any]:
    content = asdict(score)
    for name in ("coverage", "width"):
        content[name] = {
            str(level): value for level, value in content[name].items() if math.isfinite(value)
        }  # an interval without an end has no width
    return content


def _score_from_dict(content: Mapping[str, Any]) -> Score:
    levels = {name: {float(level): value for level, value in content[name].items()} for name in ("coverage", "width")}
    return Score(**{**content, **levels})


def _group_to_dict(group: GroupScore) -> dict[str, Any]:
    return {"group": group.group, "score": _score_to_dict(group.score)}


def _group_from_dict(content: Mapping[str, Any]) -> GroupScore:
    return GroupScore(content["group"], _score_from_dict(content["score"]))
