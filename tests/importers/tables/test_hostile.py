"""Broken and hostile files: an error of ours or a refused row, never anything else."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.core.errors import AssayError
from assay.importers.base import Facts, ImportedRow, Importer, Note, Refusal
from assay.importers.source import Source
from assay.importers.tables.mapping import parse_mapping
from assay.importers.tables.suggest import suggest_mapping

MAPPING = """\
workload: {column: model}
metrics: [{metric: latency_ns, column: latency_ms, unit: ms}]
samples: {column: samples_ns, unit: ns}
"""
HARD = st.sampled_from(
    [
        "1e309", "-1e309", "NaN", "-0", "1e300", "9" * 400, "null", "true", "[]", "{}", '"', "'", "|", ",", "\n",
        "\r", "\0", "[[[[", "{" * 80, "\ufeff", "\ud7ff", "1,000", "±", "#", "```", "\\", "--", "OOM", " ", "",
    ]
)  # fmt: skip
EDIT = st.tuples(st.floats(0, 1), st.integers(0, 40), HARD | st.text(max_size=5))


def damage(text: str, edits: list[tuple[float, int, str]]) -> str:
    for where, length, put in edits:
        start = int(where * len(text))
        text = text[:start] + put + text[start + length :]
    return text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_does_no_harm(
    data: Any, samples: dict[str, tuple[str, str]], own_importers: dict[str, Importer]
) -> None:
    name = data.draw(st.sampled_from(sorted(samples)))
    expected, text = samples[name]
    damaged = damage(text, data.draw(st.lists(EDIT, min_size=1, max_size=4)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(damaged.encode("utf-8", "surrogatepass"))
        mapping = Path(folder) / "map.yaml"
        mapping.write_text(MAPPING)
        source = Source(path, name, path.stat().st_size)
        assert all(importer.recognise(source) in (True, False) for importer in own_importers.values())
        read_all(own_importers[expected], source)
        read_all(own_importers["csv"], Source(path, name, path.stat().st_size, mapping=mapping))
        try:
            parse_mapping(suggest_mapping(source), "map.yaml")
        except AssayError:
            return


def read_all(importer: Importer, source: Source) -> None:
    try:
        items = list(importer.read(source))
    except AssayError:
        return
    assert all(isinstance(item, (ImportedRow, Refusal, Note, Facts)) for item in items)


@settings(max_examples=100, deadline=None)
@given(st.lists(EDIT, max_size=4), st.binary(max_size=30))
def test_a_damaged_mapping_is_a_fault_or_a_mapping(edits: list[tuple[float, int, str]], tail: bytes) -> None:
    text = damage(MAPPING, edits) + tail.decode("latin-1")
    try:
        parse_mapping(text, "map.yaml")
    except AssayError as error:
        assert "map.yaml" in str(error)  # noqa: PT017  (what is caught is what is checked)
