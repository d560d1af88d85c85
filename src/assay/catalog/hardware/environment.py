"""Which catalogue entries a machine's devices are, from the facts that a run's environment keeps.

Computed when it is asked for and never stored: an environment's id is the hash of its facts, and the catalogue grows.
May import: standard library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.index import FILLERS, find_incomplete
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import Match, match_hardware
from assay.catalog.hardware.words import describe

_VENDORS = {"nvidia": ("NVIDIA", "cuda"), "amd": ("AMD", "rocm"), "apple": ("Apple", "mps"), "intel": ("Intel", "xpu")}
"""Maker in the facts: its name in the catalogue, and the word its devices start with (as in `assay.probes.devices`)."""
_DRIVER_NAMES = {
    # The driver's whole name for one device where people use it for a family; the first as NVML says it of an SXM
    "NVIDIA H200": "NVIDIA H200 SXM",
    "NVIDIA GH200 480GB": "NVIDIA GH200",
}
_CODENAMES = {
    # (vendor, family, models): Linux arch/x86/include/asm/intel-family.h; AMD revision guides, one a family and models
    ("AMD", 23, 1): ("Naples",),
    ("AMD", 23, 49): ("Rome",),
    ("AMD", 23, 113): ("Matisse",),
    ("AMD", 25, 1): ("Milan", "Milan-X"),
    ("AMD", 25, 17): ("Genoa", "Genoa-X"),
    ("AMD", 25, 33): ("Vermeer",),
    ("AMD", 25, 97): ("Raphael",),
    ("AMD", 25, 160): ("Bergamo", "Siena"),
    ("AMD", 26, 2): ("Turin",),
    ("AMD", 26, 17): ("Turin Dense",),
    ("AMD", 26, 68): ("Granite Ridge",),
    ("Intel", 6, 79): ("Broadwell-EP",),
    ("Intel", 6, 85): ("Skylake-SP", "Cascade Lake", "Cooper Lake"),
    ("Intel", 6, 106): ("Ice Lake",),
    ("Intel", 6, 143): ("Sapphire Rapids", "Sapphire Rapids HBM", "Sapphire Rapids-WS"),
    ("Intel", 6, 173): ("Granite Rapids",),
    ("Intel", 6, 175): ("Sierra Forest",),
    ("Intel", 6, 207): ("Emerald Rapids",),
}
_MOST_CANDIDATES = 12


@dataclass(frozen=True, slots=True)
class DeviceMatch:
    """One device of a machine: its name in a case (``cuda:0``), what its driver calls it, what the catalogue says."""

    device: str
    text: str
    match: Match

    @property
    def hardware(self) -> Hardware | None:
        """The entry, None where the name did not resolve or the catalogue has lost it since."""
        return load_catalogue().get(self.match.hw_id) if self.match.hw_id is not None else None

    def peak(self, precision: str) -> float | None:
        """Dense peak in FLOP/s (OP/s), of the partition's share where it is one; None where either is unknown."""
        whole = None if self.hardware is None else self.hardware.peak(precision)
        share = 1.0 if self.match.partition is None else self.match.partition.compute_share
        return None if whole is None or share is None else whole * share

    def bandwidth(self) -> float | None:
        """Peak memory bandwidth in B/s, of the partition's share of the memory where it is one."""
        whole = None if self.hardware is None else self.hardware.memory_bandwidth_bytes_per_s
        share = 1.0 if self.match.partition is None else self.match.partition.memory_share
        return None if whole is None or share is None else whole * share

    def describe(self) -> str:
        """``NVIDIA H100 PCIe 80GB (nvidia-h100-pcie-80gb), MIG 1g.10gb``, or why there is no entry."""
        if self.hardware is None:
            return f"not in the catalogue: {self.match.reason}"
        text = f"{self.hardware.name} ({self.hardware.hw_id})"
        return text if self.match.partition is None else f"{text}, {self.match.partition.text}"


def match_environment(facts: Mapping[str, Any]) -> tuple[DeviceMatch, ...]:
    """Match every device that a case can name: ``cpu``, then the visible GPUs in the order of the facts.

    ``facts`` are an environment's (docs/environment.md). Those of an import may have another shape: what is not there
    is no device.
    """
    return tuple(_match_all(facts))


def find_match(facts: Mapping[str, Any], device: str) -> DeviceMatch | None:
    """Return the match of the device that a case names (``cuda`` is ``cuda:0``); None where the facts have no such."""
    wanted = device.removeprefix("openvino:").lower()
    found = match_environment(facts)
    return next((one for one in found if wanted in {one.device, one.device.removesuffix(":0")}), None)


def _match_all(facts: Mapping[str, Any]) -> Iterator[DeviceMatch]:
    cpu, gpus = facts.get("cpu"), facts.get("gpus")
    if isinstance(cpu, Mapping):
        yield DeviceMatch("cpu", str(cpu.get("model") or "unknown CPU"), _match_cpu(cpu))
    for gpu in gpus if isinstance(gpus, (list, tuple)) else ():
        vendor = gpu.get("vendor") if isinstance(gpu, Mapping) else None
        if vendor in _VENDORS and gpu.get("index") is not None:
            word = _VENDORS[vendor][1]
            name = word if word == "mps" else f"{word}:{gpu['index']}"
            yield DeviceMatch(name, str(gpu.get("name")), _match_gpu(gpu, _VENDORS[vendor][0]))


def _match_gpu(gpu: Mapping[str, Any], vendor: str) -> Match:
    text = str(gpu.get("name") or "")
    match = match_hardware(
        _DRIVER_NAMES.get(text, text), vendor=vendor, memory_bytes=gpu.get("memory_bytes"), kind="gpu"
    )
    if gpu.get("mig") and match.hw_id is not None and match.partition is None:
        return replace(match, reason=f"{match.reason}; MIG is on, and which slice a program gets is not in the facts")
    return match


def _match_cpu(cpu: Mapping[str, Any]) -> Match:
    model = cpu.get("model")
    match = match_hardware(str(model or ""), kind="cpu")
    codenames = _find_codenames(cpu)
    if match.hw_id is not None or not codenames:
        return match
    words = [word for word in describe(str(model or "")).words if word not in FILLERS]
    fitting = [device for device in find_incomplete(words) if device.codename in codenames]
    if not fitting:
        return match
    family = " or ".join(codenames)
    reason = f"the name is incomplete; family and model say {family}: it fits {len(fitting)} devices"
    return Match(None, 0, reason, tuple(device.hw_id for device in fitting)[:_MOST_CANDIDATES])


def _find_codenames(cpu: Mapping[str, Any]) -> tuple[str, ...]:
    parts = str(cpu.get("family_model_stepping") or "").split("-")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):  # noqa: PLR2004  (a triple)
        return ()
    return _CODENAMES.get((str(cpu.get("vendor")), int(parts[0]), int(parts[1])), ())
