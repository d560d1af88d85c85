"""What a page answered, as values; and that no answer, however odd, is taken for more than it says."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from assay.engines.web.abilities import BrowserAbilities, read_abilities

HELLO = {
    "user_agent": "Mozilla/5.0 Chrome/150", "clock_resolution_ns": 5000, "cross_origin_isolated": True,
    "hardware_concurrency": 8,
}  # fmt: skip
FEATURES = {
    "wasm": {"simd": True, "relaxed_simd": True, "threads": True, "memory64": True, "jspi": True},
    "webgpu": {
        "available": True, "kind": "software", "adapter": "SwiftShader Device (Subzero)",
        "features": ["bgra8unorm-storage"], "f16": False,
        "limits": {"maxBufferSize": 268435456, "maxStorageBufferBindingSize": 134217728, "odd": "many"},
    },
    "webnn": {
        "present": True,
        "devices": {
            "cpu": {"works": True, "granted": True, "reason": None},
            "gpu": {"works": False, "granted": True, "reason": "WebNN gave a context for gpu, but there is no GPU"},
            "npu": {"works": False, "granted": False, "reason": None},
        },
    },
}  # fmt: skip
ANSWERS = {"hello": HELLO, "features": FEATURES}


def test_what_is_said_becomes_values() -> None:
    read = read_abilities("chromium", ANSWERS, executable="/opt/chromium", version="150.0")
    assert (read.browser, read.executable, read.version, read.user_agent) == (
        "chromium", "/opt/chromium", "150.0", "Mozilla/5.0 Chrome/150",
    )  # fmt: skip
    assert read.wasm is not None
    assert (read.wasm.has_simd, read.wasm.has_threads, read.wasm.is_isolated) == (True, True, True)
    assert (read.wasm.clock_resolution_ns, read.wasm.cores) == (5000, 8)
    assert read.wasm.others == ("jspi", "memory64", "relaxed_simd")
    assert read.webgpu is not None
    assert (read.webgpu.adapter, read.webgpu.kind, read.webgpu.has_f16, read.webgpu.absence) == (
        "SwiftShader Device (Subzero)", "software", False, None,
    )  # fmt: skip
    assert read.webgpu.limits == {"maxBufferSize": 268435456, "maxStorageBufferBindingSize": 134217728}
    assert read.webnn is not None
    assert (read.webnn.devices, read.webnn.absence) == (("cpu",), None)
    assert read.webnn.refused == {
        "gpu": "WebNN gave a context for gpu, but there is no GPU", "npu": "the page gave no reason",
    }  # fmt: skip
    assert (read.problem, read.is_missing) == (None, False)


def test_what_is_absent_says_why() -> None:
    reason = "this browser has no WebNN (navigator.ml is absent)"
    answers = {
        "webgpu": {"available": False, "reason": "WebGPU is there and has no adapter"},
        "webnn": {"present": False, "devices": {"cpu": {"works": False, "reason": reason}}},
    }
    read = read_abilities("firefox", {"features": answers})
    assert read.webgpu is not None
    assert (read.webgpu.adapter, read.webgpu.absence) == (None, "WebGPU is there and has no adapter")
    assert read.webnn is not None
    assert (read.webnn.devices, read.webnn.refused, read.webnn.absence) == ((), {}, reason)


def test_where_no_device_works_for_one_reason_it_is_said_once() -> None:
    devices = {
        name: {"works": False, "reason": f"WebNN gives no context for {name}: not supported"}
        for name in ("cpu", "gpu", "npu")
    }
    read = read_abilities("chromium", {"features": {"webnn": {"present": True, "devices": devices}}})
    assert read.webnn is not None
    assert read.webnn.absence == "WebNN gives no context: not supported"
    devices["npu"]["reason"] = "another"
    read = read_abilities("chromium", {"features": {"webnn": {"present": True, "devices": devices}}})
    assert read.webnn is not None
    assert (read.webnn.absence, len(read.webnn.refused)) == (None, 3)


def test_what_a_page_says_is_printable_and_short() -> None:
    read = read_abilities("x", {"hello": {"user_agent": "\x1b[31mred\n" + "y" * 500}})
    assert read.user_agent == "[31mred" + "y" * 193


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
parts = st.dictionaries(
    st.sampled_from(
        ["wasm", "webgpu", "webnn", "simd", "present", "available", "devices", "cpu", "works", "limits", "features"]
    ),
    anything,
)


@given(st.fixed_dictionaries({"hello": anything | parts, "features": anything | st.dictionaries(
    st.sampled_from(["wasm", "webgpu", "webnn"]), anything | parts)}))  # fmt: skip
def test_no_answer_is_too_odd_to_be_read(answers: dict[str, object]) -> None:
    read = read_abilities("x", answers)
    assert isinstance(read, BrowserAbilities)
    assert read.webgpu is not None
    assert (read.webgpu.adapter is None) == (read.webgpu.absence is not None)


def test_what_was_kept_reads_the_same() -> None:
    assert read_abilities("x", json.loads(json.dumps(ANSWERS))) == read_abilities("x", ANSWERS)
