"""A store on S3, against a real server on loopback: everything a folder can do, and a server that is down."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import StoreError, StoreVersionError
from assay.core.ids import new_id
from assay.core.records import SCHEMA_VERSION, RunBundle
from assay.core.words import RunStatus
from assay.store import Journal, Outcome, Store, marks, remote, tables
from assay.store import append as appending
from assay.store.address import delete_object, list_objects, read_object, write_object
from assay.store.location import MARKER
from assay.store.maintenance import Flaw
from assay.store.rows import result_row
from assay.store.spool import state_folder
from assay.store.tables import live_files
from assay.store.upkeep import compact

MakeBundle = Callable[..., RunBundle]
WriteAll = Callable[[Journal, RunBundle], None]


def test_what_is_read_is_what_was_kept(s3_store: Store, make_bundle: MakeBundle) -> None:
    first, second = make_bundle(), make_bundle(suite="standard", started_at=datetime(2026, 11, 6, tzinfo=UTC))
    s3_store.check_writable()
    s3_store.append(first)
    s3_store.append(second)
    s3_store.append(first)  # a run that is there is left alone
    assert s3_store.runs() == [second.run, first.run]
    assert s3_store.runs(limit=1) == [second.run]
    assert s3_store.find_run("last~1") == first.run
    assert s3_store.results(run_id=first.run.run_id) == list(first.results)
    assert s3_store.launches(run_id=first.run.run_id, with_samples=True) == list(first.launches)
    assert s3_store.environment(first.run.env_id) == first.environment
    assert s3_store.query("SELECT count(*) AS n FROM samples WHERE run_id = ?", [first.run.run_id]).to_pylist() == [
        {"n": 4}
    ]
    assert s3_store.query_readonly("SELECT DISTINCT suite FROM runs ORDER BY 1").to_pylist() == [
        {"suite": "quick"},
        {"suite": "standard"},
    ]
    described = {table.name: table for table in s3_store.info().tables}
    assert (described["runs"].rows, described["runs"].files, described["imports"].version) == (2, 2, None)
    assert 0 < described["runs"].live_bytes < described["runs"].disk_bytes < s3_store.info().disk_bytes
    assert s3_store.check().clean
    assert list_objects(s3_store.location, "writing") == []


def test_a_store_is_found_again_and_not_made_by_reading(s3_store: Store) -> None:
    assert Store.open(f"{s3_store.location}/", create=False).location == s3_store.location
    with pytest.raises(StoreError, match=r"There is no store in s3://.*/elsewhere"):
        Store.open(f"{s3_store.location}/elsewhere", create=False)
    bucket = s3_store.location.removesuffix("/some/store")
    with pytest.raises(
        StoreError, match=r"is not empty and holds no store \(assay-store.json is missing; found 'some'"
    ):
        Store.open(bucket)


def test_odd_names_and_whole_buckets_work(s3_address: str, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    for place in (s3_address.removesuffix("/some/store"), f"{s3_address}/ä store=1 & more"):
        store = Store.open(place)
        store.append(bundle)
        assert store.results() == list(bundle.results)
        delete_object(place, MARKER)


def test_a_newer_store_is_refused(s3_store: Store) -> None:
    content = json.loads(read_object(s3_store.location, MARKER) or b"")
    newer = json.dumps({**content, "schema_version": SCHEMA_VERSION + 1}).encode()
    write_object(s3_store.location, MARKER, newer)
    with pytest.raises(StoreVersionError, match="Upgrade assay"):
        Store.open(s3_store.location)


def test_a_server_that_is_down_costs_a_later_recover(
    s3_store: Store, s3_door: Any, make_bundle: MakeBundle, write_all: WriteAll
) -> None:
    bundle = make_bundle()
    with s3_store.journal(bundle.run.run_id) as journal:
        write_all(journal, bundle)
        s3_door.shut()
        with pytest.raises(StoreError, match=r"the server is down.*AWS_ENDPOINT_URL.*can be recovered"):
            s3_store.publish(bundle, journal)
    assert s3_store.orphans() == [journal.path]
    assert journal.path.is_relative_to(state_folder(s3_store.location))
    with pytest.raises(StoreError, match="the server is down"):
        s3_store.recover()
    assert s3_store.orphans() == [journal.path]
    s3_door.open()
    (recovered,) = Store.open(s3_store.location).recover()
    assert (recovered.outcome, recovered.status) == (Outcome.PUBLISHED, RunStatus.OK)
    assert s3_store.runs() == [bundle.run]
    assert s3_store.launches(run_id=bundle.run.run_id, with_samples=True) == list(bundle.launches)
    assert s3_store.repair().clean
    assert not journal.path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["results", "runs"])
def test_a_server_that_goes_down_between_tables_leaves_nothing_to_see(
    s3_store: Store, s3_door: Any, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    kept, lost = make_bundle(), make_bundle()
    s3_store.append(kept)
    really_append = tables.append_arrow

    def append(location: str, table: str, content: Any) -> None:
        if table == broken:
            s3_door.shut()
        really_append(location, table, content)

    with monkeypatch.context() as patch:
        patch.setattr(appending, "append_arrow", append)
        with pytest.raises(StoreError, match="the server is down"):
            s3_store.append(lost)
    s3_door.open()
    assert s3_store.runs() == [kept.run]
    assert s3_store.results() == list(kept.results)
    report = s3_store.check()
    assert report.being_written == 0
    assert Flaw.LEFTOVER_FILE in {problem.flaw for problem in report.problems}
    assert s3_store.repair().clean
    s3_store.append(lost)
    assert {run.run_id for run in s3_store.runs()} == {kept.run.run_id, lost.run.run_id}


def test_a_killed_run_is_recovered_from_this_machine(
    s3_store: Store, start_script: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start_script("journal", s3_store.location, 3)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    assert s3_store.orphans() == []
    process.kill()
    process.wait()
    (recovered,) = s3_store.recover()
    assert (recovered.run_id, recovered.results, recovered.launches) == (run_id, 1, 3)
    assert s3_store.find_run(run_id).status is RunStatus.INTERRUPTED


def add_rows_without_a_run(store: Store, bundle: RunBundle) -> str:
    attempt = appending.Attempt(store.location)
    attempt._mark = marks.WritingMark.begin(store.location, attempt.write_id)
    attempt.add("results", [result_row(result) for result in bundle.results])
    return attempt.write_id


def test_rows_of_an_attempt_on_another_machine_count_as_dead_after_a_day(
    s3_store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3_store.append(make_bundle())
    write_id = add_rows_without_a_run(s3_store, make_bundle())
    report = s3_store.check()
    assert (report.clean, report.being_written) == (True, 1)  # this process holds it
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    assert marks.living_writers(s3_store.location) == {write_id}
    assert marks.dead_writers(s3_store.location) == []
    said = json.loads(read_object(s3_store.location, f"writing/{write_id}") or b"")
    assert said["pid"] == os.getpid()
    monkeypatch.setattr(marks, "DEAD_AFTER", timedelta(0))
    report = s3_store.repair()
    assert report.clean
    assert [line.partition(":")[0] for line in report.repaired] == ["results", write_id]
    assert s3_store.query("SELECT count(*) AS n FROM raw.results").to_pylist() == [{"n": 2}]


def test_a_writer_that_stood_still_for_long_gives_up(
    s3_store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle()
    rows = [result_row(result) for result in bundle.results]
    with appending.Attempt(s3_store.location) as attempt:
        before = read_object(s3_store.location, f"writing/{attempt.write_id}")
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + 2 * marks.RENEW_AFTER_S)
        attempt.add("results", rows)
        assert read_object(s3_store.location, f"writing/{attempt.write_id}") != before
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + 2 * marks.GIVE_UP_AFTER_S)
        with pytest.raises(StoreError, match=r"stood still for 24 hours.*assay store recover"):
            attempt.commit(bundle.run)
    assert s3_store.runs() == []


def test_damage_is_found_and_set_aside(s3_store: Store, make_bundle: MakeBundle) -> None:
    torn, kept = make_bundle(), make_bundle()
    s3_store.append(torn)
    (path,) = live_files(s3_store.location, "samples")
    s3_store.append(kept)
    name = path.removeprefix(f"{s3_store.location}/")
    content = read_object(s3_store.location, name)
    assert content is not None
    write_object(s3_store.location, name, content[: len(content) // 2])
    (problem,) = s3_store.check().problems
    assert (problem.flaw, problem.subject) == (Flaw.DAMAGED_FILE, path)
    (left,) = s3_store.repair().problems
    assert (left.flaw, left.subject) == (Flaw.INCOMPLETE_RUN, torn.run.run_id)
    assert [one.name for one in list_objects(s3_store.location, "quarantine")] == [f"quarantine/{name}"]
    assert s3_store.launches(run_id=kept.run.run_id, with_samples=True) == list(kept.launches)


def test_a_server_that_fails_is_no_damage(s3_store: Store, s3_door: Any, make_bundle: MakeBundle) -> None:
    s3_store.append(make_bundle())
    s3_door.shut()
    with pytest.raises(StoreError, match="the server is down"):
        s3_store.check()
    s3_door.open()
    assert s3_store.check().clean


def test_compaction_keeps_every_row(s3_store: Store, make_bundle: MakeBundle) -> None:
    made = [make_bundle(cases=1, launches=1) for _ in range(3)]
    for bundle in made:
        s3_store.append(bundle)
    (done,) = compact(s3_store.location, ["results"])
    assert (done.files_before, done.files_after) == (3, 1)
    assert len(live_files(s3_store.location, "results")) == 1
    assert len(live_files(s3_store.location, "results", 1)) == 1  # the state after the first append
    assert {result.run_id for result in s3_store.results()} == {bundle.run.run_id for bundle in made}
    assert s3_store.check().clean


@pytest.mark.slow
def test_this_process_sees_what_others_wrote(
    s3_store: Store, make_bundle: MakeBundle, start_script: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    s3_store.append(make_bundle())
    acknowledged = tmp_path / "acks"
    writer = start_script("append", s3_store.location, acknowledged, 12, 3)  # more than a checkpoint apart
    _, errors = writer.communicate(timeout=120)
    assert writer.returncode == 0, errors
    assert len(s3_store.runs()) == 13
    assert set(acknowledged.read_text().split()) < {run.run_id for run in s3_store.runs()}
    assert any("checkpoint" in one.name for one in list_objects(s3_store.location, "runs/_delta_log"))


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("http://host/store", "A store cannot be kept on http://"),
        ("s3://key:word@bucket/store", r"s3://\.\.\. has a user or password in it.*environment"),
        ("s3:///store", "is no address of a store.*s3://bucket/prefix"),
        ("s3://bucket/../store", "is no address of a store"),
        ("s3://bucket/store?region=x", "is no address of a store"),
        ("s3://bucket/what*", "is no address of a store"),
        ("s3://key:word@[::1/store", "is no address of a store.*s3://bucket/prefix"),
    ],
)
def test_addresses_that_are_none_are_refused(address: str, what: str) -> None:
    with pytest.raises(StoreError, match=what) as refused:
        Store.open(address)
    assert "word@" not in str(refused.value)


def test_a_bucket_that_is_not_there_is_named(s3_door: Any) -> None:
    assert s3_door.port
    with pytest.raises(StoreError, match=r"s3://no-such-bucket/store.*the bucket does not exist.*Make it first"):
        Store.open("s3://no-such-bucket/store")


def test_a_store_without_credentials_in_it(s3_store: Store, make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle()
    with s3_store.journal(bundle.run.run_id):
        s3_store.append(bundle)
        written = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    written += [read_object(s3_store.location, one.name) or b"" for one in list_objects(s3_store.location)]
    assert written
    assert not any(b"something" in content or b"someone" in content for content in written)


def test_commands_work_on_an_address(s3_address: str, make_bundle: MakeBundle, tmp_path: Path) -> None:
    def assay(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "assay.cli.main", *arguments],
            env=os.environ | environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    missing = assay("ls", "--store", s3_address)
    assert missing.returncode != 0
    assert f"There is no store in {s3_address}" in missing.stderr
    bundle = make_bundle()
    Store.open(s3_address).append(bundle)
    listed = assay("ls", "--store", s3_address, "--json")
    assert [row["run_id"] for row in json.loads(listed.stdout)] == [bundle.run.run_id], listed.stderr
    shown = assay("sql", "SELECT run_id FROM runs", "--json", ASSAY_STORE=s3_address)
    assert json.loads(shown.stdout) == [{"run_id": bundle.run.run_id}], shown.stderr
    checked = assay("store", "check", "--store", s3_address)
    assert checked.stdout == f"{s3_address}: clean, 1 runs\n"


@pytest.mark.slow
def test_tables_made_by_several_at_once_are_made_once(
    s3_address: str, start_script: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    writers = [start_script("append", s3_address, tmp_path / f"acks{number}", 3, number) for number in range(3)]
    for writer in writers:
        _, errors = writer.communicate(timeout=200)
        assert writer.returncode == 0, errors
    acknowledged = {line for number in range(3) for line in (tmp_path / f"acks{number}").read_text().split()}
    store = Store.open(s3_address, create=False)
    assert len(acknowledged) == 9
    assert {run.run_id for run in store.runs()} == acknowledged
    for table in ("runs", "results", "launches", "samples", "environments"):
        made = [one for one in tables.open_table(s3_address, table).history() if one["operation"] == "CREATE TABLE"]
        assert len(made) == 1
    assert store.check().clean


def test_two_addresses_share_no_journals(s3_store: Store, make_bundle: MakeBundle, write_all: WriteAll) -> None:
    other = Store.open(f"{s3_store.location}-2")
    bundle = make_bundle()
    with s3_store.journal(bundle.run.run_id) as journal:
        write_all(journal, replace(bundle))
    assert other.orphans() == []
    assert s3_store.orphans() == [journal.path]
    note = state_folder(s3_store.location) / "address.txt"
    assert note.read_text().splitlines()[0] == s3_store.location
    assert s3_store.journal(new_id()).path.parent == journal.path.parent


REFUSING = """
import http.server, sys
class Refusing(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = f"<Error><Code>{sys.argv[2]}</Code><Message>no</Message></Error>".encode()
        self.send_response(int(sys.argv[1]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)
    do_GET = do_HEAD = do_PUT = do_POST = answer
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Refusing)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize(
    ("status", "code", "what"),
    [
        (403, "AccessDenied", r"access was denied\. The account needs to list"),
        (400, "ExpiredToken", r"the credentials were refused\. Check AWS_ACCESS_KEY_ID"),
        (503, "SlowDown", "the server failed to answer"),
    ],
)
def test_what_a_server_refuses_is_said_in_words(
    s3_door: Any, monkeypatch: pytest.MonkeyPatch, status: int, code: str, what: str
) -> None:
    assert s3_door.port
    monkeypatch.setitem(remote._BOUNDS, "max_retries", "1")
    command = [sys.executable, "-c", REFUSING, str(status), code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        try:
            with pytest.raises(StoreError, match=what):
                list_objects("s3://bucket/store")
            with pytest.raises(StoreError, match=what):
                tables.open_table("s3://bucket/store", "runs")
        finally:
            server.kill()


def test_a_silent_server_is_given_up(s3_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3_door.port
    monkeypatch.setattr(remote, "_BOUNDS", remote._BOUNDS | {"timeout": "1s", "max_retries": "1"})
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(StoreError, match="the server did not answer in time"):
            Store.open("s3://bucket/store")


def test_plain_http_has_to_be_allowed(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(StoreError, match=r"its endpoint is not https://.*AWS_ALLOW_HTTP=true"):
        Store.open(s3_address)
