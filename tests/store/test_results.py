"""Choosing results by any field, and getting them as records or as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay.core.case import Case, ForeignCase
from assay.core.errors import AssayError, UnknownNameError, UsageError
from assay.core.records import MetricValue, ResultRecord, RunBundle
from assay.core.words import Fidelity, Mark, Provenance, Status, Verdict
from assay.store import Store, results
from assay.store.results import COLUMNS, LONG_COLUMNS
from assay.store.selection import Selection, SelectionFields

MakeBundle = Callable[..., RunBundle]
T0 = datetime(2026, 11, 1, tzinfo=UTC)


def case(workload: str, **given: Any) -> Case:
    return Case.make(**{"workload": workload, "engine": "torch", "device": "cpu", **given})


CASES = (
    case("bert/base", batch=1, shape={"seq": 128}, options={"threads": 2}),
    case("bert/tiny", batch=8, shape={"seq": 64}, engine="openvino", precision="int8", options={"hint": 'say "hi"'}),
    case("resnet/50", batch=8, shape={"image": 224}, options={"threads": 4, "share": 0.5, "pinned": True}),
    case("llama/tiny", mode="generation", device="cuda:0"),
)


@pytest.fixture
def filled(store: Store, make_bundle: MakeBundle) -> Store:
    """Four measured results, an hour apart, and a run with three imported ones, one of them marked."""
    bundle = make_bundle(cases=4)
    own = [
        replace(result, case=one, measured_at=T0 + timedelta(hours=hour))
        for hour, (result, one) in enumerate(zip(bundle.results, CASES, strict=True))
    ]
    own[1] = replace(own[1], fidelity=Fidelity.FAILED, verdict=Verdict.NOISY)
    own[2] = replace(own[2], status=Status.OOM, reason="out of memory", metrics=(), verdict=None)
    store.append(replace(bundle, results=tuple(own)))
    other = make_bundle(cases=3)
    foreign = [
        replace(
            result,
            case=ForeignCase.make(
                workload="bert/base", device="H100", precision="fp8", options={"scenario": "Offline"}
            ),
            measured_at=None,
            provenance=Provenance.IMPORTED,
            source="results.json",
            marks={Mark.SIMULATED: "it says so"} if number == 0 else {Mark.DERIVED: "a rate"},
        )
        for number, result in enumerate(other.results)
    ]
    run = replace(other.run, provenance=Provenance.IMPORTED, import_id="abc", suite="import x", tags=("published",))
    store.append(replace(other, run=run, results=tuple(foreign)))
    return store


def workloads(found: results.ResultSet) -> list[str]:
    return [one.case.workload for one in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["bert/base", "bert/tiny", "resnet/50", "llama/tiny"]),
        ({"workload": "bert/*"}, ["bert/base", "bert/tiny"]),
        ({"workload": ["bert/base", "res*"]}, ["bert/base", "resnet/50"]),
        ({"workload": []}, []),
        ({"family": "bert", "engine": "openvino"}, ["bert/tiny"]),
        ({"device": "cuda:?"}, ["llama/tiny"]),
        ({"mode": "generation"}, ["llama/tiny"]),
        ({"precision": "int8"}, ["bert/tiny"]),
        ({"batch": 8}, ["bert/tiny", "resnet/50"]),
        ({"batch": (1, 8)}, ["bert/base", "bert/tiny", "resnet/50", "llama/tiny"]),
        ({"batch": 8, "shape": {"seq": 64}}, ["bert/tiny"]),
        ({"shape": {"seq": 65}}, []),
        ({"options": {"threads": 2}}, ["bert/base"]),
        ({"options": {"hint": 'say "hi"'}}, ["bert/tiny"]),
        ({"options": {"pinned": True, "share": 0.5}}, ["resnet/50"]),
        ({"status": "oom"}, ["resnet/50"]),
        ({"verdict": Verdict.NOISY}, ["bert/tiny"]),
        ({"fidelity": "failed"}, ["bert/tiny"]),
        ({"usable": True}, ["bert/base", "llama/tiny"]),
        ({"usable": False}, ["bert/tiny", "resnet/50"]),
        ({"since": T0 + timedelta(hours=1), "until": T0 + timedelta(hours=3)}, ["bert/tiny", "resnet/50"]),
        ({"provenance": "imported"}, ["bert/base"] * 3),
        ({"provenance": "imported", "usable": True}, ["bert/base"] * 2),
        ({"provenance": "any", "workload": "bert/base"}, ["bert/base"] * 4),
        ({"import_id": "abc"}, ["bert/base"] * 3),
        ({"suite": "import *", "provenance": "any"}, ["bert/base"] * 3),
        ({"tag": "published", "provenance": "any"}, ["bert/base"] * 3),
        ({"precision": "fp8", "options": {"scenario": "Offline"}, "provenance": "imported"}, ["bert/base"] * 3),
    ],
)
def test_every_field_chooses(filled: Store, wanted: Mapping[str, Any], expected: list[str]) -> None:
    found = filled.results(**wanted)
    assert workloads(found) == expected
    assert found.count_rows() == len(expected)
    assert found.arrow().num_rows == len(expected)


def test_a_run_that_is_named_shows_its_rows_whatever_their_provenance(filled: Store) -> None:
    for run in filled.runs():
        assert {one.provenance for one in filled.results(run_id=run.run_id)} == {run.provenance}


def test_the_newest_of_many(filled: Store) -> None:
    assert workloads(filled.results(limit=2)) == ["resnet/50", "llama/tiny"]
    assert filled.results(limit=2).count_rows() == 2


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"status": "okay"}, "status 'okay' is not known. Expected 'ok', 'failed', 'oom'"),
        ({"provenance": "guessed"}, "provenance 'guessed' is not known."),
        ({"since": datetime(2026, 1, 1)}, "since=2026-01-01T00:00:00 has no time zone"),  # noqa: DTZ001
    ],
)
def test_a_word_that_nobody_knows_is_refused(filled: Store, wanted: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        filled.results(**wanted)


def test_a_field_that_is_none_is_refused_with_the_nearest(filled: Store) -> None:
    wanted: Any = {"workloads": "bert/base"}
    with pytest.raises(UnknownNameError, match="Did you mean 'workload'"):
        filled.results(**wanted)


def test_hostile_texts_are_values(filled: Store) -> None:
    assert filled.results(workload="' OR 1=1 --") == []
    assert filled.results(options={'x"]) OR true --': 1}) == []
    assert filled.results(shape={"') OR true --": 1}) == []


def test_the_answer_is_a_sequence_of_records(filled: Store) -> None:
    found = filled.results()
    assert len(found) == 4
    assert found[0].case == CASES[0]
    assert found[-2:] == list(found)[2:]
    assert found == filled.results()
    assert found[1] in found
    assert isinstance(found[0], ResultRecord)
    assert repr(found) == "<4 results>"


def test_is_usable_agrees_with_the_view(filled: Store) -> None:
    everything = filled.results(provenance="any")
    rows = {row["result_id"]: row["usable"] for row in everything.arrow().to_pylist()}
    assert rows == {one.result_id: one.is_usable for one in everything}
    assert sorted(rows.values()) == [False] * 3 + [True] * 4


def test_a_table_has_a_row_a_result_or_a_row_a_number(filled: Store) -> None:
    found = filled.results(workload="bert/base")
    wide = found.arrow()
    assert tuple(wide.column_names) == COLUMNS
    (row,) = wide.to_pylist()
    assert (row["workload"], row["latency_ns"], dict(row["shape"])) == ("bert/base", 1e6, {"seq": 128})
    long = found.arrow(long=True)
    assert tuple(long.column_names) == LONG_COLUMNS
    expected = {(one.name, one.stat, one.phase, one.value, one.unit) for one in found[0].metrics}
    assert {(row["name"], row["stat"], row["phase"], row["value"], row["unit"]) for row in long.to_pylist()} == expected


def test_a_number_that_is_missing_keeps_its_reason_in_the_long_form(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle(cases=1)
    missing = MetricValue("energy_j_per_sample", None, "J", reason="no counter")
    one = replace(bundle.results[0], metrics=(missing,), status=Status.FAILED, reason="it broke")
    store.append(replace(bundle, results=(one,)))
    (row,) = store.results().arrow(long=True).to_pylist()
    assert (row["value"], row["reason"]) == (None, "no counter")


def test_a_package_that_is_absent_is_named(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(results, "import_module", refuse)
    with pytest.raises(AssayError, match=r"pandas is not installed\. pip install pandas, or use \.arrow\(\)\."):
        filled.results().pandas()
    with pytest.raises(AssayError, match="polars is not installed"):
        filled.results().polars()


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_data_frames(filled: Store, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    frame = getattr(filled.results(), package)()
    assert list(frame["workload"]) == [one.workload for one in CASES]


def test_an_earlier_state_can_be_read(store: Store, make_bundle: MakeBundle) -> None:
    first = make_bundle(cases=2)
    store.append(first)
    versions = {table.name: -1 if table.version is None else table.version for table in store.info().tables}
    store.append(make_bundle(cases=3))
    then = Store(store.location, versions=versions)
    assert [run.run_id for run in then.runs()] == [first.run.run_id]
    assert {one.run_id for one in then.results()} == {first.run.run_id}
    assert len(then.launches(run_id=first.run.run_id, with_samples=True)) == len(first.launches)
    assert len(store.results()) == 5
    before = Store(store.location, versions={})
    assert (before.runs(), list(before.results())) == ([], [])


def test_keywords_and_fields_are_the_same() -> None:
    assert set(SelectionFields.__annotations__) == {field.name for field in fields(Selection)}
