"""Import OpenVINO and NNCF without what they do beside their work: telemetry, progress bars, importing torch.

``import openvino`` itself reports the import to Google Analytics and writes a client id under the home folder (its
``openvino/tools/ovc/__init__.py``; opting out by its own command writes there too). It and NNCF do without where the
package ``openvino_telemetry`` cannot be imported, and that can be had for this process alone. May import: standard
library; openvino and nncf inside functions.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, cast

_TELEMETRY = "openvino_telemetry"
_PROBED_BY_NNCF = ("torch", "onnx")


def import_openvino() -> Any:
    """Return the module ``openvino``, imported with its telemetry switched off in this process."""
    _modules().setdefault(_TELEMETRY, None)
    import openvino

    return openvino


@contextlib.contextmanager
def quiet_nncf() -> Iterator[Any]:
    """Lend the module ``nncf``: no telemetry, no log, no progress bars on standard output, no import of torch.

    To learn what kind of model it was given, NNCF imports every framework that is installed. While it is lent, those
    that this process has not imported yet cannot be, which NNCF takes for "not such a model": 1.5 s and the memory of
    torch are saved.
    """
    import_openvino()
    modules = _modules()
    hidden = [name for name in _PROBED_BY_NNCF if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import nncf

            nncf.disable_logging()
            yield nncf
    finally:
        for name in hidden:
            modules.pop(name, None)


def _modules() -> dict[str, ModuleType | None]:
    """The loaded modules; None marks one that cannot be imported (Python's language reference, 5.3.1)."""
    return cast("dict[str, ModuleType | None]", sys.modules)
