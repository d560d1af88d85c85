"""Reading the flat lists of words that test programs left for each platform (``cpu_init``, ``cuda_handler``, ...).

Shapes F and I both have them. May import: core, importers.ipfs.common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.words import Mark, Status
from assay.importers.ipfs.common import UNVERIFIED_SUCCESS, cut, outcome

PLATFORMS = ("cpu", "cuda", "openvino", "apple", "mps", "qualcomm", "rocm", "webnn", "webgpu")
_SIMULATED_WORDS = re.compile(r"\bmock\b|simulat", re.IGNORECASE)
_SIMULATED_FLAGS = ("is_simulated", "is_simulation", "simulated")
_FAILURES = ("error", "failed", "failure", "invalid")
"""How the words of something that did not work begin."""


def by_platform(words: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Split by the platform that leads each key; second, what belongs to none."""
    groups: dict[str, dict[str, Any]] = {}
    others: dict[str, Any] = {}
    for key, value in words.items():
        platform = key.partition("_")[0]
        if platform in PLATFORMS and "_" in key:
            groups.setdefault(platform, {})[key] = value
        else:
            others[key] = value
    return groups, others


def verdict(words: Mapping[str, Any]) -> tuple[Status, str | None, dict[Mark, str]]:
    """Sum up the words of one platform: status, reason, marks.

    One failure makes the whole fail; a device that was not there is unsupported; success without a number is marked.
    """
    said = {key: value for key, value in words.items() if isinstance(value, str)}
    failures = [f"{key}: {value}" for key, value in said.items() if is_failure(value)]
    absent = [f"{key}: {value}" for key, value in said.items() if "not available" in value and key.endswith("_tests")]
    marks = {}
    evidence = simulation_evidence(words)
    if evidence:
        marks[Mark.SIMULATED] = evidence
    if failures:
        reason = "; ".join(failures)
        status = outcome(reason)
        return (Status.FAILED if status is Status.UNSUPPORTED else status), cut(reason, 1000), marks
    if absent:
        return Status.UNSUPPORTED, cut("; ".join(absent), 1000), marks
    marks[Mark.UNVERIFIED] = UNVERIFIED_SUCCESS
    return Status.OK, None, marks


def is_failure(words: object) -> bool:
    """True for words that begin as those of a failure do; programs that returned them ended well all the same."""
    return isinstance(words, str) and words.casefold().startswith(_FAILURES)


def simulation_evidence(record: object) -> str | None:
    """Return what in a record says that it is simulated: a flag, or a word in any of its texts."""
    for key, value in _leaves(record, ""):
        name = key.rpartition(".")[2]
        if name in _SIMULATED_FLAGS and value is True:
            return f"{key} is true"
        if isinstance(value, str) and name != "input" and not name.endswith("_keys") and _SIMULATED_WORDS.search(value):
            return f"{key} says {cut(value, 120)!r}"
    return None


def says_simulated(record: object) -> bool | None:
    """Return the source's own account: True, False where it denies it, None where it does not say."""
    if simulation_evidence(record):
        return True
    return False if any(key.rpartition(".")[2] in _SIMULATED_FLAGS for key, _ in _leaves(record, "")) else None


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, path)
    else:
        yield path, value
