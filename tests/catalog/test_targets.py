from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.catalog.targets import Bound, Target, parse_bound, parse_target, target_to_content
from assay.core.errors import UnknownNameError, UsageError

READ = {
    "p50_latency_ms <= 50": ("latency_ns", "median", "<=", 50e6, None),
    "latency_ms<=50": ("latency_ns", "median", "<=", 50e6, None),
    "latency <= 50 ms": ("latency_ns", "median", "<=", 50e6, None),
    "latency_ns < 5e6": ("latency_ns", "median", "<", 5e6, None),
    "p99_latency_us ≤ 800": ("latency_ns", "p99", "<=", 800e3, None),
    "best_latency_s <= .5": ("latency_ns", "best", "<=", 0.5e9, None),
    "throughput >= 1000 windows/s": ("throughput_per_s", "median", ">=", 1000.0, "windows"),
    "throughput_per_s >= 1_000": ("throughput_per_s", "median", ">=", 1000.0, None),
    "throughput > 10,000 1/s": ("throughput_per_s", "median", ">", 10_000.0, None),
    "memory_peak_gib <= 2": ("memory_peak_bytes", "max", "<=", 2 * 2.0**30, None),
    "memory_peak <= 500 MB": ("memory_peak_bytes", "max", "<=", 500e6, None),
    "energy_j_per_sample <= 0.5": ("energy_j_per_sample", "median", "<=", 0.5, None),
    "energy_mj_per_sample <= 20": ("energy_j_per_sample", "median", "<=", 0.02, None),
    "energy_net_j_per_call <= 3": ("energy_net_j_per_call", "median", "<=", 3.0, None),
    "time_to_first_token_ms <= 200": ("time_to_first_token_ns", "median", "<=", 200e6, None),
    "decode_tokens_per_s >= 30": ("decode_tokens_per_s", "median", ">=", 30.0, None),
    "load_s <= 4": ("load_ns", "median", "<=", 4e9, None),
    "accuracy >= 92 %": ("accuracy", "median", ">=", 0.92, None),
    "read_bytes_per_s >= 100 MB/s": ("read_bytes_per_s", "median", ">=", 100e6, None),
    "read_bytes_per_s >= 1e8": ("read_bytes_per_s", "median", ">=", 100e6, None),
    "forward <= 50 ms": ("forward_ns", "median", "<=", 50e6, None),
    "loss_time_ms <= 10": ("loss_time_ns", "median", "<=", 10e6, None),
    "probe_accuracy >= 80 %": ("probe_accuracy", "median", ">=", 0.8, None),
    "fidelity_max_relative_error <= 0.01": ("fidelity_max_relative_error", "worst", "<=", 0.01, None),
}


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_what_people_write_is_read(text: str, expected: tuple[str, str, str, float, str | None]) -> None:
    bound = parse_bound(text)
    assert (bound.metric, bound.stat, bound.sign) == expected[:3]
    assert bound.bound == pytest.approx(expected[3])
    assert bound.counted == expected[4]
    assert bound.text == text


def test_a_speedup_names_two_sides() -> None:
    bound = parse_bound("speedup( cuda:0 / cpu ) >= 5")
    assert (bound.metric, bound.new, bound.old, bound.sign, bound.bound) == ("speedup", "cuda:0", "cpu", ">=", 5.0)
    assert parse_bound("speed-up(onnxruntime/torch) > 1.2x").bound == 1.2


def test_a_saving_is_a_share_and_the_largest_is_a_size() -> None:
    saving = parse_bound("saving(fp16/fp32) >= 50 %")
    assert (saving.metric, saving.new, saving.old, saving.bound) == ("saving", "fp16", "fp32", 0.5)
    assert parse_bound("saving(fp16/fp32) >= .5").bound == 0.5
    largest = parse_bound("largest( batch ) >= 128")
    assert (largest.metric, largest.size, largest.bound, largest.unit) == ("largest", "batch", 128, "1")


