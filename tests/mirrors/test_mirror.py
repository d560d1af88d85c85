from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assay.core.errors import UnknownNameError
from assay.mirrors.catalogue_tables import CATALOGUE_TABLES
from assay.mirrors.connection import MirrorError
from assay.mirrors.plan import Settings, choose_tables
from assay.mirrors.tables import OPTIONAL, TABLES
from assay.mirrors.transfer import mirror_store, plan_mirror
from assay.mirrors.verify import verify_mirror
from assay.store import Store
from assay.store.findings import append_calibrations, append_findings

Fetch = Callable[..., list[dict[str, Any]]]


def count_rows(fetch: Fetch, table: str) -> int:
    counted: int = fetch(f"SELECT count(*) AS n FROM assay.{table}")[0]["n"]  # noqa: S608
    return counted


def test_a_mirror_has_every_row_and_a_second_mirroring_moves_nothing(filled: Store, url: str, fetch: Fetch) -> None:
    first = mirror_store(filled.location, url)
    assert (first.created, first.runs_copied, first.runs_removed) == (True, 4, 0)
    expected = {
        "runs": 4, "results": 5 + 6 + 7, "launches": 7, "samples": 7, "telemetry": 7, "imports": 1,
        "import_refusals": 2, "annotations": 1, "baselines": 1, "environments": 2, "result_marks": 2 + 6,
    }  # fmt: skip
    for table, count in expected.items():
        assert count_rows(fetch, table) == count
        assert first.rows[table] == count
    assert fetch("SELECT count(*) AS n FROM assay.metrics")[0]["n"] == 5 * 4 + 5 * 3 + 6 + 3
    verified = verify_mirror(filled.location, url)
    assert verified.is_equal, [table for table in verified.tables if not table.is_equal]
    assert {table.table for table in verified.tables} == {table.name for table in TABLES} - {"predictions"}

    second = mirror_store(filled.location, url)
    assert (second.created, second.runs_copied, second.moved, second.rows) == (False, 0, 0, {})


def test_only_new_runs_are_copied(filled: Store, url: str, bundles: Any) -> None:
    mirror_store(filled.location, url)
    filled.append(bundles.make_bundle(cases=1))
    again = mirror_store(filled.location, url)
    assert again.runs_copied == 1
    assert (again.rows["runs"], again.rows["results"]) == (1, 1)
    assert "cases" not in again.rows
    assert verify_mirror(filled.location, url).is_equal


def test_values_arrive_as_they_were(filled: Store, url: str, fetch: Fetch) -> None:
    mirror_store(filled.location, url)
    samples = fetch("SELECT values, calls_per_sample FROM assay.samples LIMIT 1")[0]
    assert samples == {"values": list(range(10**6, 10**6 + 20)), "calls_per_sample": 1}
    telemetry = fetch("SELECT dt_ns, values FROM assay.telemetry LIMIT 1")[0]
    assert telemetry == {"dt_ns": [0, 10**8], "values": [1e9, None]}
    case = fetch(
        "SELECT shape->>'seq' AS seq, (options->'threads')::int AS threads FROM assay.cases WHERE engine='torch'"
    )
    assert case[0] == {"seq": "128", "threads": 2}
    moment = fetch(
        "SELECT (extract(epoch FROM started_at) * 1000000)::bigint AS us FROM assay.runs WHERE suite = 'import'"
    )
    assert moment == [{"us": 1_794_038_400_000_001}]
    missing = fetch("SELECT value, reason FROM assay.metrics WHERE metric = 'load_ns' LIMIT 1")
    assert missing == [{"value": None, "reason": "the engine does not say"}]


def test_hostile_values_arrive_readable(filled: Store, url: str, composed: Any, fetch: Fetch) -> None:
    mirror_store(filled.location, url)
    texts = {row["reason"] for row in fetch("SELECT reason FROM assay.results WHERE reason IS NOT NULL")}
    hostile = composed.HOSTILE
    for name in ("quotes", "scripts", "controls", "long", "empty"):
        assert hostile[name] in texts, name
    assert r"before\u0000after" in texts
    assert r"broken \ud800 text" in texts
    numbers = fetch("SELECT metric, value::text AS value FROM assay.metrics WHERE metric LIKE 'unheard_of%' ORDER BY 1")
    expected = {"NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e+308"}
    assert {row["value"] for row in numbers} == expected
    config = fetch("SELECT config->>'c' AS c FROM assay.runs WHERE status = 'interrupted'")
    assert config == [{"c": r"before\u0000after"}]
    unknown = fetch("SELECT unit, description FROM assay.metric_registry WHERE metric = 'unheard_of_nul'")
    assert unknown == [{"unit": None, "description": None}]


