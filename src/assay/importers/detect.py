"""Which importer a file is for, by its content, and what to say of a file that is for none.

May import: core, importers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.core.errors import AssayError, join_or
from assay.core.registry import Registry
from assay.importers.base import Importer, ImportFileError
from assay.importers.source import Source

_SHOWN_NAMES = 8
_SHOWN_BYTES = 8
_TEXT_SHARE = 0.95
_MAPPED = {True: "parquet", False: "csv"}
"""The importer that a mapping file is for, by whether the file is Parquet."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class UnrecognisedError(ImportFileError):
    """A file that is sound, as far as can be seen, and of no format that is known."""


@dataclass(frozen=True, slots=True)
class Detection:
    """The importer of a file; ``complaints`` are importers that broke while they looked at it."""

    importer: Importer
    complaints: tuple[str, ...] = ()


def detect(source: Source, registry: Registry[Importer], *, format_name: str | None = None) -> Detection:
    """Return the one importer that a file is for; the one asked for by name, where one is.

    Raises UnknownNameError for a name nobody declared, UnrecognisedError where no importer knows the content,
    ImportFileError where several do or the file is broken.
    """
    if format_name is not None:
        return Detection(registry.get(format_name))
    if source.size_bytes == 0:
        raise ImportFileError(f"{source.name} is empty.")
    if source.mapping is not None:
        return Detection(registry.get(_MAPPED[source.is_parquet]))
    fitting: list[Importer] = []
    complaints: list[str] = []
    for name in registry.names():
        try:
            importer = registry.get(name)
            if importer.recognise(source):
                fitting.append(importer)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  (a third party's importer must not keep others from theirs)
            complaints.append(f"The importer {name!r} broke while it looked at the file: {describe_error(error)}.")
    if len(fitting) > 1:
        listed = join_or(importer.name for importer in fitting)
        raise ImportFileError(
            f"{source.name} fits {len(fitting)} formats: {listed}.", hint=f"Say which: --format {fitting[0].name}."
        )
    if not fitting:
        refuse_unknown(source)
    return Detection(fitting[0], tuple(complaints))


def refuse_unknown(source: Source) -> None:
    """Raise ImportFileError where a file is broken, else UnrecognisedError saying what it looks like."""
    head = source.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if source.head[:2] in _UTF16:
        raise ImportFileError(f"{source.name} is UTF-16 text; expected UTF-8.", hint="Convert it first, with iconv.")
    if head[:1] in {b"{", b"["} and (broken := _why_no_json(source)) is not None:
        raise broken
    hint = "`assay import --list-formats` lists what is known."
    looks = describe(source)
    if looks.startswith(("a CSV", "a Parquet")):
        hint = "--mapping says what its columns mean; `assay import --suggest-mapping` writes a draft of one."
    raise UnrecognisedError(f"{source.name} is of no known format: it looks like {looks}.", hint=hint)


def describe(source: Source) -> str:
    """Say what a file looks like, from its beginning (or, of JSON, from all of it)."""
    if source.is_parquet:
        return f"a Parquet file{_parquet_columns(source)}"
    if source.is_duckdb:
        return "a DuckDB database"
    if not _is_text(source.head):
        return f"binary data (it begins with the bytes {source.head[:_SHOWN_BYTES].hex(' ')})"
    content = source.json_or_none()
    return _describe_text(source) if content is None else _describe_json(content)


def _describe_json(content: Any) -> str:
    if isinstance(content, dict):
        return f"a JSON object with the keys {_listed(tuple(content))}" if content else "an empty JSON object"
    first = content[0] if content else None
    keys = f" objects, the first with the keys {_listed(tuple(first))}" if isinstance(first, dict) and first else ""
    return f"a JSON list of {len(content)}{keys}"


def _describe_text(source: Source) -> str:
    text = source.head_text.lstrip()
    if text[:15].lower().startswith(("<!doctype html", "<html")):
        return "a web page"
    header = source.csv_header
    if len(header) > 1 and "\n" in text:
        return f"a CSV table with the columns {_listed(header)}"
    first_line = text.partition("\n")[0].strip()
    return f"text that begins {first_line[:60]!r}"


def describe_error(error: BaseException) -> str:
    """An error of Python's, short and on one line."""
    if isinstance(error, AssayError):
        return error.message.rstrip(".")
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}".rstrip(": ")


def _why_no_json(source: Source) -> ImportFileError | None:
    try:
        source.json  # noqa: B018  (what it raises is what is wanted)
    except ImportFileError as error:
        return error
    return None


def _parquet_columns(source: Source) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = tuple(pq.read_schema(source.path).names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ImportFileError(f"{source.name} is a broken Parquet file: {describe_error(error)}.") from None
    return f" with the columns {_listed(names)}"


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(str(name)[:40]) for name in names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    text = head.decode("utf-8", "replace")
    printable = sum(letter.isprintable() or letter in "\r\n\t" for letter in text)
    return printable >= _TEXT_SHARE * len(text)