REFUSED = {
    "saving(a/b) >= 2x": "a saving is a share",
    "saving(a/b) >= 200 %": "expected at least 0 % and below 100 %",
    "saving(a/b) <= 50 %": "bounds the wrong side: more is better",
    "largest(batch) >= 5 GB": "a size is a plain number",
    "largest(batch) <= 5": "bounds the wrong side",
    "largest(batch) >= 0": "a size is above 0",
    "latency_ms": "cannot be read",
    "<= 5": "cannot be read",
    "latency <= fast": "cannot be read",
    "latency <= 50": "says no unit.*one of ns",
    "memory_peak <= 5": "says no unit",
    "latency <= 50 mb": "has the unit 'mb'; expected one of: ns",
    "throughput >= 5 samples": "expected one a second",
    "latency_ms >= 50": "wrong side: less is better",
    "throughput <= 5": "wrong side: more is better",
    "speedup(a/b) <= 2": "wrong side",
    "speedup(a/b) >= 0": "above 0",
    "speedup(a/b) >= 2 ms": "plain number",
    "latency_ms <= 1e999": "finite",
    "latency_ms <= 5 s": "two units",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_bound(text)


def test_an_unknown_metric_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'latancy_ms'.*'latency_ms'"):
        parse_bound("latancy_ms <= 5")


@pytest.mark.parametrize(("sign", "below", "at", "above"), [
    ("<=", True, True, False), ("<", True, False, False), (">=", False, True, True), (">", False, False, True),
])  # fmt: skip
def test_a_bound_holds_or_not(sign: str, below: bool, at: bool, above: bool) -> None:  # noqa: FBT001
    bound = Bound("", "score", "median", sign, 5.0, "1")
    assert [bound.holds(value) for value in (4.9, 5.0, 5.1)] == [below, at, above]


FULL = {
    "target": "latency_ms <= 50", "name": "interactive", "where": {"batch": 1, "model": "bert/*"}, "weight": 2,
    "by_hardware": {"*H100*": "latency_ms <= 5", "*Raspberry*": None},
}  # fmt: skip


def test_a_target_may_differ_by_hardware() -> None:
    target = parse_target(FULL)
    assert target.label == "interactive"
    assert target.where == (("batch", "1"), ("model", "bert/*"))
    fast, none, usual = (target.bound_for(one) for one in ("NVIDIA h100 80GB", "Raspberry Pi 5", "AMD EPYC 2c 24GiB"))
    assert fast is not None
    assert fast.bound == 5e6
    assert none is None
    assert usual is target.bound
    assert target.bound_for(None) is target.bound


@pytest.mark.parametrize("content", [FULL, "latency_ms <= 50", "speedup(cuda/cpu) >= 5"])
def test_a_target_is_read_back_from_what_is_written(content: object) -> None:
    target = parse_target(content)
    assert parse_target(target_to_content(target)) == target
    assert isinstance(target_to_content(parse_target("load_s <= 4")), str)
    assert Target(target.bound).label == target.bound.text


@pytest.mark.parametrize(("content", "message"), [
    ({"name": "x"}, "has no 'target'"), ({"target": "latency_ms <= 5", "weigth": 2}, "Did you mean 'weight'"),
    ({"target": "latency_ms <= 5", "weight": 0}, "expected a number above 0"),
    ({"target": "latency_ms <= 5", "weight": True}, "expected a number above 0"),
    ({"target": "latency_ms <= 5", "where": "bert"}, "expected a mapping"),
    ({"target": "latency_ms <= 5", "where": {"batch": [1]}}, "where.batch"),
    ({"target": "latency_ms <= 5", "by_hardware": {1: "x"}}, "expected a mapping"),
    (7, "expected an inequality"),
])  # fmt: skip
def test_a_target_of_the_wrong_form_is_refused(content: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_target(content)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        bound = parse_bound(text)
    except UsageError:
        return
    assert bound.sign in ("<=", "<", ">=", ">")


@given(st.floats(1e-3, 1e9), st.sampled_from(["ns", "us", "ms", "s"]))
def test_a_unit_at_the_name_or_at_the_number_is_the_same(number: float, unit: str) -> None:
    assert parse_bound(f"latency_{unit} <= {number!r}").bound == parse_bound(f"latency <= {number!r} {unit}").bound
