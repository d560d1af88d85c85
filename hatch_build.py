"""What building adds to the package: the scripts of the pages, which npm brings (src/assay/web/assets.py).

A wheel has them or is not built. An editable install is somebody's checkout: there it tries, and says so where it
cannot, since all but the interactivity of charts works without them; ``make assets`` tries again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = "src/assay/web/static/vendor"


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg, unused-ignore]
    """Fetches the files before the wheel is put together, and adds them though git ignores them."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """``version`` is ``standard`` for a wheel and ``editable`` for an editable install."""
        source = Path(self.root) / "src"
        done = subprocess.run(
            [sys.executable, "-m", "assay.web.assets"],
            env=os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            build_data["artifacts"].append(f"/{VENDOR}/*")
        elif version == "editable":
            self.app.display_warning(done.stderr)
        else:
            self.app.abort(f"The wheel would lack the scripts of its pages. {done.stderr}")
