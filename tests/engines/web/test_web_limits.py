"""What a page cannot hold is refused before it is tried, and what it can hold is not."""

from __future__ import annotations

import pytest

from assay.core.errors import UnsupportedError
from assay.engines.web.limits import ModelSize, check_adapter, check_model, check_planned

GIB = 1 << 30
ADAPTER = {"maxBufferSize": 2 * GIB, "maxStorageBufferBindingSize": GIB // 8, "maxStorageBuffersPerShaderStage": 10}


@pytest.mark.parametrize(
    ("size", "backend", "said"),
    [
        (
            ModelSize(3 * GIB),
            "wasm",
            "The graph of big has 3.00 GiB, and a page cannot hold a file above 2.00 GiB .*sharded=on",
        ),
        (ModelSize(1, (3 * GIB,)), "webgpu", "The file of weights of big has 3.00 GiB"),
        (
            ModelSize(1, (2 * GIB, 2 * GIB)),
            "wasm",
            "big takes 4.00 GiB of WebAssembly.s memory .* 4.00 GiB at most .*Take a sma",
        ),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name_of_the_limit(size: ModelSize, backend: str, said: str) -> None:
    with pytest.raises(UnsupportedError, match=said):
        check_model("big", size, backend=backend)


def test_what_may_fit_is_tried() -> None:
    check_model("fits", ModelSize(GIB), backend="wasm")
    check_model("fits", ModelSize(2 * GIB), backend="webgpu")
    check_model("beside", ModelSize(1, (2 * GIB, GIB)), backend="wasm")
    check_model("beside", ModelSize(1, (2 * GIB, 2 * GIB)), backend="webgpu")


def test_planning_knows_the_weights_only() -> None:
    check_planned("unknown", None, backend="wasm", is_sharded=False)
    check_planned("tiny", 20_000_000, backend="wasm", is_sharded=False)
    check_planned("large", 3 * GIB, backend="wasm", is_sharded=True)
    check_planned("huge", 8 * GIB, backend="webgpu", is_sharded=True)
    with pytest.raises(UnsupportedError, match="sharded=on"):
        check_planned("large", 3 * GIB, backend="wasm", is_sharded=False)
    with pytest.raises(UnsupportedError, match="32-bit addresses"):
        check_planned("huge", 8 * GIB, backend="wasm", is_sharded=True)


def test_a_weight_must_fit_into_a_buffer_of_the_gpu() -> None:
    check_adapter("fits", GIB, ADAPTER)
    check_adapter("unknown", 9 * GIB, {})
    check_adapter("nonsense", 9 * GIB, {"maxBufferSize": "much", "maxStorageBufferBindingSize": True})
    with pytest.raises(
        UnsupportedError, match=r"A weight of big has 3.00 GiB, and a buffer of this GPU 2.00 GiB \(maxBufferSize\)"
    ):
        check_adapter("big", 3 * GIB, ADAPTER)
    with pytest.raises(UnsupportedError, match=r"8 x maxStorageBufferBindingSize"):
        check_adapter("bound", GIB + 1, ADAPTER)
