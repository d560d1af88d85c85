"""Composed rows: what the law says of three models on four devices, with noise of a known size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from assay.predict.base import Gathered
from assay.predict.devices import find_profile
from assay.predict.llm.features import measure
from assay.predict.llm.gather import Served
from assay.predict.llm.setups import BETWEEN, FIRST, Setup, rate_of
from assay.predict.llm.shapes import find_shape

STEP = np.array([1.0, 1.3, 1.4, 0.1, 40.0, 15.0, 20.0, 1.0, 1.5])
CALL = np.array([20.0, 2.5, 3.0, 300.0, 0.1, 0.1, 5.0, 0.0, 2.0, 0.8, 0.3])
DEVICES = ("nvidia-h100-sxm5-80gb", "nvidia-h200-sxm5-141gb", "nvidia-b200-sxm-180gb", "nvidia-gb200-186gb")
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "qwen3-32b", "gpt-oss-120b")
DAYS = ("2026-01-05", "2026-02-05", "2026-03-05")


def make_setup(
    model: str = "llama-3.1-70b", device: str = DEVICES[0], *, precision: str = "fp8", users: float = 16,
    devices: float = 4, isl: float = 1024, osl: float = 1024, backend: str = "vllm",
) -> Setup:  # fmt: skip
    shape, profile = find_shape(model), find_profile(device)
    assert shape is not None
    rate = rate_of(profile, precision)
    assert rate
    assert profile.bandwidth_bytes_per_s
    assert profile.memory_bytes
    return Setup(
        shape, rate, profile.bandwidth_bytes_per_s, profile.memory_bytes, precision, isl, osl, users, devices,
        prefill_devices=devices, backend=backend,
    )  # fmt: skip


def make_rows(noise: float = 0.1) -> list[Served]:
    random = np.random.default_rng(0)
    setups = [
        (make_setup(model, device, users=users, devices=devices, isl=isl), device)
        for model in MODELS
        for device in DEVICES
        for devices in (4.0, 8.0)
        for isl in (1024.0, 8192.0)
        for users in (4.0, 16.0, 32.0, 64.0)
    ]
    told = measure([one for one, _ in setups])
    between = told.terms(BETWEEN, STEP) @ STEP
    first = told.terms(FIRST, STEP) @ CALL
    rows = []
    for place, (setup, device) in enumerate(setups):
        call, token = (float(one[place] * random.lognormal(0, noise)) for one in (first, between))
        rows.append(Served(setup, device, "NVIDIA", call, token, DAYS[place % 3], str(place)))
    return rows


@pytest.fixture(scope="session")
def gathered() -> Gathered:
    return Gathered(tuple(make_rows()), ())


@pytest.fixture(scope="session", name="make_setup")
def setup_maker() -> Callable[..., Setup]:
    return make_setup


@pytest.fixture(scope="session")
def step() -> np.ndarray:
    """Coefficients that the times between tokens were composed with."""
    return STEP
