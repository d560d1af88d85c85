"""What a prediction costs: loading, one answer, workloads x devices, and the graph of a model of 70 billion parameters.

Budgets: loaded in < 0.3 s, one answer < 1 ms, 1 000 workloads x 200 devices < 2 s, the graph of the large model in
seconds without its weights. Loading is timed in fresh processes. The workloads are graphs of shipped families at
made-up sizes; the devices are those of the catalogue. Nothing is measured of any device.

Beside them, what one's own results cost where a store has many of them; their times are made up here.

Usage: python benchmarks/predict.py [--rounds N] [--store PATH] [--workloads N] [--devices N] [--own N] [--no-large]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from assay.predict.base import Gathered
from assay.predict.layers import Estimator, open_estimator
from assay.predict.matrix_rows import matrix_rows
from assay.predict.numbers import NONE, find_alike, numbers_of
from assay.predict.values import Conditions, DeviceProfile, Example, GraphProfile, Question

if TYPE_CHECKING:
    from assay.store import Store

_LARGE = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8192, "intermediate_size": 28672,
    "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 8192,
}  # fmt: skip
_LOAD = """
import sys, time
start = time.perf_counter()
from assay.predict.layers import open_estimator
imported = time.perf_counter()
store = None
if len(sys.argv) > 1:
    from assay.store import Store
    store = Store.open(sys.argv[1])
found = open_estimator(store)
heavy = sorted(name for name in ("torch", "lightgbm", "scipy", "sklearn", "duckdb") if name in sys.modules)
print(imported - start, time.perf_counter() - imported, len(found.kinds), *heavy)
"""
_ENGINES = ("torch", "onnxruntime", "openvino")
_FAMILIES = ("bert/base", "resnet/50", "vit/base", "t5/small", "unet/base")


def main() -> None:
    """Print each figure beside its budget."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--workloads", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--own", type=int, default=3000, help="results of one's own; 0: none")
    parser.add_argument("--store", default=None)
    parser.add_argument("--no-large", action="store_true")
    asked = parser.parse_args()
    _time_loading(asked.rounds, asked.store)
    store = _open(asked.store)
    estimator = open_estimator(store)
    print(f"answered by: {', '.join(kind.name for kind in estimator.kinds) or 'nobody'}")
    graphs, devices = _make_graphs(asked.workloads), _find_devices(asked.devices)
    _time_one(estimator, graphs[0], devices[0], asked.rounds)
    _time_matrix(estimator, graphs, devices)
    for kind in estimator.kinds:
        _time_matrix(Estimator((kind,)), graphs, devices)
    if asked.own:
        _time_own(asked.own, graphs, devices)
    if not asked.no_large:
        _time_large()


def _open(location: str | None) -> Store | None:
    from assay.store import Store

    return None if location is None else Store.open(location)


def _time_loading(rounds: int, location: str | None) -> None:
    imports, loads, line = [], [], ""
    for _ in range(rounds):
        command = [sys.executable, "-c", _LOAD, *([] if location is None else [location])]
        line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        words = line.split()
        imports.append(float(words[0]))
        loads.append(float(words[1]))
    _say("import, fresh process", statistics.median(imports), None, f"{rounds} processes")
    heavy = line.split()[3:]
    note = f"{line.split()[2]} predictors; heavy modules: {', '.join(heavy) or 'none'}"
    _say("load, fresh process", statistics.median(loads), 0.3, note)


def _time_one(estimator: Estimator, graph: GraphProfile, device: DeviceProfile, rounds: int) -> None:
    question = _ask(graph, device)
    _say("one answer", _best_of(lambda: estimator.estimate([question]), rounds * 20), 1e-3, "median, graph known")


def _time_matrix(estimator: Estimator, graphs: list[GraphProfile], devices: list[DeviceProfile]) -> None:
    questions = [_ask(graph, device) for graph in graphs for device in devices]
    start = time.perf_counter()
    found = estimator.numbers(questions)
    took = time.perf_counter() - start
    told = int((found.layers != NONE).sum())
    who = ", ".join(kind.record.kind for kind in estimator.kinds)
    name = f"{len(graphs)} x {len(devices)}"
    _say(name, took, 2.0, f"{told} numbers with intervals by {who}; {len(questions) - told} abstentions")
    if len(estimator.kinds) > 1:
        start = time.perf_counter()
        rows = matrix_rows(questions, found)
        _say(
            f"{name}, as rows", time.perf_counter() - start, None, f"{len(rows)} rows as `assay matrix --csv` has them"
        )
        start = time.perf_counter()
        answers = found.answers()
        _say(f"{name}, explained", time.perf_counter() - start, None, f"{len(answers)} answers with all their reasons")


