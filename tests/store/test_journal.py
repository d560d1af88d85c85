"""The journal: what a crash leaves, and what becomes of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import StoreError
from assay.core.records import RunBundle
from assay.core.words import RunStatus
from assay.store import Journal, Outcome, Store, locks
from assay.store import append as appending
from assay.store.codec import record_to_json
from assay.store.journal import read_journal

MakeBundle = Callable[..., RunBundle]
WriteAll = Callable[[Journal, RunBundle], None]


def test_publishing_removes_the_journal(store: Store, make_bundle: MakeBundle, write_all: WriteAll) -> None:
    bundle = make_bundle()
    journal = store.journal(bundle.run.run_id)
    write_all(journal, bundle)
    store.publish(bundle, journal)
    assert store.runs() == [bundle.run]
    assert not journal.path.exists()
    assert store.check().clean


def test_a_journal_in_use_is_no_orphan(store: Store, make_bundle: MakeBundle, write_all: WriteAll) -> None:
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        write_all(journal, bundle)
        assert store.orphans() == []
        assert store.recover() == []
    assert store.orphans() == [journal.path]


def test_an_orphan_becomes_an_interrupted_run(store: Store, make_bundle: MakeBundle, write_all: WriteAll) -> None:
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        write_all(journal, bundle)
        last_word = replace(bundle.results[0], reason="recomputed")
        journal.record(last_word)
        journal.write("a word of the runner's own", {"anything": 1})
    (recovered,) = store.recover()
    assert (recovered.run_id, recovered.outcome) == (bundle.run.run_id, Outcome.PUBLISHED)
    assert (recovered.results, recovered.launches, recovered.unreadable_lines) == (2, 4, 0)
    (run,) = store.runs()
    assert run.status is RunStatus.INTERRUPTED
    assert run.finished_at > bundle.run.started_at
    assert replace(run, status=bundle.run.status, finished_at=bundle.run.finished_at) == bundle.run
    assert store.results() == [last_word, bundle.results[1]]
    assert store.launches(run_id=run.run_id, with_samples=True) == list(bundle.launches)
    assert store.environment(run.env_id) == bundle.environment
    assert store.orphans() == []
    assert store.check().clean


def test_a_torn_last_line_costs_that_line_only(store: Store, make_bundle: MakeBundle, write_all: WriteAll) -> None:
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        write_all(journal, bundle)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-30])
    (recovered,) = store.recover()
    assert (recovered.results, recovered.launches, recovered.unreadable_lines) == (1, 4, 1)
    assert store.results() == [bundle.results[0]]


def test_a_journal_can_be_cut_anywhere(store: Store, make_bundle: MakeBundle, write_all: WriteAll) -> None:
    bundle = make_bundle(samples=1)
    with store.journal(bundle.run.run_id) as journal:
        write_all(journal, bundle)
    whole = journal.path.read_bytes()
    lines = whole.count(b"\n")
    for cut in range(0, len(whole), 97):
        journal.path.write_bytes(whole[:cut])
        content = read_journal(journal.path)
        complete = whole[:cut].count(b"\n")
        kept = sum(each is not None for each in (content.run, content.environment))
        kept += len(content.results) + len(content.launches)
        # a cut just before a line's end leaves that line whole
        assert kept in (complete, complete + 1)
        assert content.unreadable_lines <= 1
    assert lines == 8


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind": "run", "payload": "a"}',
        b'{"kind": "result", "payload": {"case": "a"}}',
        b'{"kind": "launch", "payload": {"metrics": ["a"]}}',
        b'{"kind": ["run"], "payload": {}}',
        b"[" * 100_000,
        b'"kind"',
    ],
)
def test_a_line_that_is_no_record_is_passed_over(tmp_path: Path, line: bytes) -> None:
    journal = tmp_path / "a.jsonl"
    journal.write_bytes(line + b"\n")
    assert read_journal(journal).unreadable_lines == 1


def test_a_killed_process_leaves_an_orphan_with_every_acknowledged_line(
    store: Store, start_script: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start_script("journal", store.location, 3)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    assert store.orphans() == []
    process.kill()
    process.wait()
    (recovered,) = store.recover()
    assert (recovered.run_id, recovered.results, recovered.launches) == (run_id, 1, 3)
    assert store.find_run(run_id).status is RunStatus.INTERRUPTED


def test_a_run_killed_between_its_row_and_its_journals_removal_is_not_doubled(
    store: Store, make_bundle: MakeBundle, write_all: WriteAll
) -> None:
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        write_all(journal, bundle)
    store.append(bundle)
    (recovered,) = store.recover()
    assert recovered.outcome is Outcome.ALREADY_THERE
    assert store.runs() == [bundle.run]
    assert not journal.path.exists()


def test_a_run_that_had_ended_is_recovered_as_it_ended(
    store: Store, make_bundle: MakeBundle, write_all: WriteAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle()
    journal = store.journal(bundle.run.run_id)
    write_all(journal, bundle)

    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(appending, "append_arrow", refuse)
        with pytest.raises(StoreError):
            store.publish(bundle, journal)
    journal.close()
    (recovered,) = store.recover()
    assert recovered.status is RunStatus.OK
    assert store.runs() == [bundle.run]


def test_a_run_that_did_nothing_leaves_nothing(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        journal.record(bundle.run)
        journal.record(bundle.environment)
    store.journal("no-line-written").close()
    assert [each.outcome for each in store.recover()] == [Outcome.EMPTY, Outcome.EMPTY]
    assert store.runs() == []
    assert store.check().clean


def test_a_journal_without_its_header_is_kept_aside(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        journal.record(bundle.results[0])
    (recovered,) = store.recover()
    assert recovered.outcome is Outcome.UNREADABLE
    assert recovered.reason is not None
    assert "run is lost" in recovered.reason
    assert store.orphans() == []
    (problem,) = store.check().problems
    assert not problem.repairable
    assert Path(problem.subject).name == f"{journal.path.name}.unreadable"


def test_two_journals_of_one_run_are_refused(store: Store) -> None:
    journal = store.journal("r")
    with pytest.raises(StoreError, match="exists already"):
        store.journal("r")
    journal.close()


def test_a_half_written_line_is_taken_back(
    store: Store, make_bundle: MakeBundle, write_all: WriteAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle()
    journal = store.journal(bundle.run.run_id)
    write_all(journal, bundle)
    before = journal.path.read_bytes()
    really_write = os.write
    calls = iter([True])

    def fill_up(descriptor: int, data: bytes) -> int:
        if next(calls, False):
            return really_write(descriptor, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill_up)
        with pytest.raises(StoreError, match=r"the disk is full.*assay store recover"):
            journal.record(bundle.results[0])
    assert journal.path.read_bytes() == before
    journal.record(bundle.results[0])
    assert read_journal(journal.path).unreadable_lines == 0
    journal.close()


def test_without_flock_a_process_id_stands_in(
    store: Store, make_bundle: MakeBundle, write_all: WriteAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_FCNTL", None)
    bundle = make_bundle()
    journal = store.journal(bundle.run.run_id)
    write_all(journal, bundle)
    assert store.orphans() == []
    pid_file = journal.path.with_name(f"{journal.path.name}.pid")
    assert pid_file.read_text() == str(os.getpid())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    pid_file.write_text(str(gone.pid))
    assert store.orphans() == [journal.path]
    assert [each.outcome for each in store.recover()] == [Outcome.PUBLISHED]
    assert store.check().clean
    assert list((Path(store.location) / "journal").iterdir()) == []


def test_unknown_fields_of_a_later_version_are_left_aside(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        journal.write("run", {**record_to_json(bundle.run), "invented_later": 1})
    assert read_journal(journal.path).run == bundle.run
