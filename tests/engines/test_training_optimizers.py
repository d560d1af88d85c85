"""Optimizers and the course of the learning rate."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from assay.engines.training_optimizers import (
    check_optimizer,
    default_rate,
    make_optimizer,
    make_schedule,
    rate_factor,
)
from assay.workloads.base import find_workload

_find_spec = importlib.util.find_spec


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_course_rises_to_its_peak_and_falls_to_nothing(schedule: str) -> None:
    course = [rate_factor(schedule, step, 100) for step in range(120)]
    assert course[0] == pytest.approx(0.2)
    assert max(course) == course[5] == 1.0
    assert course[5:] == sorted(course[5:], reverse=True)
    assert course[100:] == pytest.approx([0.0] * 20)


def test_a_constant_rate_needs_no_scheduler() -> None:
    assert rate_factor("constant", 10**6, 10) == 1.0
    assert make_schedule("constant", object(), 10) is None


def test_larger_models_take_smaller_rates_and_partial_training_larger_ones() -> None:
    tiny, base = find_workload("bert/tiny"), find_workload("bert/base")
    assert default_rate(tiny, 1e-3, optimizer="adamw", is_partial=False) == 1e-3
    assert default_rate(base, 5e-4, optimizer="adamw", is_partial=False) == pytest.approx(4.5e-5, rel=0.01)
    assert default_rate(tiny, 1e-3, optimizer="sgd", is_partial=True) == pytest.approx(0.3)


def test_8_bit_states_need_a_library_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"torchao", "bitsandbytes"}

    def find(name: str) -> Any:
        return None if name in absent else object() if name == "bitsandbytes" else _find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    lack = check_optimizer("adamw-8bit", "cuda:0")
    assert "neither is installed" in str(lack)
    assert check_optimizer("adamw", "cuda:0") is None
    absent.discard("bitsandbytes")
    assert check_optimizer("adamw-8bit", "cuda:0") is None
    assert check_optimizer("adamw-8bit", "cpu") is not None


@pytest.mark.parametrize(("name", "kind"), [("adamw", "AdamW"), ("sgd", "SGD"), ("adafactor", "Adafactor")])
def test_each_name_is_the_librarys_own_optimizer(name: str, kind: str) -> None:
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'assay[torch]'")
    made = make_optimizer(name, [torch.nn.Parameter(torch.ones(2))], 0.5, "cpu")
    assert type(made.optimizer).__name__ == kind
    assert made.optimizer.param_groups[0]["lr"] == 0.5
    assert kind in made.description


def test_torchao_keeps_8_bit_states() -> None:
    pytest.importorskip("torchao", reason="needs torchao: pip install 'assay[torchao]'")
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'assay[torch]'")
    made = make_optimizer("adamw-8bit", [torch.nn.Parameter(torch.ones(4096))], 1e-3, "cpu")
    assert made.description == "torchao AdamW8bit"
