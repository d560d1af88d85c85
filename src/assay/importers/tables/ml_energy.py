"""The ML.ENERGY leaderboard: energy, power and speed of served language models and of image and video makers.

The columns are those of ``public/data/tasks/*.json`` in ml-energy/leaderboard, one row a configuration. Energy and
power are those of all GPUs of a row together (energy per token x tokens per second is the power), not of the host.
May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mode
from assay.importers.base import ImportedRow, Item, RowError, importers
from assay.importers.numbers import Numbers
from assay.importers.source import Source
from assay.importers.tables.cells import (
    check_agreement,
    need_text,
    read_option,
    read_rows,
    read_size,
    read_sizes,
)

_COLUMNS = frozenset({"model_id", "gpu_model", "num_gpus", "avg_power_watts", "task", "weight_precision"})
_SERVING = {
    "output_throughput_tokens_per_sec": ("output_tokens_per_s", "1/s", "mean"),
    "energy_per_token_joules": ("energy_j_per_sample", "J", "mean"),
    "energy_per_request_joules": ("energy_j_per_call", "J", "mean"),
    "median_itl_ms": ("inter_token_latency_ns", "ms", "median"),
    "p90_itl_ms": ("inter_token_latency_ns", "ms", "p90"),
    "p95_itl_ms": ("inter_token_latency_ns", "ms", "p95"),
    "p99_itl_ms": ("inter_token_latency_ns", "ms", "p99"),
}
_IMAGES = {
    "throughput_images_per_sec": ("throughput_per_s", "1/s", "mean"),
    "energy_per_image_joules": ("energy_j_per_sample", "J", "mean"),
    "batch_latency_s": ("latency_ns", "s", "mean"),
}
_VIDEOS = {
    "throughput_videos_per_sec": ("throughput_per_s", "1/s", "mean"),
    "energy_per_video_joules": ("energy_j_per_sample", "J", "mean"),
    "batch_latency_s": ("latency_ns", "s", "mean"),
}
_KINDS = (
    ("token", "output_throughput_tokens_per_sec", "energy_per_token_joules", _SERVING),
    ("image", "throughput_images_per_sec", "energy_per_image_joules", _IMAGES),
    ("video", "throughput_videos_per_sec", "energy_per_video_joules", _VIDEOS),
)
_OPTIONS = (
    "task", "max_num_seqs", "tensor_parallel", "expert_parallel", "data_parallel", "ring_degree", "ulysses_degree",
    "inference_steps", "fps",
)  # fmt: skip
_PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


class MlEnergy:
    """The leaderboard's table."""

    name = "ml-energy"
    title = "ML.ENERGY leaderboard (CSV)"

    def recognise(self, source: Source) -> bool:
        """True for a CSV file with the leaderboard's columns."""
        return source.mapping is None and _COLUMNS.issubset(source.csv_header)

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each row of data. Raises ImportFileError where columns are missing."""
        return read_rows(source, _COLUMNS, _build)


def _build(place: str, record: Mapping[str, Any]) -> ImportedRow:
    unit, rate, energy, metrics = _kind_of(record)
    numbers = Numbers()
    values = {
        column: numbers.add(metric, record.get(column), field=column, unit=source_unit, stat=stat)
        for column, (metric, source_unit, stat) in metrics.items()
    }
    power = numbers.add("average_power_w", record["avg_power_watts"], field="avg_power_watts", unit="W")
    made, cost = values[rate], values[energy]
    check_agreement(power, made * cost if made and cost else None, what="avg_power_watts", how=f"{rate} x {energy}")
    batch = read_size(record, "batch_size")
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=need_text(record, "model_id"),
            device=need_text(record, "gpu_model"),
            mode=Mode.SERVING if unit == "token" else Mode.INFERENCE,
            precision=_precision_of(record),
            batch=batch,
            shape=read_sizes(
                record,
                {
                    "height": "image_height" if unit == "image" else "video_height",
                    "width": "image_width" if unit == "image" else "video_width",
                    "frames": "num_frames",
                },
            ),
            options={
                "accelerators": read_size(record, "num_gpus"),
                **{name: read_option(record.get(name)) for name in _OPTIONS},
            },
        ),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=record,
        units_per_call=None if batch is None else float(batch),
        unit_of_work=unit,
    )


def _kind_of(record: Mapping[str, Any]) -> tuple[str, str, str, Mapping[str, tuple[str, str, str]]]:
    """What a row counts, by which of the throughputs it has."""
    for unit, rate, energy, metrics in _KINDS:
        if record.get(rate) or record.get(energy):
            return unit, rate, energy, metrics
    raise RowError("The row has neither tokens, images nor videos per second.")


def _precision_of(record: Mapping[str, Any]) -> str:
    word = need_text(record, "weight_precision")
    return _PRECISIONS.get(word, word)


importers.add(MlEnergy.name, MlEnergy())
