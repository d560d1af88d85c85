"""How well times of several devices are foretold, wherever somebody published such times.

Exchanges on systems and devices held out; independent devices (MLPerf's results of one and of more of a device by the
same submitter); DDP (published training rates of 1 to 8 GPUs, without a licence: looked at, never learned from). Each
beside the naive answer. Tensor and pipeline parallelism have no published times here.

Usage: python benchmarks/strategy.py FOLDER...   (folders of published data, or the folder that holds them)
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterator
from pathlib import Path

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.predict.base import ExampleSource
from assay.predict.collectives import Collective
from assay.predict.collectives_data import gather_collectives
from assay.predict.collectives_kind import fit_collectives, validate_collectives
from assay.predict.collectives_model import CollectivesModel
from assay.predict.devices import find_profile
from assay.predict.system.systems import gather_systems

_LAMBDA = "lambda_training"
_SPLITS = ("topology", "device", "link")
_MODELS = {"bert_base_squad": 108.9e6, "bert_large_squad": 334.1e6, "resnet50": 25.6e6}
"""Columns of the published table whose models are known, and parameters (Devlin et al. 2018, He et al. 2015)."""
_BACKWARD = 2 / 3
_BUCKET_BYTES = 25 << 20


def main() -> None:
    """Print every figure that the folders allow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    source = ExampleSource(None, tuple(parser.parse_args().folders))
    model = _check_exchanges(source)
    _check_replicas(source)
    _check_ddp(source, model)


def _check_exchanges(source: ExampleSource) -> CollectivesModel:
    gathered = gather_collectives(source)
    if not gathered.examples:
        print("exchanges: no folder vidur_profiling")
        return CollectivesModel()
    for split in _SPLITS:
        found = validate_collectives(gathered, split, 0)
        for name, score in found.methods.items():
            held = ", ".join(f"{level:.0%} holds {share:.1%} (hi / lo {score.width[level]:.3g})"
                             for level, share in score.coverage.items())  # fmt: skip
            print(f"{split:9} {name:32} {_errors(score.mean_error, score.median_error, score.n)}  {held}")
        for group in found.stratified["size"]:
            print(
                f"          {group.group:32} {_errors(group.score.mean_error, group.score.median_error, group.score.n)}"
            )
    return fit_collectives(gathered, 0)


def _check_replicas(source: ExampleSource) -> None:
    """Offline rates of n devices over n times that of one, by the same submitter, round, benchmark and software."""
    rates: dict[tuple[str, ...], dict[int, list[float]]] = {}
    for one in gather_systems(source).examples:
        groups = one.groups
        if groups["scenario"].casefold() != "offline":
            continue
        key = tuple(groups[name] for name in ("device", "round", "benchmark", "submitter", "software"))
        rates.setdefault((*key, one.question.workload), {}).setdefault(one.question.conditions.devices, []).append(
            one.value
        )
    ratios = [
        statistics.median(values) / count / statistics.median(own[1])
        for own in rates.values()
        if 1 in own
        for count, values in own.items()
        if count > 1
    ]
    if ratios:
        errors = [abs(1 / one - 1) for one in ratios]
        low, high = (statistics.quantiles(ratios, n=20)[place] for place in (0, -1))
        print(f"replicas  n times the rate of one          "
              f"{_errors(statistics.mean(errors), statistics.median(errors), len(errors))}  "
              f"90 % of ratios between {low:.2f} and {high:.2f}")  # fmt: skip


def _check_ddp(source: ExampleSource, model: CollectivesModel) -> None:
    """Rates of n GPUs from that of one and the exchange of the gradients, with and without overlap."""
    guesses: dict[str, list[float]] = {"n times the rate of one": [], "DDP, hidden behind computing": [],
                                       "DDP, nothing hidden": []}  # fmt: skip
    for one_s, many_s, parameters, device, count in _read_trainings(source):
        try:
            profile = find_profile(device)
        except AssayError:
            continue
        found = model.exchange(profile, Collective.ALL_REDUCE, parameters * 4, count)
        if isinstance(found, Unavailable):
            continue
        exchange_s = found.value_ns / 1e9
        last = exchange_s * min(1.0, _BUCKET_BYTES / (parameters * 4))
        exposed = max(last, exchange_s - _BACKWARD * one_s)
        for name, step_s in zip(guesses, (one_s, one_s + exposed, one_s + exchange_s), strict=True):
            guesses[name].append(abs(many_s / step_s - 1))
    for name, errors in guesses.items():
        if errors:
            print(f"ddp       {name:32} {_errors(statistics.mean(errors), statistics.median(errors), len(errors))}")


def _read_trainings(source: ExampleSource) -> Iterator[tuple[float, float, float, str, int]]:
    """Seconds of a step on one GPU and on n, parameters, the GPU, and n; of the same host's rows."""
    folder = source.find(_LAMBDA)
    if folder is None:
        return
    for precision in ("fp16", "fp32"):
        rates = _read_table(folder / f"pytorch-train-throughput-{precision}.csv")
        batches = _read_table(folder / f"pytorch-train-bs-{precision}.csv")
        for name, row in rates.items():
            count = int(float(row["num_gpu"]))
            bare = name.replace(f"{count}x ", "").replace(f"{count}x", "")
            if count == 1 or bare not in rates or bare not in batches or name not in batches:
                continue
            device = " ".join(word for word in bare.split() if word not in _HOSTS)
            for column, parameters in _MODELS.items():
                values = [float(table[key][column] or 0) for key in (bare, name) for table in (batches, rates)]
                if all(values):
                    yield values[0] / values[1], values[2] / values[3], parameters, device, count


_HOSTS = ("LambdaCloud", "Dell", "DellTexas", "SMC", "1CC", "RAIDZ1", "Gen5")


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name_gpu"]: row for row in csv.DictReader(file)}


def _errors(mean: float, median: float, count: int) -> str:
    return f"off by {mean:5.1%} ({median:5.1%}), n {count}"


if __name__ == "__main__":
    main()
