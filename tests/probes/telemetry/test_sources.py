"""Each source over constructed traces: units, missing values with reasons, throttling in words, the lost driver."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.probes.telemetry.amd import load_amdsmi, open_amd
from assay.probes.telemetry.apple import PowermetricsProcess, open_powermetrics
from assay.probes.telemetry.base import SENSORS, Reading, SourceLostError, Telemetry, Throttle, Window
from assay.probes.telemetry.choose import choose_sources, close_sources, list_openers
from assay.probes.telemetry.drm import open_drm
from assay.probes.telemetry.host import open_host
from assay.probes.telemetry.nvml import decode_reasons, open_nvml
from assay.probes.telemetry.rapl import open_rapl
from assay.probes.telemetry.replay import ReplayClock, load_raw
from assay.probes.telemetry.witnesses import find_throttle_words, telemetry_witnesses

TRACES = Path(__file__).parent / "traces"
LOAD = Window(round(6.5e9), round(18.5e9))
BEFORE = Window(0, round(0.9e9))
ValueOf = Callable[[Telemetry, str, str, float], float | None]
MakeTree = Callable[[dict[str, str]], Path]
GIB = 1024**3


def test_the_traces_are_what_the_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("build_traces", TRACES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    made = build.make_all()
    assert {path.stem for path in TRACES.glob("*.json")} == made.keys()
    for name, trace in made.items():
        kept = load_raw(TRACES / f"{name}.json")
        assert kept.constructed
        assert kept.note == trace.note
        for question, (times, answers) in trace.answers.items():
            for t_s, answer in zip(times, answers, strict=True):
                assert kept.at(question, t_s) == answer


def test_every_sensor_of_a_gpu_in_its_unit(player: Any, value_of: ValueOf) -> None:
    telemetry = player.play(player.nvml("nvml_normal"))
    expected = {
        "power_w": 400.0,
        "utilisation_share": 0.97,
        "memory_used_bytes": 21.0 * GIB,
        "clock_mhz": 1980.0,
        "clock_memory_mhz": 2619.0,
        "throttle_mask": 0.0,
        "fan_share": 0.30,
        "power_limit_w": 700.0,
        "processes": 1.0,
    }
    for sensor, value in expected.items():
        assert value_of(telemetry, sensor, "cuda:0", 12.0) == pytest.approx(value), sensor
    assert value_of(telemetry, "temperature_c", "cuda:0", 19.0) == pytest.approx(64, abs=1)
    assert not telemetry.losses
    assert {trace.unit for trace in telemetry.traces} <= set(SENSORS.values())


def test_slow_questions_are_asked_once_a_second(player: Any) -> None:
    telemetry = player.play(player.nvml("nvml_normal"))
    (limit,), (power,) = telemetry.find("power_limit_w", "cuda:0"), telemetry.find("power_w", "cuda:0")
    assert len(limit.points()) == 20
    assert len(power.points()) == 192


def test_thermal_throttling_is_seen_and_named(player: Any) -> None:
    telemetry = player.play(player.nvml("nvml_throttled"))
    witnesses = telemetry_witnesses(telemetry, LOAD, device="cuda:0", before=BEFORE)
    assert witnesses["device_throttled_share"] == pytest.approx(8.5 / 12, abs=0.02)
    assert witnesses["device_clock_fall"] == pytest.approx(1 - 1320 / 1980)
    assert witnesses["device_temperature_max_c"] >= 90
    assert witnesses["device_power_capped_share"] == 0
    assert find_throttle_words(telemetry, LOAD, "cuda:0") == ("thermal", "hardware")
    assert find_throttle_words(telemetry, BEFORE, "cuda:0") == ()


def test_a_power_cap_is_not_throttling_but_is_told(player: Any) -> None:
    telemetry = player.play(player.nvml("nvml_power_capped"))
    witnesses = telemetry_witnesses(telemetry, LOAD, device="cuda:0")
    assert witnesses["device_throttled_share"] == 0
    assert witnesses["device_power_capped_share"] == 1
    assert witnesses["device_power_limit_w"] == 200
    assert find_throttle_words(telemetry, LOAD, "cuda:0") == ("power cap",)


def test_new_function_names_are_found_and_old_ones_too(player: Any, value_of: ValueOf) -> None:
    new = player.play(player.nvml("nvml_power_capped"))
    assert value_of(new, "temperature_c", "cuda:0", 19.0) is not None
    assert value_of(new, "throttle_mask", "cuda:0", 12.0) == float(Throttle.POWER_CAP)


def test_what_a_card_does_not_have_is_missing_with_one_reason(player: Any) -> None:
    telemetry = player.play(player.nvml("nvml_fanless_na"))
    reasons = {loss.sensor: loss.reason for loss in telemetry.losses}
    assert reasons.keys() == {"fan_share", "energy_j", "clock_memory_mhz", "power_limit_w"}
    assert all("Not Supported" in reason for reason in reasons.values())
    (fan,) = telemetry.find("fan_share", "cuda:0")
    assert fan.values == (None,)
    assert "device_power_limit_w" not in telemetry_witnesses(telemetry, LOAD, device="cuda:0")


def test_a_passing_error_costs_one_reading(player: Any) -> None:
    telemetry = player.play(player.nvml("nvml_nothing"))
    (trace,) = telemetry.find("utilisation_share", "cuda:0")
    assert trace.values.count(None) == 6
    assert len(trace.values) == 192
    assert [loss.sensor for loss in telemetry.losses].count("utilisation_share") == 1


def test_a_lost_gpu_ends_the_trace_and_what_was_read_stays(player: Any) -> None:
    telemetry = player.play(player.nvml("nvml_lost"))
    (loss,) = telemetry.losses
    assert loss.sensor is None
    assert loss.reason.startswith("cuda:0 stopped answering: GPU is lost")
    (power,) = telemetry.find("power_w", "cuda:0")
    assert power.points()[-1] == (round(12.9e9), 400.0)


def test_witnesses_of_neighbours_come_from_before_the_worker(player: Any) -> None:
    telemetry = player.play(player.nvml("nvml_normal"))
    witnesses = telemetry_witnesses(telemetry, LOAD, device="cuda:0", before=BEFORE)
    assert witnesses["device_other_processes"] == 0
    assert witnesses["device_other_utilisation_share"] == 0
    assert witnesses["device_utilisation_share"] == pytest.approx(0.97)
    assert not any(key.startswith("host_") for key in witnesses)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (0, ()),
        (1, ("idle",)),
        (0x4 | 0x20, ("power cap", "thermal")),
        (0x80 | 0x8, ("hardware", "power brake")),
        (0x200, ("board limit",)),
        (0x400, ("reliability",)),
        (1 << 40, ("other",)),
    ],
)
def test_reasons_in_words(mask: int, words: tuple[str, ...]) -> None:
    assert decode_reasons(mask).words == words


BOARDS = (("NVIDIA A", "GPU-aaaa"), ("NVIDIA A", "GPU-bbbb"))
MIXED = (("NVIDIA A", "GPU-aaaa"), ("NVIDIA B", "GPU-bbbb"))


@pytest.mark.parametrize(
    ("device", "visible", "handle"),
    [
        ("cuda:1", None, 1),
        ("cuda:0", "1", 1),
        ("cuda:1", "1,0", 0),
        ("cuda:0", "GPU-bb", 1),
        ("cuda", "GPU-aaaa", 0),
    ],
)
def test_the_number_of_a_gpu_follows_cuda_visible_devices(
    player: Any, device: str, visible: str | None, handle: int
) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert player.nvml("nvml_normal", device, environ=environ, boards=BOARDS).handle == handle


@pytest.mark.parametrize(
    ("device", "visible", "words"),
    [
        ("cuda:1", "1", "leaves no cuda:1"),
        ("cuda:0", "", "leaves no cuda:0"),
        ("cuda:1", "0,7,1", "leaves no cuda:1"),
        ("cuda:1", "0,0", "leaves no cuda:1"),
        ("cuda:0", "GPU-", "2 GPUs have a UUID"),
        ("cuda:4", None, "there is no GPU number 4"),
        ("cuda:0", "MIG-none", "could not find"),
    ],
)
def test_a_gpu_that_cannot_be_told_is_not_read(player: Any, device: str, visible: str | None, words: str) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    found = player.try_nvml("nvml_normal", device, environ=environ, boards=BOARDS)
    assert isinstance(found, Unavailable)
    assert words in str(found)


def test_unequal_gpus_are_told_apart_by_bus_order_or_not_at_all(player: Any) -> None:
    found = player.try_nvml("nvml_normal", boards=MIXED)
    assert isinstance(found, Unavailable)
    assert found.install_hint == "set CUDA_DEVICE_ORDER=PCI_BUS_ID"
    environ = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert player.nvml("nvml_normal", "cuda:1", environ=environ, boards=MIXED).handle == 1


@pytest.mark.parametrize("visible", [None, "MIG-2222", "0"])
def test_a_mig_slice_has_memory_and_heat_but_no_energy(player: Any, value_of: ValueOf, visible: str | None) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    source = player.nvml("nvml_mig", environ=environ, slices=("MIG-1111", "MIG-2222"))
    assert source.slice_handle == ("MIG-2222" if visible == "MIG-2222" else "MIG-1111")
    assert source.counter_period_s is None
    telemetry = player.play(source)
    assert value_of(telemetry, "memory_used_bytes", "cuda:0", 12) == 3 * GIB
    assert value_of(telemetry, "temperature_c", "cuda:0", 12) is not None
    assert value_of(telemetry, "power_w", "cuda:0", 12) is None
    assert "slice" in {loss.sensor: loss.reason for loss in telemetry.losses}["energy_j"]


def test_reasons_are_said_again_in_the_next_launch(player: Any) -> None:
    source = player.nvml("nvml_fanless_na")
    first = player.play(source)
    player.clock.now_ns = 0
    assert [loss.sensor for loss in player.play(source).losses] == [loss.sensor for loss in first.losses]


def test_nvml_without_driver_or_binding(tmp_path: Path) -> None:
    no_driver = open_nvml("cuda:0", root=tmp_path, environ={})
    assert isinstance(no_driver, Unavailable)
    assert "no NVIDIA driver" in no_driver.reason
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    no_binding = open_nvml("cuda:0", root=tmp_path, environ={}, nvml=lambda: None)
    assert isinstance(no_binding, Unavailable)
    assert no_binding.install_hint == "pip install 'assay[nvidia]'"


def test_the_real_binding_without_a_driver_says_so(tmp_path: Path) -> None:
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed here")
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has an NVIDIA driver")
    found = open_nvml("cuda:0", root=tmp_path, environ={}, nvml=lambda: pynvml)
    assert isinstance(found, Unavailable)
    assert "NVML does not start" in found.reason


def test_an_amd_gpu_in_our_units(player: Any, value_of: ValueOf) -> None:
    telemetry = player.play(player.amd("amd_normal"))
    expected = {
        "power_w": 500.0,
        "utilisation_share": 0.99,
        "memory_used_bytes": 20.0 * GIB,
        "clock_mhz": 2100.0,
        "clock_memory_mhz": 900.0,
        "power_limit_w": 750.0,
        "throttle_mask": 0.0,
        "processes": 0.0,
    }
    for sensor, value in expected.items():
        assert value_of(telemetry, sensor, "rocm:0", 11) == pytest.approx(value), sensor
    assert find_throttle_words(telemetry, LOAD, "rocm:0") == ("power cap",)
    assert {loss.sensor for loss in telemetry.losses} == {"fan_share"}


def test_a_lost_amd_driver(player: Any) -> None:
    telemetry = player.play(player.amd("amd_lost"))
    assert [(loss.sensor, "stopped answering" in loss.reason) for loss in telemetry.losses if not loss.sensor] == [
        (None, True)
    ]


def test_amd_without_driver_imports_nothing(tmp_path: Path) -> None:
    def refuse() -> Any:
        raise AssertionError

    found = open_amd("rocm:0", root=tmp_path, environ={}, load=refuse)
    assert isinstance(found, Unavailable)
    assert "amdgpu" in found.reason


@pytest.mark.parametrize(("visible", "reason"), [({"HIP_VISIBLE_DEVICES": ""}, "by other"), ({}, "shows 1 GPUs")])
def test_a_hidden_amd_gpu_is_not_read(player: Any, visible: dict[str, str], reason: str) -> None:
    from assay.probes.telemetry.doubles import ReplayAmdsmi

    library = ReplayAmdsmi(player.load("amd_normal"), player.clock)
    found = open_amd("rocm:3", load=lambda: library, environ=visible, root=player.root)
    assert isinstance(found, Unavailable)
    assert reason in found.reason


def test_the_visible_lists_of_rocm_apply_one_after_the_other(player: Any) -> None:
    from assay.probes.telemetry.doubles import ReplayAmdsmi

    library = ReplayAmdsmi(player.load("amd_normal"), player.clock, count=4)
    environ = {"ROCR_VISIBLE_DEVICES": "3,1", "HIP_VISIBLE_DEVICES": "1"}
    found = open_amd("rocm:0", load=lambda: library, environ=environ, root=player.root)
    assert not isinstance(found, Unavailable)
    assert found.handle == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('cannot open libamd_smi.so')\nraise KeyError('libamd_smi.so')\n", "cannot open libamd_smi.so"),
        (None, "not installed"),
    ],
)
def test_a_broken_amdsmi_neither_prints_nor_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str | None, words: str
) -> None:
    if body is None:
        monkeypatch.setitem(sys.modules, "amdsmi", None)
    else:
        (tmp_path / "amdsmi.py").write_text(body)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "amdsmi", raising=False)
    printed = io.StringIO()
    with redirect_stdout(printed):
        found = load_amdsmi()
    assert isinstance(found, Unavailable)
    assert words in found.reason
    assert printed.getvalue() == ""


def test_two_sockets_are_read_and_parts_are_left_out(player: Any) -> None:
    source = player.rapl("rapl_two_sockets")
    telemetry = player.play(source)
    scopes = {trace.device: trace.scope for trace in telemetry.traces if trace.sensor == "energy_j"}
    assert scopes == {"cpu:package-0": "package", "cpu:package-1": "package", "cpu:dram-0": "memory"}
    assert {trace.values for trace in telemetry.find("power_limit_w", "cpu")} == {(165.0,)}


def test_a_counter_that_wraps_goes_on(player: Any) -> None:
    telemetry = player.play(player.rapl("rapl_wrap"))
    (trace,) = telemetry.find("energy_j", "cpu")
    values = [value for _, value in trace.points()]
    assert values == sorted(values)
    assert values[-1] - values[0] == pytest.approx(40 * 6 + 160 * 13, abs=17)


def test_a_forbidden_counter_says_which_file_and_what_to_do(player: Any) -> None:
    found = player.try_rapl("rapl_denied")
    assert isinstance(found, Unavailable)
    assert found.reason.endswith("sys/class/powercap/intel-rapl:0/energy_uj may be read by root only")
    assert "chmod a+r" in (found.install_hint or "")


def test_no_rapl_at_all(tmp_path: Path) -> None:
    found = open_rapl(root=tmp_path)
    assert isinstance(found, Unavailable)
    assert "no RAPL energy counter" in found.reason


def test_an_apple_chip(player: Any, value_of: ValueOf) -> None:
    source = player.powermetrics("powermetrics_normal")
    telemetry = player.play(source)
    assert value_of(telemetry, "power_w", "mps", 12) == pytest.approx(25)
    assert value_of(telemetry, "clock_mhz", "mps", 12) == 1398
    assert value_of(telemetry, "utilisation_share", "mps", 12) == pytest.approx(0.98)
    assert find_throttle_words(telemetry, LOAD, "mps") == ("thermal",)
    source.close()
    assert source.documents.is_closed


def test_the_cpu_clock_of_an_apple_chip_is_that_of_its_fastest_cluster(player: Any, value_of: ValueOf) -> None:
    telemetry = player.play(player.powermetrics("powermetrics_normal", "cpu"))
    assert value_of(telemetry, "clock_mhz", "cpu", 12) == 3200
    assert not telemetry.find("utilisation_share", "cpu")


def test_a_part_of_the_chip_is_no_energy_of_the_chip(player: Any) -> None:
    telemetry = player.play(player.powermetrics("powermetrics_partial"))
    assert not [point for trace in telemetry.find("energy_j", "mps") for point in trace.points()]
    reasons = {loss.sensor: loss.reason for loss in telemetry.losses}
    assert "no power of CPU, GPU and neural engine" in reasons["energy_j"]
    assert "no property list" in reasons["power_w"]


def test_powermetrics_needs_macos_and_root() -> None:
    assert str(open_powermetrics("mps", platform="linux")) == "not macOS"
    found = open_powermetrics("mps", platform="darwin", is_root=lambda: False)
    assert isinstance(found, Unavailable)
    assert "root" in found.reason


def test_the_stream_of_a_real_process_is_cut_into_documents() -> None:
    script = (
        "import sys\n"
        "for n in range(2):\n"
        "    sys.stdout.write('\\0' if n else '')\n"
        "    sys.stdout.write(f'<plist>\\n<dict><key>n</key><integer>{n}</integer></dict>\\n</plist>\\n')\n"
        "sys.stdout.flush()\n"
    )
    process = PowermetricsProcess([sys.executable, "-c", script])
    process._thread.join(timeout=30)
    documents = process.drain()
    assert [document.strip(b"\0").count(b"<plist>") for _, document in documents] == [1, 1]
    with pytest.raises(SourceLostError, match="ended with exit code"):
        process.drain()
    process.close()


def test_closing_ends_a_process_that_goes_on() -> None:
    process = PowermetricsProcess([sys.executable, "-c", "import time; time.sleep(600)"])
    process.close()
    assert process._process.poll() is not None


HOST = {
    "proc/stat": "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1\n",
    "proc/meminfo": "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n",
    "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull total=0\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "3500000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3600000\n",
    "sys/class/hwmon/hwmon0/name": "nvme\n",
    "sys/class/hwmon/hwmon0/temp1_input": "99000\n",
    "sys/class/hwmon/hwmon1/name": "k10temp\n",
    "sys/class/hwmon/hwmon1/temp1_input": "61500\n",
    "sys/class/hwmon/hwmon1/temp3_input": "58000\n",
}


def read_host(source: Any, now_ns: int) -> dict[str, Reading]:
    return {reading.sensor: reading for reading in source.read(now_ns)}


def test_the_host(make_tree: MakeTree) -> None:
    root = make_tree(HOST)
    source = open_host(root=root)
    assert not isinstance(source, Unavailable)
    first = read_host(source, 0)
    assert first["temperature_c"].value == pytest.approx(61.5)
    assert first["clock_mhz"].value == 3600
    assert first["memory_used_bytes"].value == 600 * 1024
    assert "utilisation_share" not in first
    assert first["pressure_io_share"].value is None
    (root / "proc/stat").write_text("cpu  160 0 80 900 60 0 0 0 0 0\n")
    (root / "proc/pressure/cpu").write_text("some total=1250000\n")
    second = read_host(source, 10**9)
    assert second["utilisation_share"].value == pytest.approx(90 / 200)
    assert second["pressure_cpu_share"].value == pytest.approx(0.25)
    assert "pressure_io_share" not in second


def test_firmware_zones_stand_in_for_missing_chips(make_tree: MakeTree) -> None:
    root = make_tree(
        {"proc/stat": "cpu 1 1 1 1 1\n", "sys/class/thermal/thermal_zone0/type": "acpitz\n"}
        | {"sys/class/thermal/thermal_zone0/temp": "20000\n", "sys/class/thermal/thermal_zone1/type": "x86_pkg_temp\n"}
        | {"sys/class/thermal/thermal_zone1/temp": "47000\n"}
    )
    source = open_host(root=root)
    assert read_host(source, 0)["temperature_c"].value == pytest.approx(47)


INTEL = {
    "sys/class/drm/card0/device/vendor": "0x8086\n",
    "sys/class/drm/card0/device/hwmon/hwmon4/energy1_input": "5000000\n",
    "sys/class/drm/card0/device/hwmon/hwmon4/power1_max": "190000000\n",
}


def test_an_intel_gpu_has_an_energy_counter_in_sys(make_tree: MakeTree) -> None:
    root = make_tree(INTEL)
    source = open_drm("xpu:0", "intel", root=root, environ={})
    assert not isinstance(source, Unavailable)
    readings = read_host(source, 0)
    assert readings["energy_j"].value == pytest.approx(5)
    assert readings["power_limit_w"].value == pytest.approx(190)
    assert readings["fan_share" if "fan_share" in readings else "power_w"].reason is not None
    for name in INTEL:
        (root / name).unlink()
    with pytest.raises(SourceLostError):
        source.read(1)


@pytest.mark.parametrize(
    ("device", "environ", "words"),
    [("xpu:1", {}, "shows 1 Intel GPUs"), ("xpu:0", {"ZE_AFFINITY_MASK": "0"}, "is set")],
)
def test_an_intel_gpu_that_cannot_be_told(
    make_tree: MakeTree, device: str, environ: dict[str, str], words: str
) -> None:
    found = open_drm(device, "intel", root=make_tree(INTEL), environ=environ)
    assert isinstance(found, Unavailable)
    assert words in found.reason


def test_what_is_looked_for() -> None:
    def names(device: str, platform: str = "linux") -> list[str]:
        return [name for name, _ in list_openers(device, platform=platform)]

    assert names("cpu") == ["host", "rapl"]
    assert names("cpu", "darwin") == ["host", "powermetrics"]
    assert names("mps", "darwin") == ["host", "powermetrics"]
    assert names("cuda:1") == ["host", "nvml"]
    assert names("rocm:0") == ["host", "amdsmi"]
    assert names("xpu:0") == ["host", "drm"]


def test_every_device_gets_the_host_and_a_reason_for_the_rest() -> None:
    for device in ("cpu", "mps", "openvino:GPU", "cuda:99"):
        opened, absent = choose_sources(device)
        assert "host" in [source.name for source in opened]
        assert len(opened) + len(absent) == 2
        assert all(str(reason) for reason in absent.values())
        close_sources(opened)


def test_a_value_that_cannot_be_is_missing() -> None:
    for value in (float("nan"), float("inf"), -1.0):
        reading = Reading("power_w", "cpu", 0, value)
        assert reading.value is None
        assert reading.reason
    assert Reading("temperature_c", "cpu", 0, -3.0).value == -3


def test_a_file_that_is_no_trace_is_an_error(tmp_path: Path) -> None:
    for text in ("", "[]", '{"format": "assay-raw-trace/1", "kind": "magic"}', '{"format": "x"}'):
        path = tmp_path / "trace.json"
        path.write_text(text)
        with pytest.raises(AssayError, match="no raw trace"):
            load_raw(path)


def test_a_replay_clock_stands_still() -> None:
    clock = ReplayClock(7)
    assert (clock(), clock()) == (7, 7)
