"""The site of the documentation: puts its pages together in one folder, and builds it with zensical.

docs/ is written to be read on a forge as it is. A site needs a little more: the pages of the repository itself
(CONTRIBUTING, SECURITY, CHANGELOG), the reference that is made from the code, and links between all of them that stay
inside. So everything is put together in ``build/docs``, and ``zensical.toml`` builds ``build/site`` from it.

    python tools/build_docs.py              # build; 1 where there was any warning
    python tools/build_docs.py --no-build   # put together only

May import: tools/make_reference.py; zensical is run as a program.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from make_reference import write_reference

ROOT = Path(__file__).parents[1]
STAGE = ROOT / "build" / "docs"
SITE = ROOT / "build" / "site"
CONFIG = ROOT / "zensical.toml"
OF_REPOSITORY = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
"""Pages beside docs/; on the site they are in ``project/``."""
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_WARNING = re.compile(r"\b(warning|error)\b", re.IGNORECASE)


def main() -> int:
    """Put the pages together and build the site; return 1 where there was a warning."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-build", action="store_true", help="put the pages together only")
    chosen = parser.parse_args()
    count = stage(STAGE)
    print(f"{count} pages in {STAGE.relative_to(ROOT)}")
    return 0 if chosen.no_build else build()


def stage(folder: Path) -> int:
    """Put every page into ``folder``, emptied before, and return how many there are."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    # A README would be taken for the first page, which index.md is: it is the list of all pages.
    (folder / "README.md").rename(folder / "pages.md")
    (folder / "project").mkdir()
    for name in OF_REPOSITORY:
        shutil.copyfile(ROOT / name, folder / "project" / name)
    write_reference(folder / "reference")
    places = _places(folder)
    pages = sorted(folder.rglob("*.md"))
    for page in pages:
        page.write_text(_for_site(page, folder, places), encoding="utf-8")
    return len(pages)


def _places(folder: Path) -> dict[Path, Path]:
    """Where files that moved are on the site, by where they are in the repository."""
    moved = {ROOT / "docs" / "README.md": folder / "pages.md"}
    return moved | {ROOT / name: folder / "project" / name for name in OF_REPOSITORY}


def _for_site(page: Path, folder: Path, places: dict[Path, Path]) -> str:
    """Return a page's text with links as they are on the site, and with the blank lines that tables need there."""
    staged = page.relative_to(folder)
    home = ROOT / staged.name if staged.parts[0] == "project" else ROOT / "docs" / staged

    def turn(found: re.Match[str]) -> str:
        before, target, after = found.groups()
        if "://" in target:
            return found[0]
        source = (home.parent / target).resolve()
        if source in places:
            goal = places[source]
        elif source.is_relative_to(ROOT / "docs"):
            goal = folder / source.relative_to(ROOT / "docs")
        else:
            return found[0]
        return f"{before}{Path(os.path.relpath(goal, page.parent)).as_posix()}{after}"

    parts = []
    text = page.read_text(encoding="utf-8")
    end = 0
    for fence in [*_FENCE.finditer(text), None]:
        prose = text[end : fence.start() if fence else len(text)]
        prose = re.sub(r"(?m)^(?!\|)(.*\S.*)\n(?=\|)", r"\1\n\n", _LINK.sub(turn, prose))
        parts.append(prose + (fence[0] if fence else ""))
        end = fence.end() if fence else end
    return "".join(parts)


def build() -> int:
    """Run zensical on what was put together. Returns 1 where it failed or warned of anything."""
    program = shutil.which("zensical", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if program is None:
        print("zensical is not installed; pip install zensical", file=sys.stderr)
        return 1
    done = subprocess.run(
        [program, "build", "--clean", "--strict"],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    print(done.stdout)
    warned = [line for line in done.stdout.splitlines() if _WARNING.search(line)]
    missing = [page for page in nav_pages() if not (SITE / page).with_suffix(".html").exists()]
    for page in missing:
        print(f"not built: {page}", file=sys.stderr)
    return 1 if done.returncode or warned or missing else 0


def nav_pages() -> list[str]:
    """Return the pages of the navigation, in its order."""
    with CONFIG.open("rb") as file:
        return list(_leaves(tomllib.load(file)["project"]["nav"]))


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for one in node.values():
            yield from _leaves(one)
    else:
        for one in node:
            yield from _leaves(one)


if __name__ == "__main__":
    raise SystemExit(main())
