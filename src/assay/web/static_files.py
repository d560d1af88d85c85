"""Style sheets and scripts: a fixed list of files, each under an address that changes with its content.

Only what lies in the package is served, looked up by name and never by path. May import: report, web; fastapi.
"""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from assay.report.renderers.html import report_css
from assay.web.links import encode_query, root_of
from assay.web.settings import ServeSettings

if TYPE_CHECKING:
    from starlette.requests import Request

router = APIRouter()
FOLDER = Path(__file__).with_name("static")
_FOREVER = "public, max-age=31536000, immutable"
_WORTH_PACKING = 1024
_DIGITS = 12
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file: its bytes as they are and packed with gzip (None where that saves nothing), and a hash of them."""

    name: str
    media_type: str
    content: bytes
    packed: bytes | None
    digest: str


@cache
def static_files() -> Mapping[str, StaticFile]:
    """Every file that is served, by name. ``app.css`` begins with the reports' style sheet, whose blocks pages draw."""
    found = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in sorted(_files(FOLDER))}
    found["app.css"] = report_css().encode() + found["app.css"]
    return {name: _static_file(name, content) for name, content in found.items()}


def static_url(name: str, settings: ServeSettings) -> str | None:
    """Return the address of a file with its hash, None where there is no such file (a script npm has not brought)."""
    file = static_files().get(name)
    return None if file is None else f"{root_of(settings)}/static/{name}?{encode_query({'v': file.digest})}"


def assets_digest() -> str:
    """Hash all names and contents: a page is another one once a style sheet that it links to is."""
    return sha256("".join(f"{one.name}{one.digest}" for one in static_files().values()).encode()).hexdigest()[:_DIGITS]


def serve_static(request: Request) -> Response:
    """Answer with a file; under the address with its hash it never changes again."""
    file = static_files().get(request.path_params["name"])
    if file is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    headers = {
        "cache-control": _FOREVER if request.query_params.get("v") == file.digest else "no-cache",
        "etag": f'"{file.digest}"',
        "vary": "accept-encoding",
    }
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(file.packed, headers=headers, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


router.add_route("/static/{name:path}", serve_static, methods=["GET"], name="static", include_in_schema=False)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def _static_file(name: str, content: bytes) -> StaticFile:
    suffix = Path(name).suffix
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(content, 6, mtime=0) if len(content) >= _WORTH_PACKING else None
    return StaticFile(
        name,
        media_type,
        content,
        packed if packed is not None and len(packed) < len(content) else None,
        sha256(content).hexdigest()[:_DIGITS],
    )
