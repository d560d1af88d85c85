"""Inputs are made from a seed alone, so that every engine and every process is fed the same values."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.base import (
    Family,
    Fill,
    InputSpec,
    Size,
    Tier,
    UnitOfWork,
    Workload,
    call_with_keywords,
    find_workload,
    per_sample,
)
from assay.workloads.inputs import make_inputs, resolve_dims


def _refuse_to_build(_size: Size) -> None:
    raise AssertionError("making inputs must not build a model")


def _workload(*specs: InputSpec, constants: Mapping[str, int] | None = None) -> Workload:
    size = Size(tier=Tier.TINY, config={}, parameters=0, source="a test", constants=constants or {})
    family = Family(
        name="probe",
        task="none",
        modality="none",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={"tiny": size},
        inputs=specs,
        default_shape={"seq": 6},
        default_batches=(1,),
        build=_refuse_to_build,
        forward=call_with_keywords,
        reference="none",
    )
    return Workload("probe/tiny", family, size)


TOKENS = InputSpec("ids", ("batch", "seq"), "int64", Fill.TOKENS, low=5, high="vocab")
PIXELS = InputSpec("pixels", ("batch", 3, 4, 4), "float32", Fill.NORMAL)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    workload = _workload(TOKENS, PIXELS, constants={"vocab": 1000})
    first, again, other = (make_inputs(workload, batch=2, shape={"seq": 6}, seed=seed) for seed in (1, 1, 2))
    for name in ("ids", "pixels"):
        assert first[name].tobytes() == again[name].tobytes()
        assert first[name].tobytes() != other[name].tobytes()


def test_another_process_gets_the_same_bytes() -> None:
    # A different hash seed would show a stream that was keyed by Python's own, salted hash.
    code = (
        "import hashlib\n"
        "from assay.workloads.base import find_workload\n"
        "from assay.workloads.inputs import make_inputs\n"
        "arrays = make_inputs(find_workload('clip/tiny'), batch=2, shape={'seq': 9}, seed=7)\n"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in arrays.values())).hexdigest())"
    )
    arrays = make_inputs(find_workload("clip/tiny"), batch=2, shape={"seq": 9}, seed=7)
    here = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == here


def test_one_more_input_leaves_the_others_as_they_were() -> None:
    alone = make_inputs(_workload(PIXELS), batch=2, shape={}, seed=3)["pixels"]
    beside = make_inputs(_workload(TOKENS, PIXELS, constants={"vocab": 9}), batch=2, shape={"seq": 4}, seed=3)["pixels"]
    assert alone.tobytes() == beside.tobytes()


def test_inputs_of_equal_shape_differ_from_each_other() -> None:
    other = InputSpec("other", PIXELS.dims, "float32", Fill.NORMAL)
    arrays = make_inputs(_workload(PIXELS, other), batch=1, shape={}, seed=0)
    assert not np.array_equal(arrays["pixels"], arrays["other"])


def test_tokens_lie_in_their_half_open_range() -> None:
    ids = make_inputs(_workload(TOKENS, constants={"vocab": 9}), batch=50, shape={"seq": 20}, seed=0)["ids"]
    assert ids.shape == (50, 20)
    assert set(ids.ravel().tolist()) == {5, 6, 7, 8}


def test_leading_positions_hold_the_placeholder_and_no_other_does() -> None:
    spec = InputSpec(
        "ids",
        ("batch", "image_tokens+seq"),
        "int64",
        Fill.TOKENS,
        low=1,
        high="vocab",
        lead="image_tokens",
        lead_value="image_token",
    )
    workload = _workload(spec, constants={"vocab": 100, "image_token": 100, "image_tokens": 4})
    ids = make_inputs(workload, batch=3, shape={"seq": 6}, seed=0)["ids"]
    assert ids.shape == (3, 10)
    assert (ids[:, :4] == 100).all()
    assert (ids[:, 4:] < 100).all()
    assert (ids[:, 4:] >= 1).all()


def test_the_other_fills() -> None:
    workload = _workload(
        InputSpec("mask", ("batch", "seq"), "int64", Fill.ONES),
        InputSpec("flags", ("batch", "seq"), "bool", Fill.ONES),
        InputSpec("positions", ("batch", "seq"), "int64", Fill.RANGE),
        InputSpec("wave", ("batch", 1000), "float32", Fill.UNIFORM, low=2, high="top"),
        InputSpec("noise", ("batch", 10000), "float32", Fill.NORMAL),
        constants={"top": 4},
    )
    arrays = make_inputs(workload, batch=2, shape={"seq": 3}, seed=0)
    assert [str(array.dtype) for array in arrays.values()] == ["int64", "bool", "int64", "float32", "float32"]
    assert (arrays["mask"] == 1).all()
    assert arrays["flags"].all()
    assert arrays["positions"].tolist() == [[0, 1, 2], [0, 1, 2]]
    assert arrays["positions"].flags.writeable
    assert arrays["wave"].min() >= 2
    assert arrays["wave"].max() <= 4
    assert arrays["wave"].mean() == pytest.approx(3, abs=0.1)
    assert arrays["noise"].mean() == pytest.approx(0, abs=0.05)
    assert arrays["noise"].std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("dim", "expected"),
    [(7, 7), ("batch", 2), ("12", 12), ("seconds*16000", 48000), ("image_tokens+seq", 15), ("2*seq + 1*batch", 12)],
)
def test_dimensions_are_sums_of_products(dim: int | str, expected: int) -> None:
    names = {"batch": 2, "seq": 5, "seconds": 3, "image_tokens": 10}
    assert resolve_dims(InputSpec("x", (dim,), "float32", Fill.ONES), names) == (expected,)


def test_a_dimension_nobody_defined_is_named_with_those_that_are() -> None:
    workload = _workload(InputSpec("x", ("batch", "length"), "float32", Fill.ONES), constants={"vocab": 8})
    with pytest.raises(WorkloadError, match="Input 'x' uses the dimension 'length'; known here: batch, seq, vocab"):
        make_inputs(workload, batch=1, shape={"seq": 2}, seed=0)


def test_shapes_take_defaults_and_refuse_what_the_workload_lacks() -> None:
    workload = _workload(TOKENS, constants={"vocab": 8})
    assert workload.resolve_shape({}) == {"seq": 6}
    assert workload.resolve_shape({"seq": 9}) == {"seq": 9}
    with pytest.raises(UnknownNameError, match=r"Unknown dimension of probe/tiny 'sek'\. Did you mean 'seq'"):
        workload.resolve_shape({"sek": 9})
    with pytest.raises(WorkloadError, match="seq=0 of probe/tiny must be at least 1"):
        workload.resolve_shape({"seq": 0})
