from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.words import Mode
from assay.importers.base import Facts, ImportedRow, ImportFileError, Note, Refusal
from assay.importers.source import Source
from assay.importers.tools.timm import Timm, read_name

MakeSource = Callable[..., Source]
NAME = "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090-dynamo.csv"
HEADER = "model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,param_count\n"
REAL = Path(__file__).parents[4] / "shared" / "data" / "timm_bench"
COUNTS = {
    "benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv": (932, 0),
    "benchmark-infer-amp-nchw-pt210-cu121-rtx3090.csv": (1291, 2),
    "benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv": (1443, 0),
    "benchmark-infer-amp-nchw-pt240-cu124-rtx4090-dynamo.csv": (1443, 0),
    "benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv": (1444, 0),
    "benchmark-infer-amp-nchw-pt291-cu128-4090-dynamo.csv": (1625, 0),
    "benchmark-infer-amp-nchw-pt291-cu128-4090.csv": (1627, 0),
    "benchmark-infer-amp-nchw-pt291-cu130-5090-dynamo.csv": (1627, 0),
    "benchmark-infer-amp-nchw-pt291-cu130-5090.csv": (1627, 0),
    "benchmark-infer-amp-nhwc-pt113-cu117-rtx3090.csv": (929, 0),
    "benchmark-infer-amp-nhwc-pt210-cu121-rtx3090.csv": (1204, 0),
    "benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv": (1430, 0),
    "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv": (1441, 0),
    "benchmark-infer-fp32-nchw-pt221-cpu-i9_10940x-dynamo.csv": (1321, 0),
    "benchmark-infer-fp32-nchw-pt240-cpu-i7_12700h-dynamo.csv": (1440, 0),
    "benchmark-infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv": (1435, 0),
    "benchmark-train-amp-nchw-pt112-cu113-rtx3090.csv": (838, 0),
    "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv": (834, 0),
    "results-imagenet.csv": (1556, 0),
}


def read(source: Source) -> list[Any]:
    return list(Timm().read(source))


def test_a_speed_table_keeps_its_units_and_what_its_name_says(
    content: Callable[[str], Any], source: MakeSource
) -> None:
    facts, small, large, never = read(source(content("timm, speed"), NAME))
    assert facts == Facts({"torch": "2.4.0", "cuda": "12.4"}, "NVIDIA GeForce RTX 4090")
    assert small.place == "row 1"
    assert small.case.to_dict() == {
        "workload": "small", "engine": "torch", "device": "cuda", "mode": "inference", "precision": "amp",
        "batch": 256, "shape": {"image": 224}, "options": {"dynamo": True, "layout": "nhwc"},
    }  # fmt: skip
    values = {one.name: one.value for one in small.metrics}
    assert values == {"throughput_per_s": 1000.0, "latency_ns": 255.5e6, "macs": 0.5e9, "activations": 12.25e6}
    assert (small.parameters, large.parameters) == (5_290_000, 1_014_450_000)
    assert (small.units_per_call, large.units_per_call) == (256.0, 32.0)
    assert small.hardware == "NVIDIA GeForce RTX 4090"
    assert (small.conversions["macs.mean"].unit, small.conversions["macs.mean"].factor) == ("10^9", 1e9)
    assert (small.conversions["activations.mean"].unit, small.conversions["latency_ns.mean"].unit) == ("10^6", "ms")
    assert "macs" not in {one.name for one in large.metrics}
    assert isinstance(never, Refusal)
    assert never.error == "infer_samples_per_sec and infer_step_time are empty: nothing was timed."
    assert '"never"' in never.raw


def test_another_name_says_nothing(content: Callable[[str], Any], source: MakeSource) -> None:
    note, row, *_ = read(source(content("timm, speed"), "mine.csv"))
    assert isinstance(note, Note)
    assert (row.case.precision, row.case.device, row.case.options, row.hardware) == (None, None, (), None)


