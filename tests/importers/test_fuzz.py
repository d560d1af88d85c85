"""Every importer, given broken files, answers with rows or an error of ours. For long runs: ``fuzz.py`` beside this."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.loading import load_module

from assay.importers.base import ImportedRow, importers
from assay.importers.source import Source

fuzz = load_module("importers.fuzz")
SEEDS = [one for one in fuzz.seeds() if one[0] in importers.names()]
WITHOUT_SEED = {"ipfs-duckdb"}
"""Its seed is made when it is needed: an empty database has a quarter of a megabyte."""


def test_every_format_has_a_seed() -> None:
    assert set(importers.names()) - {name for name, _, _ in SEEDS} <= WITHOUT_SEED


@pytest.mark.parametrize(("name", "path", "mapping"), SEEDS, ids=lambda value: getattr(value, "name", str(value)))
def test_a_seed_is_recognised_by_its_importer_alone_and_gives_rows(name: str, path: Path, mapping: Path | None) -> None:
    source = Source(path, path.name.partition("-")[2], path.stat().st_size, mapping=mapping)
    if mapping is None:
        assert [one for one in importers.names() if importers.get(one).recognise(source)] == [name]
    assert any(isinstance(item, ImportedRow) for item in importers.get(name).read(source))


@pytest.mark.parametrize("name", sorted({name for name, _, _ in SEEDS} | WITHOUT_SEED & set(importers.names())))
@settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.data())
def test_a_broken_file_gives_rows_or_an_error_of_ours(name: str, data: Any, tmp_path: Path) -> None:
    seeds = [one for one in SEEDS if one[0] == name] or list(fuzz.made_seeds(tmp_path))
    _, path, mapping = data.draw(st.sampled_from(seeds))
    content = fuzz.mutate(path.read_bytes(), random.Random(data.draw(st.integers(0, 2**32))))
    target = tmp_path / "broken"
    target.write_bytes(content)
    fuzz.try_importer(importers.get(name), target, path.name.partition("-")[2], mapping)
