"""Whatever is wrong with a file, one clear message says what, and nothing of it is kept."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.core.case import ForeignCase
from assay.core.registry import Registry
from assay.importers.base import ImportedRow, Importer, Item, RowError
from assay.importers.numbers import Numbers
from assay.importers.report import FileReport, ImportReport, Outcome
from assay.importers.source import Limits, Source
from assay.store import Store

RunImport = Callable[..., ImportReport]
SLIP = (
    "Its latency of {} and its throughput of {}/s disagree 1.0e+06-fold "
    "({} units a call would be {}/s): one of them is in another unit."
)
UNKNOWN = "/x.json is of no known format: it looks like "
GOOD = json.dumps({"plain": [{"model": "bert/base", "ms": 12.5}]}).encode()


class TableImporter:
    """CSV with the columns ``model`` and ``ms``."""

    name = "table"
    title = "the tests' own table"

    def recognise(self, source: Source) -> bool:
        return {"model", "ms"} <= set(source.csv_header)

    def read(self, source: Source) -> Iterator[Item]:
        for number, row in source.csv_rows():
            numbers = Numbers()
            numbers.add("latency_ns", row["ms"], field="ms", unit="ms")
            yield ImportedRow(f"row {number}", ForeignCase.make(workload=row["model"]), metrics=tuple(numbers.metrics))


@pytest.fixture
def refuse(
    tmp_path: Path, run_import: RunImport, registry: Registry[Importer], store: Store
) -> Callable[..., tuple[str, str | None]]:
    """Import content that cannot be taken, and return the message (without the path) and the hint."""
    registry.add("table", TableImporter())

    def run(content: bytes, name: str = "x.json", **options: Any) -> tuple[str, str | None]:
        path = tmp_path / name
        path.write_bytes(content)
        report = run_import(path, **options)
        (one,) = report.files
        assert one.outcome in {Outcome.REFUSED, Outcome.NOT_RECOGNISED}
        assert not report.is_complete
        assert store.query("SELECT count(*) AS n FROM raw.results")["n"][0].as_py() == 0
        return str(one.reason).replace(str(tmp_path), ""), one.hint

    return run


Refuse = Callable[..., tuple[str, str | None]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[:-5], "/x.json, line 1, column 43: Expecting ',' delimiter."),
        (GOOD.decode().encode("utf-16"), "/x.json is UTF-16 text; expected UTF-8."),
        (b'{"plain": [{"model": "\xe9t\xe9"}]}', "/x.json is not UTF-8: byte 0xe9 at position 22."),
        (b'{"a": 0, "a": 1}', "/x.json: the key 'a' is there twice in one object; which one counts is not known."),
        (b"[" * 100_000 + b"]" * 100_000, "/x.json is nested more than 64 levels deep, which is as far as is read."),
        (b"[" * 100_000, "/x.json is nested more than 64 levels deep, which is as far as is read."),
        (b"", "/x.json is empty."),
        (b"\x89PNG\r\n\x1a\n\0\0", UNKNOWN + "binary data (it begins with the bytes 89 50 4e 47 0d 0a 1a 0a)."),
        (b'{"a": 1, "b": [2]}', UNKNOWN + "a JSON object with the keys 'a', 'b'."),
        (b"{}", UNKNOWN + "an empty JSON object."),
        (b'[{"a": 1}, 2]', UNKNOWN + "a JSON list of 2 objects, the first with the keys 'a'."),
        (b"<!DOCTYPE html><html>", UNKNOWN + "a web page."),
        (b"a,b,c\n1,2,3\n", UNKNOWN + "a CSV table with the columns 'a', 'b', 'c'."),
        (b"hello there\n", UNKNOWN + "text that begins 'hello there'."),
        (b"PAR1 and no more", "/x.json is a broken Parquet file: "),
        (b"0123456\0DUCK\0\0\0", UNKNOWN + "a DuckDB database."),
    ],
    ids=lambda value: value[:24].decode("ascii", "replace") if isinstance(value, bytes) else "",
)  # fmt: skip
def test_a_file_that_is_broken_or_unknown_is_named_with_what_is_wrong(
    refuse: Refuse, content: bytes, message: str
) -> None:
    got, _ = refuse(content)
    assert got == message if message.endswith(".") else got.startswith(message)


IMPOSSIBLE = [
    ('{"model": "x", "ms": -3}', "ms: -3 ms is negative."),
    ('{"model": "x", "ms": 0}', "A latency of 0 ns (mean) cannot be."),
    ('{"model": "x", "ms": "soon"}', "ms: 'soon' is not a number."),
    ('{"model": "x", "ms": Infinity}', "ms: inf is not finite."),
    ('{"model": "x", "ms": true}', "ms: True is a truth value, expected a number."),
    (
        '{"model": "x", "ms": 12500000, "per_s": 80, "batch": 1}',
        SLIP.format("12500 s", "80.0", "1.00", "0.0000800"),
    ),
    (
        '{"model": "x", "ms": 0.0000125, "per_s": 640, "batch": 8}',
        SLIP.format("12.5 ns", "640", "8.00", "640000000"),
    ),
    (
        '{"model": "x", "ms": 12500000000000}',
        "A latency of 1.25e+10 s (mean), 1.45e+05 days a call, cannot be: is it in ns?",
    ),
    ('{"model": "x", "ms": 1e-9}', "A latency of 0.001 ns (mean) cannot be: is it in another unit?"),
    ('{"model": "x", "ms": 1, "batch": -1}', "Batch is -1, which is no count."),
    ('{"model": "x", "ms": 1, "batch": 1e30}', "Batch is 1e+30, which is no count."),
    ('{"model": "", "ms": 1}', "The row names no workload."),
    (
        '{"model": "x", "readings_ns": [5, -5]}',
        "A raw reading of latency is negative or beyond what a clock can say.",
    ),
]


def test_rows_that_cannot_be_true_are_refused_and_the_others_are_taken(
    tmp_path: Path, run_import: RunImport, store: Store
) -> None:
    path = tmp_path / "x.json"
    entries = [*(entry for entry, _ in IMPOSSIBLE), '{"model": "bert/base", "ms": 12.5}']
    path.write_text(f'{{"plain": [{", ".join(entries)}]}}', encoding="utf-8")
    (one,) = run_import(path).files
    expected = {f"/plain/{number}": message for number, (_, message) in enumerate(IMPOSSIBLE)}
    assert {refusal.place: refusal.error for refusal in store.refusals(one.import_id or "")} == expected
    assert [refusal.place for refusal in one.refusals] == list(expected)[:10]
    assert [result.case.workload for result in store.results(provenance="imported")] == ["bert/base"]


def test_rows_that_are_merely_odd_are_taken(tmp_path: Path, run_import: RunImport) -> None:
    entries: list[dict[str, Any]] = [
        {"model": "x", "ms": 12.5, "per_s": 80_000, "device": "8 accelerators"},
        {"model": "x", "ms": 12.5, "per_s": 640, "batch": 1},
        {"model": "x", "ms": 3e-7},
        {"model": "x", "ms": 86_400_000},
        {"model": "x", "ms": None},
        {"model": "x", "ms": "n/a"},
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"plain": entries}), encoding="utf-8")
    assert run_import(path).rows_added == len(entries)


def test_nan_is_no_number_and_stays_in_the_fields_as_a_word(
    tmp_path: Path, run_import: RunImport, store: Store
) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"plain": [{"model": "x", "ms": NaN}]}', encoding="utf-8")
    assert run_import(path).is_complete
    (result,) = store.results(provenance="imported")
    latency = result.metric("latency_ns", "mean")
    assert latency is not None
    assert (latency.value, latency.reason) == (None, "the source gives no number (nan)")
    assert result.source_fields["ms"] == "nan"


def test_half_a_surrogate_pair_does_not_break_the_store(tmp_path: Path, run_import: RunImport, store: Store) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"plain": [{"model": "a\\ud800b", "ms": 1, "reason": "\\udc00"}]}', encoding="utf-8")
    assert run_import(path).is_complete
    assert store.results(provenance="imported")[0].case.workload == "a\\ud800b"


# -- tables ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"model,ms\na,1\nb,2,3\n", "/x.csv, row 2 (line 3): 3 fields, expected 2."),
        (b"model,ms\n" + b"x" * 2000 + b",1\n", "/x.csv, line 2: field larger than field limit (1000)."),
        (b"model,ms\n" + b"x" * 9000, "/x.csv, line 2 is longer than the 5000 characters that are read."),
        (b"model,ms\n\xe9,1\n", "/x.csv, line 2 is not UTF-8: byte 0xe9."),
        (b'model,ms\n"a,1\n', "/x.csv, line 2: unexpected end of data."),
    ],
    ids=["too many fields", "huge field", "no line ends", "latin-1", "open quote"],
)  # fmt: skip
def test_a_table_that_is_broken_is_named_with_the_line(refuse: Refuse, content: bytes, message: str) -> None:
    got, _ = refuse(content, "x.csv", limits=Limits(field_bytes=1000, line_bytes=5000))
    assert got == message


def test_a_negative_number_in_a_table_is_named_with_its_row(refuse: Refuse) -> None:
    assert refuse(b"model,ms\na,-1\n", "x.csv")[0] == "ms: -1 ms is negative."


def _sparse(path: Path, beginning: bytes, size_bytes: int) -> None:
    with path.open("wb") as file:
        file.write(beginning)
        file.truncate(size_bytes)


def test_two_gigabytes_of_json_are_refused_by_their_size(tmp_path: Path, run_import: RunImport) -> None:
    _sparse(tmp_path / "x.json", b'{"plain": [', 2 * 1024**3)
    (one,) = run_import(tmp_path / "x.json").files
    assert one.reason == f"{tmp_path}/x.json has 2147483648 bytes; 268435456 at most are read at once."
    assert one.hint is not None
    assert "--max-json-bytes" in one.hint


def test_a_table_without_line_ends_is_not_held_in_memory(
    tmp_path: Path, run_import: RunImport, registry: Registry[Importer]
) -> None:
    registry.add("table", TableImporter())
    _sparse(tmp_path / "x.csv", b"model,ms\na,1\n", 32 * 1024**2)
    (one,) = run_import(tmp_path / "x.csv", limits=Limits(line_bytes=100_000)).files
    assert one.reason == f"{tmp_path}/x.csv, line 3 is longer than the 100000 characters that are read."


# -- archives --------------------------------------------------------------------------------------------------


def _zip(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_gzip_and_zip_are_unpacked_whatever_they_are_called(tmp_path: Path, run_import: RunImport) -> None:
    other = GOOD.replace(b"12.5", b"13.5")
    (tmp_path / "a.data").write_bytes(gzip.compress(GOOD))
    members = {"in/b.json": other, "c.json.gz": gzip.compress(GOOD), ".hidden": GOOD, "__MACOSX/x": GOOD, "d/": b""}
    (tmp_path / "b.data").write_bytes(_zip(members))
    report = run_import(tmp_path / "a.data", tmp_path / "b.data")
    assert [(one.name.removeprefix(f"{tmp_path}/"), one.outcome, one.reason) for one in report.files] == [
        ("a.data", Outcome.TAKEN, None),
        ("b.data!c.json.gz", Outcome.ALREADY_THERE, f"as {tmp_path}/a.data"),
        ("b.data!in/b.json", Outcome.TAKEN, None),
    ]


def test_names_in_an_archive_are_never_paths(tmp_path: Path, run_import: RunImport) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.zip").write_bytes(_zip({"../../evil.json": GOOD, "/abs.json": b"{}", "a\nb": b"x"}))
    before = sorted(tmp_path.rglob("*"))
    report = run_import(tmp_path / "in" / "x.zip")
    assert [one.name.removeprefix(f"{tmp_path}/in/") for one in report.files] == [
        "x.zip!../../evil.json", "x.zip!/abs.json", "x.zip!a?b",
    ]  # fmt: skip
    assert [path for path in sorted(tmp_path.rglob("*")) if "store" not in path.parts] == [
        path for path in before if "store" not in path.parts
    ]


BOMB = b"\0" * 30_000_000
TOO_WELL_PACKED = r"unpacks to more than 200 times its \d+ packed bytes, as no table of results does\."


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.gz", gzip.compress(BOMB), rf"/x\.gz {TOO_WELL_PACKED}"),
        ("x.zip", _zip({"a": BOMB}), rf"/x\.zip!a {TOO_WELL_PACKED}"),
        ("x.gz", gzip.compress(os.urandom(99))[:-20], r"/x\.gz cannot be unpacked: compressed file ended before .*\."),
        ("x.zip", _zip({"a": os.urandom(4096)})[:-30], r"/x\.zip cannot be unpacked: file is not a zip file\."),
        ("x.zip", _zip({str(number): b"" for number in range(30)}), r"/x\.zip holds 30 files; 20 at most are read\."),
        (
            "x.zip",
            _zip({"a.zip": _zip({"b.zip": _zip({"c": GOOD})})}),
            r"/x\.zip!a\.zip!b\.zip is an archive in an archive in an archive; unpack it first\.",
        ),
    ],
    ids=["gzip bomb", "zip bomb", "cut gzip", "cut zip", "many files", "nested"],
)  # fmt: skip
def test_a_bomb_or_a_broken_archive_is_refused(
    refuse: Refuse, full_match: Callable[[str, str], None], name: str, content: bytes, message: str
) -> None:
    got, _ = refuse(content, name, limits=Limits(members=20))
    full_match(message, got)


def test_a_large_archive_stops_at_the_limit(tmp_path: Path, run_import: RunImport) -> None:
    (tmp_path / "x.zip").write_bytes(_zip({"a": os.urandom(60_000), "b": os.urandom(60_000), "c": GOOD}))
    report = run_import(tmp_path / "x.zip", limits=Limits(unpacked_bytes=100_000))
    reasons = {one.name: one.reason for one in report.files}
    name = f"{tmp_path}/x.zip"
    assert reasons[name] == f"{name}!b unpacks to more than 100000 bytes with what came before it in the archive."
    assert len(reasons) == 2


# -- what cannot be opened -------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path, run_import: RunImport) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "good.json").write_bytes(GOOD)
    report = run_import(tmp_path / "loop", tmp_path / "pipe", tmp_path / "good.json", tmp_path / "good.json" / "x")
    assert [one.outcome for one in report.files[:3]] == [Outcome.REFUSED, Outcome.REFUSED, Outcome.TAKEN]
    assert reasons_of(report.files[:2]) == [
        f"{tmp_path}/loop cannot be read: too many levels of symbolic links.",
        f"{tmp_path}/pipe is no regular file (a pipe or a device), which is not read.",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(tmp_path: Path, run_import: RunImport) -> None:
    (tmp_path / "x.json").write_bytes(GOOD)
    (tmp_path / "x.json").chmod(0)
    assert reasons_of(run_import(tmp_path / "x.json").files) == [
        f"{tmp_path}/x.json cannot be read: permission denied."
    ]


def reasons_of(files: tuple[FileReport, ...]) -> list[str | None]:
    return [one.reason for one in files]


# -- formats ---------------------------------------------------------------------------------------------------


def test_content_of_several_formats_asks_which(
    tmp_path: Path, run_import: RunImport, registry: Registry[Importer]
) -> None:
    class Other(TableImporter):
        name = "other"

        def recognise(self, source: Source) -> bool:
            return source.json_or_none() is not None

    registry.add("other", Other())
    path = tmp_path / "x.json"
    path.write_bytes(GOOD)
    (one,) = run_import(path).files
    assert (one.reason, one.hint) == (f"{path} fits 2 formats: 'other' or 'plain'.", "Say which: --format other.")
    assert run_import(path, format="plain").rows_added == 1


def test_an_importer_that_breaks_while_looking_does_not_keep_others_from_their_file(
    tmp_path: Path, run_import: RunImport, registry: Registry[Importer]
) -> None:
    class Broken(TableImporter):
        name = "broken"

        def recognise(self, source: Source) -> bool:
            raise IndexError(source.name[-6:])

    registry.add("broken", Broken())
    path = tmp_path / "x.json"
    path.write_bytes(GOOD)
    (one,) = run_import(path).files
    assert one.outcome is Outcome.TAKEN
    assert one.notes == ("The importer 'broken' broke while it looked at the file: IndexError: x.json.",)


def test_an_error_of_a_row_that_is_not_caught_refuses_the_file(
    tmp_path: Path, run_import: RunImport, registry: Registry[Importer]
) -> None:
    class Careless(TableImporter):
        name = "careless"

        def read(self, source: Source) -> Iterator[Item]:
            yield from ()
            raise RowError(f"{source.name}: no.")

    registry.add("careless", Careless())
    path = tmp_path / "x.json"
    path.write_bytes(GOOD)
    (one,) = run_import(path, format="careless").files
    assert (one.outcome, one.reason) == (Outcome.REFUSED, f"{path}: no.")
