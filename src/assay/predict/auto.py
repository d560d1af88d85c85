"""Learning again by itself, where a store's owner asked for it: what the store alone can teach, once there is a need.

Off unless switched on: learning takes seconds to minutes of a machine that was just measuring. The switch is a small
file beside the store's predictors. May import: core, store, predict.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import AssayError
from assay.predict.base import ExampleSource, predictors
from assay.predict.drift import Need, judge_need, read_pairs
from assay.predict.models import shelf_of
from assay.predict.train import Trained, train_kinds

if TYPE_CHECKING:
    from assay.store import Store

_FILE = "auto.json"


@dataclass(frozen=True, slots=True)
class AutoSetting:
    """Whether predictors are learned again at the end of a run."""

    is_on: bool = False


def read_setting(shelf: Path) -> AutoSetting:
    """Read the switch; off where there is none. Raises AssayError for a file that is not one."""
    path = shelf / _FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return AutoSetting(bool(found["on"]))
    except FileNotFoundError:
        return AutoSetting()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssayError(f"{path} could not be read: {error}", hint="Set it again: assay predict auto off") from error


def write_setting(shelf: Path, setting: AutoSetting) -> None:
    """Keep the switch. Raises AssayError where the folder cannot be written."""
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        (shelf / _FILE).write_text(json.dumps({"on": setting.is_on}) + "\n", encoding="utf-8")
    except OSError as error:
        raise AssayError(f"{shelf / _FILE} could not be written: {error}", hint="Check the folder.") from error


def self_taught() -> tuple[str, ...]:
    """Names of the kinds that a store's own results are enough for."""
    return tuple(name for name in predictors.names() if predictors.get(name).is_self_taught)


def find_needs(store: Store, kinds: Sequence[str] | None = None) -> list[Need]:
    """Say of each kind that a store alone can teach whether it should be learned again. Raises StoreError."""
    shelf, pairs = shelf_of(store.location), read_pairs(store)
    return [judge_need(name, store, shelf, pairs) for name in (self_taught() if kinds is None else kinds)]


def learn_needed(store: Store, *, seed: int = 0, listener: Callable[[str], None] = lambda _text: None) -> list[Trained]:
    """Learn again what has a need. A kind that cannot is told with its reason, like one that can."""
    needed = [one.kind for one in find_needs(store) if one.is_needed]
    if not needed:
        return []
    return list(train_kinds(needed, ExampleSource(store), shelf_of(store.location), seed=seed, listener=listener))
