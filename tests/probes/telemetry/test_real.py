"""The same sources on real hardware, where there is any; each says what this machine lacks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.probes.telemetry.base import SENSORS, Source, Telemetry
from assay.probes.telemetry.choose import choose_sources, close_sources
from assay.probes.telemetry.nvml import open_nvml
from assay.probes.telemetry.rapl import open_rapl
from assay.probes.telemetry.record import record_raw
from assay.probes.telemetry.replay import load_raw
from assay.probes.telemetry.sampler import Sampler


def sample(source: Source, seconds: float = 2.0) -> Telemetry:
    sampler = Sampler([source])
    sampler.start()
    time.sleep(seconds)
    telemetry = sampler.stop()
    source.close()
    return telemetry


def test_the_host_of_this_machine() -> None:
    opened, _ = choose_sources("cpu")
    (host,) = [source for source in opened if source.name == "host"]
    telemetry = sample(host, 1.1)
    close_sources(opened)
    found = {trace.sensor: [value for _, value in trace.points()] for trace in telemetry.traces}
    assert found.keys() <= SENSORS.keys()
    assert all(0 <= share <= 1 for share in found["utilisation_share"])
    assert all(free > 0 for free in found["memory_available_bytes"])


def test_the_energy_counter_of_this_processor() -> None:
    source = open_rapl()
    if isinstance(source, Unavailable):
        pytest.skip(str(source))
    telemetry = sample(source)
    for trace in telemetry.find("energy_j", "cpu"):
        values = [value for _, value in trace.points()]
        assert values == sorted(values)


def test_the_gpu_of_this_machine(tmp_path: Path) -> None:
    source = open_nvml("cuda:0")
    if isinstance(source, Unavailable):
        pytest.skip(str(source))
    telemetry = sample(source)
    assert not [loss for loss in telemetry.losses if loss.sensor is None]
    found = {trace.sensor for trace in telemetry.traces if trace.points()}
    assert {"memory_used_bytes", "temperature_c"} <= found
    record_raw("cuda:0", 1.0, tmp_path / "raw.json", note="a test")
    assert not load_raw(tmp_path / "raw.json").constructed


def test_recording_a_device_that_is_not_there_says_why(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="Nothing can be recorded of cpu"):
        record_raw("cpu", 1.0, tmp_path / "raw.json", note="")
    if isinstance(open_nvml("cuda:0"), Unavailable):
        with pytest.raises(AssayError, match="Nothing can be recorded of cuda:0"):
            record_raw("cuda:0", 1.0, tmp_path / "raw.json", note="")


def test_the_page_names_every_sensor_with_its_unit() -> None:
    text = (Path(__file__).parents[3] / "docs/telemetry.md").read_text(encoding="utf-8")
    for sensor, unit in SENSORS.items():
        assert f"| `{sensor}` | {unit} |" in text
