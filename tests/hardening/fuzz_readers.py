"""Break what assay reads besides others' results; every reader has to answer with a value or an error of its own.

Suites, targets, options, addresses, mapping files, own devices, predictor files, model files, journals, messages of
workers, traces of sensors, SQL. Importers have a runner of their own (``tests/importers/fuzz.py``), routes of the
server too (``tests/web/api/test_schema.py``). ``test_fuzz.py`` does a little of this in every run of the tests. For
longer: ``python tests/hardening/fuzz_readers.py --minutes 10``. It prints a line for each reader: inputs, how many were
taken, and what was raised that should not be, with the input kept in ``--keep``; it exits 1 where there is any.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from assay.core.errors import AssayError

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "assay"
SLOWEST_S = 5.0
"""A reader that takes longer over an input of a few kilobytes is broken too."""
LONGEST = 60_000
WORDS = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"NaN", b"-Infinity", b"1e999", b'"', b"'", b",", b":", b"\r", b"\n\n",
    b"[" * 300, b"{" * 300, b"(" * 300, b"&a *a", b"!!python/object:os.system", b"<<: *a", b"\x80", b"../../etc/passwd",
    b"%s%n", b"0" * 400, b"9" * 400, b"-1", b"1_000", b"0x10", b"\xe2\x80\xae", b"\xf0\x9f\x98\x80", b"None", b"null",
    b"true", b"~", b"?", b"*", b"..", b"\\", b"${HOME}", b"1e-400", b"<=", b"speedup(", b"x" * 2000,
    b"; DROP TABLE runs",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader: its name, good inputs to begin with, what reads bytes, and what it may raise."""

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]
    expected: tuple[type[BaseException], ...] = (AssayError,)


@dataclass
class Tally:
    """What became of a reader's inputs."""

    inputs: int = 0
    taken: int = 0
    findings: dict[str, bytes] = field(default_factory=dict)


