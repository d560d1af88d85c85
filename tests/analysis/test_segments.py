"""What counts as another environment, and what it is called."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from assay.analysis.environments import Environments
from assay.analysis.segments import compared_facts, describe_break, environment_key
from assay.core.ids import content_hash
from assay.core.records import SCHEMA_VERSION, EnvironmentRecord
from assay.probes.environment import collect_environment
from assay.store import Store
from assay.store.append import append_environment

GPU = {"name": "H100", "driver": "550.1", "power_limit_w": 700.0, "index": 0, "uuid_hash": "a", "pci_id": "1"}
FACTS: dict[str, Any] = {
    "cpu": {"model": "some cpu", "microcode": "0x1", "usable_cores": 8, "isa": ["avx2", "avx512f"], "max_mhz": 3000},
    "memory": {"total_bytes": 63 * 1024**3, "cgroup_limit_bytes": None, "transparent_hugepage": "madvise"},
    "gpus": [GPU, {**GPU, "index": 1, "uuid_hash": "b", "pci_id": "2"}],
    "os": {"system": "Linux", "kernel": "6.1", "distribution": "debian 12"},
    "python": {
        "version": "3.12.1", "packages": {"torch": "2.12.0", "numpy": "2.0.0"},
        "package_count": 90, "packages_hash": "x",
    },
    "threads": {"OMP_NUM_THREADS": None, "MKL_NUM_THREADS": "8"},
    "env": {"MKL_NUM_THREADS": "8", "LD_PRELOAD": "libjemalloc.so", "TORCH_HOME": "~/one"},
    "assay": {"version": "0.1.0", "source_hash": "y"},
}  # fmt: skip


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    facts = copy.deepcopy(FACTS)
    place: Any = facts
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return facts


@pytest.mark.parametrize(
    ("path", "to", "said"),
    [
        (("python", "packages", "torch"), "2.13.0", "torch 2.12.0 -> 2.13.0"),
        (("python", "packages"), {"torch": "2.12.0"}, "numpy 2.0.0 -> none"),
        (("python", "version"), "3.13.0", "Python 3.12.1 -> 3.13.0"),
        (("assay", "version"), "0.2.0", "assay 0.1.0 -> 0.2.0"),
        (("cpu", "microcode"), "0x2", "CPU microcode 0x1 -> 0x2"),
        (("cpu", "usable_cores"), 4, "usable cores 8 -> 4"),
        (("cpu", "max_mhz"), 2000, "CPU limit MHz 3000 -> 2000"),
        (("cpu", "isa"), ["avx2"], "instructions avx2 avx512f -> avx2"),
        (("memory", "total_bytes"), 31 * 1024**3, "memory 64 GiB -> 32 GiB"),
        (("memory", "cgroup_limit_bytes"), 8 * 1024**3, "memory limit none -> 8 GiB"),
        (("os", "kernel"), "6.2", "kernel 6.1 -> 6.2"),
        (("gpus", 0, "power_limit_w"), 350.0, "GPU power limit W 2 x 700.0 -> 350.0, 700.0"),
        (("gpus",), [GPU], "GPU 2 x H100 -> H100; GPU power limit W 2 x 700.0 -> 700.0"),
        (("threads", "OMP_NUM_THREADS"), "4", "OMP_NUM_THREADS none -> 4"),
        (("env", "LD_PRELOAD"), "libtcmalloc.so", "LD_PRELOAD libjemalloc.so -> libtcmalloc.so"),
    ],
)
def test_what_moves_numbers_is_a_break_and_is_named(path: tuple[str | int, ...], to: Any, said: str) -> None:
    other = changed(*path, to=to)
    assert environment_key(other) != environment_key(FACTS)
    assert describe_break(FACTS, other) == said


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("python", "package_count"), 91),
        (("python", "packages_hash"), "z"),
        (("assay", "source_hash"), "z"),
        (("memory", "total_bytes"), 63 * 1024**3 + 4096),  # a kernel that keeps another page to itself
        (("gpus", 0, "uuid_hash"), "another of the same kind"),
        (("gpus", 0, "pci_id"), "3"),
        (("env", "TORCH_HOME"), "~/two"),
        (("env", "CUDA_VISIBLE_DEVICES"), "3"),
        (("env", "SOMETHING_DIR"), "~"),
    ],
)
def test_what_moves_no_number_is_none(path: tuple[str | int, ...], to: Any) -> None:
    other = changed(*path, to=to)
    assert environment_key(other) == environment_key(FACTS)
    assert describe_break(FACTS, other) is None


def test_equal_gpus_may_stand_in_any_order_and_different_drivers_are_said_once() -> None:
    assert describe_break(FACTS, changed("gpus", to=list(reversed(FACTS["gpus"])))) is None
    newer = changed("gpus", to=[{**gpu, "driver": "560.2"} for gpu in FACTS["gpus"]])
    newer["python"]["packages"]["torch"] = "2.13.0"
    assert describe_break(FACTS, newer) == "driver 550.1 -> 560.2; torch 2.12.0 -> 2.13.0"


def test_many_differences_are_counted() -> None:
    other = changed("python", "packages", to={f"package-{number}": "1" for number in range(9)})
    said = describe_break(FACTS, other)
    assert said is not None
    assert said.count("->") == 6
    assert said.endswith("; and 5 more")


def test_facts_of_others_may_be_anything() -> None:
    odd: list[dict[str, Any]] = [{}, {"os": "SYNTHETIC"}, {"cpu": None, "gpus": None, "python": 3}, {"gpus": ["x"]}]
    for facts in odd:
        assert describe_break(facts, facts) is None
        json.dumps(compared_facts(facts))
    assert describe_break({}, {"os": "SYNTHETIC"}) == "operating system none -> SYNTHETIC"


def test_this_machine_is_the_same_twice() -> None:
    first, second = collect_environment(), collect_environment()
    assert environment_key(first.facts) == environment_key(second.facts)
    assert compared_facts(first.facts)["assay"] == first.facts["assay"]["version"]


def test_environments_of_a_store_are_grouped_by_what_is_compared(tmp_path: Any) -> None:
    store = Store.open(tmp_path / "store")
    commits = [changed("python", "packages_hash", to=f"commit {number}") for number in range(5)]
    newer = changed("python", "packages", "torch", to="2.13.0")
    first_seen_at = collect_environment().first_seen_at
    for facts in (*commits, newer):
        record = EnvironmentRecord(content_hash(facts), "host", "cpu", facts, first_seen_at)
        append_environment(store.location, record, SCHEMA_VERSION)
    known = Environments(store)
    ids = [content_hash(facts) for facts in commits]
    assert known.same_as(ids[0]) == frozenset(ids)
    assert known.same_as(content_hash(newer)) == {content_hash(newer)}
    assert known.same_as("never seen") == {"never seen"}
    assert known.describe_break(ids[0], content_hash(newer)) == "torch 2.12.0 -> 2.13.0"
    assert known.describe_break(ids[0], ids[3]) is None
