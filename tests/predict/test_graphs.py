"""Graphs of calls: classes agree with an independent table, batches scale, every kind of reference has one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from assay.core.errors import UnknownNameError, UnsupportedError, WorkloadError
from assay.predict.graphs import from_timm_row, profile_at, profile_workload
from assay.predict.values import OP_CLASSES, GraphProfile
from assay.workloads.base import find_workload
from assay.workloads.cost_count import count_cost

TIMM = Path(__file__).parents[2] / ".." / "shared" / "data" / "timm_bench" / "timm_op_features.csv"
TINY_LLAMA = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100, "max_position_embeddings": 64,
}  # fmt: skip
TINY_MIXTURE = {**TINY_LLAMA, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}


def write_config(folder: Path, content: dict[str, object]) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps(content))
    return file


def timm_row(model: str, image: int) -> dict[str, str]:
    if not TIMM.is_file():
        pytest.skip(f"{TIMM} is not at hand: the shared data folder is not beside this checkout")
    with TIMM.open(newline="") as file:
        return next(row for row in csv.DictReader(file) if (row["model"], row["img_size"]) == (model, str(image)))


def same_work(one: GraphProfile, two: GraphProfile, *, rel: float) -> None:
    assert one.work.keys() == two.work.keys()
    for name in one.work:
        assert one.work[name].flops == pytest.approx(two.work[name].flops, rel=rel)
        assert one.work[name].elements == pytest.approx(two.work[name].elements, rel=rel)


# -- against the published table ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("ref", "model"), [("resnet/50", "resnet50"), ("vit/base", "vit_base_patch16_224")])
def test_counting_here_agrees_with_the_table_of_timm(tmp_path: Path, ref: str, model: str) -> None:
    counted = profile_workload(ref, cache=tmp_path)
    table = from_timm_row(timm_row(model, 224))
    assert counted.parameters == table.parameters
    assert counted.work.keys() == table.work.keys()
    for name in counted.work.keys() - {"pool", "matmul"}:  # indices of a pool; queries, keys and values are one product
        assert counted.work[name].count == table.work[name].count
        assert counted.work[name].elements == table.work[name].elements
        assert counted.work[name].weight_elements == pytest.approx(table.work[name].weight_elements, abs=2e5)
    for name in counted.work:
        assert counted.work[name].flops == table.work[name].flops


# -- scaling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", ["bert/tiny", "resnet/tiny", "unet/tiny", "llama/tiny", "whisper/tiny"])
def test_a_batch_scales_as_if_it_were_counted(tmp_path: Path, ref: str) -> None:
    scaled = profile_workload(ref, batch=8, cache=tmp_path)
    workload = find_workload(ref)
    counted = count_cost(workload, 8, workload.resolve_shape({}))
    assert scaled.batch == 8
    assert scaled.flops == counted.flops
    assert scaled.kernels == counted.kernels
    total = counted.total
    assert scaled.elements == pytest.approx(
        total.elements_read + total.elements_written, rel=0.03
    )  # positions are looked up once for a whole batch
    assert scaled.activation_peak_elements == pytest.approx(counted.activation_peak_elements, rel=0.02)
    assert scaled.saved_elements == pytest.approx(counted.saved_elements, rel=0.02)
    assert scaled.units_per_call == workload.units_per_call(8, workload.resolve_shape({}))


def test_scaling_there_and_back_is_nothing() -> None:
    table = from_timm_row({"model": "one", "img_size": 32, "ok": 1, "params": 100, "conv_n": 1, "conv_f": 800,
                           "conv_b": 1600})  # fmt: skip
    assert profile_at(profile_at(table, 16), 1) == table
    assert profile_at(table, 1) is table
    with pytest.raises(ValueError, match="at least 1"):
        profile_at(table, 0)


def test_the_classes_are_those_that_predictors_know(tmp_path: Path) -> None:
    for ref in ("bert/tiny", "xclip/tiny", "detr/tiny"):
        assert set(profile_workload(ref, cache=tmp_path).work) <= set(OP_CLASSES)


# -- every kind of reference -------------------------------------------------------------------------------------


def test_a_configuration_needs_no_weights(tmp_path: Path) -> None:
    file = write_config(tmp_path / "model", TINY_LLAMA)
    by_folder = profile_workload(str(file.parent), cache=tmp_path / "cache")
    by_file = profile_workload(str(file), cache=tmp_path / "cache")
    assert by_folder.work == by_file.work
    assert by_folder.family == "llama"
    assert dict(by_folder.shape)["seq"] == 64  # the model has no more positions
    assert by_folder.work["attention"].count == 2
    # Twice for a multiply-add: projections of two key-value heads of four, and the gated layer.
    products = 2 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 128)
    assert by_folder.work["matmul"].flops == 2 * 64 * products


def test_how_weights_are_stored_does_not_change_the_graph(tmp_path: Path) -> None:
    plain = profile_workload(str(write_config(tmp_path / "plain", TINY_LLAMA)), cache=tmp_path / "cache")
    stored = {**TINY_LLAMA, "dtype": "bfloat16", "quantization_config": {"quant_method": "gptq", "bits": 4}}
    found = profile_workload(str(write_config(tmp_path / "stored", stored)), cache=tmp_path / "cache")
    assert found.work == plain.work
    assert found.activation_peak_elements == plain.activation_peak_elements


def test_a_configuration_that_changes_is_another_model(tmp_path: Path) -> None:
    file = write_config(tmp_path / "model", TINY_LLAMA)
    before = profile_workload(str(file), cache=tmp_path / "cache")
    write_config(tmp_path / "model", {**TINY_LLAMA, "num_hidden_layers": 4})
    assert profile_workload(str(file), cache=tmp_path / "cache").kernels > before.kernels


def test_a_count_is_kept_by_content(tmp_path: Path) -> None:
    file = write_config(tmp_path / "model", TINY_LLAMA)
    profile_workload(str(file), cache=tmp_path / "cache")
    assert len([one for one in (tmp_path / "cache").iterdir() if one.is_dir()]) == 1
    profile_workload(str(file), batch=4, cache=tmp_path / "cache")
    assert len([one for one in (tmp_path / "cache").iterdir() if one.is_dir()]) == 1


def test_a_mixture_of_experts_reads_those_that_are_chosen(tmp_path: Path) -> None:
    file = write_config(tmp_path / "model", TINY_MIXTURE)
    found = profile_workload(str(file), shape={"seq": 16}, cache=tmp_path / "cache")
    experts = found.work["batched_matmul"]
    assert experts.count == 4  # gate and up are one product, in each of two layers
    assert experts.flops == 2 * 2 * (16 * 2) * 3 * 64 * 128
    assert experts.weight_elements == 2 * 4 * 3 * 64 * 128


def test_a_function_of_the_users_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "graph_of_mine.py").write_text(
        "import torch\n\n\ndef make(batch=1):\n    return torch.nn.Conv2d(8, 16, 1), (torch.zeros(batch, 8, 4, 4),)\n"
    )
    monkeypatch.chdir(tmp_path)
    found = profile_workload("graph_of_mine:make", batch=3, cache=tmp_path / "cache")
    assert found.work.keys() == {"pointwise_conv"}
    assert found.flops == 2 * 3 * 16 * 8 * 16
    assert not (tmp_path / "cache").exists()  # tomorrow it may be another model


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ({"kernel_size": 3}, "conv"),
        ({"kernel_size": 1}, "pointwise_conv"),
        ({"kernel_size": 3, "groups": 4}, "grouped_conv"),
        ({"kernel_size": 3, "groups": 8}, "depthwise_conv"),
    ],
)
def test_convolutions_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: dict[str, int], name: str
) -> None:
    import sys
    from types import ModuleType

    import torch

    module = ModuleType("graph_layers")
    module.make = lambda batch=1: (  # type: ignore[attr-defined]  # made here
        torch.nn.Conv2d(8, 8, **layer), (torch.zeros(batch, 8, 6, 6),)
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, f"graph_layers_{name}", module)
    assert profile_workload(f"graph_layers_{name}:make", cache=tmp_path).work.keys() == {name}


# -- what has no graph -------------------------------------------------------------------------------------------


def test_an_unknown_family_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as error:
        profile_workload("brt/base", cache=tmp_path)
    assert "bert" in error.value.nearest


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model_type": 7}', "[" * 5000])
def test_what_is_no_configuration_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(WorkloadError, match=r"config\.json"):
        profile_workload(str(tmp_path / "config.json"), cache=tmp_path / "cache")


def test_a_model_that_transformers_does_not_know_is_not_built(tmp_path: Path) -> None:
    file = write_config(tmp_path / "model", {"model_type": "nobody", "auto_map": {"AutoModel": "evil.Model"}})
    with pytest.raises(WorkloadError, match="a nobody"):
        profile_workload(str(file), cache=tmp_path / "cache")


def test_a_hub_id_that_is_not_at_hand_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WorkloadError, match="downloads nothing"):
        profile_workload("hf:nobody/nothing-at-all", cache=tmp_path / "cache")


def test_a_model_whose_course_depends_on_values_is_refused(tmp_path: Path) -> None:
    file = write_config(tmp_path / "model", {"model_type": "switch_transformers", "num_layers": 2, "d_model": 32})
    with pytest.raises(UnsupportedError, match="could not be counted"):
        profile_workload(str(file), cache=tmp_path / "cache")
