"""``assay matrix`` and ``assay recommend --model`` as programs, over the priors that ship."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Protocol

import pytest

pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")


class Said(Protocol):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Said]
_MODELS = ("--model", "bert/tiny,resnet/tiny")
_DEVICES = ("--on", "l4,t4,rtx4090")


def test_every_cell_has_a_number_or_a_reason(here: Here) -> None:
    said = here("matrix", *_MODELS, *_DEVICES, "--precision", "fp16", "--batch", 8, "--json")
    assert said.code == 0
    cells = json.loads(said.out)["cells"]
    assert len(cells) == 6
    for cell in cells:
        if cell["value"] is None:
            assert cell["reason"]
        else:
            assert cell["provenance"] == "predicted"
            assert cell["layer"]
            assert 0 < cell["relative"] <= 1
    assert {cell["device"] for cell in cells} == {"NVIDIA L4", "NVIDIA Tesla T4", "NVIDIA GeForce RTX 4090"}


def test_the_table_marks_what_is_foretold_and_counts(here: Here) -> None:
    said = here("matrix", *_MODELS, *_DEVICES)
    assert said.code == 0
    assert "0 measured (bold)" in said.out
    assert "~" in said.out
    rows = list(csv.DictReader(io.StringIO(here("matrix", *_MODELS, *_DEVICES, "--csv").out)))
    assert len(rows) == 6
    assert {row["metric"] for row in rows} == {"latency_ns"}


def test_devices_are_ranked_with_odds_and_prices(here: Here) -> None:
    asked = ("recommend", "--model", "bert/tiny", *_DEVICES, "--price", "l4=0.71,t4=0.35,rtx4090=0.4")
    said = here(*asked, "--objective", "cost", "--batch", "8,32", "--json")
    assert said.code == 0, said.err
    content = json.loads(said.out)
    ranked = content["ranked"]
    assert ranked
    costs = [one["usd_per_million"] for one in ranked]
    assert costs == sorted(costs)
    assert sum(one["p_best"] for one in ranked) == pytest.approx(1.0)
    assert all(one["provenance"] == "predicted" and one["price"] == "as given" for one in ranked)
    assert content["notes"] == ["predicted options are not measured: measure the first ones before you buy"]


def test_limits_that_nobody_keeps_leave_reasons(here: Here) -> None:
    said = here("recommend", "--model", "bert/tiny", *_DEVICES, "--max-latency", "1ms", "--batch", "256", "-p", "fp32")
    assert said.code == 0, said.err
    assert "not NVIDIA" in said.out or "is above" in said.out or "meets" in said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--on", "rtx4091"), "Unknown device 'rtx4091'"),
        (("--objective", "beauty"), "Unknown objective 'beauty'"),
        (("--precision", "fp7"), "--precision: got 'fp7'; expected one of"),
        (("--max-latency", "soon"), "--max-latency"),
        (("--price", "l4"), "The price 'l4' is not understood"),
    ],
)
def test_slips_are_said(here: Here, words: tuple[str, ...], message: str) -> None:
    on = () if "--on" in words else _DEVICES
    said = here("recommend", "--model", "bert/tiny", *on, *words)
    assert said.code == 2
    assert message in said.err


def test_a_load_takes_devices_with_room_for_the_queue(here: Here) -> None:
    asked = ("plan", "--model", "bert/tiny", *_DEVICES, "--qps", 20000, "--price", "l4=0.71,t4=0.35,rtx4090=0.4")
    said = here(*asked, "--max-wait", "5ms", "--json")
    assert said.code == 0, said.err
    plans = json.loads(said.out)["plans"]
    assert plans
    for one in plans:
        assert one["replicas"] * one["rate_per_s"] * 0.8 >= 20000 * 0.99
        assert one["p_meets"] >= 0.9
        assert one["busy"] <= 0.8
        assert one["provenance"] == "predicted"
    costs = [one["usd_h"] for one in plans]
    assert costs == sorted(costs)
    assert " × NVIDIA" in here(*asked).out


def test_several_of_a_device_and_rented_machines_may_be_chosen(here: Here) -> None:
    many = ("--on", "l4,g6.12xlarge", "--devices", "1,2", "--precision", "fp16", "--batch", "8")
    said = here("recommend", "--model", "bert/tiny", *many, "--objective", "throughput", "--json")
    assert said.code == 0, said.err
    ranked = json.loads(said.out)["ranked"]
    by = {(one["devices"], one["machine"]): one for one in ranked}
    (rented,) = [machine for _, machine in by if machine]
    assert by.keys() == {(1, None), (2, None), (4, rented)}
    assert "g6.12xlarge" in rented
    assert by[2, None]["rate_per_s"] == pytest.approx(2 * by[1, None]["rate_per_s"])
    assert by[2, None]["strategy"] == "replicas"
    assert by[4, rented]["rank"] == 1
    assert "independent devices" in " ".join(by[2, None]["why"])
    table = here("recommend", "--model", "bert/tiny", *many)
    assert "2 × NVIDIA L4" in table.out
    assert "replicas" in table.out


def test_training_shared_out_is_said_to_be_untested(here: Here) -> None:
    asked = ("--model", "bert/tiny", "--on", "a100-sxm4-80gb", "--devices", "8", "--mode", "training")
    said = here("recommend", *asked, "--precision", "fp32", "--optimizer", "adamw", "--json")
    assert said.code == 0, said.err
    (one,) = json.loads(said.out)["ranked"]
    assert one["strategy"] in {"ddp", "fsdp", "tensor", "pipeline"}
    assert not one["is_validated"]
    assert one["plan"]["exchange_ns"] > 0
    assert one["latency_ns"] == pytest.approx(one["plan"]["compute_ns"] + one["plan"]["exchange_ns"])
    refused = here("recommend", *asked, "--mode", "inference", "--optimizer", "adamw")
    assert refused.code == 2
    assert "--optimizer is of training" in refused.err
    assert "expected 1 to 1024" in here("recommend", *asked, "--devices", "2000").err