def _time_own(count: int, graphs: list[GraphProfile], devices: list[DeviceProfile]) -> None:
    from assay.predict.own.fit import MOST, fit_own, load_own, thin_out
    from assay.predict.own.terms import terms_of

    random, here = Random(0), replace(devices[0], name="a machine of one's own")
    examples = []
    for number in range(count):
        graph = graphs[number % len(graphs)]
        conditions = Conditions(engine=_ENGINES[number // len(graphs) % len(_ENGINES)], batch=graph.batch)
        question = Question(graph.workload, graph.family, here, conditions, graph=graph)
        groups = {"model": graph.workload, "family": graph.family, "device": here.name, "tier": "", "case": ""}
        groups |= {"engine": conditions.engine or "", "precision": conditions.precision}
        value = float(terms_of([question]).sum()) * random.lognormvariate(0.3, 0.2)
        examples.append(Example(question, value, groups, f"made up {number}"))
    start = time.perf_counter()
    kept = thin_out(examples, MOST)
    _say("own: choosing", time.perf_counter() - start, None, f"{len(kept)} of {count} made-up results")
    start = time.perf_counter()
    payload = fit_own(Gathered(tuple(kept), ()), 0).payload()
    _say("own: learning", time.perf_counter() - start, None, "intervals of four situations included")
    start = time.perf_counter()
    fitted = load_own(payload)
    _say("own: load", time.perf_counter() - start, 0.3, "this kind alone, from memory")
    question = replace(_ask(graphs[0], here), conditions=examples[0].question.conditions)
    start = time.perf_counter()
    fitted.answer([question])
    _say("own: first answer", time.perf_counter() - start, None, "what was learned is put together")
    _say("own: one answer", _best_of(lambda: fitted.answer([question]), 20), 1e-3, "median, graph known")
    questions = [
        replace(_ask(graph, device), metric="latency_ns") for graph in graphs for device in [here, *devices[1:]]
    ]
    start = time.perf_counter()
    found = numbers_of(fitted, questions, find_alike(questions))
    told = int((found.layers != NONE).sum())
    note = f"{told} numbers, of one machine; {len(questions) - told} abstentions"
    _say(f"own: {len(graphs)} x {len(devices)}", time.perf_counter() - start, 2.0, note)


def _time_large() -> None:
    from assay.predict.graphs import profile_workload

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large"
        path.mkdir()
        (path / "config.json").write_text(json.dumps(_LARGE))
        start = time.perf_counter()
        found = profile_workload(str(path), batch=1, cache=Path(folder) / "cache")
        first = time.perf_counter() - start
        start = time.perf_counter()
        profile_workload(str(path), batch=8, cache=Path(folder) / "cache")
        again = time.perf_counter() - start
    _say("graph of a large model", first, None, f"{found.parameters / 1e9:.1f}e9 parameters, PyTorch's import included")
    _say("its graph at batch 8", again, None, "once counted")


def _make_graphs(count: int) -> list[GraphProfile]:
    """Graphs of shipped families, scaled by made-up factors so that no two are the same."""
    from assay.predict.graphs import profile_workload

    known = [profile_workload(name) for name in _FAMILIES]
    made = []
    for number in range(count):
        graph, grow = known[number % len(known)], 1 + number / count
        work = {
            name: replace(one, flops=one.flops * grow, elements=one.elements * grow) for name, one in graph.work.items()
        }
        made.append(replace(graph, workload=f"{graph.workload} x {grow:.3f}", work=work))
    return made


def _find_devices(count: int) -> list[DeviceProfile]:
    from assay.catalog.hardware.load import load_catalogue
    from assay.predict.devices import profile_of

    profiles = (profile_of(one) for one in load_catalogue().values())
    usable = [one for one in profiles if one.flops_per_s and one.bandwidth_bytes_per_s]
    return usable[:count]


def _ask(graph: GraphProfile, device: DeviceProfile) -> Question:
    return Question(graph.workload, graph.family, device, Conditions(precision="fp16", batch=graph.batch), graph=graph)


def _best_of(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _say(what: str, seconds: float, budget: float | None, note: str) -> None:
    verdict = "" if budget is None else f"  budget {budget:g} s: {'held' if seconds < budget else 'MISSED'}"
    print(f"{what:<26} {seconds:>9.4f} s{verdict}  ({note})")


if __name__ == "__main__":
    main()
