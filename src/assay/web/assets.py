"""The scripts that pages load: which files of which npm packages.

``assets.json`` names them, npm brings them when a wheel is built or a checkout is installed (``make assets``), and they
lie in ``static/vendor``; `assay.artefacts.npm` has the mechanics. Pages never ask another host for them.

Runs as ``python -m assay.web.assets``, from a build hook too, before anything is installed. May import: core,
artefacts.npm and the standard library.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from assay.artefacts.npm import Manifest, bring_files, read_packages
from assay.core.errors import AssayError

MANIFEST = Manifest(
    Path(__file__).with_name("assets.json"),
    what="The scripts of the pages",
    command="python -m assay.web.assets",
    without="Without them the dashboard works, but its charts are still pictures and its filters load whole pages.",
)
VENDOR = Path(__file__).parent / "static" / "vendor"
PAGES = "pages"
TESTS = "tests"
"""What tests use is never shipped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch or check, say what was done, and return the exit status: 0, or 1 where a file is still missing."""
    parser = argparse.ArgumentParser(prog="python -m assay.web.assets", description="Fetch the scripts of the pages.")
    parser.add_argument("--check", action="store_true", help="only say whether they are here")
    parser.add_argument(
        "--tests", type=Path, metavar="FOLDER", help="fetch what the browser tests need too, into FOLDER"
    )
    chosen = parser.parse_args(arguments)
    places = [(PAGES, VENDOR)] + ([(TESTS, chosen.tests)] if chosen.tests else [])
    try:
        for use, folder in places:
            sys.stdout.write(
                bring_files(read_packages(MANIFEST.path, use=use), folder, MANIFEST, is_check=chosen.check)
            )
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
