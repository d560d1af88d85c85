"""Make the priors that ship with assay from published data, and their card.

    python tools/make_prior.py FOLDER... [--kind graph,system] [--split model,family] [--card-only]

FOLDER holds published data as it came, or folders of such. Only folders with a licence to do so are read
(`assay.predict.prior.PERMITTED`). The files are written to src/assay/predict/data, the card to docs/prior-card.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from assay.predict.prior import MOST_BYTES, make_priors, permitted_source, read_priors, write_card

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "src" / "assay" / "predict" / "data"
CARD = ROOT / "docs" / "prior-card.md"


def main() -> int:
    """Make them; 1 where together they are too large to ship."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help="published data")
    parser.add_argument("--kind", default="", help="only these, by commas")
    parser.add_argument("--split", default=None, help="validate on these alone, by commas; none for nothing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--card-only", action="store_true", help="write the card of what is there")
    asked = parser.parse_args()
    if not asked.card_only:
        splits = None if asked.split is None else [name for name in asked.split.split(",") if name and name != "none"]
        kinds = [name for name in asked.kind.split(",") if name]
        source = permitted_source(asked.folders)
        for made in make_priors(kinds, source, DATA, splits=splits, seed=asked.seed, listener=_say):
            print(f"{made.kind}: {made.reason or f'{made.size_bytes} bytes, {len(made.outcomes)} splits'}")
    records = read_priors(DATA)
    CARD.write_text(write_card(records), encoding="utf-8")
    total = sum(path.stat().st_size for path in DATA.glob("*.predictor"))
    print(f"{len(records)} priors, {total} bytes of at most {MOST_BYTES}; card: {CARD.relative_to(ROOT)}")
    return int(total > MOST_BYTES)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
