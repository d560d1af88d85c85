"""The query string of a page, read by name and type, and written again: the only place where a page keeps its state.

What is not understood is an error that says what was expected, never something quietly left out of a filter.
May import: core, web.links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import parse_qsl

from assay.core.errors import UnknownNameError, UsageError
from assay.web.links import QueryValues, encode_query

LONGEST_VALUE = 16_384
"""Characters of one value: names are a stranger's, and may be long."""
MOST_VALUES = 200
PAGE_ROWS = 50
MOST_ROWS = 10_000
_MOST_PAGES = 1_000_000


@dataclass(frozen=True, slots=True)
class Query:
    """Names with their values, in the order they came; a value that is empty is one that was not given."""

    values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, text: str) -> Query:
        """Read the part of an address after its question mark. Raises UsageError for one that is too long."""
        try:
            pairs = parse_qsl(text, keep_blank_values=False, errors="replace", max_num_fields=MOST_VALUES)
        except ValueError as error:
            raise UsageError(f"The address has more than {MOST_VALUES} values after its question mark.") from error
        values: dict[str, tuple[str, ...]] = {}
        for name, value in pairs:
            if len(value) > LONGEST_VALUE:
                raise UsageError(f"{name[:40]} has {len(value)} characters; expected at most {LONGEST_VALUE}.")
            values[name] = (*values.get(name, ()), value)
        return cls(values)

    # -- reading ---------------------------------------------------------------------------------------------

    def text(self, name: str) -> str | None:
        """Return a text without blanks at its ends, None where it was not given."""
        found = self.values.get(name, ("",))[-1].strip()
        return found or None

    def exact(self, name: str) -> str | None:
        """Return a text as it is, for names that may begin or end with blanks."""
        return self.values.get(name, (None,))[-1]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return every value of a name."""
        return self.values.get(name, ())

    def choice(self, name: str, known: Sequence[str], default: str) -> str:
        """Return one of the known words. Raises UnknownNameError."""
        found = self.text(name)
        if found is None:
            return default
        if found not in known:
            raise UnknownNameError(name, found, known)
        return found

    def choice_or_none(self, name: str, known: Sequence[str]) -> str | None:
        """Return one of the known words, None where none was given. Raises UnknownNameError."""
        return None if self.text(name) is None else self.choice(name, known, "")

    def whole(self, name: str, default: int, *, low: int = 1, high: int) -> int:
        """Return a whole number between bounds. Raises UsageError."""
        found = self.text(name)
        if found is None:
            return default
        is_plain = found.isascii() and found.isdigit() and len(found) <= len(str(high))
        if not is_plain or not low <= int(found) <= high:
            raise UsageError(f"{name} is {found[:40]!r}; expected a whole number from {low} to {high}.")
        return int(found)

    def number(self, name: str) -> float | None:
        """Return a positive number, None where none was given. Raises UsageError."""
        found = self.text(name)
        if found is None:
            return None
        try:
            value = float(found)
        except ValueError:
            value = -1.0
        if not 0 < value < float("inf"):
            raise UsageError(f"{name} is {found[:40]!r}; expected a number above 0.")
        return value

    def flag(self, name: str) -> bool:
        """Return whether a box was ticked: ``1`` is yes. Raises UsageError for another word."""
        return self.choice(name, ("0", "1"), "0") == "1"

    def day(self, name: str) -> datetime | None:
        """Return the beginning of a day in UTC (``2026-11-22``), None where none was given. Raises UsageError."""
        found = self.text(name)
        if found is None:
            return None
        try:
            return datetime.combine(date.fromisoformat(found), time(), UTC)
        except ValueError:
            raise UsageError(f"{name} is {found[:40]!r}; expected a day such as 2026-11-22.") from None

    def end_of_day(self, name: str) -> datetime | None:
        """Return the beginning of the day after: what ``until`` means to people. Raises UsageError."""
        found = self.day(name)
        try:
            return None if found is None else found + timedelta(days=1)
        except OverflowError:
            raise UsageError(f"{name} is the last day there is; leave it out.") from None

    # -- paging ----------------------------------------------------------------------------------------------

    @property
    def page(self) -> int:
        """Which page of a list, from 1."""
        return self.whole("page", 1, high=_MOST_PAGES)

    def size(self, *, most: int) -> int:
        """How many rows a page of a list has."""
        return min(self.whole("size", PAGE_ROWS, high=MOST_ROWS), most)

    # -- writing ---------------------------------------------------------------------------------------------

    def encoded(self, **changes: str | int | Sequence[str] | None) -> str:
        """Return this query with some values changed (None takes one out), its names in order."""
        merged: dict[str, str | int | Sequence[str] | None] = {**self.values, **changes}
        return encode_query({name: merged[name] for name in sorted(merged)})

    def without(self, *names: str) -> Query:
        """Return this query without some of its names."""
        return Query({name: values for name, values in self.values.items() if name not in names})

    def kept(self, *names: str) -> QueryValues:
        """Return the values of some names: what a link to another page takes along."""
        return {name: self.values[name] for name in names if name in self.values}
