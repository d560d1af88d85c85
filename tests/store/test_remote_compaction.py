"""Compaction on S3: the version is won by a conditional put, and whoever loses changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from assay.core.errors import StoreError
from assay.core.records import RunBundle
from assay.store import cluster, housekeeping, remote, tables, writing
from assay.store.address import file_system, list_objects, read_object
from assay.store.cluster import BRIEF_BYTES, BRIEF_FILES, SORTED_PREFIX, TableFile
from assay.store.housekeeping import tidy_after_append, tidy_table
from assay.store.rows import result_row
from assay.store.tables import append_arrow, arrow_dataset, arrow_table, live_files, open_table
from assay.store.upkeep import compact

MakeBundle = Callable[..., RunBundle]
Add = Callable[..., "list[str]"]
S3_GATE = Path(__file__).parent / "s3_gate.py"
ROUNDS = 3
COMPACTOR = """
import sys
import deltalake, duckdb, pyarrow.parquet
from assay.store.housekeeping import tidy_table
for line in sys.stdin:
    print(tidy_table(line.strip(), "results", after_files=2), flush=True)
"""


class Gate:
    """The gate in front of the S3 server (see s3_gate.py)."""

    def __init__(self, server_port: int) -> None:
        command = [sys.executable, str(S3_GATE), str(server_port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._line())

    def tell(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return json.loads(self._line())

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture
def address(s3_address: str, s3_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address whose server is asked without a door in between."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    return s3_address


@pytest.fixture(scope="module")
def gate(s3_port: int) -> Iterator[Gate]:
    gate = Gate(s3_port)
    yield gate
    gate.end()


class Compactor:
    """A process that compacts when it is told to, as on a machine of its own: no lock keeps two of them apart."""

    def __init__(self, server_port: int, state: Path) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server_port}",
            "AWS_ALLOW_HTTP": "true",
            "NO_PROXY": "127.0.0.1",
            "XDG_STATE_HOME": str(state),
        }
        command = [sys.executable, "-c", COMPACTOR]
        self._process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, address: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{address}\n")
        self._process.stdin.flush()

    def outcome(self) -> bool:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        assert said in {"True", "False"}
        return said == "True"

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def compactors(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Compactor]]:
    """Two of them, whose requests pass through the gate."""
    made = [Compactor(gate.port, tmp_path_factory.mktemp("state")) for _ in range(2)]
    yield made
    for compactor in made:
        compactor.end()


@pytest.fixture
def compactor(compactors: list[Compactor]) -> Compactor:
    return compactors[0]


@pytest.fixture
def add(make_bundle: MakeBundle) -> Add:
    """Append the results of a run, and nothing else of it, in one commit; return their ids."""

    def append(address: str, *, table: str = "results") -> list[str]:
        bundle = make_bundle(cases=3, launches=1)
        rows = [result_row(result) | {"write_id": bundle.run.run_id} for result in bundle.results]
        append_arrow(address, table, arrow_table(table, rows))
        return [result.result_id for result in bundle.results]

    return append


def everything(address: str) -> list[dict[str, Any]]:
    table = arrow_dataset(address, "results", live_files(address, "results")).to_table()
    rows: list[dict[str, Any]] = table.sort_by("result_id").to_pylist()
    return rows


def ids(address: str) -> list[str]:
    return [row["result_id"] for row in everything(address)]


def objects(address: str, prefix: str = SORTED_PREFIX) -> list[str]:
    return [one.name for one in list_objects(address, "results") if one.name.startswith(f"results/{prefix}")]


def log_of(address: str) -> list[list[dict[str, Any]]]:
    """Every commit of the log; fails where one takes out a file that is not there, or adds a file again."""
    commits: list[list[dict[str, Any]]] = []
    live: set[str] = set()
    seen: set[str] = set()
    for version in range(open_table(address, "results").version() + 1):
        content = read_object(address, f"results/_delta_log/{version:020}.json")
        assert content is not None
        actions = [json.loads(line) for line in content.splitlines()]
        gone = {action["remove"]["path"] for action in actions if "remove" in action}
        added = [action["add"]["path"] for action in actions if "add" in action]
        assert gone <= live, f"version {version} takes out what is not there"
        assert not seen.intersection(added), f"version {version} adds a file again"
        live = (live - gone) | set(added)
        seen.update(added)
        commits.append(actions)
    assert len(live) == len(live_files(address, "results"))
    return commits


def rewritings(address: str) -> int:
    return sum(any("remove" in action for action in actions) for actions in log_of(address))


def test_rows_stay_as_they_are_and_lie_by_series(address: str, add: Add) -> None:
    for _ in range(4):
        add(address)
    before = everything(address)
    version = open_table(address, "results").version()
    assert tidy_table(address, "results", after_files=2)
    assert everything(address) == before
    (only,) = live_files(address, "results")
    assert objects(address) == [only.removeprefix(f"{address}/")]
    stored = pq.read_table(objects(address)[0], filesystem=file_system(address), columns=["series_id", "measured_at"])
    assert stored.to_pylist() == sorted(stored.to_pylist(), key=lambda row: (row["series_id"], row["measured_at"]))
    actions = log_of(address)[version + 1]
    assert [action["add"]["dataChange"] for action in actions if "add" in action] == [False]
    assert [action["remove"]["dataChange"] for action in actions if "remove" in action] == [False] * 4
    assert json.loads(next(action["add"]["stats"] for action in actions if "add" in action))["numRecords"] == 12
    assert len(live_files(address, "results", version)) == 4, "the state before stays readable"
    assert not tidy_table(address, "results", after_files=2), "there is nothing left to do"


def hold_commit_of(compactor: Compactor, address: str, gate: Gate) -> None:
    """Begin a compaction elsewhere, and wait until its commit is on the way to the server."""
    gate.tell("seen")
    gate.tell("hold _delta_log/0")
    compactor.begin(address)
    assert gate.tell("held")


def test_appends_in_between_only_delay_it(address: str, gate: Gate, compactor: Compactor, add: Add) -> None:
    rows = add(address) + add(address)
    hold_commit_of(compactor, address, gate)
    rows += add(address)  # wins the version that the compaction is about to write
    gate.tell("free")
    assert compactor.outcome()
    assert ids(address) == sorted(rows)
    assert rewritings(address) == 1
    assert len(live_files(address, "results")) == 2
    puts = [seen for seen in gate.tell("seen") if seen[0] == "PUT" and "_delta_log/0" in seen[1]]
    assert [condition for _, _, condition in puts] == ["*", "*"], "each commit is a put-if-absent"
    assert puts[0][1] != puts[1][1]


def test_of_two_that_rewrite_the_same_files_one_gives_up(
    address: str, gate: Gate, compactor: Compactor, add: Add
) -> None:
    rows = add(address) + add(address)
    hold_commit_of(compactor, address, gate)
    assert tidy_table(address, "results", after_files=2)
    gate.tell("free")
    assert not compactor.outcome()
    assert ids(address) == sorted(rows)
    assert len(objects(address)) == 2, "what lost stays where it is"
    assert rewritings(address) == 1
    opened = open_table(address, "results")
    opened.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    assert objects(address) == [path.removeprefix(f"{address}/") for path in live_files(address, "results")]
    assert ids(address) == sorted(rows)


def test_rows_that_were_deleted_meanwhile_do_not_come_back(
    address: str, gate: Gate, compactor: Compactor, add: Add
) -> None:
    gone, kept = add(address), add(address)
    hold_commit_of(compactor, address, gate)
    open_table(address, "results").delete(f"result_id IN ('{gone[0]}', '{kept[0]}')")
    gate.tell("free")
    assert not compactor.outcome()
    assert ids(address) == sorted(gone[1:] + kept[1:])


def test_a_deletion_that_saw_the_files_before_gives_up(address: str, add: Add) -> None:
    from deltalake import CommitProperties, DeltaTable
    from deltalake.exceptions import CommitFailedError

    gone, kept = add(address), add(address)
    earlier = DeltaTable(f"{address}/results", storage_options=remote.storage_options(address))
    assert tidy_table(address, "results", after_files=2)
    with pytest.raises(CommitFailedError):
        earlier.delete(f"result_id = '{gone[0]}'", commit_properties=CommitProperties(max_commit_retries=20))
    assert ids(address) == sorted(gone + kept)


def test_a_lost_answer_doubles_nothing(address: str, gate: Gate, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = add(address) + add(address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{gate.port}")
    assert gate.tell("lose _delta_log/0")
    assert tidy_table(address, "results", after_files=2)
    assert ids(address) == sorted(rows)
    assert rewritings(address) == 1


def test_a_server_that_goes_down_before_the_commit_is_an_error_and_harms_nothing(
    s3_address: str, s3_door: Any, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = add(s3_address) + add(s3_address)
    really_commit = writing.commit_replacement

    def commit_unheard(*arguments: Any, **named: Any) -> bool:
        s3_door.shut()
        return really_commit(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setitem(remote._BOUNDS, "max_retries", "1")
        remote._delta_file_system.cache_clear()
        patch.setattr(cluster, "commit_replacement", commit_unheard)
        with pytest.raises(StoreError, match=r"'results' of s3://.* could not be compacted: the server is down"):
            compact(s3_address, ["results"])
    s3_door.open()
    assert ids(s3_address) == sorted(rows)
    (done,) = compact(s3_address, ["results"])
    assert (done.files_before, done.files_after) == (2, 1)
    assert ids(s3_address) == sorted(rows)


def test_no_other_thread_can_bring_its_table_forward(address: str, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the files and the commit, another compaction that nobody looked for could come in."""
    rows = add(address) + add(address)
    really_commit = writing.commit_replacement
    used: list[Any] = []

    def commit(opened: Any, *arguments: Any, **named: Any) -> bool:
        used.append(opened)
        return really_commit(opened, *arguments, **named)

    monkeypatch.setattr(cluster, "commit_replacement", commit)
    assert tidy_table(address, "results", after_files=2)
    assert used[0] is not open_table(address, "results")
    assert ids(address) == sorted(rows)


