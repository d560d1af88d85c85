"""The one call that makes an application safe to put on a network: ``add_security``.

The layers, outermost first: ``envelope`` (ids, headers, the log, crashes), ``gate`` (names, origins, rates, tokens,
sizes), compression, and then the pages. May import: core, web; fastapi.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.middleware.gzip import GZipMiddleware

from assay.web.access import Doorkeeper
from assay.web.envelope import Envelope
from assay.web.gate import Gate
from assay.web.login import router as login
from assay.web.openapi import describe_api
from assay.web.problem import add_problems
from assay.web.tokens import TokenWatch
from assay.web.traffic import Traffic
from assay.web.turns import Turns

if TYPE_CHECKING:
    from fastapi import FastAPI

    from assay.web.settings import ServeSettings

_COMPRESSED_FROM_BYTES = 1024
_COMPRESSION_LEVEL = 5
"""Above it a body takes twice as long and becomes some per cent smaller."""


def add_security(app: FastAPI, settings: ServeSettings, *, hashes: Callable[[], Collection[str]] | None = None) -> None:
    """Put an application behind its gate, with a page to log in, problems for errors, and a described API.

    ``hashes`` gives the hashes of the tokens as they are at that moment (``tokens.TokenWatch``); None: those of the
    settings. To be called before routers are included, once an application.
    """
    if hashes is None and settings.token_folder is not None:
        hashes = TokenWatch(Path(settings.token_folder))
    doorkeeper = Doorkeeper(settings, hashes or (lambda: settings.token_hashes))
    app.state.traffic = Traffic()
    app.state.doorkeeper = doorkeeper
    app.state.turns = Turns()
    add_problems(app)
    app.include_router(login)
    describe_api(app)
    # The last one added is the outermost.
    app.add_middleware(GZipMiddleware, minimum_size=_COMPRESSED_FROM_BYTES, compresslevel=_COMPRESSION_LEVEL)
    app.add_middleware(Gate, settings=settings, doorkeeper=doorkeeper)
    app.add_middleware(Envelope, traffic=app.state.traffic, root_path=settings.root_path)
