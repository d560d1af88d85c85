"""Run the few vendor tools that have no readable file behind them.

The runner is an argument everywhere, so tests replay recorded output. May import: standard library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What a finished command left. ``code`` is its exit status."""

    code: int
    stdout: str
    stderr: str = ""


CommandRunner = Callable[[Sequence[str]], CommandOutput | None]
"""Run an argument list: its output, or None where the program is absent or did not end in time."""


def run_command(arguments: Sequence[str]) -> CommandOutput | None:
    """Run ``arguments`` without a shell, in the C locale, for at most 15 s. Never raises for a bad program."""
    program = shutil.which(arguments[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *arguments[1:]],
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return CommandOutput(done.returncode, done.stdout, done.stderr)


def run_nothing(_arguments: Sequence[str]) -> CommandOutput | None:
    """Find no program: for replayed trees, where the tools of this machine must not answer."""
    return None
