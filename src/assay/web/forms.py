"""Filters of a page as data: which controls stand above it, what they hold, and what they may become.

A form is a plain GET form: what it sends is the address of the filtered page. May import: web.query.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assay.report.cleaning import shorten

_LONGEST_LABEL = 60


class Control(StrEnum):
    """What a person sees of a field."""

    SEARCH = "search"
    TEXT = "text"
    SELECT = "select"
    DATE = "date"
    NUMBER = "number"
    BOX = "box"
    BOXES = "boxes"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Option:
    """One choice: what is sent, what is shown, whether it is chosen. ``count`` is how many rows it stands for."""

    value: str
    label: str
    is_chosen: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One control with its label. ``hint`` says in a sentence what it does; ``unit`` stands behind a number."""

    control: Control
    name: str
    label: str
    value: str = ""
    options: tuple[Option, ...] = ()
    hint: str = ""
    unit: str = ""
    default: str = ""
    """What it holds where nothing was chosen: a script leaves that out of the address. Of boxes, words with blanks."""
    is_wide: bool = False

    @property
    def is_set(self) -> bool:
        """True where it narrows what is shown."""
        return self.control is not Control.HIDDEN and bool(self.value)


@dataclass(frozen=True, slots=True)
class Form:
    """Controls above a page. ``more`` are folded away until one of them is set; ``submit`` is on the button."""

    action: str
    fields: tuple[Field, ...]
    more: tuple[Field, ...] = ()
    submit: str = "Apply"
    more_title: str = "More filters"
    reset: str | None = None
    """Address without any filter; None where there is nothing to take back."""

    @property
    def is_more_set(self) -> bool:
        """True where a folded control holds something, so that it is to be seen."""
        return any(field.is_set for field in self.more)

    @property
    def set_count(self) -> int:
        """How many controls hold something."""
        return sum(field.is_set for field in (*self.fields, *self.more))


def select(
    name: str,
    label: str,
    options: Iterable[tuple[str, str] | tuple[str, str, int]],
    chosen: str | None,
    *,
    any_label: str | None = "any",
    hint: str = "",
    default: str = "",
    is_wide: bool = False,
) -> Field:
    """Make a list to choose one from; with ``any_label`` its first entry chooses nothing, else ``default`` is usual.

    A chosen value that is not in the list (any more) is added, so that the form always says what the page shows.
    """
    made = [_option(one, chosen) for one in options]
    if chosen is not None and not any(one.is_chosen for one in made):
        made.append(Option(chosen, shorten(chosen, _LONGEST_LABEL), is_chosen=True))
    first = [] if any_label is None else [Option("", any_label, is_chosen=chosen is None)]
    value = chosen if any_label is not None or (default and chosen != default) else None
    return Field(
        Control.SELECT,
        name,
        label,
        value or "",
        (*first, *made),
        hint=hint,
        default=default,
        is_wide=is_wide,
    )


def boxes(
    name: str, label: str, options: Iterable[tuple[str, str]], chosen: Sequence[str], *, usual: Sequence[str] = ()
) -> Field:
    """Make boxes to tick, any number of them; ``usual`` are those ticked where nothing was chosen."""
    made = tuple(Option(value, text, is_chosen=value in chosen) for value, text in options)
    value = "" if set(chosen) == set(usual) else " ".join(chosen)
    return Field(Control.BOXES, name, label, value, made, default=" ".join(usual))


def box(name: str, label: str, *, is_ticked: bool, hint: str = "") -> Field:
    """Make one box to tick."""
    return Field(Control.BOX, name, label, "1" if is_ticked else "", hint=hint)


def search(value: str | None, *, label: str = "Search", hint: str = "") -> Field:
    """Make the field that words are looked for with."""
    return Field(Control.SEARCH, "q", label, value or "", hint=hint, is_wide=True)


def hidden(name: str, value: str | None) -> Field:
    """Take a value of the address along."""
    return Field(Control.HIDDEN, name, "", value or "")


def _option(one: tuple[str, str] | tuple[str, str, int], chosen: str | None) -> Option:
    count = one[2] if len(one) == 3 else None  # noqa: PLR2004  (a pair)
    return Option(one[0], shorten(one[1], _LONGEST_LABEL), one[0] == chosen, count)
