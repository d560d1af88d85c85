"""Results of a benchmark with rules on devices whose bias is planted: measured = promise x bias x the work's own rate.

Loaded by path from several test modules, since tests are no package.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from assay.analysis.device_names import name_device
from assay.core.records import MetricValue

HOPPER, AMPERE, ADA, CDNA3 = "NVIDIA Hopper", "NVIDIA Ampere", "NVIDIA Ada Lovelace", "AMD CDNA 3"
DEVICES: Mapping[str, tuple[str, ...]] = {
    HOPPER: ("NVIDIA H100 PCIe 80GB", "NVIDIA H100 SXM5 80GB"),
    AMPERE: ("NVIDIA A100 PCIe 80GB", "NVIDIA A30"),
    ADA: ("NVIDIA L4", "NVIDIA L40S"),
    CDNA3: ("AMD Instinct MI300X", "AMD Instinct MI325X"),
}
WORKS = ("bert-99", "resnet", "retinanet", "gptj-99", "3d-unet-99")
WITNESSES = ("Dell", "HPE", "Lenovo", "Supermicro", "Cisco")


def peak16(device: str) -> float:
    """The dense 16-bit peak of a device by the catalogue."""
    hardware = name_device(device, None).hardware
    assert hardware is not None
    found = [rate for one in ("bf16", "fp16") if (rate := hardware.peak(one)) is not None]
    return max(found)


def add(results: Any, workload: str, device: str, rate: float, **options: Any) -> None:
    """Add one published result of 8 accelerators, its rate for one of them derived as the importer does."""
    precision = options.pop("precision", None)
    source = options.pop("source", "somebody.csv")
    metrics = (
        MetricValue("throughput_per_s", 8 * rate, "1/s", "mean"),
        MetricValue("throughput_per_accelerator_per_s", rate, "1/s", "mean"),
    )
    results.mlperf(
        workload, hardware=device, options=options, precision=precision, metrics=metrics, source=source,
        unit_of_work="sample",
    )  # fmt: skip


def plant(
    results: Any, bias: Mapping[str, float], *, seed: int = 1, noise: float = 0.03, of_witness: float = 0.05
) -> None:
    """Add a result for every work, device and witness, all at the bias of the device's generation."""
    draw = random.Random(seed)
    skill = {(group, who): math.exp(draw.gauss(0, of_witness)) for group in bias for who in WITNESSES}
    for place, work in enumerate(WORKS):
        for group, factor in bias.items():
            for device in DEVICES[group]:
                for who in WITNESSES:
                    rate = peak16(device) * 10.0 ** -(9 + place) * factor * skill[group, who]
                    add(
                        results, work, device, rate * math.exp(draw.gauss(0, noise)), submitter=who,
                        system=f"{device} of {who}",
                    )  # fmt: skip