@pytest.mark.parametrize(
    ("name", "precision", "device", "hardware", "options", "facts"),
    [
        (
            "benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv", "amp", "cuda", "NVIDIA GeForce RTX 3090",
            {"layout": "nchw", "dynamo": None}, {"torch": "1.13", "cuda": "11.7"},
        ),
        (
            "benchmark-infer-amp-nchw-pt291-cu130-5090-dynamo.csv", "amp", "cuda", "NVIDIA GeForce RTX 5090",
            {"layout": "nchw", "dynamo": True}, {"torch": "2.9.1", "cuda": "13.0"},
        ),
        (
            "benchmark-infer-fp32-nchw-pt221-cpu-i9_10940x-dynamo.csv", "fp32", "cpu", "Intel Core i9-10940X",
            {"layout": "nchw", "dynamo": True}, {"torch": "2.2.1"},
        ),
        (
            "benchmark-train-amp_bf16-nhwc-pt291-cu128-h100.csv", "amp_bf16", "cuda", "h100",
            {"layout": "nhwc", "dynamo": None}, {"torch": "2.9.1", "cuda": "12.8"},
        ),
    ],
)  # fmt: skip
def test_names(
    name: str, precision: str, device: str, hardware: str, options: dict[str, Any], facts: dict[str, str]
) -> None:
    setting = read_name(name)
    assert setting is not None
    assert (setting.precision, setting.device, setting.hardware) == (precision, device, hardware)
    assert (setting.options, setting.facts) == (options, facts)


@pytest.mark.parametrize(
    "name", ["", "benchmark.csv", "benchmark-infer-amp.csv", NAME.replace("pt240", "pt24"), f"x{NAME}"]
)
def test_other_names(name: str) -> None:
    assert read_name(name) is None


def test_a_table_of_training_is_training(source: MakeSource) -> None:
    text = HEADER.replace("infer_", "train_") + "small,100.0,2560.0,256,224,5.0\n"
    row = read(source(text, "benchmark-train-amp-nchw-pt112-cu113-rtx3090.csv"))[1]
    assert (row.case.mode, row.metrics[1].value) == (Mode.TRAINING, 2560e6)


def test_a_table_of_both_gives_two_rows_for_a_model(source: MakeSource) -> None:
    columns = ("model", *(f"{kind}_{name}" for kind in ("infer", "train") for name in ("samples_per_sec", "step_time")))
    text = ",".join(columns) + ",train_fwd_time,train_bwd_time,train_opt_time\nsmall,100,10,50,20,8,9,3\n"
    inference, training = read(source(text, "both.csv"))[1:]
    assert (inference.place, training.place) == ("row 1, infer", "row 1, train")
    assert {one.phase: one.value for one in training.metrics if one.name == "latency_ns"} == {
        "steady": 20e6, "forward": 8e6, "backward": 9e6, "optimizer": 3e6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        (",1000,255,256,224,5", "model is empty."),
        ("x,,,256,224,5", "infer_samples_per_sec and infer_step_time are empty: nothing was timed."),
        ("x,nan,nan,256,224,5", "it has no number (infer_samples_per_sec, infer_step_time)."),
        ("x,-1000,255,256,224,5", "infer_samples_per_sec: -1000 1/s is negative."),
        ("x,fast,255,256,224,5", "infer_samples_per_sec: 'fast' is not a number."),
        ("x,1000,inf,256,224,5", "infer_step_time: inf is not finite."),
        ("x,1000,255,25.5,224,5", "infer_batch_size: 25.5 is not a count, expected a whole number of at least 0."),
        ("x,1000,255,256,224,-5", "param_count is -5 million, expected a number above 0 that a model can have."),
        (
            "x,1000,0.255,256,224,5",
            "infer_samples_per_sec x infer_step_time is 0.000996 batches, expected about 1: the unit of one is wrong.",
        ),
    ],
)
def test_what_is_wrong_is_named(cells: str, error: str, source: MakeSource) -> None:
    _, refused, kept = read(source(f"{HEADER}{cells}\nsmall,1000,255,256,224,5\n", NAME))
    assert isinstance(refused, Refusal)
    assert (refused.place, refused.error) == ("row 1", error)
    assert isinstance(kept, ImportedRow)


