from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.core.case import ForeignCase, series_id
from assay.core.errors import UnknownNameError, UsageError
from assay.core.registry import Registry
from assay.core.words import Mark, Provenance, RunStatus, Status
from assay.importers import pipeline, read, write
from assay.importers.base import Importer
from assay.importers.pipeline import Progress, import_paths
from assay.importers.report import FileReport, ImportReport, Outcome
from assay.store import Store
from assay.store.imports import known_fingerprints, known_imports

WritePlain = Callable[..., Path]
RunImport = Callable[..., ImportReport]
ROW = {"model": "bert/base", "device": "cpu", "ms": 12.5, "batch": 2}


def count_rows(store: Store, table: str) -> int:
    return int(store.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())  # noqa: S608


def only(report: ImportReport) -> FileReport:
    assert len(report.files) == 1, report.files
    return report.files[0]


def test_a_file_becomes_a_run_with_everything_its_source_says(
    run_import: RunImport, write_plain: WritePlain, store: Store
) -> None:
    path = write_plain(
        "a.json",
        ROW | {"readings_ns": [12_400_000, 12_600_000], "simulated": False},
        {"model": "bert/base", "device": "cuda", "status": "failed", "reason": "no kernel image", "hardware": "A100"},
        {"model": "bert/base", "ms": "fast"},
        machine={"cpu": "EPYC 7763", "temperature": float("nan")},
        notes=["made by hand"],
    )
    report = run_import(path)
    one = only(report)
    assert (one.outcome, one.format, one.rows_seen, one.rows_taken, one.rows_refused) == (
        Outcome.TAKEN, "plain", 3, 2, 1,
    )  # fmt: skip
    assert one.tally.statuses == {Status.OK: 1, Status.FAILED: 1}
    assert (one.tally.provenances, one.tally.usable, one.tally.samples) == ({Provenance.IMPORTED: 2}, 1, 2)
    assert one.notes == ("made by hand",)
    assert [(refusal.place, refusal.error) for refusal in one.refusals] == [("/plain/2", "ms: 'fast' is not a number.")]
    assert report.rows_added == 2
    assert not report.is_complete

    (run,) = store.runs()
    assert (run.suite, run.status, run.provenance, run.cases_planned) == (
        "import plain", RunStatus.OK, Provenance.IMPORTED, 2,
    )  # fmt: skip
    assert (run.run_id, run.import_id) == (one.run_id, one.import_id)
    assert uuid.UUID(run.run_id).version == 8
    assert run.config == {"source": str(path), "format": "plain", "sha256": one.sha256}
    environment = store.environment(run.env_id)
    assert (environment.host_id, environment.hardware_class) == ("unknown", "EPYC 7763")
    assert environment.facts == {"cpu": "EPYC 7763", "temperature": "nan"}

    measured, failed = sorted(store.results(run_id=run.run_id), key=lambda result: result.source_place or "")
    assert measured.case == ForeignCase.make(workload="bert/base", device="cpu", batch=2)
    assert measured.series_id == series_id(measured.case.case_id, "EPYC 7763")
    latency = measured.metric("latency_ns", "mean")
    assert latency is not None
    assert latency.value == 12.5e6
    assert (measured.source, measured.source_place, measured.simulated) == (str(path), "/plain/0", False)
    assert measured.source_fields["ms"] == 12.5
    assert measured.conversions == {"latency_ns.mean": {"field": "ms", "unit": "ms", "factor": 1e6}}
    assert (failed.status, failed.reason, failed.hardware) == (Status.FAILED, "no kernel image", "A100")
    assert failed.fingerprint is None
    (launch,) = store.launches(run_id=run.run_id, with_samples=True)
    assert launch.result_id == measured.result_id
    assert (launch.started_at, launch.wall_ns, launch.ordinal) == (None, None, 0)
    assert launch.samples[0].values == (12_400_000, 12_600_000)

    (record,) = store.imports()
    assert (record.source, record.rows_seen, record.rows_taken, record.rows_refused) == (str(path), 3, 2, 1)
    assert record.notes == ("made by hand",)
    assert known_imports(store.location) == {record.import_id: str(path)}
    (refusal,) = store.refusals(record.import_id)
    assert (refusal.place, json.loads(refusal.raw)["ms"]) == ("/plain/2", "fast")
    assert store.check().clean


