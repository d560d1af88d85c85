"""Empty cells of a matrix: filled under the conditions of their row, marked as predicted, or left with a reason."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.analysis.matrix import Matrix, MatrixCell, MatrixRequest, build_matrix
from assay.core.errors import UnknownNameError
from assay.core.words import Provenance
from assay.predict.matrix_fill import Wanted, add_columns, add_rows, fill_matrix, find_devices, find_holes
from assay.predict.matrix_rows import matrix_rows
from assay.predict.numbers import Numbers, from_answers
from assay.predict.values import (
    Abstention,
    Answer,
    Conditions,
    DeviceProfile,
    GraphProfile,
    Interval,
    Layer,
    Prediction,
    Question,
)
from assay.store import Store

L4, T4, H100 = "NVIDIA L4", "NVIDIA Tesla T4", "NVIDIA H100 SXM5 80GB"


def _load() -> Any:
    path = Path(__file__).parents[1] / "analysis" / "ranked_results.py"
    spec = importlib.util.spec_from_file_location("matrix_fill_results", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


composed = _load()


class Toy:
    """Foretells 5 ms on every device but one, and keeps what it was asked."""

    def __init__(self, silent: str = "") -> None:
        self.silent = silent
        self.asked: list[Question] = []

    def numbers(self, questions: Sequence[Question]) -> Numbers:
        self.asked += questions
        return from_answers([self._one(one) for one in questions])

    def _one(self, question: Question) -> Answer:
        if question.device.name == self.silent:
            return Abstention(question.metric, "nothing like it was seen", ("assay run",))
        bounds = (Interval(0.5, 4e6, 6e6), Interval(0.8, 3e6, 8e6))
        return Prediction(question.metric, 5e6, "ns", bounds, Layer.LEARNED, (), model="toy 1", flags=("beware",))


@pytest.fixture
def results(tmp_path: Path) -> Any:
    return composed.Results(Store.open(tmp_path / "store"))


def graphs_of(wanted: Sequence[Wanted]) -> dict[Wanted, GraphProfile]:
    return {one: GraphProfile(one[0], one[0].partition("/")[0], {}, shape=one[1]) for one in wanted}


def build(store: Store, **fields: Any) -> Matrix:
    return build_matrix(store, MatrixRequest(**{"metric": "latency_ns", **fields}))


def cell(matrix: Matrix, workload: str, device: str) -> MatrixCell:
    row = next(row for row in matrix.rows if row.workload == workload)
    return row.cells[[one.label for one in matrix.devices].index(device)]


def fill(store: Store, matrix: Matrix, toy: Toy) -> Matrix:
    holes = find_holes(store, matrix, most=50)
    return fill_matrix(matrix, holes, graphs_of(holes.wanted), {}, toy)


def test_a_gap_is_filled_under_the_conditions_of_its_row(results: Any) -> None:
    for batch in (8, 8, 4):
        results.measured("bert/tiny", hardware=L4, latency_ns=2e6 * batch, batch=batch, shape={"seq": 64})
    results.measured("t5/small", hardware=T4, latency_ns=9e6)
    store = results.keep()
    toy = Toy()
    filled = fill(store, build(store, where={"batch": [8]}), toy)
    filled = fill(store, build(store), toy)
    gap = cell(filled, "bert/tiny", T4)
    assert (gap.value, gap.provenance, gap.lo, gap.hi, gap.level) == (5e6, Provenance.PREDICTED, 3e6, 8e6, 0.8)
    assert gap.conditions == "fp16, batch 4, torch; by learned, toy 1; beware"
    asked = next(one for one in toy.asked if one.workload == "bert/tiny")
    assert (asked.conditions.batch, asked.graph and asked.graph.shape) == (4, (("seq", 64),))
    measured = cell(filled, "bert/tiny", L4)
    assert (measured.value, measured.provenance, measured.relative) == (8e6, Provenance.MEASURED, 1.0)


def test_predicted_cells_are_held_against_predicted_ones_alone(results: Any) -> None:
    results.measured("bert/tiny", hardware=L4, latency_ns=1e6)
    store = results.keep()
    filled = fill(store, add_columns(build(store), find_devices(["t4"])), Toy())
    assert (cell(filled, "bert/tiny", L4).relative, cell(filled, "bert/tiny", T4).relative) == (1.0, 1.0)


def test_an_abstention_stays_a_gap_and_says_what_to_measure(results: Any) -> None:
    results.measured("bert/tiny", hardware=L4, latency_ns=1e6)
    store = results.keep()
    filled = fill(store, add_columns(build(store), find_devices(["t4"])), Toy(silent=T4))
    gap = cell(filled, "bert/tiny", T4)
    assert (gap.value, gap.provenance) == (None, None)
    assert gap.reason == "not predicted (fp16, batch 1, torch): nothing like it was seen; measure: assay run"


def test_what_a_device_cannot_compute_is_not_asked_of_anybody(results: Any) -> None:
    results.measured("bert/tiny", hardware=L4, latency_ns=1e6, precision="bf16")
    store = results.keep()
    toy = Toy()
    filled = fill(store, add_columns(build(store), find_devices(["t4"])), toy)
    assert "no bf16 arithmetic" in (cell(filled, "bert/tiny", T4).reason or "")
    assert toy.asked == []


def test_an_engine_that_has_no_such_device_makes_room_for_the_reference(results: Any) -> None:
    results.measured("bert/tiny", latency_ns=1e6, engine="openvino", precision="fp32", device="cpu")
    store = results.keep()
    filled = fill(store, add_columns(build(store), find_devices(["l4"])), Toy())
    assert cell(filled, "bert/tiny", L4).conditions.startswith("fp32, batch 1, torch;")


@pytest.mark.parametrize(
    ("add", "reason"),
    [
        (lambda results: results.imported("their/model", hardware=L4, latency_ns=1e6), "no installed family"),
        (
            lambda results: results.measured("bert/tiny", hardware=L4, latency_ns=1e6, mode="generation"),
            "no plain call",
        ),
        (
            lambda results: results.measured("bert/tiny", hardware=L4, latency_ns=1e6, options={"compile": "on"}),
            "no plain call",
        ),
    ],
)
def test_rows_that_cannot_be_foretold_say_why(results: Any, add: Any, reason: str) -> None:
    add(results)
    store = results.keep()
    matrix = add_columns(build(store), find_devices(["t4"]))
    holes = find_holes(store, matrix, most=50)
    assert holes.cells == ()
    filled = fill_matrix(matrix, holes, {}, {}, None)
    assert all(reason in (one.reason or "") for one in filled.rows[0].cells if one.value is None)


def test_devices_without_a_sheet_and_several_together_say_why(results: Any) -> None:
    results.measured("bert/tiny", hardware=L4, latency_ns=1e6)
    results.measured("t5/small", hardware="A machine of mine", latency_ns=1e6)
    store = results.keep()
    filled = fill(store, build(store), Toy())
    assert "no sheet" in (cell(filled, "bert/tiny", "A machine of mine").reason or "")
    assert cell(filled, "t5/small", L4).provenance is Provenance.PREDICTED


def test_models_and_devices_nobody_measured_can_be_added(results: Any) -> None:
    store = results.keep()
    matrix = add_rows(add_columns(build(store), find_devices(["l4", "h100", "l4"])), ["bert/tiny", "bert"])
    filled = fill(store, matrix, Toy())
    assert [one.label for one in filled.devices] == [L4, H100]
    assert [row.workload for row in filled.rows] == ["bert/tiny"]
    assert filled.count(Provenance.PREDICTED) == 2
    assert filled.rows[0].cells[0].conditions.startswith("fp32, batch 1, torch")
    with pytest.raises(UnknownNameError):
        add_rows(matrix, ["nosuch/model"])
    with pytest.raises(UnknownNameError):
        find_devices(["h1000"])


def test_a_measured_device_is_not_added_twice(results: Any) -> None:
    results.measured("bert/tiny", hardware=L4, latency_ns=1e6)
    matrix = build(results.keep())
    assert add_columns(matrix, find_devices(["l4"])) is matrix


def test_graphs_that_are_not_there_yet_and_too_many_cells_leave_gaps_with_reasons(results: Any) -> None:
    results.measured("bert/tiny", hardware=L4, latency_ns=1e6)
    store = results.keep()
    matrix = add_columns(build(store), find_devices(["t4", "h100"]))
    holes = find_holes(store, matrix, most=1)
    assert len(holes.cells) == 1
    filled = fill_matrix(matrix, holes, {}, {}, Toy())
    assert cell(filled, "bert/tiny", T4).reason == "its model is being counted"
    assert "1 cells are, at most" in (cell(filled, "bert/tiny", H100).reason or "")
    failed = fill_matrix(matrix, holes, {}, {holes.wanted[0]: "too odd"}, Toy())
    assert cell(failed, "bert/tiny", T4).reason == "not predicted: too odd"


def test_metrics_nobody_foretells_leave_the_matrix_as_it_is(results: Any) -> None:
    results.measured("bert/tiny", hardware=L4, accuracy=0.9)
    store = results.keep()
    matrix = add_columns(build(store, metric="accuracy"), find_devices(["t4"]))
    assert find_holes(store, matrix, most=50).cells == ()


def test_rows_relate_to_their_own_kind_and_may_leave_predictions_out() -> None:
    def ask(device: str, precision: str = "fp32") -> Question:
        return Question("a/b", "a", DeviceProfile(device), Conditions("torch", precision, 1))

    questions = [ask("here"), ask("there"), ask("elsewhere"), ask("nowhere")]
    answers: list[Answer] = [
        Prediction("latency_ns", 4.0, "ns", (Interval(0.95, 3.0, 5.0),), Layer.MEASURED, ()),
        Prediction("latency_ns", 2.0, "ns", (), Layer.ROOFLINE, ()),
        Prediction("latency_ns", 1.0, "ns", (Interval(0.8, 0.5, 2.0), Interval(0.9, 0.4, 2.5)), Layer.LEARNED, ()),
        Abstention("latency_ns", "unknown"),
    ]
    rows = matrix_rows(questions, from_answers(answers))
    assert [row.get("relative") for row in rows] == [1.0, 0.5, 1.0, None]
    assert [row.get("level") for row in rows] == [0.95, None, 0.9, None]
    assert [row["provenance"] for row in rows] == ["measured", "predicted", "predicted", None]
    plain = matrix_rows(questions, from_answers(answers), is_measured_only=True)
    assert [row["value"] for row in plain] == [4.0, None, None, None]
    assert "not asked for" in plain[1]["reason"]
