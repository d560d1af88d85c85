"""A folder of kernels that follow a known law: made up, so that what is learned can be held against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.predict.devices import find_profile
from assay.predict.kernels.law import expect_ns, rates_of
from assay.predict.kernels.table import make_kernels

DEVICES = ("Tesla P4", "Tesla P100-PCIE-16GB", "Tesla V100-PCIE-32GB", "Tesla T4", "NVIDIA A100-PCIE-40GB",
           "NVIDIA H100 80GB HBM3", "NVIDIA L4", "NVIDIA A100 80GB PCIe")  # fmt: skip
TRUE = {
    "linear": np.array([0.8, 0.7, 25_000.0, 0.9, 0.02, 0.1, 20.0]),
    "bmm": np.array([0.7, 0.7, 25_000.0, 0.9, 0.02, 0.1, 20.0]),
    "elementwise": np.array([25_000.0, 0.8]),
    "softmax": np.array([30_000.0, 0.6]),
    "norm": np.array([40_000.0, 0.5]),
}
_OPS = {"linear": "linear", "bmm": "bmm", "elementwise": "add", "softmax": "softmax", "norm": "ln"}


@pytest.fixture(scope="session")
def made_up_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `neusight` with kernels.parquet: 80 kernels of each family on each device, 2 % of noise."""
    folder = tmp_path_factory.mktemp("published") / "neusight"
    folder.mkdir()
    draw = np.random.default_rng(5)
    columns: dict[str, list[object]] = {
        name: [] for name in ("OPName", "Latency", "Device", "vendor", "split", "B", "H", "M", "N", "K")
    }
    for device in DEVICES:
        rates = rates_of(find_profile(device))
        for family, constants in TRUE.items():
            is_product = family in ("linear", "bmm")
            m, n, k = (np.exp2(draw.uniform(5, 11, 80)).round() for _ in range(3))
            batch = np.exp2(draw.uniform(0, 5, 80)).round() if family == "bmm" else np.ones(80)
            operands = np.full(80, 3.0 if family == "elementwise" else 2.0)
            kernels = make_kernels(
                np.full(80, family, dtype=object), batch, m, n, k if is_product else np.zeros(80), operands
            )
            times = expect_ns(family, constants, kernels, rates) * np.exp(draw.normal(0, 0.02, 80))
            columns["OPName"] += [_OPS[family]] * 80
            columns["Latency"] += (times / 1e6).tolist()
            columns["Device"] += [device] * 80
            columns["vendor"] += ["nvidia"] * 80
            columns["split"] += ["train"] * 80
            columns["B"] += (batch if is_product else m).tolist()
            columns["H"] += [None] * 80 if is_product else n.tolist()
            for name, values in (("M", m), ("N", n), ("K", k)):
                columns[name] += values.tolist() if is_product else [None] * 80
    columns["OPName"] += ["conv", "bmm"]
    columns["Device"] += [DEVICES[0], "AMD Instinct MI100"]
    columns["vendor"] += ["nvidia", "amd"]
    columns["split"] += ["train", "train"]
    for name in ("Latency", "B", "H", "M", "N", "K"):
        columns[name] += [1.0, 1.0]
    pq.write_table(pa.table(columns), folder / "kernels.parquet")
    return folder