def test_the_same_content_twice_adds_nothing(run_import: RunImport, write_plain: WritePlain, store: Store) -> None:
    first, copy = write_plain("a.json", ROW), write_plain("b.json", ROW)
    both = run_import(first, copy)
    assert [one.outcome for one in both.files] == [Outcome.TAKEN, Outcome.ALREADY_THERE]
    assert both.files[1].reason == f"as {first}"
    again = run_import(first.parent)
    assert [one.outcome for one in again.files] == [Outcome.ALREADY_THERE] * 2
    assert (again.rows_added, again.is_complete) == (0, True)
    assert [count_rows(store, table) for table in ("runs", "results", "imports", "raw.results")] == [1, 1, 1, 1]


def test_two_who_import_at_once_keep_one(
    run_import: RunImport, write_plain: WritePlain, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_plain("a.json", ROW, ROW | {"batch": 4})
    run_import(path)
    monkeypatch.setattr(pipeline, "known_imports", lambda _location: {})  # as if both had looked before either wrote
    one = only(run_import(path))
    assert (one.outcome, one.reason) == (Outcome.ALREADY_THERE, "another process imported it at the same time")
    assert (one.rows_taken, one.tally.usable) == (0, 0)
    assert [count_rows(store, table) for table in ("runs", "results", "imports")] == [1, 2, 1]


def test_a_file_that_breaks_midway_leaves_nothing(run_import: RunImport, write_plain: WritePlain, store: Store) -> None:
    path = write_plain("a.json", ROW, ROW | {"batch": 4}, {"break": True})
    one = only(run_import(path))
    assert (one.outcome, one.reason) == (Outcome.REFUSED, f"{path}: row 2 breaks the file.")
    assert [count_rows(store, table) for table in ("raw.runs", "raw.results", "raw.imports")] == [0, 0, 0]


def test_an_importer_that_breaks_costs_its_file_and_no_other(run_import: RunImport, write_plain: WritePlain) -> None:
    broken, good = write_plain("a.json", {"bug": True}), write_plain("b.json", ROW)
    report = run_import(broken.parent)
    assert [one.outcome for one in report.files] == [Outcome.REFUSED, Outcome.TAKEN]
    assert report.files[0].reason == f"{broken} could not be read: the importer 'plain' broke on it (KeyError: 'ms')."
    assert report.files[1].name == str(good)


def test_a_file_of_which_every_row_is_refused_is_not_kept_as_imported(
    run_import: RunImport, write_plain: WritePlain, store: Store
) -> None:
    path = write_plain("a.json", ROW | {"ms": -1})
    one = only(run_import(path))
    assert (one.outcome, one.reason) == (Outcome.REFUSED, "None of its 1 rows could be taken.")
    assert one.refusals[0].error == "ms: -1 ms is negative."
    assert store.imports() == []


def test_large_files_are_read_twice_and_written_in_pieces(
    run_import: RunImport, write_plain: WritePlain, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline._Session, "__init__", _short_of_memory(pipeline._Session.__init__))
    monkeypatch.setattr(write, "PIECE_ROWS", 3)
    monkeypatch.setattr(read, "SAY_EVERY_ROWS", 4)
    monkeypatch.setattr(write, "SAY_EVERY_ROWS", 4)
    path = write_plain("a.json", *(ROW | {"batch": batch, "readings_ns": [batch]} for batch in range(1, 9)))
    heard: list[Progress] = []
    assert only(run_import(path, progress=heard.append)).rows_taken == 8
    assert {result.case.batch for result in store.results(provenance="imported")} == set(range(1, 9))
    assert count_rows(store, "samples") == 8
    assert [(one.stage, one.rows) for one in heard] == [
        ("reading", 0), ("reading", 4), ("reading", 8), ("writing", 4), ("writing", 8),
    ]  # fmt: skip
    assert store.info().tables[1].version is not None
    assert store.check().clean


def _short_of_memory(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, **options: Any) -> None:
        original(self, **options, held_rows=2)

    return init


def test_a_file_that_changes_while_it_is_read_is_refused(
    run_import: RunImport, write_plain: WritePlain, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_plain("a.json", ROW)

    def change(*_: object) -> dict[str, Any]:
        path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
        return {}

    monkeypatch.setattr(pipeline, "known_fingerprints", change)
    write_plain("other.json", ROW | {"batch": 9})
    run_import(path.parent / "other.json")
    one = only(run_import(path))
    assert (one.outcome, one.reason) == (Outcome.REFUSED, f"{path} changed while it was read.")
    assert count_rows(store, "runs") == 1


def test_a_dry_run_writes_nothing_and_counts_the_same(
    run_import: RunImport, write_plain: WritePlain, registry: Registry[Importer], tmp_path: Path
) -> None:
    path = write_plain("a.json", ROW, ROW)
    Store.open(tmp_path / "store")
    before = sorted(tmp_path.rglob("*"))
    dry = only(run_import(path, dry_run=True))
    assert sorted(tmp_path.rglob("*")) == before
    assert dry.outcome is Outcome.WOULD_BE_TAKEN
    assert only(import_paths(None, [path], dry_run=True, importers=registry)).tally == dry.tally
    wet = only(run_import(path))
    assert (wet.tally, wet.rows_taken, wet.import_id) == (dry.tally, dry.rows_taken, dry.import_id)
    assert dry.tally.marks == {Mark.REPEATED: 1}
    with pytest.raises(UsageError, match="No store was given"):
        import_paths(None, [path], importers=registry)


def test_the_same_measurement_in_another_place_is_marked_with_where_it_is(
    run_import: RunImport, write_plain: WritePlain, store: Store
) -> None:
    first = write_plain("a.json", ROW, {"model": "x", "status": "failed"}, {"model": "x", "status": "failed"})
    second = write_plain("b.json", ROW | {"note": "copied"}, ROW | {"ms": 12.6}, ROW)
    run_import(first, second)
    third = write_plain("c.json", ROW | {"ms": 12.6, "note": "moved"})
    run_import(third)
    marks = {
        (result.source, result.source_place): dict(result.marks) for result in store.results(provenance="imported")
    }
    assert marks == {
        (str(first), "/plain/0"): {},
        (str(first), "/plain/1"): {},
        (str(first), "/plain/2"): {},
        (str(second), "/plain/0"): {Mark.REPEATED: f"also in {first}, /plain/0"},
        (str(second), "/plain/1"): {},
        (str(second), "/plain/2"): {Mark.REPEATED: f"also in {first}, /plain/0"},
        (str(third), "/plain/0"): {Mark.REPEATED: f"also in {second}, /plain/1"},
    }
    usable = store.query("SELECT count(*) AS n FROM results WHERE usable")["n"][0].as_py()
    assert usable == 2
    prints = [result.fingerprint or "" for result in store.results(provenance="imported")]
    assert len(known_fingerprints(store.location, [*prints, "none"])) == 2


def test_an_accelerator_as_fast_as_the_cpu_is_marked_and_another_is_not(
    run_import: RunImport, write_plain: WritePlain, store: Store
) -> None:
    def both(device: str, factor: float) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [
            ROW | {"batch": batch, "ms": 10.0 * batch + 0.01 * batch**2} for batch in range(1, 7)
        ]
        return [*rows, *(row | {"device": device, "ms": row["ms"] * factor} for row in rows)]

    suspect, sound = write_plain("a.json", *both("cuda", 1.001)), write_plain("b.json", *both("cuda", 0.1))
    apart = write_plain("c.json", *(row for row in both("openvino", 1.002) if row["device"] != "cpu"))
    report = run_import(suspect.parent)
    assert [one.tally.marks for one in report.files] == [
        {Mark.FALLBACK: 6}, {Mark.REPEATED: 6}, {Mark.FALLBACK: 6},
    ]  # fmt: skip
    assert [one.name for one in report.files] == [str(suspect), str(sound), str(apart)]
    found = {
        text
        for result in store.results(provenance="imported")
        for mark, text in result.marks.items()
        if mark is Mark.FALLBACK
    }
    alike = "100 % of them within 25 %: these are hardly two devices"
    assert found == {
        f"cuda and cpu: suspected fallback: 6 pairs with a median ratio of 1.001, {alike}",
        f"openvino and cpu: suspected fallback: 6 pairs with a median ratio of 1.002, {alike}",
    }


def test_a_folder_is_read_in_order_without_what_is_hidden_or_leads_out(
    run_import: RunImport, write_plain: WritePlain, tmp_path: Path
) -> None:
    for number, name in enumerate(("b/two.json", "a/one.json", ".git/x.json", "a/.hidden.json")):
        write_plain(name, ROW | {"batch": number})
    folder = write_plain("readme.json", ROW | {"batch": 9}).parent
    (folder / "notes.txt").write_text("hello\n", encoding="utf-8")
    outside = tmp_path / "outside.json"
    outside.write_text("{}", encoding="utf-8")
    (folder / "link.json").symlink_to(outside)
    (folder / "inner.json").symlink_to(folder / "a" / "one.json")
    (folder / "loop").symlink_to(folder)
    (folder / "out").symlink_to("/")
    report = run_import(folder)
    assert [(one.name.removeprefix(f"{folder}/"), one.outcome) for one in report.files] == [
        ("inner.json", Outcome.TAKEN),
        ("link.json", Outcome.REFUSED),
        ("notes.txt", Outcome.NOT_RECOGNISED),
        ("out", Outcome.REFUSED),
        ("readme.json", Outcome.TAKEN),
        ("a/one.json", Outcome.ALREADY_THERE),
        ("b/two.json", Outcome.TAKEN),
    ]
    assert report.files[1].reason == f"{folder}/link.json is a link that leads out of the folder."


def test_an_unknown_file_of_a_folder_is_no_failure_and_one_that_was_named_is(
    run_import: RunImport, write_plain: WritePlain
) -> None:
    folder = write_plain("a.json", ROW).parent
    (folder / "notes.txt").write_text("hello\n", encoding="utf-8")
    assert run_import(folder).is_complete
    assert not run_import(folder / "notes.txt").is_complete
    (folder / "a.json").unlink()
    assert not run_import(folder).is_complete


def test_an_empty_folder_has_nothing_to_complain_of(run_import: RunImport, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report = run_import(tmp_path / "empty")
    assert (report.files, report.is_complete) == ((), True)


def test_the_request_is_checked_before_anything_is_taken(
    run_import: RunImport, write_plain: WritePlain, store: Store, tmp_path: Path
) -> None:
    path = write_plain("a.json", ROW)
    with pytest.raises(UsageError, match=r"There is no file or folder '.*/absent.json'\."):
        run_import(path, tmp_path / "absent.json")
    with pytest.raises(UsageError, match=r"There is no file or folder '.*/absent.yaml'\."):
        run_import(path, mapping=tmp_path / "absent.yaml")
    with pytest.raises(UnknownNameError, match=r"Unknown importer 'plane'. Did you mean 'plain'\?"):
        run_import(path, format="plane")
    with pytest.raises(UsageError, match="'ftp://x/y' is no address that can be read"):
        run_import(path, "ftp://x/y")
    assert store.runs() == []


def test_a_name_that_is_no_text_is_spelled_out(run_import: RunImport, write_plain: WritePlain, store: Store) -> None:
    path = write_plain("a.json", ROW)
    odd = Path(os.fsdecode(os.fsencode(path.parent) + b"/\xff.json"))
    try:
        path.rename(odd)
    except OSError:
        pytest.skip("this file system takes only names that are UTF-8")
    assert only(run_import(path.parent)).outcome is Outcome.TAKEN
    assert store.results(provenance="imported")[0].source == f"{path.parent}/\\xff.json"
