"""The recipe ``cost``: counted once, kept, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.artefacts.cache import artefact_key, find_artefact, make_artefact
from assay.artefacts.cost import read_cost, request_cost
from assay.core.case import Case
from assay.core.errors import AssayError
from assay.workloads.base import find_workload
from assay.workloads.cost_count import count_cost
from assay.workloads.resolve import resolve_workload


def case(**fields: object) -> Case:
    given = {"workload": "unet/tiny", "engine": "torch", "device": "cpu"} | fields
    return Case.make(**given)  # type: ignore[arg-type]  # a test's fields are what it names


def test_a_cost_is_counted_once_and_read_back(tmp_path: Path) -> None:
    workload = find_workload("unet/tiny")
    request = request_cost(workload, case(), scope="a run")
    assert find_artefact(request, workload, tmp_path) is None
    made = make_artefact(request, workload, tmp_path, threads=1)
    again = make_artefact(request, workload, tmp_path, threads=1)
    assert not made.was_cached
    assert again.was_cached
    cost = read_cost(made.folder)
    assert cost == count_cost(workload, 1, workload.resolve_shape({}))
    assert made.facts["flops"] == str(cost.flops)


def test_what_does_not_change_the_count_shares_one() -> None:
    workload = find_workload("unet/tiny")

    def key(**fields: object) -> str:
        return artefact_key(request_cost(workload, case(**fields), scope="a run"), workload)

    assert key() == key(precision="bf16") == key(engine="onnxruntime") == key(options={"threads": 2})
    assert len({key(), key(batch=2), key(shape={"image": 96}), key(options={"prune": "magnitude:0.5"})}) == 4


def test_the_cost_of_a_users_function_serves_one_run_only() -> None:
    workload = resolve_workload("my_model:make")
    keys = {artefact_key(request_cost(workload, case(workload="my_model:make"), scope=run), workload) for run in "ab"}
    assert len(keys) == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"by_op_class": {"matmul": {"flops": 1, "colour": 2}}}'])
def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "cost.json").write_text(content)
    with pytest.raises(AssayError, match="cannot be read") as error:
        read_cost(tmp_path)
    assert error.value.hint == "Remove it with: assay cache clear"
