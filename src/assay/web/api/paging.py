"""Pages of a list that keeps growing: a cursor is the place of the last row seen, never a count of rows.

New rows come before it or after it, so none is shown twice and none that was there is missed. May import: core, web.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request
from pydantic import Field

from assay.web.api.replies import Model
from assay.web.problem import RefusalError, route_path

T = TypeVar("T")

MOST_ITEMS = 1000
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="Most items of a page.")]
Cursor = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9_-]{1,800}$",
        description="`next` of the page before. It belongs to the same address and the same filters.",
    ),
]


class Page(Model, Generic[T]):
    """Some items of a list, and where it goes on."""

    items: list[T] = Field(description="In the order of the list.")
    next: str | None = Field(description="Cursor of the next page; null on the last.")


def write_cursor(request: Request, *place: str | datetime | None) -> str:
    """Return the cursor for what comes after a place."""
    plain = [one.isoformat() if isinstance(one, datetime) else one for one in place]
    content = json.dumps([_question(request), *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(request: Request, cursor: str | None, length: int) -> list[str | None] | None:
    """Return the place that a cursor stands for: ``length`` texts. None where there is no cursor.

    Raises RefusalError for what is none, or is one of another list.
    """
    if cursor is None:
        return None
    try:
        content: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        question, *rest = content
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _wrong("It is no cursor that this server gave.") from None
    place: list[str | None] = [one for one in rest if one is None or isinstance(one, str)]
    if len(rest) != length or len(place) != length:
        raise cursor_of_another_list()
    if question != _question(request):
        raise _wrong("It is the cursor of a list with other filters.")
    return place


def read_time(text: str | None) -> datetime | None:
    """Read a time of a cursor as the store's views hold it: UTC without saying so. Raises RefusalError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise _wrong("It is no cursor that this server gave.") from None


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """Return at most ``limit`` rows of one more than that, and whether there are more."""
    return rows[:limit], len(rows) > limit


def cursor_of_another_list() -> RefusalError:
    """Return what to raise for a cursor whose place is not in this list."""
    return _wrong("It is the cursor of another list.")


def _question(request: Request) -> str:
    """What a cursor belongs to: the address and every filter."""
    asked = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in {"cursor", "limit"})
    return hashlib.sha256(json.dumps([route_path(request.scope), asked]).encode()).hexdigest()[:8]


def _wrong(reason: str) -> RefusalError:
    return RefusalError(400, "cursor", f"The cursor cannot be used. {reason}", hint="Begin anew, without a cursor.")
