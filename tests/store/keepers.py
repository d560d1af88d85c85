"""Housekeepers to be killed: for each line ``start ROLE STATE ADDRESS`` it forks one and answers its number.

``kill NUMBER`` ends it as ``kill -9`` does and answers whether it was alive. Forked, as starting afresh would take most
of a test's time; deltalake begins its threads with the first call, which each child makes for itself. Each has a state
folder of its own, as on another machine, so that no lock keeps it out.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback

import deltalake  # noqa: F401  (loaded before the fork)
import duckdb  # noqa: F401
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401

from assay.store.housekeeping import tidy_table
from assay.store.tables import open_table
from assay.store.upkeep import vacuum

TABLES = ("results", "launches", "samples")


def compact_once(address: str) -> None:
    for table in (*TABLES, "runs"):
        tidy_table(address, table, after_files=3)


def vacuum_once(address: str) -> None:
    """Remove replaced files at once (only compactions read them), and what nothing names after an hour."""
    for table in TABLES:
        opened = open_table(address, table)
        if opened is not None:
            opened.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    vacuum(address, ["launches"], keep_hours=1)


ROLES = {"compact": compact_once, "vacuum": vacuum_once}


def keep(role: str, state: str, address: str) -> int:
    """Do it again and again; return the process."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.environ["XDG_STATE_HOME"] = state
        while os.getppid() == parent:
            ROLES[role](address)
    except BaseException:  # noqa: BLE001  (whatever it is, it ends here)
        traceback.print_exc()
    finally:
        os._exit(1)


def kill(process: int) -> bool:
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def main() -> None:
    for line in sys.stdin:
        word, *values = line.split()
        answer = keep(*values) if word == "start" else kill(int(values[0]))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