def change(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return a broken copy: bits, cuts, repeats, words that hurt, pieces of other inputs."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << draw.randrange(8)
            case 1:
                del data[at : at + draw.choice((1, 4, 64, 1024))]
            case 2:
                data[at:at] = draw.choice(WORDS)
            case 3:
                piece = data[at : at + draw.randrange(1, 200)]
                data[at:at] = piece * draw.choice((1, 2, 50))
            case 4 if others:
                other = draw.choice(others)
                begin = draw.randrange(len(other) + 1)
                data[at:at] = other[begin : begin + draw.randrange(1, 400)]
            case 5:
                data[at : at + draw.randrange(1, 9)] = draw.randbytes(draw.randrange(0, 9))
            case _:
                size = draw.randrange(1, 40)
                data[at : at + size] = draw.choice(WORDS)
    return bytes(data[:LONGEST])


def change_members(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Break what is inside an archive, so that more than its frame is tried."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        members = old.infolist()
        broken = draw.choice(members).filename if members else None
        for member in members:
            name = member.filename
            body = old.read(member)
            if name == broken:
                if draw.random() < 0.2:
                    name = draw.choice(("../up", "/root", "a/../../b", name * 2, "x" * 300, "con"))
                else:
                    body = change(body, draw, others)
            new.writestr(name, body)
    return out.getvalue()


def break_one(reader: Reader, draw: random.Random) -> bytes:
    """Return a broken input for a reader."""
    seed = draw.choice(reader.seeds)
    if seed[:2] == b"PK" and draw.random() < 0.7:
        try:
            return change_members(seed, draw, reader.seeds)
        except (zipfile.BadZipFile, OSError, RuntimeError, ValueError):
            pass
    return change(seed, draw, reader.seeds)


def try_one(reader: Reader, content: bytes, tally: Tally) -> None:
    """Read one input, and note anything that a reader may not do with it."""
    tally.inputs += 1
    begin = time.process_time()  # not the wall's: others may keep the processor
    try:
        reader.read(content)
    except reader.expected:
        pass
    except Exception as error:  # noqa: BLE001  (whatever it is, it is a finding)
        where = traceback.extract_tb(error.__traceback__)[-1]
        tally.findings.setdefault(f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}", content)
    else:
        tally.taken += 1
    took_s = time.process_time() - begin
    if took_s > SLOWEST_S:
        tally.findings.setdefault("takes more than 5 s", content)


def readers(folder: Path) -> Iterator[Reader]:
    """Every reader with its seeds; files go into ``folder``."""
    yield from readers_of_text()
    yield from readers_of_files(folder)
    yield from readers_of_models(folder)
    yield sql_reader(folder)


def from_text(function: Callable[[str], object]) -> Callable[[bytes], object]:
    """Have a reader of text read bytes; what is no UTF-8 becomes the odd letters that arguments have then."""
    return lambda content: function(content.decode("utf-8", "surrogateescape"))


def from_file(path: Path, function: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Have a reader of a file read bytes."""

    def read(content: bytes) -> object:
        path.write_bytes(content)
        return function(path)

    return read


def readers_of_text() -> Iterator[Reader]:
    """What is typed, and what workers say."""
    from assay.catalog.hardware.adapters import read_adapter
    from assay.catalog.targets import parse_bound
    from assay.cli.compare_sides import read_sides
    from assay.core.units import parse_duration_s
    from assay.engines.options import read_option
    from assay.importers.fetch import shown_address
    from assay.runner.protocol import decode
    from assay.runner.suite_model import parse_suite
    from assay.store.address import parse_address

    yield Reader("suite", suite_seeds(), from_text(parse_suite))
    bounds = (
        b"p50_latency_ms <= 50", b"throughput >= 1000 windows/s", b"speedup(cuda/cpu) >= 5",
        b"saving(int8/fp32) >= 50 %", b"largest(batch) >= 128", b"memory_peak <= 2 GiB", b"energy_j_per_sample <= 0.5",
    )  # fmt: skip
    yield Reader("target", bounds, from_text(parse_bound))
    yield Reader("duration", (b"90s", b"1.5h", b"7d", b"2h30m", b"12"), from_text(parse_duration_s), (ValueError,))
    options = (b"hint=throughput", b"target=0.95", b"new_tokens=32", b"prune=structured:0.3", b"dataset=csv:./a.csv")
    yield Reader("option", options, from_text(lambda said: read_option(*said.partition("=")[::2])))
    sides = (b"engine=torch,batch=8", b"ref=HEAD~1", b"python=env", b"last~1", b"precision=bf16,threads=1")
    yield Reader("side", sides, from_text(lambda said: read_sides(said.split(";"), (), ())))
    addresses = (b"s3://bucket/prefix", b"gs://a/b/c", b"az://container/x y", b"s3://user:pass@bucket/x")
    yield Reader("store address", addresses, from_text(parse_address))
    urls = (b"https://user:p@h.example/a.json?token=x", b"http://127.0.0.1:8/x?sig=1&b=2", b"http://[::1]/a")
    yield Reader("download address", urls, from_text(shown_address))
    adapters = (b"ANGLE (NVIDIA, NVIDIA GeForce RTX 3080 Direct3D11 vs_5_0)", b"google swiftshader", b"apple m2")
    yield Reader("adapter", adapters, from_text(read_adapter))
    messages = (
        b'{"is": "PhaseBegan", "phase": "load"}', b'{"is": "Failed", "status": "failed", "reason": "x"}',
        b'{"is": "SamplesSoFar", "count": 3, "median_ns": 12.5}', b'{"is": "Measured", "samples": [], "metrics": []}',
    )  # fmt: skip
    yield Reader("message", messages, decode, (ValueError,))


def readers_of_files(folder: Path) -> Iterator[Reader]:
    """Files that people write or hand on."""
    from assay.artefacts.cache import read_artefact
    from assay.catalog.hardware.own import read_own_file
    from assay.importers.tables.mapping import load_mapping
    from assay.predict.model_file import read_content
    from assay.probes.telemetry.replay import load_raw
    from assay.runner.suite_model import load_suite
    from assay.store.journal import read_journal

    yield Reader("suite file", suite_seeds(), from_file(folder / "suite.yaml", load_suite))
    mappings = tuple(one.read_bytes() for one in sorted((ROOT / "tests" / "importers").rglob("*.yaml")))
    mappings += (b"version: 1\nfields:\n  workload: model\nmetrics:\n  - {metric: latency_ns, column: a, unit: ms}\n",)
    yield Reader("mapping", mappings, from_file(folder / "mapping.yaml", load_mapping))
    own = (b"hw_id,name,vendor,memory_gib\nmine-1,Mine 1,me,24\n", b'[{"hw_id": "mine-1", "name": "Mine"}]')
    yield Reader("own devices", own, from_file(folder / "own.csv", read_own_file))
    predictors = (SOURCE / "predict" / "data" / name for name in ("roofline.predictor", "power.predictor"))
    small = tuple(one.read_bytes() for one in predictors if one.exists() and one.stat().st_size < LONGEST)
    if small:
        yield Reader("predictor", small, lambda content: read_content(content, "some.predictor"))
    traces = (ROOT / "tests" / "probes" / "telemetry" / "traces").glob("*.json")
    smallest = sorted((one.read_bytes() for one in traces), key=len)[:6]
    yield Reader("trace", tuple(smallest), from_file(folder / "trace.json", load_raw))
    lines = (b'{"kind": "run", "payload": {"run_id": "a"}}\n{"kind": "launch", "payload": {}}\n{"kind": "x"}\n',)
    yield Reader("journal", lines, from_file(folder / "a.jsonl", read_journal))
    manifest = json.dumps({"recipe": "onnx", "key": "a", "made_at": "2026-01-01T00:00:00+00:00", "facts": {}}).encode()
    yield Reader("artefact", (manifest,), from_file(folder / "manifest.json", lambda path: read_artefact(path.parent)))


def readers_of_models(folder: Path) -> Iterator[Reader]:
    """Model files that are described without their runtimes."""
    from assay.workloads.files import describe_file

    (folder / "model.bin").touch()  # OpenVINO's weights, of a model that has none
    for name, seeds in (("model.xml", openvino_seeds()), ("model.onnx", onnx_seeds()), ("model.pt2", export_seeds())):
        yield Reader(name, tuple(seeds), from_file(folder / name, lambda path: describe_file(str(path))))


def suite_seeds() -> tuple[bytes, ...]:
    """The suites that ship."""
    return tuple(one.read_bytes() for one in sorted((SOURCE / "runner" / "suites").glob("*.yaml")))


def sql_reader(folder: Path) -> Reader:
    """People's SQL, over an empty store."""
    from assay.store import Store

    store = Store.open(folder / "store")
    seeds = (
        b"SELECT workload, latency_ns FROM results WHERE verdict = 'trusted'",
        b"SELECT count(*) FROM runs GROUP BY ALL",
        b"WITH a AS (SELECT 1 AS x) SELECT * FROM a", b"EXPLAIN SELECT 1", b"DESCRIBE results", b"SHOW TABLES",
        b"SELECT unnest([1, 2]), list_sum([1])", b"PIVOT runs ON status", b"SELECT {'a': 1}.a, MAP {'x': 2}",
    )  # fmt: skip

    def read(content: bytes) -> object:
        return store.query_readonly(content.decode("utf-8", "replace"), max_rows=10, timeout_s=2)

    return Reader("SQL", seeds, read)


def openvino_seeds() -> Iterator[bytes]:
    """A small model in OpenVINO's form."""
    yield (
        b'<?xml version="1.0"?><net name="n" version="11"><layers>'
        b'<layer id="0" name="x" type="Parameter" version="opset1"><data shape="?,4" element_type="f32"/>'
        b'<output><port id="0" precision="FP32" names="x"><dim>-1</dim><dim>4</dim></port></output></layer>'
        b"</layers><edges/></net>"
    )


def onnx_seeds() -> Iterator[bytes]:
    """A small model in ONNX form, written by hand: one input (2, 3) of float."""

    def message(number: int, body: bytes) -> bytes:
        return bytes([number << 3 | 2, len(body)]) + body

    dims = b"".join(message(1, bytes([1 << 3, size])) for size in (2, 3))
    tensor = bytes([1 << 3, 1]) + message(2, dims)
    value = message(1, b"x") + message(2, message(1, tensor))
    yield bytes([1 << 3, 8]) + message(7, message(2, b"g") + message(11, value) + message(12, value))


def export_seeds() -> Iterator[bytes]:
    """An archive with the names that torch.export writes, and little in them."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model/archive_format", "pt2")
        archive.writestr("model/archive_version", "0")
        program: dict[str, dict[str, object]] = {"graph_module": {"signature": {}}, "range_constraints": {}}
        archive.writestr("model/models/model.json", json.dumps(program))
        archive.writestr("model/data/weights/model_weights_config.json", json.dumps({"config": {}}))
    yield out.getvalue()


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Break for as long as was asked, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", help="readers, by commas")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that a reader does not survive")
    chosen = parser.parse_args()
    draw = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as name:
        known = [one for one in readers(Path(name)) if not chosen.only or one.name in chosen.only.split(",")]
        tallies = {one.name: Tally() for one in known}
        end = time.monotonic() + chosen.minutes * 60
        while time.monotonic() < end:
            for reader in known:
                for _ in range(20):
                    try_one(reader, break_one(reader, draw), tallies[reader.name])
    found = 0
    say(f"seed {chosen.seed}\n{'reader':<18} {'inputs':>9} {'taken':>9}  what it should not have raised")
    for reader_name, tally in tallies.items():
        say(f"{reader_name:<18} {tally.inputs:>9} {tally.taken:>9}  {'; '.join(tally.findings) or 'nothing'}")
        found += len(tally.findings)
        for content in tally.findings.values() if chosen.keep else ():
            chosen.keep.mkdir(parents=True, exist_ok=True)
            (chosen.keep / f"{reader_name}-{hashlib.sha256(content).hexdigest()[:12]}").write_bytes(content)
    say(f"{sum(one.inputs for one in tallies.values())} inputs, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
