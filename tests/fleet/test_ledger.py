from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.core.errors import NotFoundError, StoreError, UsageError
from assay.fleet.ledger import Ledger, find_ledger, ledger_path, list_ledgers, read_state
from assay.fleet.status import attempt_rows, read_status
from assay.fleet.values import Ended, FleetCase, Node, Order, Outcome, Started

MakeCase = Callable[..., FleetCase]
HEADER = {"on": "ray://local", "store": "s", "suite": {"name": "tiny", "cases": []}, "retries": 2}


def _begin(store: Path, make_case: MakeCase, fleet_id: str = "fleet-1") -> Ledger:
    return Ledger.begin(str(store), {"fleet_id": fleet_id, **HEADER}, [make_case("a", 5), make_case("b", 1)])


def _attempt(ledger: Ledger, name: str, number: int, node: str = "n1") -> str:
    order = Order(ledger.state.cases[name], number, Node(f"id-{node}", node))
    ledger.began(order)
    return order.key


def test_what_was_written_is_read_back(tmp_path: Path, make_case: MakeCase) -> None:
    with _begin(tmp_path, make_case) as ledger:
        key = _attempt(ledger, "a", 1)
        ledger.started(Started(key, "host", 17))
        ledger.ended(Ended(key, Outcome.LOST, error="the node died"))
        key = _attempt(ledger, "a", 2, "n2")
        ledger.ended(Ended(key, Outcome.OK, "host", 18, "run", "ok", None, 2.5))
        _attempt(ledger, "b", 1)
        written = ledger.state
    state = read_state(ledger_path(str(tmp_path), "fleet-1"))
    assert state == written
    assert [one.case_id for one in state.unfinished()] == ["b"]
    assert [(one.number, one.outcome, one.pid) for one in state.attempts["a"]] == [
        (1, Outcome.LOST, 17),
        (2, Outcome.OK, 18),
    ]
    rows = attempt_rows(state)
    assert [row["outcome"] for row in rows] == ["lost", "ok", None]
    assert rows[0]["error"] == "the node died"


def test_a_status_counts(tmp_path: Path, make_case: MakeCase) -> None:
    ledger = _begin(tmp_path, make_case)
    ledger.ended(Ended(_attempt(ledger, "a", 1), Outcome.OK, "h", 1, "run", "ok", None, 4.0))
    _attempt(ledger, "b", 1)
    found = read_status(ledger.path)
    assert (found.ok, found.running, found.waiting, found.last, found.is_driven) == (1, 1, 0, "running", True)
    assert found.nodes[0].median_s == 4.0
    ledger.close()
    assert not read_status(ledger.path).is_driven


def test_a_line_cut_short_is_dropped_and_written_over(tmp_path: Path, make_case: MakeCase) -> None:
    with _begin(tmp_path, make_case) as ledger:
        _attempt(ledger, "a", 1)
        path = ledger.path
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1]) + 1):
        path.write_bytes(whole[:-cut])
        assert read_state(path).attempts == {}, "the last line is not whole"
    with Ledger.reopen(str(tmp_path), "fleet-1") as again:
        again.ended(Ended(_attempt(again, "b", 1), Outcome.OK, run_id="r"))
    assert all(json.loads(line) for line in path.read_text().splitlines())
    assert [one.case_id for one in read_state(path).unfinished()] == ["a"]


def test_one_drives_at_a_time(tmp_path: Path, make_case: MakeCase) -> None:
    with _begin(tmp_path, make_case), pytest.raises(UsageError, match="another process"):
        Ledger.reopen(str(tmp_path), "fleet-1")
    Ledger.reopen(str(tmp_path), "fleet-1").close()


def test_ledgers_are_found(tmp_path: Path, make_case: MakeCase) -> None:
    for name in ("aa-11", "ab-12"):
        _begin(tmp_path, make_case, name).close()
    assert [path.stem for path in list_ledgers(str(tmp_path))] == ["ab-12", "aa-11"]
    assert find_ledger(str(tmp_path), "11").stem == "aa-11"
    assert find_ledger(str(tmp_path), "last").stem == "ab-12"
    with pytest.raises(UsageError, match="means 2"):
        find_ledger(str(tmp_path), "a")
    with pytest.raises(NotFoundError):
        find_ledger(str(tmp_path), "nothing")


@pytest.mark.parametrize("content", [b"", b"not json\n", b'{"kind": "case"}\n', b"[1, 2]\n"])
def test_what_is_no_ledger_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="no ledger"):
        read_state(path)
