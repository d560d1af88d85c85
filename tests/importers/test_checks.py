from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.case import ForeignCase
from assay.core.records import MetricValue, SampleSeries
from assay.core.words import Mark, Mode, Status
from assay.importers.base import ImportedRow
from assay.importers.checks import DevicePairs, find_fault, fingerprint, is_accelerator, is_cpu
from assay.importers.compose import hashed_uuid, import_id
from assay.importers.plain import plain


def row(latency_ns: float | None = 1e7, **changes: Any) -> ImportedRow:
    case = {name: changes.pop(name) for name in ("device", "batch", "mode") if name in changes}
    metrics = (MetricValue("latency_ns", latency_ns, "ns", "mean"),)
    return replace(ImportedRow("/0", ForeignCase.make(workload="w", **case), metrics=metrics), **changes)


def test_a_fingerprint_is_of_what_was_measured_and_not_of_where_it_stands() -> None:
    one = row()
    assert fingerprint(one) == fingerprint(replace(one, place="/9", fields={"a": 1}, hardware="x", simulated=True))
    others = [
        row(1.1e7), row(batch=2), row(device="cuda"),
        replace(one, samples=(SampleSeries("latency", "ns", (5,)),)),
        replace(one, metrics=(MetricValue("latency_ns", 1e7, "ns", "median"),)),
    ]  # fmt: skip
    assert len({fingerprint(each) for each in [one, *others]}) == 6
    assert fingerprint(row(None)) is None


@pytest.mark.parametrize(
    ("throughput", "changes", "fits"),
    [
        (800.0, {"batch": 8}, True),
        (799_999.0, {"batch": 8}, True),
        (800_001.0, {"batch": 8}, False),
        (0.79, {"batch": 8}, False),
        (800_001.0, {}, True),
        (100.1e6, {}, False),
        (102_400.0, {"batch": 1, "unit_of_work": "token"}, True),
        (102_400.0, {"batch": 1, "units_per_call": 1024.0, "unit_of_work": "token"}, True),
        (200_000.0, {"batch": 1, "mode": Mode.SERVING}, True),
    ],
)
def test_latency_and_throughput_must_be_of_one_world(throughput: float, changes: dict[str, Any], fits: bool) -> None:  # noqa: FBT001
    one = row(**changes)
    both = replace(one, metrics=(*one.metrics, MetricValue("throughput_per_s", throughput, "1/s", "mean")))
    fault = find_fault(both)
    assert (fault is None) is fits, fault


@pytest.mark.parametrize(
    ("word", "cpu", "accelerator"),
    [
        ("cpu", True, False), ("openvino:CPU", True, False), ("cuda:0", False, True), ("NVIDIA H100-SXM", False, True),
        ("openvino", False, True), ("GPU.0", False, True), ("Quadro P4000", False, True), ("EPYC 7763", False, False),
        ("", False, False), ("m3.large", False, False),
    ],
)  # fmt: skip
def test_a_device_is_what_its_name_says(word: str, cpu: bool, accelerator: bool) -> None:  # noqa: FBT001
    assert (is_cpu(word), is_accelerator(word)) == (cpu, accelerator)


def test_a_file_with_enough_cases_is_judged_by_itself_and_the_others_together() -> None:
    pairs = DevicePairs()
    for batch in range(1, 6):
        pairs.add(0, row(batch * 1e6, device="cpu", batch=batch))
        pairs.add(0, row(batch * 1e6 + 1, device="cuda", batch=batch))
        pairs.add(1, row(batch * 1e6, device="cpu", batch=batch))
        pairs.add(1, row(batch * 1e5, device="cuda", batch=batch))
    for file, batch in ((2, 7), (2, 8), (3, 9), (3, 10)):
        pairs.add(file, row(batch * 1e6, device="cpu", batch=batch))
        pairs.add(file, row(batch * 1e6, device="cuda", batch=batch))
    assert [one.files for one in pairs.find()] == [frozenset({0})]
    pairs.add(4, row(3e6, device="cpu", batch=11))
    pairs.add(5, row(3e6, device="cuda", batch=11))
    assert [one.files for one in pairs.find()] == [frozenset({0}), frozenset({2, 3, 5})]


def test_rows_that_prove_nothing_are_not_compared() -> None:
    pairs = DevicePairs()
    for batch in range(1, 8):
        pairs.add(0, row(1e6, device="cpu", batch=batch))
        pairs.add(0, row(1e6, device="cuda", batch=batch, marks={Mark.CONSTANT: "invented"}))
        pairs.add(0, row(1e6, device="rocm", batch=batch, status=Status.FAILED))
        pairs.add(0, row(None, device="mps", batch=batch))
        pairs.add(0, row(1e6, batch=batch))
    assert pairs.find() == []


def test_ids_are_hashes_of_what_they_are_of() -> None:
    assert import_id("a", "plain") == import_id("a", "plain") != import_id("a", "plain", "m")
    text = hashed_uuid("a", "result", 3)
    assert text == hashed_uuid("a", "result", 3) != hashed_uuid("a", "result", 4)
    assert (text[14], text[19] in "89ab", len(text)) == ("8", True, 36)


@given(st.recursive(st.none() | st.floats() | st.text() | st.binary() | st.dates(), st.lists))
def test_any_data_of_a_source_can_be_kept_as_json(value: object) -> None:
    import json

    json.dumps(plain(value), allow_nan=False)
