"""The application: middleware, error pages, and the routers of pages and API, put together.

May import: everything below web; fastapi at the top, since this module is imported only to serve.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fastapi import FastAPI

from assay import __version__
from assay.store import Store
from assay.web.settings import ServeSettings

if TYPE_CHECKING:
    from fastapi import APIRouter

PAGES = (
    "overview", "runs", "compare", "trends", "devices", "workloads", "matrix", "decide", "kpi", "web", "health",
    "method", "live", "search",
)  # fmt: skip
"""Modules of ``assay.web.pages``; each has ``router``."""
API = (
    "runs", "results", "series", "compare", "check", "recommend", "predict", "decide", "plan_text", "catalog",
    "imports", "sql", "health", "metrics", "reports",
)  # fmt: skip
"""Modules of ``assay.web.api``; each has ``router``."""


def create_app(settings: ServeSettings = ServeSettings()) -> FastAPI:  # noqa: B008  (a frozen value)
    """Return the application over one store. It is called in-process by tests and by ``assay report --site``.

    Raises StoreError where there is no store at the location.
    """
    from assay.web.live import watch_of
    from assay.web.security import add_security

    app = FastAPI(
        title="assay", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json",
    )  # fmt: skip
    app.state.settings = settings
    app.state.store = Store.open(settings.store)
    app.state.live = watch_of(app.state.store.location)
    add_security(app, settings)
    for package, names in (("pages", PAGES), ("api", API)):
        for name in names:
            router: APIRouter = import_module(f"assay.web.{package}.{name}").router
            app.include_router(router)
    return app
