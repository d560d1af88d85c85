"""Where everything has its page: addresses, made in one place so that no name of a stranger breaks one.

Ids are path segments. Names of devices and workloads may hold anything (slashes, dots, line ends) and are values of a
query, where percent encoding leaves nothing to be misread. May import: core, report.values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from assay.report.values import Ref, RefKind
from assay.web.settings import ServeSettings

QueryValues = Mapping[str, str | int | Sequence[str] | None]


def url_of(ref: Ref, settings: ServeSettings) -> str:
    """Return the address of the page of a run, result, series, device, workload or import."""
    match ref.kind:
        case RefKind.RUN:
            return path_url(settings, "runs", ref.id)
        case RefKind.RESULT:
            return path_url(settings, "results", ref.id)
        case RefKind.SERIES:
            return path_url(settings, "series", ref.id)
        case RefKind.DEVICE:
            return page_url(settings, "/devices", {"name": ref.id})
        case RefKind.WORKLOAD:
            return page_url(settings, "/workloads", {"name": ref.id})
        case RefKind.IMPORT:
            return page_url(settings, "/imports", {"id": ref.id})


def path_url(settings: ServeSettings, *segments: str) -> str:
    """Return the address of a path, each segment encoded: ``/runs/018f...``."""
    return root_of(settings) + "".join(f"/{quote(segment, safe='')}" for segment in segments)


def page_url(settings: ServeSettings, path: str, query: QueryValues | None = None) -> str:
    """Return the address of a page with a query; values that are None are left out, several make several pairs."""
    encoded = encode_query(query or {})
    return f"{root_of(settings)}{path}{'?' if encoded else ''}{encoded}"


def encode_query(query: QueryValues) -> str:
    """Return pairs as a query string, in the order given, with spaces as ``+``."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if value is None:
            continue
        several = [value] if isinstance(value, str | int) else value
        pairs += [(name, str(one)) for one in several]
    return urlencode(pairs, errors="replace")


def root_of(settings: ServeSettings) -> str:
    """Return what stands before every path, where the server is mounted below an address of another."""
    return settings.root_path.rstrip("/")