def test_a_zero_speed_is_not_known(source: MakeSource) -> None:
    row = read(source(f"{HEADER}x,0,255,256,224,5\n", NAME))[1]
    assert (row.metrics[0].value, row.metrics[1].value) == (None, 255e6)
    assert row.metrics[0].reason == "the source says 0 in infer_samples_per_sec, which stands for unknown"


def test_accuracies_are_shares_of_a_dataset(content: Callable[[str], Any], source: MakeSource) -> None:
    small, large = read(source(content("timm, accuracy"), "results-imagenet.csv"))
    assert {one.stat: one.value for one in small.metrics} == {"top1": 0.775, "top5": 0.9325}
    assert {one.phase for one in small.metrics} == {"validation"}
    assert dict(small.case.options) == {"crop": 0.875, "dataset": "imagenet", "interpolation": "bicubic"}
    assert dict(large.case.options)["crop"] == 1
    note, row, *_ = read(source(content("timm, accuracy"), "mine.csv"))
    assert isinstance(note, Note)
    assert "dataset" not in dict(row.case.options)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("77.5", "177.5", "top1 is 177.5 %, expected at most 100."),
        ("77.5", "-1", "top1: -1 % is negative."),
        ("0.875", "wide", "crop_pct: 'wide' is not a number."),
        ("small", "", "model is empty."),
    ],
)
def test_a_wrong_accuracy_is_named(
    old: str, new: str, error: str, content: Callable[[str], Any], source: MakeSource
) -> None:
    refused, kept = read(source(content("timm, accuracy").replace(old, new), "results-imagenet.csv"))
    assert (refused.place, refused.error) == ("row 1", error)
    assert kept.case.workload == "large"


def test_a_row_too_long_ends_the_file(source: MakeSource) -> None:
    with pytest.raises(ImportFileError, match="row 1"):
        read(source(f"{HEADER}x,1000,255,256,224,5,6,7\n", NAME))


@settings(max_examples=60, deadline=None)
@given(
    step_ms=st.floats(1e-3, 1e5).map(lambda value: round(value, 3)),
    batch=st.integers(1, 1024),
    image=st.integers(1, 2048),
    millions=st.floats(0.01, 1e5).map(lambda value: round(value, 2)),
)
def test_numbers_written_are_numbers_read(
    source: MakeSource, step_ms: float, batch: int, image: int, millions: float
) -> None:
    rate = batch / step_ms * 1e3
    text = f'{HEADER}x,{rate!r},{step_ms!r},{batch}.0,{image},"{millions:,}"\n'
    row = read(source(text, NAME))[1]
    assert (row.metrics[0].value, row.metrics[1].value) == (rate, step_ms * 1e6)
    assert (row.case.batch, dict(row.case.shape)["image"]) == (batch, image)
    assert row.parameters == round(millions * 1e6)


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_published_tables(name: str) -> None:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"the published table {name} is not beside this repository")
    opened = Source(path, str(path), path.stat().st_size)
    assert Timm().recognise(opened)
    items = read(opened)
    taken = [item for item in items if isinstance(item, ImportedRow)]
    refused = [item for item in items if isinstance(item, Refusal)]
    assert (len(taken), len(refused)) == COUNTS[name]
    assert not any(isinstance(item, Note) for item in items)
    assert all(row.parameters for row in taken)


def test_published_tables_that_are_no_results() -> None:
    if not REAL.exists():
        pytest.skip("the published tables are not beside this repository")
    for name in ("model_metadata-in1k.csv", "timm_op_features.csv"):
        path = REAL / name
        assert not Timm().recognise(Source(path, str(path), path.stat().st_size))
