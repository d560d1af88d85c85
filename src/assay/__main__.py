"""``python -m assay``: the command, where scripts of the environment are not on the path."""

from __future__ import annotations

from assay.cli.main import main

if __name__ == "__main__":
    main()
