from __future__ import annotations

import io
import json
import math
import pickle
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import AssayError
from assay.predict.base import DataUse, Payload
from assay.predict.model_file import (
    ModelRecord,
    read_content,
    read_model,
    save_bytes,
    version_of,
    write_model,
)
from assay.predict.scores import GroupScore, Score, SplitOutcome

OUTCOME = SplitOutcome(
    "toy", "model", "a model not measured", "latency_ns",
    {"assay": Score(9, 0.08, 0.05, 0.7, 0.9, {0.9: 0.91}, {0.9: 1.3}), "roofline": Score(9, 0.3, 0.2, 0.1, 0.4)},
    (GroupScore("b", Score(3, 0.1, 0.1, 0.5, 1.0)),), {"size": (GroupScore("small", Score(3, 0.1, 0.1, 0.5, 1.0)),)},
    0.1, None, ("a note",),
)  # fmt: skip
RECORD = ModelRecord(
    "toy", datetime(2026, 11, 23, tzinfo=UTC), "0.9", Payload({"names": ["a", "b"], "rate": 0.1}, {
        "w": np.linspace(0, 1, 7, dtype=np.float32), "0/places": np.arange(6, dtype=np.int16).reshape(2, 3),
    }), (DataUse("somebody's table", 9, "ab" * 32, "MIT"),), (OUTCOME,), {"results": 3}, 7, ("beware",),
)  # fmt: skip


def rewrite(content: bytes, changed: dict[str, bytes | None]) -> bytes:
    """The same file with members replaced, added, or (None) left out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        kept = {name: old.read(name) for name in old.namelist()}
        for name, member in {**kept, **changed}.items():
            if member is not None:
                new.writestr(name, member)
    return buffer.getvalue()


def manifest_of(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        found: dict[str, Any] = json.loads(file.read("manifest.json"))
    return found


def with_manifest(**changed: object) -> bytes:
    content, _ = write_model(RECORD)
    return rewrite(content, {"manifest.json": json.dumps({**manifest_of(content), **changed}).encode()})


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    content, version = write_model(RECORD)
    path = tmp_path / "toy.predictor"
    save_bytes(content, path)
    read = read_model(path)
    assert replace(read, payload=RECORD.payload, version="") == RECORD
    assert read.version == version == version_of(content)
    assert read.payload.meta == RECORD.payload.meta
    for name, values in RECORD.payload.arrays.items():
        assert read.payload.arrays[name].dtype == values.dtype
        assert (read.payload.arrays[name] == values).all()
    assert read.outcome("model") == OUTCOME
    assert read.outcome("family") is None


def test_the_same_record_is_the_same_file_and_another_seed_another_version() -> None:
    assert write_model(RECORD) == write_model(RECORD)
    assert write_model(RECORD)[1] != write_model(replace(RECORD, seed=8))[1]


@pytest.mark.parametrize(
    "arrays", [{"../up": np.zeros(2)}, {"a b": np.zeros(2)}, {"": np.zeros(2)}, {"a": np.array(["text"])},
    {"a": np.array([{}])}]
)  # fmt: skip
def test_what_could_not_be_read_back_is_not_written(arrays: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected numbers and a name"):
        write_model(replace(RECORD, payload=Payload({}, arrays)))


def test_an_interval_without_an_end_has_no_width() -> None:
    endless = replace(OUTCOME, methods={"assay": Score(9, 0.1, 0.1, 0.5, 1.0, {0.9: 1.0}, {0.9: math.inf})})
    read = read_content(write_model(replace(RECORD, outcomes=(endless,)))[0], "it")
    assert read.outcomes[0].own.width == {}


class Bomb:
    """Unpickling it would write a file."""

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return exec, ("import pathlib; pathlib.Path('opened').write_text('!')",)


def pickled_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def long_array() -> bytes:
    """A header that promises more numbers than are there."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(4))
    return buffer.getvalue().replace(b"(4,)", b"(9,)")


def endless_array() -> bytes:
    """A header that promises more than any memory holds."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(4))
    return buffer.getvalue().replace(b"'shape': (4,), }           ", b"'shape': (9000000000000,), }")


HOSTILE = {
    "no zip": b"PK no zip at all",
    "empty": b"",
    "cut off": write_model(RECORD)[0][:-60],
    "no manifest": rewrite(write_model(RECORD)[0], {"manifest.json": None}),
    "manifest is no JSON": rewrite(write_model(RECORD)[0], {"manifest.json": b"{"}),
    "manifest is a list": rewrite(write_model(RECORD)[0], {"manifest.json": b"[]"}),
    "deep manifest": rewrite(write_model(RECORD)[0], {"manifest.json": b"[" * 100_000}),
    "another format": with_manifest(format="somebody's"),
    "a later format": with_manifest(format_version=99),
    "uses are text": with_manifest(uses=["x"]),
    "outcomes are text": with_manifest(outcomes="x"),
    "a time that is none": with_manifest(made_at="yesterday"),
    "a path that climbs": rewrite(write_model(RECORD)[0], {"../../evil.npy": b"x"}),
    "an absolute path": rewrite(write_model(RECORD)[0], {"/etc/evil.npy": b"x"}),
    "a pickled array": rewrite(write_model(RECORD)[0], {"arrays/w.npy": pickled_array()}),
    "a pickle": rewrite(write_model(RECORD)[0], {"arrays/w.npy": pickle.dumps(Bomb())}),
    "an array cut off": rewrite(write_model(RECORD)[0], {"arrays/w.npy": b"\x93NUMPY\x01\x00"}),
    "an array too short": rewrite(write_model(RECORD)[0], {"arrays/w.npy": long_array()}),
    "an array without end": rewrite(write_model(RECORD)[0], {"arrays/w.npy": endless_array()}),
    "a path that climbs below": rewrite(write_model(RECORD)[0], {"arrays/../../evil.npy": b"x"}),
    "too many members": rewrite(write_model(RECORD)[0], {f"arrays/a{one}.npy": b"" for one in range(300)}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_or_hostile_file_is_refused_in_words(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "toy.predictor"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(AssayError, match="damaged or not one of assay's") as caught:
        read_model(path)
    assert caught.value.hint
    assert not (tmp_path / "opened").exists()


def test_a_file_that_unpacks_to_far_more_than_it_is_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, file.open("arrays/w.npy", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    with pytest.raises(AssayError, match="too many"):
        read_content(buffer.getvalue(), "it")


def test_a_file_that_is_not_there_or_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="cannot be read"):
        read_model(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(AssayError, match="could not be written"):
        save_bytes(b"x", tmp_path / "file" / "below")


@pytest.mark.parametrize("place", range(0, 1200, 40))
def test_a_flipped_byte_is_an_error_or_another_version_never_a_crash(place: int) -> None:
    content, version = write_model(RECORD)
    broken = bytearray(content)
    broken[place % len(broken)] ^= 0xFF
    try:
        read = read_content(bytes(broken), "it")
    except AssayError:
        return
    assert read.version != version
