"""Published rows: what is read of them, what is put right, and what is left out and said."""

from __future__ import annotations

import csv
from pathlib import Path

from assay.predict.base import ExampleSource
from assay.predict.llm.gather import Served, gather_llm

EMPTY = dict.fromkeys(
    [
        "id", "silicon_data_source", "backend", "model_path", "system", "precision", "mode", "isl", "osl",
        "gemm_quant_mode", "tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size", "prefill_num_workers",
        "prefill_tp_size", "prefill_attention_dp_size", "decode_num_workers", "decode_tp_size",
        "decode_attention_dp_size", "decode_moe_ep_size", "silicon_ttft_ms", "silicon_tpot_ms",
    ],
    "",
)  # fmt: skip
DUMP = "db-dump/2026-04-27; config_id=1; silicon_concurrency=64; measured=2026-04-17T00:00:00.000Z"
WHOLE = EMPTY | {
    "id": "a_cfg1", "silicon_data_source": DUMP, "backend": "vllm", "model_path": "MiniMaxAI/MiniMax-M2.5",
    "system": "b200_sxm", "precision": "fp8", "mode": "agg", "isl": "1024", "osl": "1024", "gemm_quant_mode": "fp8",
    "tp_size": "4", "attention_dp_size": "1", "moe_tp_size": "4", "moe_ep_size": "1", "silicon_ttft_ms": "205.5",
    "silicon_tpot_ms": "17.8",
}  # fmt: skip


def read(folder: Path, *rows: dict[str, str]) -> tuple[list[Served], tuple[str, ...]]:
    own = folder / "aiconfigurator"
    own.mkdir()
    with (own / "silicon_sample.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(EMPTY))
        writer.writeheader()
        writer.writerows(rows)
    found = gather_llm(ExampleSource(None, (folder,)))
    return list(found.examples), found.notes


def test_a_row_is_read_with_its_users_day_and_device(tmp_path: Path) -> None:
    (row,), notes = read(tmp_path, WHOLE)
    assert (row.setup.shape.name, row.setup.users, row.setup.devices) == ("minimax-m2.5", 64, 4)
    assert (row.first_ns, row.between_ns, row.measured) == (205.5e6, 17.8e6, "2026-04-17")
    assert (row.system, row.vendor) == ("nvidia-b200-sxm-180gb", "NVIDIA")
    assert notes == ()


def test_devices_that_columns_multiply_with_themselves_are_counted_once(tmp_path: Path) -> None:
    square = WHOLE | {"tp_size": "16", "moe_ep_size": "4"}
    by_users = WHOLE | {"silicon_ttft_ms": "300", "attention_dp_size": "4", "moe_tp_size": "1", "moe_ep_size": "16"}
    named = WHOLE | {
        "id": "2026_04_06_x_c64_tp8_ep8_7", "silicon_data_source": "source_file=x.csv; silicon_concurrency=64",
        "tp_size": "64", "moe_tp_size": "8", "moe_ep_size": "8",
    }  # fmt: skip
    rows, _ = read(tmp_path, square, by_users, named)
    assert [one.setup.devices for one in rows] == [4, 4, 8]
    assert [one.setup.is_attention_parallel for one in rows] == [False, True, False]
    assert [one.measured for one in rows][2] == ""


def test_split_setups_need_their_workers(tmp_path: Path) -> None:
    split = WHOLE | {
        "mode": "disagg", "decode_num_workers": "2", "decode_tp_size": "1", "decode_attention_dp_size": "8",
        "decode_moe_ep_size": "8", "prefill_num_workers": "3", "prefill_tp_size": "4",
    }  # fmt: skip
    (row,), notes = read(tmp_path, split, split | {"decode_num_workers": ""})
    setup = row.setup
    assert (setup.workers, setup.devices, setup.prefill_workers, setup.prefill_devices) == (2, 8, 3, 4)
    assert setup.is_split
    assert notes == ("1 of 2 rows left out: split set-ups that do not tell how many workers there are",)


def test_what_cannot_be_learned_from_is_counted(tmp_path: Path) -> None:
    rows, notes = read(
        tmp_path,
        WHOLE,
        WHOLE | {"silicon_ttft_ms": "205.51"},  # the same run with more digits
        WHOLE | {"model_path": "acme/unheard-of"},
        WHOLE | {"system": "acme_9000"},
        WHOLE | {"precision": "fp3"},
        WHOLE | {"silicon_tpot_ms": "0"},
        WHOLE | {"silicon_tpot_ms": "n/a"},
        WHOLE | {"tp_size": "72", "moe_tp_size": "72"},
        WHOLE | {"tp_size": "1", "moe_tp_size": "1"},  # 230 GB into 193
        WHOLE | {"silicon_data_source": "source_file=x; gtl_task_id=1; silicon_concurrency=64"},
        WHOLE | {"silicon_data_source": "source_file=x"},
    )
    assert len(rows) == 1
    assert len(notes) == 10
    assert all(one.startswith("1 of 11 rows left out: ") for one in notes)


def test_without_the_table_there_is_nothing(tmp_path: Path) -> None:
    found = gather_llm(ExampleSource(None, (tmp_path,)))
    assert not found.examples
    assert found.notes == ("no aiconfigurator/silicon_sample.csv",)
