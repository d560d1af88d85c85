"""What people get wrong, each with the exact words they are answered with: what, got, expected, what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.core.records import SCHEMA_VERSION
from assay.store import Store
from assay.store.location import MARKER

Here = Callable[..., Any]
TORCH = pytest.mark.skipif("not __import__('importlib.util').util.find_spec('torch')", reason="needs torch")


def refused(said: Any) -> str:
    """The whole message of a request that was refused."""
    assert (said.code, said.out) == (2, "")
    text: str = said.err
    return text


@pytest.mark.parametrize(
    ("arguments", "message", "advice"),
    [
        (
            ["--model", "brt"],
            "--model: Unknown workload family 'brt'. Did you mean 'bert'?",
            "",
        ),
        (
            ["--model", "bert/bsae"],
            "--model: Unknown size of bert 'bsae'. Did you mean 'base'?",
            "",
        ),
        (
            ["--suite", "qick"],
            "Unknown suite 'qick'. Did you mean 'quick'?",
            "A file is given by its path, ending in .yaml.",
        ),
        (
            ["--suite", "no.yaml"],
            "Suite file 'no.yaml' cannot be read: No such file or directory.",
            (
                "Give the path of a YAML file, or one of the shipped suites: accuracy, contrastive, data, distributed, "
                "engines, quick, standard, training, web."
            ),
        ),
        (["--max-size", "tny"], "Unknown size limit 'tny'. Did you mean 'tiny'?", ""),
        (["--batch", "1,x"], "--batch got 'x'; expected whole numbers of at least 1, such as 1,8.", ""),
        (["--batch", "0"], "--batch got '0'; expected whole numbers of at least 1, such as 1,8.", ""),
        (["--seq", "-5"], "--seq got '-5'; expected whole numbers of at least 1, such as 1,8.", ""),
        (
            ["--shape", "seconds"],
            "--shape got 'seconds'; expected a dimension and its size, such as seconds=10.",
            "",
        ),
        (
            ["--shape", "seconds=x"],
            "--shape seconds got 'x'; expected whole numbers of at least 1, such as 1,8.",
            "",
        ),
        (
            ["--launch-limit", "soon"],
            "--launch-limit: 'soon' is not a duration; expected for example 90s, 15m, 1.5h or 7d.",
            "",
        ),
        (
            ["--model", "bert/tiny", "--min-time", "30"],
            "--max-time: got 20, expected at least min_time_s, 30.",
            "",
        ),
        (
            ["--model", "no.folder:make:x"],
            "--model: 'no.folder:make:x' does not name a factory.",
            "Expected package.module:function, where function(batch=...) returns (module, inputs).",
        ),
        (
            ["--model", "plain_models:good", "--engine", "plain", "--seq", "5"],
            "--shape: plain_models:good has no dimensions, but seq was asked for.",
            "A factory makes its own inputs; only their batch is assay's to choose.",
        ),
        (
            ["--suite", "quick", "--max-size", "tiny", "--model", "bert/base"],
            "The plan is empty: nothing of this suite is within --max-size.",
            "",
        ),
    ],
)
def test_a_request_that_cannot_be_met(here: Here, arguments: list[str], message: str, advice: str) -> None:
    assert refused(here("run", *arguments)) == f"error: {message}\n" + (f"  {advice}\n" if advice else "")


@TORCH
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--precision", "tf32"], "engine torch has no tf32 on cpu; it has fp32, bf16, fp16, int8, int4 there."),
        (["--device", "cuda:7"], "there is no device 'cuda:7' here; found cpu."),
        (["--device", "toaster"], "PyTorch eager has no device kind 'toaster'; it has cpu, cuda, rocm, mps, xpu."),
    ],
)
def test_what_this_machine_cannot_do(here: Here, arguments: list[str], reason: str, monkeypatch: Any) -> None:
    from assay.probes import devices

    monkeypatch.setattr(devices, "find_gpus", lambda **_: ())  # the same answer on a machine that has some
    device = [] if "--device" in arguments else ["--device", "cpu"]
    assert refused(here("run", "--model", "bert/tiny", *device, *arguments)) == (
        f"error: {arguments[0]}: impossible here: {reason}\n  What this machine has and can run: assay doctor\n"
    )


def test_a_suite_that_is_not_yaml(here: Here, tmp_path: Path) -> None:
    tmp_path.joinpath("bad.yaml").write_text("name: mine\ncases:\n  - model: [bert/tiny\n    batch: 1\n")
    message = refused(here("run", "--suite", "bad.yaml"))
    assert message.startswith("error: bad.yaml:4:")
    assert "    4 |     batch: 1\n" in message


def test_a_suite_with_several_faults_names_each_with_its_place(here: Here, tmp_path: Path) -> None:
    tmp_path.joinpath("bad.yaml").write_text(
        "name: mine\nlaunches: 0\ncases:\n  - model: brt/tiny\n    precison: fp32\n    batch: -1\n"
    )
    message = refused(here("run", "--suite", "bad.yaml"))
    for place in ("bad.yaml:2:11", "bad.yaml:4:12", "bad.yaml:5:5", "bad.yaml:6:12"):
        assert place in message
    assert "Did you mean 'precision'?" in message


# --- models that fail -----------------------------------------------------------------------------------------


def test_a_batch_that_exhausts_memory_is_a_row(here: Here, write_suite: Callable[..., Path]) -> None:
    said = here("run", "--suite", write_suite("plain_models:allocates", batch="[1, 1000]"))
    assert (said.code, said.err) == (4, "")
    rows = [line.split() for line in said.out.splitlines() if line.strip().startswith("plain_models:allocates  ")]
    assert [row[-4:] for row in rows] == [["failed:", "out", "of", "memory"]] * 2
    assert "  ! plain_models:allocates plain cpu fp32 b1000: failed: out of memory in load\n" in said.out


def test_a_factory_that_raises_is_a_row_with_its_words_and_its_line(
    here: Here, write_suite: Callable[..., Path], full_match: Callable[[str, str], None]
) -> None:
    said = here("run", "--suite", write_suite("plain_models:raises"))
    assert said.code == 4
    (note,) = [line for line in said.out.splitlines() if line.startswith("  ! ")]
    full_match(
        r"  ! plain_models:raises plain cpu fp32 b1: failed: ValueError in load: the weights are missing \[/x\] "
        r"\ufffd \(plain_models.py:\d+\)",
        note,
    )


def test_a_hanging_model_is_a_row_with_the_limit(here: Here, write_suite: Callable[..., Path]) -> None:
    said = here("run", "--suite", write_suite("plain_models:hangs_in_call", limit=2))
    assert said.code == 4
    assert "failed: time limit" in said.out
    assert " plain cpu fp32 b1: failed: still in first_infer after the limit of 2 s; killed\n" in said.out


def test_a_factory_that_is_not_there(here: Here, write_suite: Callable[..., Path]) -> None:
    said = here("run", "--suite", write_suite("no_such_module:make, plain_models:godo"))
    assert said.code == 4
    assert (
        "failed: The factory 'no_such_module:make' could not be imported: No module named 'no_such_module'. "
        "Run assay from the folder that holds the module, or put that folder on PYTHONPATH.\n"
    ) in said.out
    assert "failed: Unknown factory in plain_models 'godo'. Did you mean 'good'?\n" in said.out


# --- the store ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["run"], ["ls"], ["show"], ["sql", "SELECT 1"], ["store", "check"]])
def test_a_store_below_a_file(here: Here, tmp_path: Path, command: list[str]) -> None:
    tmp_path.joinpath("file").write_text("")
    folder = tmp_path / "file" / "store"
    assert refused(here(*command, "--store", folder)) == (
        f"error: No store could be made in {folder}: a part of the path is a file.\n"
        "  Choose another folder with --store or ASSAY_STORE.\n"
    )


@pytest.mark.parametrize("command", [["run"], ["ls"], ["show"], ["sql", "SELECT 1"], ["store", "recover"]])
def test_a_store_of_a_newer_assay(here: Here, tmp_path: Path, command: list[str]) -> None:
    store = Store.open(tmp_path / "store")
    marker = Path(store.location, MARKER)
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"schema_version": 42}))
    assert refused(here(*command)) == (
        f"error: The store {store.location} was written by assay schema 42; this assay reads up to {SCHEMA_VERSION}.\n"
        "  Upgrade assay.\n"
    )


def test_a_folder_that_is_no_store(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    folder.joinpath("cat.jpg").write_text("")
    assert refused(here("ls", "--store", folder)) == (
        f"error: The folder {folder} is not empty and holds no store ({MARKER} is missing; found 'cat.jpg').\n"
        "  Name an empty or a new folder with --store or ASSAY_STORE.\n"
    )


def test_a_run_that_is_not_there(here: Here, kept: str, full_match: Callable[[str, str], None]) -> None:
    assert refused(here("show")) == (
        "error: There is no run 'last': the store holds no runs yet.\n  `assay run` makes one.\n"
    )
    full_match(
        r"error: There is no run 'zzzz'.\n  The newest are [0-9a-f-]{36}, [0-9a-f-]{36}; `assay ls` lists all.\n",
        refused(here("show", "zzzz", "--store", kept)),
    )
    assert refused(here("show", "last~7", "--store", kept)) == (
        "error: There is no run 'last~7': the store holds 2.\n  The newest is last~0.\n"
    )


# --- resuming -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "others", [["--launches", "9"], ["--suite", "quick"], ["--model", "bert"], ["--seed", "0"], ["--skip-fresh", "1d"]]
)
def test_a_resumed_run_keeps_its_plan(here: Here, kept: str, others: list[str]) -> None:
    assert refused(here("run", "--resume", "last", "--store", kept, *others)) == (
        "error: --resume was given with flags that choose cases or change how they are measured.\n"
        "  A resumed run has the plan of the run it resumes; beside --resume only --store, --tag, --note, --dry-run, "
        "--json and --csv make sense.\n"
    )


def test_a_complete_run_cannot_be_resumed(here: Here, kept: str, full_match: Callable[[str, str], None]) -> None:
    full_match(
        r"error: Run [0-9a-f]{8} is complete; there is nothing to resume.\n"
        r"  The newest that can be: assay run --resume [0-9a-f]{8} \(mixed, failed\)\n",
        refused(here("run", "--resume", "last~1", "--store", kept)),
    )
