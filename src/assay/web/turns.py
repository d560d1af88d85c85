"""So many at once and no more: what costs a whole processor, or memory by the gigabyte, is asked for in turns.

Who comes while all places are taken is told to come again, which costs nothing; waiting would hold a worker thread that
everybody else needs. May import: core, web.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from assay.web.problem import RefusalError

if TYPE_CHECKING:
    from fastapi import Request

PLACES: Mapping[str, int] = {"sql": 2, "imports": 1, "reports": 4}
_WAIT_S = 2.0
"""Long enough for two requests of one page not to be in each other's way."""
_RETRY_AFTER_S = 2


class Turns:
    """Places by what is done. One for each application."""

    def __init__(self, places: Mapping[str, int] = PLACES) -> None:
        self._free = {what: threading.BoundedSemaphore(count) for what, count in places.items()}

    @contextmanager
    def take(self, what: str) -> Iterator[None]:
        """Hold a place while something is done. Raises RefusalError where none becomes free in two seconds."""
        place = self._free[what]
        if not place.acquire(timeout=_WAIT_S):
            raise RefusalError(
                503,
                "busy",
                f"Others are doing the same ({what}), and no more is done at once.",
                hint=f"Ask again in {_RETRY_AFTER_S} s.",
                headers={"Retry-After": str(_RETRY_AFTER_S)},
            )
        try:
            yield
        finally:
            place.release()


@contextmanager
def take_turns(request: Request, what: str) -> Iterator[None]:
    """Hold a place of the application that answers a request. Raises RefusalError."""
    turns: Turns = request.app.state.turns
    with turns.take(what):
        yield