def test_hardware_comes_from_environments_and_nothing_is_guessed(
    filled: Store, url: str, composed: Any, fetch: Fetch
) -> None:
    mirror_store(filled.location, url)
    device = fetch(
        "SELECT kind, model, manufacturer, architecture FROM assay.devices WHERE hardware = $1", composed.GPU
    )
    assert device == [
        {"kind": "gpu", "model": composed.GPU, "manufacturer": "NVIDIA", "architecture": "compute capability 9.0"}
    ]
    owned = fetch("SELECT hardware, devices FROM assay.system_devices ORDER BY devices")
    assert owned == [{"hardware": "AMD EPYC 4c 24GiB", "devices": 1}, {"hardware": composed.GPU, "devices": 2}]
    plain = fetch("SELECT system_id, os FROM assay.environments WHERE facts->>'os' = 'linux'")
    assert plain[0]["system_id"] is not None
    assert plain[0]["os"] is None  # these facts are no machine of assay's


def test_marked_and_failed_rows_are_kept_but_not_usable(filled: Store, url: str, fetch: Fetch) -> None:
    mirror_store(filled.location, url)
    counts = fetch(
        "SELECT (SELECT count(*) FROM assay.current_results WHERE suite = 'import') AS kept, "
        "(SELECT count(*) FROM assay.usable_results WHERE suite = 'import') AS usable"
    )
    assert counts == [{"kept": 6, "usable": 4}]
    ours = filled.query("SELECT result_id FROM results WHERE usable ORDER BY 1")["result_id"].to_pylist()
    theirs = fetch("SELECT result_id FROM assay.usable_results ORDER BY 1")
    assert [row["result_id"] for row in theirs] == ours


def test_the_latest_result_of_a_series_leaves_out_runs_that_were_resumed(
    store: Store, url: str, bundles: Any, fetch: Fetch
) -> None:
    from datetime import timedelta

    old = bundles.make_bundle(cases=1)
    newest = bundles.make_bundle(cases=1, started_at=bundles.STARTED_AT + timedelta(days=9))
    resumed = bundles.make_bundle(
        cases=1, started_at=bundles.STARTED_AT + timedelta(days=1), parent_id=newest.run.run_id
    )
    for bundle in (old, newest, resumed):
        store.append(bundle)
    mirror_store(store.location, url)
    latest = fetch("SELECT run_id, latency_ns FROM assay.latest_results")
    assert latest == [{"run_id": resumed.run.run_id, "latency_ns": 1e6}]


def test_samples_can_be_left_out_and_added_later(filled: Store, url: str, fetch: Fetch) -> None:
    without = mirror_store(filled.location, url, Settings(tables=choose_tables(None, with_samples=False)))
    assert "samples" not in without.rows
    assert without.rows["telemetry"] == 7
    assert verify_mirror(filled.location, url).is_equal
    assert "samples" not in {table.table for table in verify_mirror(filled.location, url).tables}

    later = mirror_store(filled.location, url)
    assert (later.runs_copied, later.runs_completed, later.rows) == (0, 4, {"samples": 7})
    assert verify_mirror(filled.location, url).is_equal
    assert mirror_store(filled.location, url, Settings(tables=frozenset())).moved == 0
    assert fetch("SELECT count(*) AS n FROM assay.samples") == [{"n": 7}]


def test_tables_bring_what_they_refer_to() -> None:
    assert choose_tables(["samples"]) == {"samples", "launches"}
    assert choose_tables(["launch_metrics"]) == {"launch_metrics", "launches"}
    assert choose_tables(None) == set(OPTIONAL)
    assert choose_tables([]) == frozenset()
    with pytest.raises(UnknownNameError, match="'samples'"):
        choose_tables(["sample"])


def test_a_run_that_left_the_store_leaves_the_mirror(
    filled: Store, url: str, composed: Any, bundles: Any, fetch: Fetch
) -> None:
    gone = bundles.make_bundle(cases=5)
    filled.append(gone)
    mirror_store(filled.location, url)
    cases = fetch("SELECT count(*) AS n FROM assay.cases")[0]["n"]
    composed.remove_run(filled, gone.run.run_id)
    after = mirror_store(filled.location, url)
    assert (after.runs_removed, after.runs_copied) == (1, 0)
    assert after.rows_removed == {"runs": 1, "series": 2, "cases": 2}
    for table in ("results", "launches", "samples", "telemetry", "mirror_state"):
        left = f"SELECT FROM assay.{table} WHERE run_id = $1"
        assert fetch(left, gone.run.run_id) == []
    assert fetch("SELECT count(*) AS n FROM assay.cases") == [{"n": cases - 2}]
    assert verify_mirror(filled.location, url).is_equal


def test_an_import_that_left_the_store_takes_its_rows_and_devices_along(
    store: Store, url: str, bundles: Any, composed: Any, fetch: Fetch
) -> None:
    store.append(bundles.make_bundle())
    run_id = composed.add_import(store)
    mirror_store(store.location, url)
    composed.remove_run(store, run_id)
    mirror_store(store.location, url)
    for table in ("imports", "import_refusals", "result_marks"):
        assert count_rows(fetch, table) == 0
    assert fetch("SELECT DISTINCT engine FROM assay.cases") == [{"engine": "torch"}]
    assert verify_mirror(store.location, url).is_equal


