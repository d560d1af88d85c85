"""Peaks on paper: only of cores whose design is known."""

from __future__ import annotations

from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.probes.rates.peak import Peak, compute_cpu_peak, flops_per_cycle

MILAN = {"vendor": "AMD", "model": "AMD EPYC 7763", "family_model_stepping": "25-1-1", "isa": ["avx2", "fma"]}


def cpu(vendor: str, family: str, *isa: str, model: str = "some CPU") -> dict[str, Any]:
    return {"vendor": vendor, "model": model, "family_model_stepping": family, "isa": list(isa)}


@pytest.mark.parametrize(
    ("facts", "precision", "expected"),
    [
        (MILAN, "fp32", 32),
        (cpu("AMD", "23-1-2", "avx2", "fma"), "fp32", 16),  # Zen
        (cpu("AMD", "23-49-0", "avx2", "fma"), "fp32", 32),  # Zen 2
        (cpu("AMD", "25-17-1", "fma", "avx512f", "avx512_bf16"), "bf16", 64),  # Zen 4
        (cpu("AMD", "26-2-1", "fma", "avx512f", "avx512_bf16"), "fp32", 64),  # Zen 5 server
        (cpu("Intel", "6-158-10", "avx2", "fma"), "fp32", 32),  # Coffee Lake
        (cpu("Intel", "6-143-8", "fma", "avx512f", "amx_tile", "amx_bf16", "amx_int8"), "fp32", 64),
        (cpu("Intel", "6-143-8", "fma", "avx512f", "amx_tile", "amx_bf16", "amx_int8"), "bf16", 1024),
        (cpu("Intel", "6-143-8", "fma", "avx512f", "amx_tile", "amx_bf16", "amx_int8"), "int8", 2048),
        (cpu("ARM", "?", "neon", model="Neoverse-V2"), "fp32", 32),
    ],
)
def test_known_designs(facts: dict[str, Any], precision: str, expected: int) -> None:
    assert flops_per_cycle(facts, precision) == expected


@pytest.mark.parametrize(
    ("facts", "precision"),
    [
        (MILAN, "int8"),
        (MILAN, "bf16"),
        (cpu("AMD", "26-36-0", "fma", "avx512f"), "fp32"),  # a mobile Zen 5: half as wide, or not
        (cpu("Intel", "6-85-7", "fma", "avx512f"), "fp32"),  # one or two units, by the model
        (cpu("Intel", "6-154-3", "avx2", "fma"), "fp32"),  # cores of two kinds
        (cpu("Intel", "6-158-10", "sse4_2"), "fp32"),
        ({"vendor": None, "model": None, "family_model_stepping": None, "isa": []}, "fp32"),
    ],
)
def test_what_is_not_known_is_not_computed(facts: dict[str, Any], precision: str) -> None:
    assert isinstance(flops_per_cycle(facts, precision), Unavailable)


def test_a_peak_says_how_it_was_computed() -> None:
    peak = compute_cpu_peak(MILAN, threads=2, clock_mhz=2450.0, precision="fp32")
    assert peak == Peak(2 * 2.45e9 * 32, "2 x 2.45 GHz (clock as read) x 32 FLOP/cycle")
    named = compute_cpu_peak(MILAN | {"max_mhz": 3500.0}, threads=4, clock_mhz=2450.0, precision="fp32")
    assert named == Peak(4 * 3.5e9 * 32, "4 x 3.50 GHz (highest clock) x 32 FLOP/cycle")
    assert isinstance(compute_cpu_peak(MILAN, threads=2, clock_mhz=None, precision="fp32"), Unavailable)
