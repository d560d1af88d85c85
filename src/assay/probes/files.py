"""Read /proc and /sys without ever raising: an absent or forbidden file is None.

Every reader takes the path it is given, so tests replay recorded trees. May import: standard library.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def read_text(path: Path) -> str | None:
    """Return the whole file, stripped; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (OSError, ValueError):
        return None


def read_int(path: Path) -> int | None:
    """Return the file as an integer; None where it cannot be read or holds something else (``max``)."""
    return parse_int(read_text(path))


def parse_int(text: str | None) -> int | None:
    """Return ``text`` as an integer, decimal or ``0x``; None where it is none."""
    if text is None:
        return None
    try:
        return int(text.strip(), 0)
    except ValueError:
        return None


def parse_float(text: str | None) -> float | None:
    """Return ``text`` as a float; None where it is none."""
    if text is None:
        return None
    try:
        return float(text.strip())
    except ValueError:
        return None


def parse_size_bytes(text: str | None) -> int | None:
    """Read sysfs cache sizes: ``512K`` -> 524288."""
    if not text:
        return None
    scale = _UNITS.get(text[-1].upper())
    number = parse_int(text if scale is None else text[:-1])
    return None if number is None else number * (scale or 1)


def parse_pairs(text: str, separator: str = ":") -> Iterator[tuple[str, str]]:
    """Yield ``key: value`` lines (meminfo, status, os-release with ``=``), stripped."""
    for line in text.splitlines():
        key, found, value = line.partition(separator)
        if found:
            yield key.strip(), value.strip()


def read_kib_table(path: Path) -> dict[str, int]:
    """Read ``Name:  123 kB`` lines as bytes; lines of another form are left out."""
    table: dict[str, int] = {}
    for key, value in parse_pairs(read_text(path) or ""):
        number, _, unit = value.partition(" ")
        if unit.strip() == "kB" and number.isdigit():
            table[key] = int(number) * 1024
    return table


def list_children(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Return what matches ``pattern`` in ``folder``, in natural order; empty where it cannot be listed."""
    try:
        return tuple(sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name)))
    except OSError:
        return ()


def parse_stall_us(text: str | None) -> int | None:
    """Return the time for which at least one task waited, of a file of ``/proc/pressure``, in microseconds.

    ``some avg10=0.00 avg60=0.00 avg300=0.00 total=123`` -> 123. Source: Documentation/accounting/psi.rst.
    """
    for line in (text or "").splitlines():
        kind, *fields = line.split()
        if kind == "some":
            return parse_int(dict(field.partition("=")[::2] for field in fields).get("total"))
    return None
