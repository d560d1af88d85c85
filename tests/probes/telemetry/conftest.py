"""Sources over the constructed traces of traces/: every line of a source runs, on a clock that only tests move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from assay.core.absence import Unavailable
from assay.probes.telemetry.amd import AmdSource, open_amd
from assay.probes.telemetry.apple import PowermetricsSource, open_powermetrics
from assay.probes.telemetry.base import Telemetry, Window
from assay.probes.telemetry.doubles import ReplayAmdsmi, ReplayDocuments, ReplayFiles, ReplayNvml
from assay.probes.telemetry.energy import EnergyResult, energy_of
from assay.probes.telemetry.nvml import NvmlSource, open_nvml
from assay.probes.telemetry.rapl import RaplSource, open_rapl
from assay.probes.telemetry.replay import RawTrace, ReplayClock, load_raw, replay

T = TypeVar("T")
TRACES = Path(__file__).parent / "traces"
IDLE = Window(round(0.5e9), round(5.8e9))
LOAD = Window(round(6.5e9), round(18.5e9))
"""12 s inside the load of every trace, which goes from 6 to 19 s."""


class Player:
    """Opens a source over a trace and plays it to the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ReplayClock()
        (root / "proc/driver/nvidia").mkdir(parents=True)
        (root / "sys/module/amdgpu").mkdir(parents=True)

    def load(self, name: str) -> RawTrace:
        return load_raw(TRACES / f"{name}.json")

    def nvml(self, name: str, device: str = "cuda:0", **options: Any) -> NvmlSource:
        return opened(self.try_nvml(name, device, **options))

    def try_nvml(
        self, name: str, device: str = "cuda:0", environ: dict[str, str] | None = None, **options: Any
    ) -> NvmlSource | Unavailable:
        library = ReplayNvml(self.load(name), self.clock, **options)
        return open_nvml(device, nvml=lambda: library, environ=environ or {}, root=self.root)

    def amd(self, name: str, device: str = "rocm:0") -> AmdSource:
        library = ReplayAmdsmi(self.load(name), self.clock)
        return opened(open_amd(device, load=lambda: library, environ={}, root=self.root))

    def try_rapl(self, name: str) -> RaplSource | Unavailable:
        trace = self.load(name)
        for question in trace.answers:
            (self.root / question).parent.mkdir(parents=True, exist_ok=True)
        return open_rapl(root=self.root, read_file=ReplayFiles(trace, self.clock, self.root).read)

    def rapl(self, name: str) -> RaplSource:
        return opened(self.try_rapl(name))

    def powermetrics(self, name: str, device: str = "mps") -> PowermetricsSource:
        documents = ReplayDocuments(self.load(name), self.clock)
        return opened(
            open_powermetrics(device, platform="darwin", is_root=lambda: True, start=lambda _command: documents)
        )

    def play(self, source: Any, *, period_s: float = 0.1) -> Telemetry:
        return replay([source], self.clock, 19.0, period_s=period_s)

    def energy(
        self, source: Any, *, calls: int = 1200, idle: Window | None = IDLE, load: Window = LOAD
    ) -> EnergyResult:
        return energy_of(self.play(source), [source.device], idle=idle, load=load, calls=calls, samples=calls * 8)


def opened(found: T | Unavailable) -> T:
    assert not isinstance(found, Unavailable), found
    return found


@pytest.fixture
def player(tmp_path: Path) -> Player:
    return Player(tmp_path / "root")


@pytest.fixture
def value_of() -> Callable[[Telemetry, str, str, float], float | None]:
    """The value of a sensor in force at a time in seconds."""

    def find(telemetry: Telemetry, sensor: str, device: str, t_s: float) -> float | None:
        points = [point for trace in telemetry.find(sensor, device) for point in trace.points()]
        return next((value for t_ns, value in reversed(points) if t_ns <= round(t_s * 1e9)), None)

    return find