def test_annotations_and_baselines_follow_the_store(
    filled: Store, url: str, composed: Any, fetch: Fetch, tamper: Callable[[str], None]
) -> None:
    mirror_store(filled.location, url)
    composed.annotate(filled, "any", text=composed.HOSTILE["nul"])
    composed.pin(filled, None)
    after = mirror_store(filled.location, url)
    assert after.rows == {"annotations": 1, "baselines": 1}
    tamper("UPDATE assay.annotations SET text = 'nothing to see'")
    tamper("INSERT INTO assay.baselines VALUES ('x', 'forged', NULL, now(), 'eve', NULL, NULL, 3)")
    mended = mirror_store(filled.location, url)
    assert (mended.rows, mended.rows_removed) == ({"annotations": 2}, {"baselines": 1})
    assert {row["text"] for row in fetch("SELECT text FROM assay.annotations")} == {"looks slow", r"before\u0000after"}


def test_full_replaces_what_is_there(filled: Store, url: str, tamper: Callable[[str], None]) -> None:
    mirror_store(filled.location, url)
    tamper("DELETE FROM assay.metrics")
    assert mirror_store(filled.location, url).moved == 0
    assert not verify_mirror(filled.location, url).is_equal
    assert mirror_store(filled.location, url, Settings(full=True)).runs_copied == 4
    assert verify_mirror(filled.location, url).is_equal


def test_a_dry_run_says_what_would_move_and_changes_nothing(
    filled: Store, url: str, bundles: Any, fetch: Fetch
) -> None:
    planned = plan_mirror(filled.location, url)
    assert (planned.created, planned.runs_copied, planned.dry_run) == (True, 4, True)
    assert fetch("SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'assay'") == []
    done = mirror_store(filled.location, url)
    assert {table: done.rows[table] for table in planned.rows} == planned.rows
    filled.append(bundles.make_bundle(cases=1))
    again = plan_mirror(filled.location, url)
    assert (again.runs_copied, again.rows["results"]) == (1, 1)
    assert fetch("SELECT count(*) AS n FROM assay.runs") == [{"n": 4}]


def test_an_empty_store_makes_an_empty_mirror(store: Store, url: str, bundles: Any) -> None:
    assert mirror_store(store.location, url).runs_in_store == 0
    assert verify_mirror(store.location, url).is_equal
    store.append(bundles.make_bundle())
    assert mirror_store(store.location, url).runs_copied == 1


def test_a_mirror_under_another_name_stands_beside_the_first(filled: Store, url: str) -> None:
    odd = 'My "mirror" — 2'
    mirror_store(filled.location, url)
    assert mirror_store(filled.location, url, Settings(schema=odd)).created
    assert verify_mirror(filled.location, url, odd).is_equal


def test_every_table_and_column_has_a_comment(store: Store, url: str, fetch: Fetch) -> None:
    mirror_store(store.location, url)
    bare = fetch(
        "SELECT c.relname::text AS t, a.attname::text AS f FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = 'assay'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped "
        "AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)"
    )
    assert bare == []
    unindexed = fetch(
        "SELECT conrelid::regclass::text AS t, conname::text AS c FROM pg_constraint k WHERE contype = 'f' "
        "AND connamespace = 'assay'::regnamespace AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid "
        "AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] = k.conkey)"
    )
    assert unindexed == []


def test_words_outside_of_their_vocabulary_are_refused(filled: Store, url: str, tamper: Callable[[str], None]) -> None:
    mirror_store(filled.location, url)
    for table, column in (
        ("results", "status"), ("results", "verdict"), ("results", "provenance"), ("results", "fidelity"),
        ("runs", "status"), ("cases", "mode"), ("result_marks", "mark"), ("metric_registry", "direction"),
    ):  # fmt: skip
        with pytest.raises(Exception, match="violates check constraint"):
            tamper(f"UPDATE assay.{table} SET {column} = 'invented'")  # noqa: S608


HARDWARE = ", ".join(f"assay.{table.name}" for table in CATALOGUE_TABLES)


def test_a_mirror_of_an_older_assay_gets_the_new_tables(
    filled: Store, url: str, fetch: Fetch, tamper: Callable[[str], None], composed: Any
) -> None:
    mirror_store(filled.location, url)
    tamper(f"DROP TABLE assay.findings, assay.calibrations, {HARDWARE}")
    tamper("UPDATE assay.mirror_info SET schema_version = 1")
    append_findings(filled.location, [composed.finding()])
    append_calibrations(filled.location, [composed.calibration()])

    with pytest.raises(MirrorError, match=r"older assay.*`assay store mirror` upgrades"):
        verify_mirror(filled.location, url)
    assert plan_mirror(filled.location, url).runs_copied == 0
    again = mirror_store(filled.location, url)

    assert (again.created, again.runs_copied) == (False, 0)
    assert {table: rows for table, rows in again.rows.items() if not table.startswith("hardware")} == {
        "findings": 1, "calibrations": 1,
    }  # fmt: skip
    assert fetch("SELECT schema_version FROM assay.mirror_info") == [{"schema_version": 3}]
    assert fetch("SELECT change, confirmed_by FROM assay.findings") == [
        {"change": "regressed", "confirmed_by": ["x", "y"]}
    ]
    assert verify_mirror(filled.location, url).is_equal
