"""A file to import, opened with care: whatever is in it is data, and may be broken or hostile.

Everything here is bounded: bytes, nesting, fields. May import: core, importers.base.
"""

from __future__ import annotations

import collections
import csv
import functools
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.importers.base import ImportFileError

HEAD_BYTES = 65536
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_STRING = re.compile(rb'"[^"]*+(?:"|\Z)')
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read before it is refused."""

    json_bytes: int = 256 * 1024 * 1024
    """A JSON text is held in memory several times over; tables are read in pieces and may be of any size."""
    unpacked_bytes: int = 4 * 1024 * 1024 * 1024
    unpacked_ratio: int = 200
    depth: int = 64
    field_bytes: int = 1024 * 1024
    line_bytes: int = 16 * 1024 * 1024
    """A line of a table, so that a file without line ends is not read whole."""
    members: int = 10_000
    """Files in one archive."""
    download_bytes: int = 1024 * 1024 * 1024
    download_s: float = 300.0


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
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

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
        with self.path.open("rb") as file:  # no more than was promised, should the file grow meanwhile
            content = file.read(self.limits.json_bytes)
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
        reader = csv.reader(self._lines(file), delimiter=delimiter, strict=True)
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
                f"{self.name}, line {self._first_undecodable_line()} is not UTF-8: byte "
                f"0x{error.object[error.start]:02x}.",
                hint="Convert it first, for instance with iconv.",
            ) from None

    def _first_undecodable_line(self) -> int:
        """Text is decoded ahead of the lines it is in, so the line must be looked for."""
        number = 0
        with self.path.open("rb") as file:
            while line := file.readline(4 * self.limits.line_bytes):
                number += 1
                try:
                    line.decode("utf-8-sig")
                except UnicodeDecodeError:
                    break
        return number

    def _lines(self, file: io.TextIOBase) -> Iterator[str]:
        number, longest = 0, self.limits.line_bytes
        while line := file.readline(longest + 1):
            number += 1
            if len(line) > longest:
                raise ImportFileError(
                    f"{self.name}, line {number} is longer than the {longest} characters that are read."
                )
            yield line

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
    """Parse JSON within limits. Raises ImportFileError for broken text, a repeated key, or nesting beyond ``depth``.

    Halves of surrogate pairs, which no UTF-8 can hold, are spelled out: six characters, beginning with a backslash.
    """
    if is_deeper(text, depth):
        raise ImportFileError(f"{name} is nested more than {depth} levels deep, which is as far as is read.")
    try:
        content = json.loads(text, object_pairs_hook=functools.partial(_unique, name), parse_int=_bounded_int)
    except json.JSONDecodeError as error:
        raise ImportFileError(f"{name}, line {error.lineno}, column {error.colno}: {error.msg}.") from None
    return _spell_out(content) if _SURROGATE.search(text) else content


def is_deeper(text: str, depth: int) -> bool:
    """True where brackets nest deeper than ``depth``, strings left out. Linear in the length, whatever the text.

    All but brackets is taken away, and then, ``depth`` times, every pair that holds nothing; what is left was deeper.
    Where brackets do not match, depth means nothing, and those that are not closed count.
    """
    content = text.encode("utf-8", "replace")
    # A run of backslashes begins outside an escape, so pairs of them go first. Two quotes side by side leave what
    # follows inside or outside of a string as it was.
    content = content.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_ONE_KIND, _NO_BRACKETS)
    brackets = _STRING.sub(b"", content.replace(b'""', b""))
    for _ in range(depth):
        emptied = brackets.replace(b"[]", b"")
        if len(emptied) == len(brackets):
            return brackets.count(b"[") > depth
        brackets = emptied
    return b"[]" in brackets


def _spell_out(content: Any) -> Any:
    if isinstance(content, str):
        return content if content.isascii() else content.encode("utf-8", "backslashreplace").decode()
    if isinstance(content, list):
        return [_spell_out(entry) for entry in content]
    if isinstance(content, dict):
        return {_spell_out(key): _spell_out(entry) for key, entry in content.items()}
    return content


def _unique(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        repeated = collections.Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ImportFileError(
            f"{name}: the key {repeated!r} is there twice in one object; which one counts is not known."
        )
    return content


def _bounded_int(digits: str) -> int | float:
    # Python refuses to convert more than 4300 digits; such a number is none anyway.
    return int(digits) if len(digits) < 400 else float(digits)  # noqa: PLR2004
