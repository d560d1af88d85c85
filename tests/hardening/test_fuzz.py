"""A little of ``fuzz_readers.py`` in every run of the tests: broken inputs for every reader."""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROUNDS = 25


@pytest.fixture(scope="module")
def fuzz() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        yield importlib.import_module("fuzz_readers")


def test_every_reader_survives_broken_inputs(fuzz: Any, tmp_path: Path) -> None:
    draw = random.Random(7)
    found = {}
    for reader in fuzz.readers(tmp_path):
        tally = fuzz.Tally()
        for _ in range(ROUNDS):
            fuzz.try_one(reader, fuzz.break_one(reader, draw), tally)
        if tally.findings:
            found[reader.name] = tally.findings
    assert found == {}


def test_the_seeds_of_model_files_are_read(fuzz: Any, tmp_path: Path) -> None:
    """What is broken should be nearly right: else only the first check of a reader would be tried."""
    for reader in fuzz.readers(tmp_path):
        if reader.name in {"suite", "suite file", "target", "duration", "trace", "model.xml", "model.onnx"}:
            tally = fuzz.Tally()
            for seed in reader.seeds:
                fuzz.try_one(reader, seed, tally)
            assert tally.findings == {}
            assert tally.taken > 0, reader.name
