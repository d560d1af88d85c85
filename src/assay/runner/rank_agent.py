"""torchrun, and in numbers why it ended: it prints a table for people, and the worker needs the rank and its exit code.

Started by `assay.runner.distributed` as ``python -m assay.runner.rank_agent FOLDER ARGUMENTS OF TORCHRUN``. May import:
core, runner.child, runner.program; torch inside functions.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from assay.runner.child import die_with_parent
from assay.runner.program import PARENT

FAILURES = "failures.json"
"""In FOLDER: ``{"ranks": [[rank, pid, exit code], ...], "words": ...}``, where a rank or torchrun itself failed."""


def main() -> None:
    """Run torchrun; exit 1 where a rank was lost."""
    die_with_parent()
    os.environ[PARENT] = str(os.getpid())  # torchrun starts the ranks from this process
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    folder = Path(sys.argv[1])
    try:
        torchrun(sys.argv[2:])
    except ChildFailedError as error:
        lost = [[rank, failure.pid, failure.exitcode] for rank, failure in sorted(error.failures.items())]
        _say(folder, {"ranks": lost, "words": ""})
    except Exception as error:  # noqa: BLE001  (whatever it is, the worker has to say it)
        _say(folder, {"ranks": [], "words": f"{type(error).__name__}: {error}"})


def _say(folder: Path, content: dict[str, object]) -> None:
    (folder / FAILURES).write_text(json.dumps(content), encoding="utf-8")
    sys.exit(1)


if __name__ == "__main__":
    main()
