"""What a launch in a browser can hear, as values: replies, what the page told, and who went away.

Server, process watch and page speak through one queue of these. May import: standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Came:
    """The page listens for jobs."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Left:
    """The page's event stream broke: the page, its renderer or the browser is gone."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one job: ``value`` where ``ok``, else ``error`` with ``name``, ``message`` and ``stack``."""

    job: int
    ok: bool
    value: Any
    error: dict[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """Something the page said unasked: ``page_hide``, ``visibility``, ``worker_error``, ``device_lost`` ..."""

    event: str
    detail: Any


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """A process of the browser ended: the ``browser`` itself, a ``renderer``, the ``gpu`` process.

    ``code`` is its exit code, a negative one the signal that killed it; None where the system does not tell.
    """

    kind: str
    pid: int
    code: int | None


Happening = Came | Left | Reply | Told | ProcessEnded
