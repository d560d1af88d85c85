"""What stands behind the colon of ``NAME:WHERE``: a path or a name, and settings as in an address.

``?text=body&label=stars``: settings are part of the reference, so they are part of the case. May import: core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from assay.core.errors import UnknownNameError, WorkloadError


@dataclass(frozen=True, slots=True)
class Place:
    """``text`` is what stands before the question mark; ``settings`` what stands after it."""

    text: str
    settings: Mapping[str, str]

    def count(self, name: str) -> int | None:
        """Return a setting that is a whole number of at least 1, None where it is not given. Raises WorkloadError."""
        text = self.settings.get(name)
        return None if text is None else read_count(text, name, least=1)


def read_place(dataset: str, where: str | None, known: Sequence[str], *, example: str | None = None) -> Place:
    """Take WHERE apart. Raises WorkloadError where ``example`` says that it is needed, or for an unknown setting."""
    if not where and example is not None:
        raise WorkloadError(
            f"The data set {dataset} is read from files of yours, and no place was given.", hint=f"Such as {example}"
        )
    text, _, query = (where or "").partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    for name in settings:
        if name not in known:
            raise UnknownNameError(f"setting of {dataset}", name, known)
    return Place(text, settings)


def read_folder(dataset: str, place: Place) -> Path:
    """Return the folder that is meant. Raises WorkloadError where there is none."""
    folder = Path(place.text).expanduser()
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "is not there"
        raise WorkloadError(f"The data set {dataset} is read from a folder, and {place.text!r} {what}.")
    return folder


def read_count(text: str, name: str, *, least: int) -> int:
    """Return a whole number. Raises WorkloadError."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise WorkloadError(f"got {name}={text!r}, expected a whole number of at least {least}.")
    return number
