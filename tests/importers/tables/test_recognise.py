"""Each file is recognised by the one importer it is for, and by nothing else of this package."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay.importers.base import Importer, ImportFileError
from assay.importers.source import Source

UNVERIFIED = (
    "# Benchmarks\n\n### Test Environment\n- **Hardware**: some GPU\n\n## Classification\n\n"
    "| Model | Accuracy (%) | F1-Score | Parameters | Memory (MB) | Speed (ms/batch) |\n|---|---|---|---|---|---|\n"
    "| **TCN** | 93.7 | 0.936 | 1.6M | 6.4 | 11.5 |\n"
)


def test_exactly_one_recognises_each(
    samples: dict[str, tuple[str, str]], own_importers: dict[str, Importer], make_source: Callable[..., Source]
) -> None:
    for name, (expected, text) in samples.items():
        source = make_source(text, name)
        assert [importer.name for importer in own_importers.values() if importer.recognise(source)] == [expected], name


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0\1\2", b"{", b"[]", b"{}", b"[1, 2]", b"null", b"a,b\n1,2\n", b"PAR1", b"\xff\xfe\x00", b"|",
        b'{"config": 1, "build_commit": 2, "latency_ms": 3, "request_throughput": 4}', b"[[{}]]",
        b'{"encoder": {"latency_ms": 1}}', b'{"a": {"b": {"latency_ms": {"deeper": 1}}}}',
    ],
)  # fmt: skip
def test_nothing_recognises_what_is_none(
    content: bytes, own_importers: dict[str, Importer], make_source: Callable[..., Source]
) -> None:
    source = make_source(content)
    assert [importer.name for importer in own_importers.values() if importer.recognise(source)] == []


def test_tables_that_nothing_backs_are_not_for_import(
    own_importers: dict[str, Importer], make_source: Callable[..., Source]
) -> None:
    source = make_source(UNVERIFIED, "BENCHMARKS.md")
    assert not any(importer.recognise(source) for importer in own_importers.values())
    with pytest.raises(ImportFileError, match="no table of speeds in tokens/s by device"):
        list(own_importers["llm-table"].read(source))


def test_batch_sizes_are_no_throughputs(
    samples: dict[str, tuple[str, str]], own_importers: dict[str, Importer], make_source: Callable[..., Source]
) -> None:
    text = samples["pytorch-train-throughput-fp16.csv"][1]
    source = make_source(text, "pytorch-train-bs-fp16.csv")
    assert not any(importer.recognise(source) for importer in own_importers.values())
    with pytest.raises(ImportFileError, match="holds batch sizes, no results"):
        list(own_importers["lambda-training"].read(source))


@pytest.mark.parametrize(
    "name", ["llama-bench", "llm-pilot", "llm-table", "ml-energy", "vllm-bench", "mlperf-lite", "vibration"]
)
def test_asked_for_by_name_each_says_what_it_expects(
    name: str, own_importers: dict[str, Importer], make_source: Callable[..., Source]
) -> None:
    with pytest.raises(ImportFileError):
        list(own_importers[name].read(make_source('{"a": 1}' if name != "llm-table" else "text")))
