"""What the tests of pages and of models in browsers need that pip cannot bring: browsers. Part of ``make install-dev``.

sparticuz' Chromium comes through npm and needs no administrator. Chromium and Firefox are Debian's; they are installed
where they are absent and the user is root with apt-get, and otherwise this says what to do. Tests without their browser
are skipped with that reason. In continuous integration (``CI=true``) a browser that is missing is a failure.

    python tools/install_browsers.py [chromium] [firefox] [sparticuz]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assay.core.absence import Unavailable
from assay.core.errors import AssayError

DEBIAN = {"chromium": ("chromium", "fonts-liberation"), "firefox": ("firefox-esr", "fonts-liberation")}
"""Packages by browser. Without fonts pages measure and look different."""
NPM = "sparticuz"
EVERY = (*DEBIAN, NPM)

Run = Callable[[Sequence[str]], int]


@dataclass(frozen=True, slots=True)
class Machine:
    """What this needs to know and to do; tests replace it. ``find`` says where a browser is, or why there is none."""

    is_administrator: bool
    has_apt: bool
    run: Run
    find: Callable[[str], str | Unavailable]
    fetch_sparticuz: Callable[[], object]


def install_browsers(names: Sequence[str], machine: Machine) -> dict[str, str | Unavailable]:
    """Install what is absent where that is possible, and return where each browser is, or why it is not."""
    found = {name: machine.find(name) for name in names}
    absent = [name for name in names if isinstance(found[name], Unavailable)]
    apt = [name for name in absent if name in DEBIAN]
    if apt and machine.is_administrator and machine.has_apt:
        machine.run(["apt-get", "update", "-qq"])
        for name in apt:  # one by one: Ubuntu has no firefox-esr, and its chromium is a snap
            machine.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *DEBIAN[name]])
            found[name] = machine.find(name)
    for name in apt:
        if isinstance(found[name], Unavailable):
            found[name] = Unavailable(f"no {name} was found", f"as root: apt-get install {' '.join(DEBIAN[name])}")
    if NPM in absent:
        try:
            machine.fetch_sparticuz()
            found[NPM] = machine.find(NPM)
        except AssayError as error:
            found[NPM] = Unavailable(error.message.rstrip("."), error.hint)
    return found


def this_machine() -> Machine:
    """Return what installs here."""
    from assay.engines.web.sparticuz import fetch_sparticuz

    return Machine(
        is_administrator=hasattr(os, "geteuid") and os.geteuid() == 0,
        has_apt=shutil.which("apt-get") is not None,
        run=_run,
        find=find_here,
        fetch_sparticuz=fetch_sparticuz,
    )


def find_here(name: str) -> str | Unavailable:
    """Return where a browser is; ``ASSAY_TEST_BROWSER`` names the one that stands for Chromium in tests of pages."""
    from assay.engines.web.browsers import find_browser

    named = shutil.which(os.environ.get("ASSAY_TEST_BROWSER") or "") if name == "chromium" else None
    if named is not None:
        return named
    found = find_browser(name)
    if isinstance(found, Unavailable) and name == "chromium":
        found = find_browser("chrome")  # the tests of pages take either
    return found if isinstance(found, Unavailable) else f"{found.executable} ({found.version})"


def _run(command: Sequence[str]) -> int:
    return subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, say where each browser is, and return 1 where one is missing in continuous integration."""
    parser = argparse.ArgumentParser(description="Install the browsers that tests use.")
    parser.add_argument("names", nargs="*", metavar="BROWSER", help=f"of {', '.join(EVERY)}; all by default")
    names = parser.parse_args(arguments).names or EVERY
    unknown = [name for name in names if name not in EVERY]
    if unknown:
        parser.error(f"{', '.join(unknown)}: expected {', '.join(EVERY)}")
    found = install_browsers(names, this_machine())
    missing = {name: one for name, one in found.items() if isinstance(one, Unavailable)}
    for name, one in found.items():
        print(f"{name}: {one}", file=sys.stderr if name in missing else sys.stdout)
    if missing:
        print(f"Tests that need {' or '.join(missing)} will be skipped, and say so.", file=sys.stderr)
    return 1 if missing and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