def test_an_object_that_is_gone_or_damaged_is_left_to_check(address: str, add: Add) -> None:
    add(address)
    add(address)
    files = live_files(address, "results")
    name = files[0].removeprefix(f"{address}/")
    content = read_object(address, name)
    assert content is not None
    remote.write(address, name, content[: len(content) // 2])
    assert not tidy_table(address, "results", after_files=2)
    remote.delete(address, name)
    assert not tidy_table(address, "results", after_files=2)
    assert live_files(address, "results") == files
    assert objects(address) == []
    remote.write(address, name, content)
    assert tidy_table(address, "results", after_files=2)


def test_many_commits_with_checkpoints_in_between_keep_every_row(address: str, add: Add) -> None:
    rows = []
    for _ in range(2):
        for _ in range(5):
            rows += add(address)
        assert tidy_table(address, "results", after_files=2)
    assert any("checkpoint" in one.name for one in list_objects(address, "results/_delta_log"))
    tables._OPENED.clear()  # what another process would see
    assert ids(address) == sorted(rows)
    assert rewritings(address) == 2


def test_it_happens_by_itself_and_looking_costs_one_request(
    address: str, gate: Gate, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{gate.port}")
    monkeypatch.setattr(tables, "COMPACT_AFTER_FILES", 3)
    rows = add(address) + add(address)
    gate.tell("seen")
    monkeypatch.setattr(housekeeping, "REMOTE_LOOK_EVERY", 10**9)
    tidy_after_append(address, ["results"])
    assert gate.tell("seen") == [], "most appends do not look"
    monkeypatch.setattr(housekeeping, "REMOTE_LOOK_EVERY", 1)
    tidy_after_append(address, ["results"])
    looked = gate.tell("seen")
    assert [method for method, _, _ in looked] == ["GET", "GET"]
    assert sum("list-type=2" in target for _, target, _ in looked) == 1, looked
    rows += add(address)
    tidy_after_append(address, ["results"])
    assert len(live_files(address, "results")) == 1
    assert ids(address) == sorted(rows)


def test_what_fails_afterwards_does_not_fail_the_append(
    address: str, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "COMPACT_AFTER_FILES", 2)
    monkeypatch.setattr(housekeeping, "REMOTE_LOOK_EVERY", 1)
    rows = add(address) + add(address)

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("the server failed")

    monkeypatch.setattr(cluster, "upload_file", refuse)
    tidy_after_append(address, ["results"])
    assert ids(address) == sorted(rows)


def test_by_itself_only_so_much_is_moved_as_takes_seconds() -> None:
    def choose(sizes: Sequence[int]) -> list[int]:
        files = [TableFile(f"{number}.parquet", size, 10, number) for number, size in enumerate(sizes)]
        batches = cluster._choose_brief(files, after_files=200, by_series=True)
        assert len(batches) <= 1
        return [file.size_bytes for batch in batches for file in batch]

    assert choose([1000] * 199) == []
    assert choose([1000] * 200) == [1000] * 200
    assert choose([1000] * 5000) == [1000] * BRIEF_FILES
    assert choose([BRIEF_BYTES // 2] * 300) == []
    medium = BRIEF_BYTES // 10
    assert choose([medium] * 300) == [medium] * 10


@pytest.mark.parametrize("endpoint", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_a_server_with_another_condition_is_refused(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv(endpoint, "https://storage.googleapis.com")
    with pytest.raises(StoreError, match=r"could lose what two writers add.*Use gs://bucket/store"):
        remote.list_below("s3://bucket/store")
    with pytest.raises(StoreError, match="Google Cloud Storage"):
        open_table("s3://bucket/store", "runs")
    assert "conditional_put" not in remote.storage_options("gs://bucket/store")


def test_compactions_at_once_neither_lose_nor_double_a_row(address: str, compactors: list[Compactor], add: Add) -> None:
    rows: list[str] = []
    won = 0
    for _ in range(ROUNDS):
        rows += add(address) + add(address)
        for compactor in compactors:
            compactor.begin(address)
        rows += add(address)
        won += sum(compactor.outcome() for compactor in compactors)
    assert ids(address) == sorted(rows)
    assert rewritings(address) == won >= ROUNDS
