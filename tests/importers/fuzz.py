"""Break files on purpose, and see that every importer answers with rows or with an error of ours.

``test_fuzz.py`` does a little of this in every run of the tests. For as long as is asked:
``python tests/importers/fuzz.py --minutes 10``. It prints a line for each format: files tried, how many of them gave
rows, and what was raised that should not be, with the file that did it kept in ``--keep``; it exits 1 where there is
any. Seeds are the small valid files in ``seeds``, one folder a format, and those in ``--more``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.core.errors import UsageError
from assay.importers.base import ImportedRow, Importer, ImportFileError, RowError, importers
from assay.importers.checks import find_fault, fingerprint
from assay.importers.read import read_checked
from assay.importers.source import Limits, Source

ROOT = Path(__file__).parent / "seeds"
SMALL = Limits(json_bytes=1 << 20, field_bytes=1 << 16, line_bytes=1 << 18)
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**63) - 1, 10**400, 1e308, -1e308, 5e-324, float("nan"), float("inf"),
    "", " ", "nan", "1e999", "1,000", "-", "0", "1e-9", "\u0000", "\ud800", "x" * 300, "2024-02-30",
    "9999-99-99T99:99:99Z",
    "../../etc/passwd", "=1+1", [], {}, [[]], [None], {"": None}, {"a": {"b": []}},
    [1, "2", None, {}], 1e18, 253402300800,
)  # fmt: skip
ODD_TEXTS = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b'"',
    b",",
    b"\r",
    b"\n\n",
    b"[[[[",
    b"\x80",
)


_DATABASE = """
CREATE TABLE models (model_id INTEGER, model_name VARCHAR, model_family VARCHAR);
CREATE TABLE hardware_platforms (hardware_id INTEGER, hardware_type VARCHAR, device_name VARCHAR);
CREATE TABLE performance_results (result_id INTEGER, model_id INTEGER, hardware_id INTEGER, batch_size INTEGER,
  precision VARCHAR, average_latency_ms DOUBLE, throughput_items_per_second DOUBLE, created_at TIMESTAMP);
INSERT INTO models VALUES (1, 'org/a', 'text');
INSERT INTO hardware_platforms VALUES (1, 'cpu', 'A Processor');
INSERT INTO performance_results VALUES (1, 1, 1, 4, 'fp32', 2.5, 1600, '2025-03-02 22:20:00'),
  (2, 1, 1, 8, 'fp32', 0, 0, NULL);
