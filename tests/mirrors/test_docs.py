"""docs/mirror.md lists every table, view and option, and its queries run and return what they promise."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.main import get_command

from assay.cli import mirror as command
from assay.core.records import MetricValue
from assay.core.words import Status
from assay.mirrors.connection import Connection
from assay.mirrors.ddl import INFO, STATE
from assay.mirrors.tables import TABLES
from assay.mirrors.transfer import mirror_store
from assay.mirrors.views import VIEWS
from assay.store import Store

DOCS = (Path(__file__).parents[2] / "docs" / "mirror.md").read_text(encoding="utf-8")
QUERIES = dict(re.findall(r"^### ([^\n]+)\n(?:(?!^###).)*?```sql\n(.*?)```", DOCS, flags=re.DOTALL | re.MULTILINE))
PROMISED = {
    "Latest latency per workload and device": (
        "workload engine precision batch hardware provenance latency_ms low_ms high_ms verdict time"
    ),
    "Trend of a series with its interval": "time latency_ms low_ms high_ms env_id git_commit",
    "Failures by reason, last 30 days": "status reason provenance results workloads last_seen",
    "Measured beside imported, never mixed": (
        "family hardware provenance results median_throughput_per_s best_throughput_per_s unit_of_work"
    ),
    "Energy per sample by device": (
        "hardware workload engine precision metric joules_per_sample reason provenance time"
    ),
}


def test_the_tables_are_those_of_the_mirror() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", DOCS, flags=re.MULTILINE)
    listed = {table: tuple(re.findall(r"`(\w+)`", key)) for table, key in rows if "`" in key}
    assert listed == {table.name: table.key for table in TABLES} | {STATE: ("run_id",)}
    assert f"| `{INFO}` |" in DOCS
    assert set(re.findall(r"^- `(\w+)`:", DOCS, flags=re.MULTILINE)) == set(VIEWS)


def test_the_options_are_those_of_the_command() -> None:
    app = Typer()
    command.register(app)
    options = {name for option in get_command(app).params for name in (*option.opts, *option.secondary_opts)}
    documented = set(re.findall(r"^\| `(--[\w-]+)", DOCS, flags=re.MULTILINE))
    assert documented == {name for name in options if name.startswith("--")} - {
        "--with-samples",
        "--install-completion",
        "--show-completion",
    }


@pytest.fixture(scope="module")
def answers(server: Any, bundles: Any, composed: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answer to every query on the page, as Arrow tables."""
    store = Store.open(tmp_path_factory.mktemp("docs") / "store")
    for day in range(3):
        store.append(bundles.make_bundle(started_at=bundles.STARTED_AT + timedelta(days=day)))
    composed.add_import(store)
    ours = bundles.make_bundle(cases=1, started_at=bundles.STARTED_AT - timedelta(days=1))
    measured = dataclasses.replace(
        ours.results[0],
        hardware=bundles.HARDWARE,
        series_id="ours",
        metrics=(
            MetricValue("throughput_per_s", 100.0, "1/s"),
            MetricValue("energy_j_per_sample", 0.5, "J"),
        ),
    )
    store.append(dataclasses.replace(ours, results=(measured,)))
    failing = bundles.make_bundle(cases=1, started_at=datetime.now(UTC) - timedelta(days=1))
    failed = dataclasses.replace(failing.results[0], status=Status.OOM, reason="out of memory", metrics=())
    store.append(dataclasses.replace(failing, results=(failed,)))
    with Connection(server.url()) as connection:
        mirror_store(store.location, server.url())
        found: dict[str, Any] = {}
        for title, sql in QUERIES.items():
            with connection._raw.cursor() as cursor:
                cursor.execute(sql.strip().removesuffix(";"))
                found[title] = cursor.fetch_arrow_table()
        connection.execute("DROP SCHEMA assay CASCADE")
        connection.commit()
    return found


def test_there_are_five_queries() -> None:
    assert QUERIES.keys() == PROMISED.keys()


@pytest.mark.parametrize("title", PROMISED)
def test_a_query_returns_what_it_promises(answers: dict[str, Any], title: str) -> None:
    assert answers[title].column_names == PROMISED[title].split()
    assert answers[title].num_rows > 0


def test_the_queries_answer_rightly(answers: dict[str, Any]) -> None:
    latest = answers["Latest latency per workload and device"].to_pylist()
    assert [row["latency_ms"] for row in latest] == [1.0, 1.000001]
    trend = answers["Trend of a series with its interval"].to_pylist()
    assert [row["low_ms"] for row in trend] == [0.9] * 3
    failures = answers["Failures by reason, last 30 days"].to_pylist()
    assert ("oom", "out of memory", 1) in [(row["status"], row["reason"], row["results"]) for row in failures]
    beside = answers["Measured beside imported, never mixed"].to_pylist()
    found = {(row["provenance"], row["results"], row["median_throughput_per_s"]) for row in beside}
    assert found == {("measured", 1, 100.0), ("imported", 4, 14.0)}
    energy = answers["Energy per sample by device"].to_pylist()
    assert {(row["joules_per_sample"], row["reason"]) for row in energy} == {
        (0.5, None),
        (None, "0 in the source, which means unknown"),
    }
