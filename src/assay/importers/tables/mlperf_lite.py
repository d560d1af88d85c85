"""The "MLPerf Lite" suite (gautamrajur/mlperf-lite-benchmarks): one training or one inference benchmark a file.

Facts of its runner, trainer and metrics modules that decide how a number is read: ``throughput.samples_per_sec`` is the
samples of one epoch (training and validation) over the time of all epochs and the test, so it is no rate and stays
among the fields; ``timing.inference_time`` is the mean time of a *training* batch; an energy, power or size of 0 was
never measured; ``timing.training_time`` is the sum of the epochs, ``training_results.training_time`` has validation in
it; times are local, of no zone. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Mode
from assay.importers.base import Facts, ImportedRow, ImportFileError, Item, Note, importers
from assay.importers.numbers import Numbers
from assay.importers.source import Source
from assay.importers.tables.cells import (
    check_agreement,
    need_mapping,
    need_text,
    read_flag,
    read_option,
    read_size,
    take_row,
)

_TRAINING = frozenset({"training_results", "metrics"})
UNKNOWN_MODEL = "unknown"
"""The workload of a file that does not name one."""

_METRICS = frozenset({"timing", "throughput", "accuracy", "loss"})
_QUALITY = (
    ("accuracy", "accuracy", "train_accuracy", "train"),
    ("accuracy", "accuracy", "val_accuracy", "validation"),
    ("accuracy", "accuracy", "test_accuracy", "test"),
    ("loss", "loss", "train_loss", "train"),
    ("loss", "loss", "val_loss", "validation"),
    ("loss", "loss", "test_loss", "test"),
)
_IGNORES_EPOCHS = (
    "throughput.samples_per_sec divides the samples of one epoch by the time of all of them; the rate here is computed"
)


class MlperfLite:
    """Result files of the suite."""

    name = "mlperf-lite"
    title = "MLPerf Lite result (JSON)"

    def recognise(self, source: Source) -> bool:
        """True for the fields of a training or an inference result."""
        head = source.head_text
        if source.mapping is not None or not any(
            f'"{key}"' in head for key in ("inference_metrics", "training_results")
        ):
            return False
        return _kind_of(source.json_or_none()) is not None

    def read(self, source: Source) -> Iterator[Item]:
        """Give the facts of the machine and one row. Raises ImportFileError where the file is none of the two."""
        content = source.json
        kind = _kind_of(content)
        if kind is None:
            raise ImportFileError(
                f"{source.name} is no MLPerf Lite result.",
                hint="Expected config with training_results and metrics, or with inference_metrics.",
            )
        system = content.get("system_info")
        if isinstance(system, Mapping) and system:
            yield Facts(dict(system))
        if _name_of(content) is None:
            yield Note(f"The file names no model; the workload is {UNKNOWN_MODEL!r}.")
        yield take_row("", content, _build_training if kind is Mode.TRAINING else _build_inference)


def _kind_of(content: Any) -> Mode | None:
    if not isinstance(content, Mapping):
        return None
    inference, metrics = content.get("inference_metrics"), content.get("metrics")
    if isinstance(inference, Mapping) and "avg_inference_time_ms" in inference:
        return Mode.INFERENCE
    if _TRAINING.issubset(content) and isinstance(metrics, Mapping) and _METRICS.issubset(metrics):
        return Mode.TRAINING
    return None


def _build_inference(place: str, content: Mapping[str, Any]) -> ImportedRow:
    measured = need_mapping(content["inference_metrics"], "inference_metrics")
    batch, batches = read_size(measured, "batch_size"), read_size(measured, "num_batches")
    numbers = Numbers()
    time = numbers.add(
        "latency_ns", measured["avg_inference_time_ms"], field="inference_metrics.avg_inference_time_ms", unit="ms"
    )
    rate = numbers.add(
        "throughput_per_s",
        measured.get("throughput_samples_per_sec"),
        field="inference_metrics.throughput_samples_per_sec",
        unit="1/s",
    )
    if batch and time:
        check_agreement(
            rate, batch / time * 1e9, what="throughput_samples_per_sec", how="batch_size / avg_inference_time_ms"
        )
    return ImportedRow(
        place,
        _case(content, Mode.INFERENCE, batch, {"num_batches": batches}),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=content,
        parameters=_parameters_of(content),
        units_per_call=None if batch is None else float(batch),
        unit_of_work="sample",
    )


def _build_training(place: str, content: Mapping[str, Any]) -> ImportedRow:
    results = need_mapping(content["training_results"], "training_results")
    groups = {name: need_mapping(group, f"metrics.{name}") for name, group in content["metrics"].items()}
    dataset = need_mapping(content.get("dataset_info", {}), "dataset_info")
    numbers = Numbers()
    whole = numbers.add(
        "training_time_ns", results.get("training_time"), field="training_results.training_time", unit="s"
    )
    epochs = numbers.add("epochs", results.get("epochs_completed"), field="training_results.epochs_completed", unit="1")
    numbers.add(
        "accuracy", results.get("best_val_accuracy"), field="training_results.best_val_accuracy", unit="1",
        stat="best", phase="validation", zero_is_unknown=False,
    )  # fmt: skip
    for group, metric, field, phase in _QUALITY:
        numbers.add(
            metric, groups[group].get(field), field=f"metrics.{group}.{field}", unit="1", stat="last", phase=phase,
            # A training that never ran leaves the zeros of its defaults.
            zero_is_unknown=not epochs,
        )  # fmt: skip
    _add_energy(numbers, groups.get("energy", {}))
    _add_model(numbers, groups.get("model", {}))
    derived = _add_rate(numbers, dataset, epochs, groups["timing"], whole)
    return ImportedRow(
        place,
        _case(content, Mode.TRAINING, read_size(dataset, "batch_size"), {}),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=content,
        parameters=_parameters_of(content) or read_size(groups.get("model", {}), "parameters_count") or None,
        unit_of_work="sample",
        marks={Mark.DERIVED: _IGNORES_EPOCHS, Mark.CORRECTED: _IGNORES_EPOCHS} if derived else {},
    )


def _add_energy(numbers: Numbers, energy: Mapping[str, Any]) -> None:
    for field, metric, unit in (
        ("total_energy_joules", "energy_j", "J"),
        ("avg_power_watts", "average_power_w", "W"),
        ("peak_power_watts", "peak_power_w", "W"),
    ):
        if field in energy:
            numbers.add(metric, energy[field], field=f"metrics.energy.{field}", unit=unit)


def _add_model(numbers: Numbers, model: Mapping[str, Any]) -> None:
    if "model_size_mb" in model:
        numbers.add("model_bytes", model["model_size_mb"], field="metrics.model.model_size_mb", unit="MiB")


def _add_rate(
    numbers: Numbers,
    dataset: Mapping[str, Any],
    epochs: float | None,
    timing: Mapping[str, Any],
    whole_ns: float | None,
) -> bool:
    """Add the rate of training where samples, epochs and a time are all there; say whether it was."""
    samples = read_size(dataset, "train_samples")
    own = Numbers().add("training_time_ns", timing.get("training_time"), field="metrics.timing.training_time", unit="s")
    time_ns, field = (own, "metrics.timing.training_time") if own else (whole_ns, "training_results.training_time")
    rate = samples * epochs / time_ns * 1e9 if samples and epochs and time_ns else None
    validation = "" if own else ", which has validation in it"
    how = f"train_samples x epochs_completed / {field}{validation}"
    numbers.derive("throughput_per_s", rate, field="dataset_info.train_samples", how=how)
    return rate is not None


def _case(content: Mapping[str, Any], mode: Mode, batch: int | None, options: Mapping[str, Any]) -> ForeignCase:
    config = _inner(content, "config")
    model = need_mapping(content.get("model_info", {}), "model_info")
    training = _inner(_inner(config, "training"), "params")
    mixed = read_flag(training.get("mixed_precision"))
    dataset = _inner(config, "dataset")
    return ForeignCase.make(
        workload=_name_of(content) or UNKNOWN_MODEL,
        engine="torch",
        device=need_text(model, "device") if model.get("device") else None,
        mode=mode,
        # The runner's inference never enters autocast, whatever the setting says.
        precision="amp" if mixed and mode is Mode.TRAINING else None,
        batch=batch,
        options={"dataset": read_option(dataset.get("name")), **options},
    )


def _name_of(content: Mapping[str, Any]) -> str | None:
    """The model by the configuration's name, else by its class."""
    config, model = content.get("config"), content.get("model_info")
    named = config.get("model") if isinstance(config, Mapping) else None
    for place in (named, model):
        name = place.get("name") if isinstance(place, Mapping) else None
        if isinstance(name, str) and name.strip():
            return name.strip()
    return None


def _inner(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return need_mapping(content.get(name, {}), name)


def _parameters_of(content: Mapping[str, Any]) -> int | None:
    return read_size(need_mapping(content.get("model_info", {}), "model_info"), "total_parameters") or None


importers.add(MlperfLite.name, MlperfLite())
