"""No GPU is needed: the vendors' files and tools are replayed, in the form their documentation and drivers print."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.core.errors import UnknownNameError
from assay.probes.apple import find_apple_gpus
from assay.probes.commands import CommandOutput, CommandRunner, run_command, run_nothing
from assay.probes.devices import Device, detect_devices, find_device, query_vendors
from assay.probes.drm import find_drm_gpus
from assay.probes.gpu import Gpu
from assay.probes.nvidia import find_nvidia_gpus

MakeTree = Callable[[Mapping[str, str]], Path]
Replay = Callable[[Mapping[str, CommandOutput]], CommandRunner]

DRIVER = {"proc/driver/nvidia/version": "NVRM version\n"}
H100 = (
    "NVIDIA H100 80GB HBM3, 550.54.15, 81559, 700.00, 00000000:19:00.0, "
    "GPU-11111111-2222-3333-4444-555555555555, Default, Enabled, Disabled, 9.0, Enabled"
)
L4 = (
    "NVIDIA L4, 550.54.15, 23034, 72.00, 00000000:5A:00.0, "
    "GPU-99999999-2222-3333-4444-555555555555, Exclusive_Process, Disabled, [N/A], 8.9, [N/A]"
)
UNKNOWN = (
    "NVIDIA GB10, 580.95.05, [N/A], [Not Supported], 0000000F:01:00.0, [Unknown Error], Default, "
    "Enabled, [N/A], 12.1, [N/A]"
)


def no_nvml() -> None:
    return None


def smi(replay: Replay, *rows: str) -> CommandRunner:
    return replay({"nvidia-smi": CommandOutput(0, "\n".join(rows) + "\n")})


def found(answer: tuple[Gpu, ...] | Unavailable) -> tuple[Gpu, ...]:
    assert not isinstance(answer, Unavailable), answer
    return answer


def test_two_gpus_from_nvidia_smi(make_tree: MakeTree, replay: Replay) -> None:
    gpus = found(find_nvidia_gpus(root=make_tree(DRIVER), run=smi(replay, H100, L4), environ={}, nvml=no_nvml))
    first, second = gpus
    assert (first.name, first.index, first.driver) == ("NVIDIA H100 80GB HBM3", 0, "550.54.15")
    assert (first.memory_bytes, first.power_limit_w) == (81559 * 1024**2, 700.0)
    assert (first.persistence, first.mig, first.ecc, first.compute_capability) == (True, False, True, "9.0")
    assert (second.index, second.compute_mode, second.persistence) == (1, "Exclusive_Process", False)
    assert (second.mig, second.ecc) == (None, None)


def test_fields_that_the_driver_will_not_tell_are_none(make_tree: MakeTree, replay: Replay) -> None:
    (gpu,) = found(find_nvidia_gpus(root=make_tree(DRIVER), run=smi(replay, UNKNOWN), environ={}, nvml=no_nvml))
    assert (gpu.memory_bytes, gpu.power_limit_w, gpu.uuid, gpu.mig) == (None, None, None, None)
    assert gpu.to_facts()["uuid_hash"] is None


def test_a_driver_that_fails_is_absence_with_its_words(make_tree: MakeTree, replay: Replay) -> None:
    text = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that ...\n"
    run = replay({"nvidia-smi": CommandOutput(9, text)})
    answer = find_nvidia_gpus(root=make_tree(DRIVER), run=run, environ={}, nvml=no_nvml)
    assert isinstance(answer, Unavailable)
    assert "exit code 9" in answer.reason
    assert "couldn't communicate" in answer.reason


def test_a_driver_without_any_tool_says_what_to_install(make_tree: MakeTree) -> None:
    answer = find_nvidia_gpus(root=make_tree(DRIVER), run=run_nothing, environ={}, nvml=no_nvml)
    assert isinstance(answer, Unavailable)
    assert answer.install_hint == "pip install nvidia-ml-py"


def test_an_old_driver_is_asked_only_what_it_knows(make_tree: MakeTree) -> None:
    asked: list[str] = []

    def run(arguments: Sequence[str]) -> CommandOutput:
        asked.append(arguments[1])
        if "compute_cap" in arguments[1]:
            return CommandOutput(2, 'Field "compute_cap" is not a valid field to query.\n')
        return CommandOutput(0, ", ".join(H100.split(", ")[:7]) + "\n")

    (gpu,) = found(find_nvidia_gpus(root=make_tree(DRIVER), run=run, environ={}, nvml=no_nvml))
    assert len(asked) == 2
    assert (gpu.name, gpu.compute_capability, gpu.persistence) == ("NVIDIA H100 80GB HBM3", None, None)


def test_without_a_driver_nothing_is_imported_or_run(make_tree: MakeTree) -> None:
    def forbidden(*_arguments: object) -> Any:
        pytest.fail("asked for a GPU on a machine without a driver")

    answer = find_nvidia_gpus(root=make_tree({}), run=forbidden, environ={}, nvml=forbidden)
    assert isinstance(answer, Unavailable)


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        ("1,0", [1, 0]),
        ("1", [None, 0]),
        ("", [None, None]),
        ("-1", [None, None]),
        ("7,0", [None, None]),
        ("GPU-9999", [None, 0]),
        ("0,0", [0, None]),
    ],
)
def test_hidden_gpus_have_no_index(
    make_tree: MakeTree, replay: Replay, visible: str, indices: list[int | None]
) -> None:
    environ = {"CUDA_VISIBLE_DEVICES": visible}
    gpus = found(find_nvidia_gpus(root=make_tree(DRIVER), run=smi(replay, H100, L4), environ=environ, nvml=no_nvml))
    assert [gpu.index for gpu in gpus] == indices


class NvmlFailure(Exception):  # noqa: N818  (named as NVML's own is: an error of a replayed library)
    pass


def refuse(*_arguments: object) -> Any:
    raise NvmlFailure


def make_nvml(**replaced: Any) -> SimpleNamespace:
    """A binding that answers as NVML 12 does; questions not listed here do not exist in it."""
    answers: dict[str, Any] = {
        "NVMLError": NvmlFailure,
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: b"535.104.05",
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda position: position,
        "nvmlDeviceGetName": lambda _handle: b"NVIDIA A100-SXM4-40GB",
        "nvmlDeviceGetMemoryInfo": lambda _handle: SimpleNamespace(total=42949672960),
        "nvmlDeviceGetPowerManagementLimit": lambda _handle: 400000,
        "nvmlDeviceGetMigMode": lambda _handle: [1, 1],
        "nvmlDeviceGetEccMode": refuse,
        "nvmlDeviceGetComputeMode": lambda _handle: 3,
        "nvmlDeviceGetCudaComputeCapability": lambda _handle: (8, 0),
    }
    return SimpleNamespace(**{**answers, **replaced})


def test_nvml_is_asked_before_nvidia_smi(make_tree: MakeTree) -> None:
    (gpu,) = found(find_nvidia_gpus(root=make_tree(DRIVER), run=run_nothing, environ={}, nvml=make_nvml))
    assert (gpu.name, gpu.driver, gpu.memory_bytes) == ("NVIDIA A100-SXM4-40GB", "535.104.05", 40 * 1024**3)
    assert (gpu.power_limit_w, gpu.mig, gpu.compute_mode, gpu.compute_capability) == (
        400.0,
        True,
        "Exclusive_Process",
        "8.0",
    )
    assert (gpu.ecc, gpu.persistence, gpu.uuid) == (None, None, None)


def test_where_nvml_fails_nvidia_smi_answers(make_tree: MakeTree, replay: Replay) -> None:
    def broken() -> SimpleNamespace:
        return make_nvml(nvmlInit=refuse)

    (gpu,) = found(find_nvidia_gpus(root=make_tree(DRIVER), run=smi(replay, L4), environ={}, nvml=broken))
    assert gpu.name == "NVIDIA L4"


AMD_CARD = {
    "sys/class/drm/card1/device/vendor": "0x1002\n",
    "sys/class/drm/card1/device/device": "0x740f\n",
    "sys/class/drm/card1/device/uevent": "DRIVER=amdgpu\nPCI_ID=1002:740F\n",
    "sys/class/drm/card1/device/mem_info_vram_total": "68702699520\n",
    "sys/class/drm/card1/device/unique_id": "a1b2c3d4e5f60718\n",
    "sys/class/drm/card1/device/hwmon/hwmon5/power1_cap": "300000000\n",
    "sys/class/drm/card1-DP-1/status": "disconnected\n",
    "sys/module/amdgpu/version": "6.10.5\n",
}
INTEL_CARD = {
    "sys/class/drm/card0/device/vendor": "0x8086\n",
    "sys/class/drm/card0/device/device": "0x56a0\n",
    "sys/class/drm/card0/device/uevent": "DRIVER=i915\n",
    "sys/class/drm/card0/device/hwmon/hwmon2/power1_max": "190000000\n",
}
PCI_IDS = (
    "# list of PCI names\n1002  Advanced Micro Devices, Inc. [AMD/ATI]\n\t740f  Aldebaran/MI200 [Instinct MI210]\n"
    "\t\t1002 0c34  A board\n8086  Intel Corporation\n\t56a0  DG2 [Arc A770]\n"
)


def test_amd_and_intel_cards_from_sys(make_tree: MakeTree) -> None:
    root = make_tree({**AMD_CARD, **INTEL_CARD, "usr/share/misc/pci.ids": PCI_IDS})
    (amd,) = found(find_drm_gpus("amd", root=root))
    (intel,) = found(find_drm_gpus("intel", root=root))
    assert (amd.name, amd.index, amd.driver) == ("AMD Instinct MI210", 0, "amdgpu 6.10.5")
    assert (amd.memory_bytes, amd.power_limit_w, amd.uuid) == (68702699520, 300.0, "a1b2c3d4e5f60718")
    assert (intel.name, intel.driver, intel.memory_bytes, intel.power_limit_w) == (
        "Intel Arc A770",
        "i915",
        None,
        190.0,
    )


def test_a_card_without_a_listed_name_keeps_its_number(make_tree: MakeTree) -> None:
    (amd,) = found(find_drm_gpus("amd", root=make_tree(AMD_CARD)))
    assert amd.name == "AMD GPU 0x740f"


def test_devices_are_the_cpu_and_what_each_vendor_shows(make_tree: MakeTree, replay: Replay) -> None:
    root = make_tree({**DRIVER, **AMD_CARD, **INTEL_CARD, "proc/meminfo": "MemTotal: 1024 kB\n"})
    devices = detect_devices(root=root, run=smi(replay, H100, L4), environ={"CUDA_VISIBLE_DEVICES": "1"}, nvml=no_nvml)
    assert [device.name for device in devices] == ["cpu", "cuda:0", "rocm:0", "xpu:0"]
    assert devices[0] == Device("cpu", "cpu", "unknown CPU", 1024**2)
    assert devices[1].hardware == "NVIDIA L4"
    assert find_device("rocm", devices) is devices[2]
    with pytest.raises(UnknownNameError, match="cuda:0"):
        find_device("cuda:1", devices)


def test_an_apple_chip(replay: Replay) -> None:
    displays = {"SPDisplaysDataType": [{"_name": "Apple M3 Max", "sppci_cores": "40"}]}
    run = replay(
        {
            "sysctl -n hw.optional.arm64": CommandOutput(0, "1\n"),
            "sysctl -n machdep.cpu.brand_string": CommandOutput(0, "Apple M3 Max\n"),
            "sysctl -n hw.memsize": CommandOutput(0, "68719476736\n"),
            "system_profiler": CommandOutput(0, json.dumps(displays)),
        }
    )
    (gpu,) = found(find_apple_gpus(run=run, platform="darwin"))
    assert (gpu.name, gpu.memory_bytes, gpu.driver) == ("Apple M3 Max 40-core GPU", 64 * 1024**3, None)
    assert isinstance(find_apple_gpus(run=run_nothing, platform="darwin"), Unavailable)


def test_this_machine_answers_for_every_vendor() -> None:
    assert set(query_vendors()) == {"nvidia", "amd", "intel", "apple"}
    assert detect_devices()[0].name == "cpu"


def test_commands_that_do_not_exist_are_none() -> None:
    assert run_command(["assay-no-such-program"]) is None
