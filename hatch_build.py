"""What building adds to the package: what npm brings, for the pages and for models in a browser.

The two modules below name the files and hold them to their SHA-512. A wheel has them or is not built. An editable
install is somebody's checkout: there it tries, and says so where it cannot, since all else works without them;
``make assets`` tries again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FETCHED = {
    "assay.web.assets": ("src/assay/web/static/vendor", "the scripts of its pages"),
    "assay.engines.web.assets": ("src/assay/engines/web/vendor", "what browsers run models with"),
}
"""By the module that fetches: the folder that git ignores, and what a wheel without it would lack."""


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg, unused-ignore]
    """Fetches the files before the wheel is put together, and adds them though git ignores them."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """``version`` is ``standard`` for a wheel and ``editable`` for an editable install."""
        source = Path(self.root) / "src"
        for module, (folder, what) in FETCHED.items():
            done = subprocess.run(
                [sys.executable, "-m", module],
                env=os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                build_data["artifacts"].append(f"/{folder}/*")
            elif version == "editable":
                self.app.display_warning(done.stderr)
            else:
                self.app.abort(f"The wheel would lack {what}. {done.stderr}")
