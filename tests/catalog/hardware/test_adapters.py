"""What browsers say of their graphics hardware: a family is never a device, a renderer may name one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.catalog.hardware.adapters import read_adapter
from assay.catalog.hardware.load import find_hardware, load_catalogue
from assay.catalog.hardware.match import match_hardware


@pytest.mark.parametrize(
    ("text", "family", "architecture"),
    [
        ("nvidia ampere", "NVIDIA Ampere", "Ampere"),
        ("nvidia lovelace", "NVIDIA Ada Lovelace", "Ada Lovelace"),
        ("nvidia blackwell", "NVIDIA Blackwell", "Blackwell"),
        ("amd rdna-1", "AMD RDNA", "RDNA"),
        ("amd rdna-3", "AMD RDNA 3", "RDNA 3"),
        ("intel gen-12lp", "Intel Xe-LP", "Xe-LP"),
        ("intel gen-12-lp", "Intel Xe-LP", "Xe-LP"),
        ("intel gen-12hp", "Intel Xe-HPG", "Xe-HPG"),
        ("nvidia ampere | AMD EPYC 2c 24GiB", "NVIDIA Ampere", "Ampere"),
    ],
)
def test_webgpu_names_a_family_and_no_device(text: str, family: str, architecture: str) -> None:
    match = match_hardware(text)
    assert (match.hw_id, match.family, match.confidence) == (None, family, 0)
    assert match.is_ambiguous
    assert architecture in {find_hardware(hw_id).architecture for hw_id in match.candidates}


@pytest.mark.parametrize("text", ["apple metal-3", "apple common-3"])
def test_apple_s_words_say_the_maker_alone(text: str) -> None:
    match = match_hardware(text)
    assert match.hw_id is None
    assert "its maker alone" in match.reason
    assert {find_hardware(hw_id).vendor for hw_id in match.candidates} == {"Apple"}


@pytest.mark.parametrize("text", ["qualcomm adreno-7xx", "arm valhall", "nvidia kepler"])
def test_a_family_that_the_catalogue_lacks_is_still_a_family(text: str) -> None:
    match = match_hardware(text)
    assert (match.hw_id, match.candidates) == (None, ())
    assert match.family is not None
    assert "no devices" in match.reason


@pytest.mark.parametrize(
    ("text", "hw_id"),
    [
        (
            "ANGLE (NVIDIA, NVIDIA GeForce RTX 4090 (0x00002684) Direct3D11 vs_5_0 ps_5_0, D3D11)",
            "nvidia-geforce-rtx-4090",
        ),
        (
            "ANGLE (NVIDIA, NVIDIA GeForce RTX 4060 Laptop GPU (0x000028E0) Direct3D11 vs_5_0 ps_5_0, D3D11)",
            "nvidia-geforce-rtx-4060-laptop",
        ),
        ("ANGLE (NVIDIA Corporation, NVIDIA GeForce RTX 3070/PCIe/SSE2, OpenGL 4.5.0)", "nvidia-geforce-rtx-3070"),
        (
            "ANGLE (NVIDIA, Vulkan 1.3.242 (NVIDIA NVIDIA GeForce RTX 4090 (0x00002684)), NVIDIA-535.54.3.0)",
            "nvidia-geforce-rtx-4090",
        ),
        (
            "ANGLE (AMD, AMD Radeon RX 6700 XT (navi22 LLVM 15.0.7 DRM 3.49 6.2.0), OpenGL 4.6)",
            "amd-radeon-rx-6700-xt",
        ),
        ("ANGLE (AMD, AMD Radeon 780M Graphics (0x000015BF) Direct3D11 vs_5_0 ps_5_0, D3D11)", "amd-radeon-780m"),
        (
            "ANGLE (Intel, Mesa Intel(R) UHD Graphics 770 (ADL-S GT1), OpenGL 4.6)",
            "intel-uhd-graphics-770",
        ),
        ("ANGLE (NVIDIA GeForce GTX 1080 Direct3D11 vs_5_0 ps_5_0)", "nvidia-geforce-gtx-1080"),
    ],
)
def test_a_renderer_that_names_the_device_resolves(text: str, hw_id: str) -> None:
    match = match_hardware(text)
    assert match.hw_id == hw_id, match
    assert 0 < match.confidence <= 0.9
    assert "renderer" in match.reason


@pytest.mark.parametrize(
    ("text", "some"),
    [
        # Two GPUs are called M1 Max, and two kinds of memory RTX 3060
        ("ANGLE (Apple, ANGLE Metal Renderer: Apple M1 Max, Unspecified Version)", {"apple-m1-max-24c-gpu"}),
        (
            "ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 (0x00002504) Direct3D11 vs_5_0 ps_5_0, D3D11)",
            {"nvidia-geforce-rtx-3060-12gb", "nvidia-geforce-rtx-3060-8gb"},
        ),
        (
            "ANGLE (Intel, Intel(R) Iris(R) Xe Graphics (0x0000A7A0) Direct3D11 vs_5_0 ps_5_0, D3D11)",
            {"intel-iris-xe-graphics-80eu", "intel-iris-xe-graphics-96eu"},
        ),
    ],
)
def test_a_renderer_that_several_have_names_them(text: str, some: set[str]) -> None:
    match = match_hardware(text)
    assert match.hw_id is None
    assert some <= set(match.candidates)


@pytest.mark.parametrize("text", ["NVIDIA GeForce GTX 980, or similar", "ANGLE (AMD, Radeon R9 200, or similar)"])
def test_one_named_for_a_group_is_never_that_one(text: str) -> None:
    match = match_hardware(text)
    assert (match.hw_id, match.candidates) == (None, ())


def test_a_group_that_is_named_by_a_known_card_does_not_resolve_either() -> None:
    match = match_hardware("ANGLE (NVIDIA, NVIDIA GeForce RTX 4090 Direct3D11 vs_5_0 ps_5_0), or similar")
    assert match.hw_id is None


@pytest.mark.parametrize(
    "text",
    [
        "google swiftshader",
        "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)",
        "SwiftShader (software adapter) | AMD EPYC 2c 24GiB",
        "NVIDIA GeForce RTX 4090 (software adapter) | AMD EPYC 2c 24GiB",
        "llvmpipe (LLVM 15.0.7, 256 bits)",
    ],
)
def test_a_software_adapter_is_no_device(text: str) -> None:
    match = match_hardware(text)
    assert (match.hw_id, match.candidates) == (None, ())
    assert "software" in match.reason


def test_a_result_of_a_browser_names_its_machine_where_the_cpu_is_asked_for() -> None:
    assert match_hardware("nvidia ampere | AMD EPYC 7763", kind="cpu").hw_id == "amd-epyc-7763"
    assert match_hardware("NVIDIA GeForce RTX 4090 | AMD EPYC 7763").hw_id == "nvidia-geforce-rtx-4090"


def test_devices_names_are_no_adapter_texts() -> None:
    for device in load_catalogue().values():
        assert read_adapter(device.name) is None, device.name


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_any_text_in_a_renderer_has_an_answer(text: str) -> None:
    match = match_hardware(f"ANGLE ({text})")
    assert (match.hw_id is None) == (match.confidence == 0)
