"""What the probe times: each kernel does as much as it says, on sizes that fit the device."""

from __future__ import annotations

import pytest
import torch

from assay.probes.rates import kernels
from assay.probes.rates.kernels import (
    gemm_sizes,
    largest_working_set,
    make_convolution,
    make_copy,
    make_gemm,
    make_read,
    make_tiny,
    native_precisions,
    parse_size,
    read_sizes,
    size_text,
)

CPU = torch.device("cpu")
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16", "int8"])
def test_a_product_computes_in_its_precision(precision: str) -> None:
    kernel = make_gemm(CPU, precision, 32)
    out = kernel.call()
    expected = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int32}
    assert isinstance(out, torch.Tensor)
    assert out.dtype == expected[precision]
    assert kernel.amount == 2 * 32**3
    assert kernel.name == f"gemm {precision} 32"


def test_a_convolution_says_how_much_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_CONVOLUTION", (2, 4, 6, 3))
    kernel = make_convolution(CPU, "fp32")
    out = kernel.call()
    assert isinstance(out, torch.Tensor)
    assert kernel.amount == 2 * out.numel() * 4 * 9


def test_a_copy_counts_both_ways() -> None:
    kernel = make_copy(CPU, MIB)
    out = kernel.call()
    assert isinstance(out, torch.Tensor)
    assert out.sum() == out.numel() == MIB // 8
    assert kernel.amount == MIB


def test_reading_a_small_set_reads_it_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_READ_AT_LEAST", MIB)
    kernel = make_read(CPU, 16 * KIB)
    out = kernel.call()
    assert isinstance(out, torch.Tensor)
    assert float(out) == MIB / 4  # so many ones were added up
    assert kernel.amount == MIB
    assert make_read(CPU, 2 * MIB).amount == 2 * MIB


def test_the_smallest_operation_is_one_addition() -> None:
    out = make_tiny(CPU).call()
    assert isinstance(out, torch.Tensor)
    assert out.tolist() == [2.0]


def test_sizes_grow() -> None:
    for kind in ("cpu", "cuda"):
        assert list(gemm_sizes(kind)) == sorted(gemm_sizes(kind))
        sizes = read_sizes(kind, 4 * GIB)
        assert list(sizes) == sorted(set(sizes))
        assert sizes[-1] == 4 * GIB
    assert read_sizes("cpu", 256 * MIB)[0] == 16 * KIB
    assert read_sizes("cpu", MIB) == (16 * KIB, 32 * KIB, 128 * KIB, 512 * KIB, MIB)


@pytest.mark.parametrize(
    ("kind", "cache", "memory", "expected"),
    [
        ("cpu", 32 * MIB, 24 * GIB, 256 * MIB),
        ("cpu", 512 * MIB, 256 * GIB, 2 * GIB),
        ("cpu", 32 * MIB, GIB, 128 * MIB),
        ("cpu", None, None, 256 * MIB),
        ("cuda", 50 * MIB, 78 * GIB, GIB),
        ("cuda", 50 * MIB, 2 * GIB + 5, 256 * MIB),
    ],
)
def test_the_largest_set_is_beyond_caches_and_within_memory(
    kind: str, cache: int | None, memory: int | None, expected: int
) -> None:
    assert largest_working_set(kind, last_cache_bytes=cache, memory_bytes=memory) == expected


@pytest.mark.parametrize("size", [16 * KIB, 512 * KIB, MIB, 24 * MIB, GIB, 1000])
def test_sizes_are_read_back_from_their_names(size: int) -> None:
    assert parse_size(size_text(size)) == size


def test_names_of_sizes() -> None:
    assert [size_text(size) for size in (16 * KIB, 256 * MIB, GIB)] == ["16KiB", "256MiB", "1GiB"]
    with pytest.raises(ValueError, match="is not a size"):
        parse_size("many")


@pytest.mark.parametrize(
    ("kind", "isa", "capability", "expected"),
    [
        ("cpu", ("avx2", "fma"), None, ("fp32",)),
        ("cpu", ("amx_bf16", "amx_int8", "avx512_fp16"), None, ("fp32", "bf16", "fp16", "int8")),
        ("cpu", ("neon", "dotprod"), None, ("fp32", "int8")),
        ("cuda", (), (9, 0), ("fp32", "tf32", "bf16", "fp16", "int8")),
        ("cuda", (), (7, 0), ("fp32", "fp16")),
        ("mps", (), None, ("fp32", "fp16")),
    ],
)
def test_only_native_precisions(
    kind: str, isa: tuple[str, ...], capability: tuple[int, int] | None, expected: tuple[str, ...]
) -> None:
    assert native_precisions(kind, isa=isa, capability=capability) == expected
