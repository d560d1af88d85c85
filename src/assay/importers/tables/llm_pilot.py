"""LLM-Pilot's measurements: throughput and latencies of a served language model by GPU profile and number of users.

The table is IBM/LLM-performance-prediction's raw readings, one row a (model, GPU profile, users). Times are
milliseconds, ``throughput`` is tokens made per second, and ``nttft`` the time to the first token over the tokens of
the prompt, as ``preprocess_data/Preprocess_data.ipynb`` there computes them. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mode
from assay.importers.base import ImportedRow, Item, importers
from assay.importers.numbers import Numbers, read_number
from assay.importers.source import Source
from assay.importers.tables.cells import check_agreement, need_text, read_rows, read_size, split_devices

_COLUMNS = frozenset({"model", "gpu", "num_users", "throughput", "median_ttft", "median_itl"})
_TIMES = {
    "median_ttft": ("time_to_first_token_ns", "median"),
    "p90_ttft": ("time_to_first_token_ns", "p90"),
    "median_itl": ("inter_token_latency_ns", "median"),
    "p90_itl": ("inter_token_latency_ns", "p90"),
    "p99_itl": ("inter_token_latency_ns", "p99"),
}


class LlmPilot:
    """The aggregated table, ``llm_pilot_aggregated.csv``."""

    name = "llm-pilot"
    title = "LLM-Pilot's table of served language models (CSV)"

    def recognise(self, source: Source) -> bool:
        """True for a CSV file with these columns and no predictions among them."""
        header = source.csv_header
        return source.mapping is None and _COLUMNS.issubset(header) and not any("prediction" in name for name in header)

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each row of data. Raises ImportFileError where columns are missing."""
        return read_rows(source, _COLUMNS, _build)


def _build(place: str, record: Mapping[str, Any]) -> ImportedRow:
    device, accelerators = split_devices(need_text(record, "gpu"))
    requests = read_size(record, "n_requests")
    numbers = Numbers()
    rate = numbers.add("output_tokens_per_s", record["throughput"], field="throughput", unit="1/s")
    for column, (metric, stat) in _TIMES.items():
        n = requests if "ttft" in column else None
        numbers.add(metric, record.get(column), field=column, unit="ms", stat=stat, n=n)
    numbers.add(
        "score", record.get("median_nttft"), field="median_nttft", unit="1", stat="median", phase="median_nttft",
        n=requests, note="milliseconds for each token of the prompt",
    )  # fmt: skip
    seconds = numbers.add("wall_time_ns", record.get("experiment_s"), field="experiment_s", unit="s")
    made = read_number(record.get("mean_out_tokens"))
    if requests and made and seconds:
        check_agreement(
            rate, requests * made / seconds * 1e9, what="throughput", how="n_requests x mean_out_tokens / experiment_s"
        )
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=need_text(record, "model"),
            device=device,
            mode=Mode.SERVING,
            options={"accelerators": accelerators, "users": read_size(record, "num_users")},
        ),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=record,
        unit_of_work="token",
    )


importers.add(LlmPilot.name, LlmPilot())