"""


def seeds(root: Path = ROOT) -> Iterator[tuple[str, Path, Path | None]]:
    """Give (format, file, mapping): every small valid file in ``seeds``, by the format it is of."""
    for folder in sorted(one for one in root.iterdir() if one.is_dir()):
        for path in sorted(folder.iterdir()):
            if path.suffix != ".mapping":
                mapping = path.with_name(f"{path.name}.mapping")
                yield folder.name, path, mapping if mapping.exists() else None


def made_seeds(folder: Path) -> Iterator[tuple[str, Path, Path | None]]:
    """Give seeds that are made when they are needed: an empty database has a quarter of a megabyte."""
    import duckdb

    path = folder / "0-made.duckdb"
    if not path.exists():
        with duckdb.connect(str(path)) as connection:
            connection.execute(_DATABASE)
    yield "ipfs-duckdb", path, None


def mutate(content: bytes, choose: random.Random) -> bytes:
    """Return the file a little, or quite, wrong: in its bytes, or, where it is JSON, in its structure."""
    for _ in range(choose.randint(1, 3)):
        structured = _mutate_json(content, choose) if choose.random() < 0.6 else None
        content = structured if structured is not None else _mutate_bytes(content, choose)
    return content


def _mutate_bytes(content: bytes, choose: random.Random) -> bytes:
    if not content:
        return choose.choice(ODD_TEXTS)
    first, last = sorted((choose.randrange(len(content)), choose.randrange(len(content))))
    before, between, after = content[:first], content[first:last], content[last:]
    changed = {
        "cut": before,
        "flip": before + bytes([content[first] ^ (1 << choose.randrange(8))]) + content[first + 1 :],
        "leave out": before + after,
        "insert": before + choose.choice(ODD_TEXTS) + content[first:],
        "double": before + between + between + after,
        "scramble": before + choose.randbytes(4) + content[first + 4 :],
        "swap": _swap_cells(content, choose),
    }
    return changed[choose.choice(sorted(changed))]


def _swap_cells(content: bytes, choose: random.Random) -> bytes:
    """Put something odd into a cell of a table, or a word of a text."""
    lines = content.split(b"\n")
    number = choose.randrange(len(lines))
    mark = choose.choice([b",", b"|", b" ", b"\t", b":"])
    cells = lines[number].split(mark)
    cells[choose.randrange(len(cells))] = str(choose.choice(ODD_VALUES)).encode("utf-8", "replace")
    lines[number] = mark.join(cells)
    return b"\n".join(lines)


def _mutate_json(content: bytes, choose: random.Random) -> bytes | None:
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return None
    nodes = list(_containers(tree))
    if not nodes:
        return None
    node = choose.choice(nodes)
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return None
    key = choose.choice(keys)
    match choose.randrange(5):
        case 0:
            del node[key]
        case 1 | 2:
            node[key] = choose.choice(ODD_VALUES)
        case 3:
            node[key] = choose.choice([one for one in nodes if one is not tree] or [None])
        case _:
            value = node[key]
            node[key] = [value] if choose.random() < 0.5 else str(value)
    try:
        return json.dumps(tree).encode()
    except (ValueError, RecursionError):  # a container put into itself
        return None


def _containers(tree: Any) -> Iterator[Any]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, (dict, list)):
            yield node
            stack.extend(node.values() if isinstance(node, dict) else node)


def try_importer(importer: Importer, path: Path, name: str, mapping: Path | None) -> int:
    """Recognise and read a file as an import does, and return how many things it gave.

    ImportFileError, RowError and what is wrong with a mapping are answers; whatever else is raised is a fault, and is
    raised on. The second reading that an import makes of large files must give as much as the first.
    """
    source = Source(path, name, path.stat().st_size, SMALL, mapping)
    importer.recognise(source)
    try:
        items = list(importer.read(source))
    except (ImportFileError, RowError, UsageError):  # UsageError: the mapping is for other columns than there are
        return 0
    for item in items:
        if isinstance(item, ImportedRow) and find_fault(item) is None:
            fingerprint(item)
    again = Source(path, name, path.stat().st_size, SMALL, mapping)
    assert sum(1 for _ in read_checked(again, importer)) == len(items), "a second reading gave something else"
    return len(items)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every importer.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="formats, instead of all that have seeds")
    parser.add_argument("--more", type=Path, help="folder of more seeds, one folder a format")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where files that broke something go")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = list(seeds()) + list(made_seeds(Path(folder)))
        found += list(seeds(asked.more)) if asked.more else []
        by_format: dict[str, list[tuple[Path, Path | None]]] = {}
        for name, path, mapping in found:
            if not asked.only or name in asked.only:
                by_format.setdefault(name, []).append((path, mapping))
        return fuzz(by_format, asked.minutes * 60, asked.seed, Path(folder), asked.keep)


def fuzz(
    by_format: dict[str, list[tuple[Path, Path | None]]], limit_s: float, seed: int, folder: Path, keep: Path
) -> int:
    """Try mutated files of every format in turn until the time is up; return 1 where something broke."""
    choose = random.Random(seed)
    tried: Counter[str] = Counter()
    gave_rows: Counter[str] = Counter()
    broken: dict[str, Counter[str]] = {name: Counter() for name in by_format}
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        for name, seeds in by_format.items():
            path, mapping = choose.choice(seeds)
            target = folder / path.name
            content = mutate(path.read_bytes(), choose)
            target.write_bytes(content)
            tried[name] += 1
            try:
                gave_rows[name] += bool(try_importer(importers.get(name), target, path.name, mapping))
            except Exception as error:  # noqa: BLE001  (this is what is looked for)
                last = traceback.extract_tb(error.__traceback__)[-1]
                fault = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {str(error)[:80]!r}"
                if not broken[name][fault]:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{name}-{tried[name]}-{path.name}").write_bytes(content)
                broken[name][fault] += 1
    sys.stdout.write(f"{'format':22} {'files':>8} {'gave rows':>10} {'uncaught':>9}" + "\n")
    for name in sorted(by_format):
        sys.stdout.write(f"{name:22} {tried[name]:8} {gave_rows[name]:10} {sum(broken[name].values()):9}" + "\n")
        for fault, count in broken[name].most_common():
            sys.stdout.write(f"    {count} x {fault}" + "\n")
    total = sum(sum(faults.values()) for faults in broken.values())
    sys.stdout.write(f"{sum(tried.values())} files in {limit_s / 60:.1f} min, {total} uncaught" + "\n")
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
