"""One comment of ours on a change: find it by its marker and update it, or create it; the same on every host.

May import: core, ci.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assay.ci.http import RefusedError, Server, UnreachableError, ask, ask_pages

_ROUNDS = 3
_UNSURE = 500
"""From here on a POST may have done its work before it failed."""


@dataclass(frozen=True, slots=True)
class Thread:
    """Where the comments of one change are, and how this host does it.

    ``list_path`` gives pages of comments, ``create_path`` takes a new one, ``update_path`` one with ``{id}`` filled in,
    by ``update_method``. ``is_own`` says whether a comment as the host lists it is of whoever is posting: nobody
    else's is ever touched, whatever stands in it. ``what`` names the thread in messages.
    """

    server: Server
    list_path: str
    create_path: str
    update_path: str
    update_method: str
    is_own: Callable[[dict[str, Any]], bool]
    what: str


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a comment: whether it was new, and its page where the host says it."""

    is_new: bool
    url: str | None


def publish_comment(thread: Thread, body: str, marker: str) -> Posted:
    """Put ``body``, which begins with ``marker``, where the earlier comment with that marker is, or at the end.

    Creating is never simply repeated, since a request that failed may have arrived: the thread is read again first.
    Raises RefusedError, UnreachableError.
    """
    for last in (False,) * (_ROUNDS - 1) + (True,):
        found = _find_comment(thread, marker)
        if found is not None:
            path = thread.update_path.format(id=found["id"])
            reply = ask(thread.server, thread.update_method, path, body={"body": body}, what=thread.what)
            return Posted(is_new=False, url=_page(reply.body))
        try:
            reply = ask(thread.server, "POST", thread.create_path, body={"body": body}, what=thread.what)
        except (RefusedError, UnreachableError) as error:
            if last or (isinstance(error, RefusedError) and error.status < _UNSURE):
                raise
            thread.server.sleep(thread.server.backoff_s)
            continue
        return Posted(is_new=True, url=_page(reply.body))
    raise AssertionError("the last round returns or raises")


def find_login(server: Server, path: str, field: str) -> str | None:
    """Return the name of whoever the token belongs to, None where the host does not tell that to this kind of token."""
    try:
        body = ask(server, "GET", path, what="who the token belongs to").body
    except RefusedError:
        return None
    return body.get(field) if isinstance(body, dict) and isinstance(body.get(field), str) else None


def _find_comment(thread: Thread, marker: str) -> dict[str, Any] | None:
    for page in ask_pages(thread.server, thread.list_path, what=thread.what):
        for comment in page if isinstance(page, list) else ():
            if isinstance(comment, dict) and _begins_with(comment, marker) and thread.is_own(comment):
                return comment
    return None


def _begins_with(comment: dict[str, Any], marker: str) -> bool:
    """A quotation of our comment has the marker too, but not at its beginning."""
    body = comment.get("body")
    return isinstance(comment.get("id"), int) and isinstance(body, str) and body.lstrip().startswith(marker)


def _page(body: Any) -> str | None:
    url = body.get("html_url") if isinstance(body, dict) else None
    return url if isinstance(url, str) else None
