"""``assay compare --native ENGINE --web``: pairs of stored results, as a table and for programs; what is refused."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.cli.compare_web import PAIR_COLUMNS, read_web_words
from assay.core.errors import UnknownNameError
from assay.core.words import Provenance
from assay.store import Store

Here = Callable[..., Any]


def _load() -> Any:
    path = Path(__file__).parents[1] / "analysis" / "web_runs.py"
    spec = importlib.util.spec_from_file_location("cli_tests_web_runs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


made = _load()
runs, native, web = made.runs, made.native, made.web


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def test_browsers_beside_a_native_engine_in_a_table(here: Here, store: Store) -> None:
    made.fill(store)
    said = here("compare", "--native", "onnxruntime", "--web")
    assert (said.code, said.err) == (0, "")
    assert "latency_ns · A onnxruntime → B in the browser" in said.out
    for words in ("bert/tiny fp32 b1 seq128 threads=2", "chromium wasm", "2.500", "5+5", "firefox wasm"):
        assert words in said.out, said.out
    assert "chromium wasm: 2." in said.out
    assert "on the geometric mean of 5 pairs" in said.out
    assert "1 on software adapters (SwiftShader Device (Subzero)): they show that it works" in said.out
    assert "1 without a pair: not supported" in said.out or "1 without a pair: unsupported" in said.out
    assert "the launches took turns" in said.out
    assert "both sides ran the model file of one recipe" in said.out


def test_the_same_for_programs(here: Here, store: Store) -> None:
    run_id = made.fill(store)
    said = here("compare", run_id, "--web", "--native", "onnxruntime", "--json")
    content = json.loads(said.out)
    assert (said.code, content["metric"], content["unit"], content["native"]) == (0, "latency_ns", "ns", "onnxruntime")
    first = next(one for one in content["pairs"] if (one["browser"], one["threads"]) == ("chromium", 2))
    assert first["case"] == "bert/tiny fp32 b1 seq128 threads=2"
    assert (first["backend"], first["native_engine"], first["native_device"]) == ("wasm", "onnxruntime", "cpu")
    assert first["browser_version"] == "141.0.7390.54"
    assert first["ratio"] == pytest.approx(2.5)
    assert first["ratio_lo"] < 2.5 < first["ratio_hi"]
    assert (first["native_launches"], first["web_launches"], first["took_turns"]) == (5, 5, True)
    assert {(one["browser"], one["backend"]) for one in content["means"]} == {
        ("chromium", "wasm"), ("firefox", "wasm"), ("sparticuz", "webnn cpu")
    }  # fmt: skip
    (software,) = content["software_adapters"]
    assert (software["adapter"], software["backend"]) == ("SwiftShader Device (Subzero)", "webgpu")
    assert {one["case"].split(" ")[0] for one in content["unpaired"]} == {"vit/tiny", "resnet/tiny"}
    rows = list(csv.DictReader(io.StringIO(here("compare", "--web", "--csv").out)))
    assert tuple(rows[0]) == PAIR_COLUMNS
    assert len(rows) == len(content["pairs"])


def test_engines_of_browsers_are_told_from_runs(here: Here, store: Store) -> None:
    made.fill(store)
    content = json.loads(here("compare", "--web", "webnn", "last", "--json").out)
    assert {one["backend"] for one in content["pairs"]} == {"webnn cpu"}
    content = json.loads(here("compare", "--web", "--model", "vit/tiny", "--json").out)
    assert {one["case"].split(" ")[0] for one in content["pairs"]} == {"vit/tiny"}
    assert read_web_words(["web-wasm,webgpu", "last~1"]) == (("web-wasm", "web-webgpu"), ("last~1",))
    with pytest.raises(UnknownNameError, match="web-flash"):
        read_web_words(["web-flash"])


def test_another_metric_says_whose_side_is_on_top(here: Here, store: Store) -> None:
    runs.append_run(store, native(), web(factor=2.0))
    said = here("compare", "--web", "--metric", "throughput_per_s")
    assert said.code == 0
    assert "A over B" in said.out
    assert "2.000" in said.out


def test_what_makes_no_sense_beside_web_is_refused(here: Here, store: Store) -> None:
    runs.append_run(store, native(), web())
    for words, message in (
        (["--web", "--by", "engine"], "--by was given"),
        (["--web", "--launches", "5"], "--launches was given"),
        (["--native", "onnxruntime"], "without --web"),
        (["--web", "--native", "tensorflow"], "onnxruntime"),
        (["--web", "--metric", "beauty"], "beauty"),
    ):
        said = here("compare", *words)
        assert (said.code, message in said.err) == (2, True), (words, said.err)


def test_nothing_to_compare_says_why(here: Here, store: Store) -> None:
    runs.append_run(store, native())
    said = here("compare", "--web")
    assert (said.code, "no results of a browser" in said.err, "--suite web" in said.err) == (2, True, True)
    runs.append_run(store, web("webgpu", threads=None, hardware=made.SWIFTSHADER), at=runs.EVENING)
    said = here("compare", "--web")
    assert (said.code, "1 a software adapter" in said.err) == (2, True)


def test_imported_numbers_take_part_only_where_asked(here: Here, store: Store) -> None:
    runs.append_run(store, native(), web(), provenance=Provenance.IMPORTED)
    assert here("compare", "--web").code == 2
    content = json.loads(here("compare", "--web", "--with-imported", "--json").out)
    assert [one["provenance"] for one in content["pairs"]] == ["imported"]
