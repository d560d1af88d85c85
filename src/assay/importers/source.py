"""A file to import, opened with care: whatever is in it is data, and may be broken or hostile.

Everything here is bounded: bytes, nesting, fields. May import: core, importers.base.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.importers.base import ImportFileError

HEAD_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read before it is refused."""

    json_bytes: int = 256 * 1024 * 1024
    """A JSON text is held in memory several times over; tables are read in pieces and may be of any size."""
    unpacked_bytes: int = 4 * 1024 * 1024 * 1024
    unpacked_ratio: int = 200
    depth: int = 64
    field_bytes: int = 1024 * 1024


@dataclass(frozen=True)
class Source:
    """One file.

    ``path`` is where it can be read now, ``name`` what people know it by (a path, an address, or
    ``archive.zip!member``), ``mapping`` the file that says what its columns mean, where one was given.
    """

    path: Path
    name: str
    size_bytes: int
    limits: Limits = Limits()
    mapping: Path | None = None

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of the content."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()

    @functools.cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with self.path.open("rb") as file:
            return file.read(HEAD_BYTES)

    @functools.cached_property
    def head_text(self) -> str:
        """The first 64 KiB as text, whatever cannot be decoded replaced. For recognising only."""
        return self.head.decode("utf-8-sig", errors="replace")

    @property
    def is_parquet(self) -> bool:
        """True for a Parquet file, by its magic bytes."""
        return self.head[:4] == b"PAR1"

    @property
    def is_duckdb(self) -> bool:
        """True for a DuckDB database, by its magic bytes."""
        return self.head[8:12] == b"DUCK"

    def text(self) -> str:
        """The whole file as text. Raises ImportFileError where it is too large or not UTF-8."""
        if self.size_bytes > self.limits.json_bytes:
            raise ImportFileError(
                f"{self.name} has {self.size_bytes} bytes; {self.limits.json_bytes} at most are read at once.",
                hint="Split it, raise --max-json-bytes, or give it as CSV or Parquet, which are read in pieces.",
            )
        content = self.path.read_bytes()
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ImportFileError(
                f"{self.name} is not UTF-8: byte 0x{content[error.start]:02x} at position {error.start}.",
                hint="Convert it first, for instance with iconv.",
            ) from None

    @functools.cached_property
    def json(self) -> Any:
        """The whole file as JSON; NaN and infinities are read as floats. Raises ImportFileError where it breaks."""
        return parse_json(self.text(), self.name, depth=self.limits.depth)

    def json_or_none(self) -> Any:
        """As ``json``, or None for anything that is none. For recognising: never raises."""
        if self.head_text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            return self.json
        except ImportFileError:
            return None

    def csv_rows(self, *, delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
        """Give (number, row) of a CSV file with a header, numbers from 1; the file is read in pieces.

        A repeated header gets ``.1``, ``.2`` behind it (as pandas does). Raises ImportFileError where it is not UTF-8,
        has no header, or a row has more fields than the header.
        """
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            yield from self._csv_rows(file, delimiter)

    def _csv_rows(self, file: io.TextIOBase, delimiter: str) -> Iterator[tuple[int, dict[str, str]]]:
        csv.field_size_limit(self.limits.field_bytes)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            names = unrepeated([name.strip() for name in next(reader, [])])
            if not names:
                raise ImportFileError(f"{self.name} is empty.")
            for number, values in enumerate(reader, start=1):
                if not values:
                    continue
                if len(values) > len(names):
                    place = f"{self.name}, row {number} (line {reader.line_num})"
                    raise ImportFileError(f"{place}: {len(values)} fields, expected {len(names)}.")
                yield number, dict(zip(names, values + [""] * (len(names) - len(values)), strict=True))
        except csv.Error as error:
            raise ImportFileError(f"{self.name}, line {reader.line_num}: {error}.") from None
        except UnicodeDecodeError as error:
            raise ImportFileError(
                f"{self.name} is not UTF-8 (near line {reader.line_num}): byte 0x{error.object[error.start]:02x}.",
                hint="Convert it first, for instance with iconv.",
            ) from None

    @functools.cached_property
    def csv_header(self) -> tuple[str, ...]:
        """The first line as CSV fields, repeated names told apart; () for what is none. Never raises."""
        first = self.head_text.partition("\n")[0].strip("\r")
        try:
            return tuple(unrepeated([name.strip() for name in next(csv.reader([first], strict=True), [])]))
        except csv.Error:
            return ()


def unrepeated(names: list[str]) -> list[str]:
    """Tell repeated names apart: a, a, a -> a, a.1, a.2."""
    seen: dict[str, int] = {}
    told: list[str] = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        told.append(name if count == 0 else f"{name}.{count}")
    return told


def parse_json(text: str, name: str, *, depth: int) -> Any:
    """Parse JSON within limits. Raises ImportFileError for broken text, a repeated key, or nesting beyond ``depth``."""
    nesting = _deepest(text)
    if nesting > depth:
        raise ImportFileError(f"{name} is nested {nesting} levels deep, more than the {depth} that are read.")
    try:
        return json.loads(text, object_pairs_hook=functools.partial(_unique, name), parse_int=_bounded_int)
    except json.JSONDecodeError as error:
        raise ImportFileError(f"{name}, line {error.lineno}, column {error.colno}: {error.msg}.") from None


def _unique(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ImportFileError(
            f"{name}: the key {repeated!r} is there twice in one object; which one counts is not known."
        )
    return content


def _bounded_int(digits: str) -> int | float:
    # Python refuses to convert more than 4300 digits; such a number is none anyway.
    return int(digits) if len(digits) < 400 else float(digits)  # noqa: PLR2004


def _deepest(text: str) -> int:
    """Return how deep brackets nest, strings left out; linear in the length."""
    deepest = depth = 0
    inside = escaped = False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
