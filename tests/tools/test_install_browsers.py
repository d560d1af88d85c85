"""The installer of browsers, on machines made here: nothing is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from assay.core.absence import Unavailable
from assay.core.errors import AssayError

ABSENT = Unavailable("it is not here")


def load() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "install_browsers.py"
    found = importlib.util.spec_from_file_location("install_browsers", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


tool = load()


class Place:
    """A machine with some browsers: apt-get brings those of ``apt``."""

    def __init__(self, *here: str, apt: Sequence[str] = (), npm: bool = True, root: bool = True) -> None:
        self.here = set(here)
        self.apt = apt
        self.npm = npm
        self.commands: list[str] = []
        self.machine = tool.Machine(root, bool(apt), self.run, self.find, self.fetch)

    def run(self, command: Sequence[str]) -> int:
        self.commands.append(" ".join(command))
        names = [name for name, packages in tool.DEBIAN.items() if packages[0] in command and name in self.apt]
        self.here.update(names)
        return 0 if names else 100

    def find(self, name: str) -> str | Unavailable:
        return f"/usr/bin/{name}" if name in self.here else ABSENT

    def fetch(self) -> None:
        if not self.npm:
            raise AssayError("npm is not installed.", hint="Install npm.")
        self.here.add("sparticuz")


def test_a_machine_that_has_all_is_left_alone() -> None:
    place = Place("chromium", "firefox", "sparticuz", apt=["chromium"])
    assert tool.install_browsers(tool.EVERY, place.machine) == {
        name: f"/usr/bin/{name}" for name in ("chromium", "firefox", "sparticuz")
    }
    assert place.commands == []


def test_a_fresh_machine_gets_all_three() -> None:
    place = Place(apt=["chromium", "firefox"])
    found = tool.install_browsers(tool.EVERY, place.machine)
    assert set(found.values()) == {"/usr/bin/chromium", "/usr/bin/firefox", "/usr/bin/sparticuz"}
    assert place.commands == [
        "apt-get update -qq",
        "apt-get install -y -qq --no-install-recommends chromium fonts-liberation",
        "apt-get install -y -qq --no-install-recommends firefox-esr fonts-liberation",
    ]


def test_one_that_apt_does_not_have_keeps_no_other_away() -> None:
    place = Place(apt=["firefox"])
    found = tool.install_browsers(tool.EVERY, place.machine)
    assert found["firefox"] == "/usr/bin/firefox"
    assert str(found["chromium"]) == "no chromium was found (as root: apt-get install chromium fonts-liberation)"


@pytest.mark.parametrize("place", [Place(apt=["chromium"], root=False), Place(apt=[])])
def test_without_the_right_or_without_apt_it_says_what_to_do(place: Place) -> None:
    found = tool.install_browsers(["chromium", "sparticuz"], place.machine)
    assert place.commands == []
    assert "as root: apt-get install chromium" in str(found["chromium"])
    assert found["sparticuz"] == "/usr/bin/sparticuz"


def test_without_npm_it_says_so() -> None:
    found = tool.install_browsers(["sparticuz"], Place(npm=False).machine)
    assert found == {"sparticuz": Unavailable("npm is not installed", "Install npm.")}


def test_what_is_missing_fails_in_continuous_integration_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "this_machine", lambda: Place("chromium", npm=False).machine)
    monkeypatch.delenv("CI", raising=False)
    assert tool.main(["chromium", "sparticuz"]) == 0
    said = capsys.readouterr()
    assert said.out == "chromium: /usr/bin/chromium\n"
    assert "sparticuz: npm is not installed (Install npm.)" in said.err
    assert "Tests that need sparticuz will be skipped, and say so." in said.err
    monkeypatch.setenv("CI", "true")
    assert tool.main(["sparticuz"]) == 1
    assert tool.main(["chromium"]) == 0
    with pytest.raises(SystemExit):
        tool.main(["netscape"])
