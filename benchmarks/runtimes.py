"""assay against the runtimes' own tools on one model file: OpenVINO's ``benchmark_app``, a bare loop on ONNX Runtime.

A round is one fresh process of either side, one after the other; which goes first alternates. Both get the same file,
inputs, threads and settings, and the median of each process is one value. assay's side loads the engine's session and
takes samples as a launch does. ``benchmark_app`` prints two decimals of a millisecond and reads the time that OpenVINO
notes of a request; assay times the call, as its caller waits for it, so what Python adds to a call is in its figure.
Usage: python benchmarks/runtimes.py [--rounds N] [--seconds S] [--full] [--model NAME] [--engine NAME]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.words import Precision
from assay.engines.base import LoadRequest, engines
from assay.runner.plan import default_threads
from assay.runner.supervise import worker_environment
from assay.workloads.base import find_workload
from ratios import ratio_of_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = ("bert/tiny", "resnet/18")
FULL = ("bert/base", "resnet/50")
TOOLS = {"openvino": "benchmark_app", "onnxruntime": "bare loop"}
SEED = 0
LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Subject:
    """One model on one engine, with its artefacts made. ``inputs`` holds ``inputs.npz`` and an .npy for each input."""

    engine: str
    workload: str
    threads: int
    seconds: float
    artefacts: Mapping[str, Path]
    inputs: Path

    @property
    def file(self) -> Path:
        """The one model file that both sides load."""
        (folder,) = self.artefacts.values()
        return folder / {"openvino": "model.xml", "onnxruntime": "model.onnx"}[self.engine]


def main() -> None:
    """Make the models, take the rounds, print the table; or be one process of a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="processes a side and model; at least 2")
    parser.add_argument("--seconds", type=float, default=4.0, help="time a process takes samples for")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--full", action="store_true", help=f"also {' and '.join(FULL)}")
    parser.add_argument("--model", action="append", help=f"only this model; without, {' and '.join(SMALL)}")
    parser.add_argument("--engine", action="append", choices=sorted(TOOLS), help="only this engine")
    parser.add_argument("--make", nargs=3, metavar=("ENGINE", "WORKLOAD", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=3, metavar=("ENGINE", "WORKLOAD", "ARTEFACTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_model(*options.make, threads=options.threads)
    elif options.measure:
        measure_in_assay(*options.measure, threads=options.threads, seconds=options.seconds)
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Take all rounds of one model and engine after the other, and print one line each."""
    print(
        f"{options.rounds} rounds, {options.seconds:g} s a process, {options.threads} threads, float32, batch 1; "
        "medians in ms; ratio assay / tool"
    )
    print(f"{'model':<12}{'engine':<13}{'tool':<15}{'assay':>9}{'tool':>9}  ratio of medians, mean ratio with 95 % CI")
    with tempfile.TemporaryDirectory() as folder:
        for workload in options.model or SMALL + (FULL if options.full else ()):
            for engine in options.engine or TOOLS:
                subject = prepare(engine, workload, options, Path(folder))
                print(_format(subject, *take_rounds(subject, options.rounds, Path(folder))), flush=True)


def take_rounds(subject: Subject, rounds: int, scratch: Path) -> tuple[list[float], list[float]]:
    """Return the medians of both sides in ns, one a round."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        for side in ("assay", "tool") if number % 2 == 0 else ("tool", "assay"):
            if side == "assay":
                ours.append(run_assay(subject))
            elif subject.engine == "openvino":
                theirs.append(run_benchmark_app(subject, scratch))
            else:
                theirs.append(run_bare_loop(subject))
    return ours, theirs


def _format(subject: Subject, ours: list[float], theirs: list[float]) -> str:
    ratio = ratio_of_pairs(ours, theirs)
    assay, tool = (statistics.median(side) / 1e6 for side in (ours, theirs))
    return (
        f"{subject.workload:<12}{subject.engine:<13}{TOOLS[subject.engine]:<15}{assay:>9.3f}{tool:>9.3f}  "
        f"{ratio.of_medians:.4f}, {ratio.of_means:.4f} ({ratio.lo:.4f} to {ratio.hi:.4f})"
    )


# -- what both sides load ------------------------------------------------------------------------------------


def prepare(engine: str, workload_name: str, options: argparse.Namespace, scratch: Path) -> Subject:
    """Have the model made, in a process of its own as it imports torch, and write the inputs down."""
    import numpy as np

    from assay.artefacts.onnx_files import write_inputs
    from assay.workloads.inputs import make_inputs

    workload = find_workload(workload_name)
    made = _run_self(["--make", engine, workload_name, str(scratch / "cache")], options.threads)
    inputs = scratch / workload_name.replace("/", "-")
    inputs.mkdir(exist_ok=True)
    arrays: dict[str, NDArray[Any]] = make_inputs(workload, batch=1, shape=workload.resolve_shape({}), seed=SEED)
    write_inputs(arrays, inputs)
    for name, array in arrays.items():
        np.save(inputs / f"{name}.npy", array)
    artefacts = {recipe: Path(folder) for recipe, folder in made.items()}
    return Subject(engine, workload_name, options.threads, options.seconds, artefacts, inputs)


def make_model(engine: str, workload_name: str, cache: str, *, threads: int) -> None:
    """Make what the engine needs, and print the folders by recipe."""
    from assay.artefacts.cache import make_artefact

    request = _request(workload_name, threads)
    wanted = engines.get(engine).plan_artefacts(request)
    made = {one.recipe: make_artefact(one, request.workload, Path(cache), threads=threads) for one in wanted}
    print(json.dumps({recipe: str(artefact.folder) for recipe, artefact in made.items()}))


def _request(workload_name: str, threads: int) -> LoadRequest:
    workload = find_workload(workload_name)
    return LoadRequest(workload, "cpu", Precision.FP32, 1, workload.resolve_shape({}), threads, SEED)


# -- the sides, one fresh process each -----------------------------------------------------------------------


def run_assay(subject: Subject) -> float:
    """Return the median of assay's own loop on the engine's session, in ns."""
    artefacts = json.dumps({recipe: str(folder) for recipe, folder in subject.artefacts.items()})
    said = _run_self(
        ["--measure", subject.engine, subject.workload, artefacts, "--seconds", str(subject.seconds)], subject.threads
    )
    return float(said["median_ns"])


def measure_in_assay(engine_name: str, workload_name: str, artefacts: str, *, threads: int, seconds: float) -> None:
    """Load, warm up and take samples as a worker does, for a fixed time; print the median."""
    from assay.runner.measure import take_samples, warm_up
    from assay.runner.timing import Timing

    engine = engines.get(engine_name)
    folders = {recipe: Path(folder) for recipe, folder in json.loads(artefacts).items()}
    request = replace(_request(workload_name, threads), artefacts=folders)
    engine.import_libraries(request.workload)
    session = engine.load(request)
    timing = Timing(min_time_s=seconds, max_time_s=seconds)
    timed = take_samples(session, timing, call_ns=warm_up(session, timing).last_call_ns)
    session.unload()
    print(json.dumps({"median_ns": timed.median_call_ns}))


def run_benchmark_app(subject: Subject, scratch: Path) -> float:
    """Return the median latency that OpenVINO's own tool prints, in ns."""
    workload = find_workload(subject.workload)
    inputs = _describe_inputs(subject.inputs, [spec.name for spec in workload.family.inputs])
    settings = scratch / "openvino.json"
    # By file, as its flag for threads would ask for `-hint none`: other settings than the engine's.
    settings.write_text(json.dumps({"CPU": {"INFERENCE_NUM_THREADS": str(subject.threads)}}))
    tool = shutil.which("benchmark_app", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if tool is None:
        sys.exit("benchmark_app is not installed: pip install 'assay[openvino]'")
    command = [
        tool, "-m", str(subject.file), "-d", "CPU", "-hint", "latency", "-api", "sync", "-nireq", "1",
        "-infer_precision", "f32", "-load_config", str(settings), "-t", str(max(1, round(subject.seconds))),
        "-shape", ",".join(f"{name}[{','.join(map(str, shape))}]" for name, (shape, _) in inputs.items()),
        # It would put a conversion from 8 bits before what looks like an image.
        "-iop", ",".join(f"{name}:{kind}" for name, (_, kind) in inputs.items()),
        "-i", ",".join(f"{name}:{subject.inputs / f'{name}.npy'}" for name in inputs),
    ]  # fmt: skip
    # CI=true is the switch of its telemetry that writes no file.
    environ = worker_environment(os.environ, subject.threads) | {"CI": "true"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    found = re.search(r"Median:\s+([\d.]+) (ms|us)", done.stdout)
    if done.returncode or found is None:
        sys.exit(f"benchmark_app failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return float(found[1]) * (1e6 if found[2] == "ms" else 1e3)


def _describe_inputs(folder: Path, names: list[str]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and OpenVINO's word for the type, by input."""
    import numpy as np

    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    return {name: (array.shape, f"{array.dtype.kind}{8 * array.dtype.itemsize}") for name, array in arrays.items()}


def run_bare_loop(subject: Subject) -> float:
    """Return the median of the plain loop on ONNX Runtime, in ns."""
    script = Path(__file__).with_name("bare_onnxruntime.py")
    done = subprocess.run(
        [sys.executable, str(script), str(subject.file), str(subject.inputs / "inputs.npz"),
         "--threads", str(subject.threads), "--seconds", str(subject.seconds)],
        env=worker_environment(os.environ, subject.threads), capture_output=True, text=True, check=False,
        timeout=LIMIT_S,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{script.name} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.strip().splitlines()[-1]) * 1e6


def _run_self(arguments: list[str], threads: int) -> dict[str, Any]:
    """Run this file in a fresh process as a worker is, and return the JSON it prints last."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments, "--threads", str(threads)],
        env=worker_environment(os.environ, threads),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


if __name__ == "__main__":
    main()
