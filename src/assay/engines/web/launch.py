"""Which browser a case runs in, and its page opened with what the backend needs. May import: core, engines."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from assay.core.absence import Unavailable
from assay.core.case import Scalar
from assay.core.errors import EngineError, UnsupportedError
from assay.engines.base import LoadRequest
from assay.engines.web.backends import WASM, WEBNN, Backend
from assay.engines.web.browsers import BROWSERS, FoundBrowser, LaunchFlags, find_browser
from assay.engines.web.page import Page, PageRequest, open_page
from assay.engines.web.profile import PORT_VARIABLE, kept_folder, kept_origin, note_launch
from assay.engines.web.server import PortInUseError
from assay.engines.web.visit import is_visit, read_visit

SHADER_CACHE = "shader_cache"
SHADER_LAUNCHES = "shader_cache_launches"
"""A fact of warm launches: how many the profile has served before at the same address. After none it is as cold."""
_WARM = "warm"


def open_launch(request: LoadRequest, backend: Backend) -> Page:
    """Open the page of a launch. Raises EngineError where browser or visitor do not come, and UnsupportedError."""
    flags = LaunchFlags(webgpu=backend is not WASM, webnn=backend is WEBNN)
    if is_visit(request.options):
        return open_page(PageRequest(browser=None, flags=flags, visit=read_visit(os.environ)))
    found = choose_browser(request.options, backend, request.device)
    if request.options.get(SHADER_CACHE) == _WARM:
        return _open_warm(found, flags)
    return open_page(PageRequest(browser=found, flags=flags))


def _open_warm(found: FoundBrowser, flags: LaunchFlags) -> Page:
    """Open the page in the profile that is kept, at the address at which its shaders were compiled."""
    folder = kept_folder(found.name)
    origin = kept_origin(folder, os.environ)
    try:
        page = open_page(PageRequest(browser=found, flags=flags, profile=folder, port=origin.port))
    except PortInUseError as error:
        # At another port it could be a cold launch under the name of a warm one.
        raise EngineError(
            f"{error.message} Warm launches need one address, by which browsers keep what they compiled.",
            hint=f"End the program that listens there, or set {PORT_VARIABLE} to a port that stays free.",
        ) from error
    with contextlib.suppress(OSError):  # a launch that cannot be noted makes the next one look colder than it is
        note_launch(folder, origin)
    page.notes[SHADER_LAUNCHES] = str(origin.launches)
    return page


def choose_browser(options: Mapping[str, Scalar], backend: Backend, device: str) -> FoundBrowser:
    """Return the browser that the case names, or the first here that can do it. Raises EngineError where there is none.

    Of WebAssembly and WebGPU every browser has its own form, so the first is taken. WebNN is built into few: each is
    asked once (`assay.engines.web.detect` keeps the answers), and the first is taken in which it really computes.
    """
    named = options.get("browser")
    if named is not None:
        return _expect(find_browser(str(named)))
    if backend is not WEBNN:
        return _expect(find_browser())
    from assay.engines.web.detect import detect_browsers

    wanted = device.rpartition(":")[2]
    asked = detect_browsers()
    for abilities in asked:
        if abilities.webnn is not None and wanted in abilities.webnn.devices:
            return _expect(find_browser(abilities.browser))
    reasons = [
        f"{one.browser}: {one.webnn.refused.get(wanted) or one.webnn.absence}" for one in asked if one.webnn is not None
    ]
    raise UnsupportedError(
        f"No browser here has WebNN on {wanted} ({'; '.join(reasons) or 'none was found'}).",
        hint=f"For the CPU: {BROWSERS['sparticuz'].install_hint}" if wanted == "cpu" else None,
    )


def _expect(found: FoundBrowser | Unavailable) -> FoundBrowser:
    if isinstance(found, Unavailable):
        raise EngineError(f"There is no browser to run in: {found.reason}.", hint=found.install_hint)
    return found
