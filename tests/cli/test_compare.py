"""``assay compare``: stored runs in three forms, what is refused, and real launches in turns."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from assay.analysis.compare import compare_runs
from assay.analysis.values import Side
from assay.cli.compare_sides import complete_field, complete_metric, complete_run, read_sides
from assay.cli.comparison import COMPARISON_COLUMNS, _comparison_table, _split_labels, format_value
from assay.core.errors import UsageError
from assay.core.words import Change, Provenance, Status
from assay.store import Store
from assay.store.annotations import pin_baseline

Here = Callable[..., Any]

SUITE = """\
name: fast
launches: 2
timing: {min_time_s: 0.05, max_time_s: 0.2, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.1}
cases:
  - model: [work:make]
    engine: plain
"""
WORK = """\
LAYERS = {layers}


def make(batch=1):
    def infer(size):
        for _ in range(LAYERS * batch):
            sum(range(size))

    return infer, (10_000,)


def broken(batch=1):
    if batch == 2:
        raise ValueError("no weights")
    return make(batch)
"""


def _load_runs() -> Any:
    path = Path(__file__).parents[1] / "analysis" / "compared_runs.py"
    spec = importlib.util.spec_from_file_location("cli_tests_compared_runs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


runs = _load_runs()
Made, case, times = runs.Made, runs.case, runs.times


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """Two stored runs whose launches took turns: one case slower, one faster, one that only the second has."""
    store = Store.open(tmp_path / "store")
    a = runs.append_run(store, Made(case(batch=1)), Made(case(batch=8), units_per_call=8.0), tags=("nightly",))
    b = runs.append_run(
        store, Made(case(batch=1), times(1.2)), Made(case(batch=8), times(0.5), units_per_call=8.0),
        Made(case(batch=16)), place=3,
    )  # fmt: skip
    return a, b


@pytest.fixture
def work(here: Here, tmp_path: Path) -> Here:
    """Compare by launching a function of this test's own, each launch a fraction of a second."""
    tmp_path.joinpath("work.py").write_text(WORK.format(layers=1))
    suite = tmp_path / "fast.yaml"
    suite.write_text(SUITE)

    def run(*arguments: object) -> Any:
        return here("compare", "--suite", suite, *arguments)

    return run


# -- stored runs -------------------------------------------------------------------------------------------------


def test_two_runs_in_a_table(here: Here, two: tuple[str, str]) -> None:
    said = here("compare", "last~1", "last")
    assert (said.code, said.err) == (0, "")
    assert "latency_ns · A last~1 → B last" in said.out
    assert "1.200" in said.out
    assert "0.500" in said.out
    for word in ("regressed", "improved", "new", "all cases: torch cpu fp32 seq128", "5+5"):
        assert word in said.out, said.out
    assert "last: geometric mean 0.775" in said.out
    assert "over 2 of 3 cases: 1.291 times as fast as last~1" in said.out
    assert "1 regressed, 1 improved, 1 new" in said.out
    assert f"A last~1: run {two[0][-8:]}" in said.out
    assert "the launches took turns" in said.out
    assert "P(slower): probability that a launch of B is slower than one of A" in said.out


def test_the_same_comparison_for_programs(here: Here, two: tuple[str, str]) -> None:
    said = here("compare", *two, "--json")
    content = json.loads(said.out)
    assert (said.code, content["metric"], content["unit"], content["is_interleaved"]) == (0, "latency_ns", "ns", True)
    assert [side["run_ids"] for side in content["sides"]] == [[two[0]], [two[1]]]
    slower, faster, new = content["comparisons"]
    assert (slower["change"], faster["change"], new["change"]) == ("regressed", "improved", "new")
    assert (slower["ratio"], slower["p_worse"], slower["launches"]) == (pytest.approx(1.2), 1.0, 5)
    assert (faster["speedup"], new["ratio"], new["baseline_value"]) == (pytest.approx(2), None, None)
    assert (content["means"][0]["n"], content["means"][0]["of"]) == (2, 3)
    assert content["counts"] == {"regressed": 1, "improved": 1, "new": 1}
    rows = list(csv.DictReader(io.StringIO(here("compare", *two, "--csv").out)))
    assert tuple(rows[0]) == COMPARISON_COLUMNS
    assert [row["change"] for row in rows] == ["regressed", "improved", "new"]
    assert rows[2]["ratio"] == ""
    assert json.loads(rows[2]["reasons"]) == [f"{two[0]} has no such case"]


def test_the_baseline_can_be_any_side(here: Here, two: tuple[str, str]) -> None:
    content = json.loads(here("compare", "last~1", "last", "--baseline", "last", "--json").out)
    assert [side["label"] for side in content["sides"]] == ["last", "last~1"]
    assert content["comparisons"][0]["ratio"] == pytest.approx(1 / 1.2)
    said = here("compare", "last~1", "last", "--baseline", "first")
    assert (said.code, "They are last~1, last." in said.err) == (2, True)
    assert here("compare", "tag:nightly", two[1], "--metric", "throughput_per_s").code == 0


def test_parts_of_a_run(here: Here, tmp_path: Path) -> None:
    engines = [Made(case(engine=name), times(factor)) for name, factor in (("torch", 1), ("openvino", 0.25))]
    runs.append_run(Store.open(tmp_path / "store"), *engines)
    said = here("compare", "--by", "engine")
    assert (said.code, said.err) == (0, "")
    assert "A torch → B openvino" in said.out
    assert "the sides differ on purpose in engine" in said.out
    content = json.loads(here("compare", "last", "--by", "engine", "--baseline", "openvino", "--json").out)
    assert [(one["side"], one["change"]) for one in content["comparisons"]] == [("torch", "regressed")]
    assert here("compare", "last", "last", "--by", "engine").code == 2


def test_the_exit_code_is_asked_for(here: Here, two: tuple[str, str], tmp_path: Path) -> None:
    assert here("compare", *two).code == 0
    assert here("compare", *two, "--fail-on-regression").code == 1
    store = Store.open(tmp_path / "store")
    broken = runs.append_run(store, Made(case(batch=1), (None,), Status.FAILED, "no weights"), place=5)
    assert here("compare", two[0], broken).code == 0
    said = here("compare", two[0], broken, "--fail-on-regression")
    assert said.code == 4
    assert "failed: no weights" in said.out
    later = runs.append_run(
        store, Made(case(batch=1), times(1.2)), Made(case(batch=8), units_per_call=8.0), at=runs.EVENING
    )
    said = here("compare", two[0], later, "--fail-on-regression")
    assert said.code == 0  # made at other times: suspect, which is no regression
    assert "suspect" in said.out
    assert "--fresh launches in turns" in said.out


def test_what_cannot_be_compared_is_refused_with_what_to_do(here: Here, two: tuple[str, str], tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    imported = runs.append_run(store, Made(values=()), at=runs.EVENING, provenance=Provenance.IMPORTED)
    other = runs.append_run(store, Made(case(workload="bert/base", batch=32)), at=runs.MORNING, place=9)
    refused = {
        ("last",): "only 'last' was given",
        (): "none was given",
        (two[0], two[0]): "are the same run",
        (*two, "--metric", "latency"): "Did you mean 'latency_ns'",
        (*two, "--stat", "p50"): "Unknown statistic of latency_ns 'p50'",
        (*two, "--metric", "energy_j_per_sample"): "They have latency_ns, throughput_per_s",
        (*two, "--across", "colour"): "Unknown field of a case 'colour'",
        (*two, "--launches", 3): "--fresh launches the cases of stored runs again",
        (*two, "--model", "bert/tiny"): "--model was given",
        (two[0], "engine=torch"): "they cannot be interleaved",
        (two[0], imported): "was imported: it has no launches",
        (two[0], other): "--across workload,batch",
        (*two, "--json", "--csv"): "expected one of them",
        (two[0], "0000"): "There is no run '0000'",
        ("engine=torch", "engine=openvino", "--by", "engine"): "--by was given",
        (*two, "--fresh"): "was not made by `assay run`",
        ("baseline:main", "last"): "Unknown baseline 'main'",
    }  # fmt: skip
    for arguments, words in refused.items():
        said = here("compare", *arguments)
        assert (said.code, said.out) == (2, ""), arguments
        assert words in said.err, (arguments, said.err)
    assert here("compare", two[0], imported, "--with-imported").code == 0


# -- how it looks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_fits(width: int, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    names = [f"a_family_with_a_name/size-{nth}" for nth in range(2)]
    run_ids = [
        runs.append_run(store, *(Made(case(workload=name), times(factor)) for name in names), place=place)
        for place, factor in enumerate((1, 1.5, 0.0123))
    ]
    sides = [Side(f"precision=bf16,threads={nth}", (run_id,), (), ()) for nth, run_id in enumerate(run_ids)]
    for shown in (sides[:2], sides):
        report = compare_runs(store, shown)
        shared, labels = _split_labels([one.case_label for one in report.comparisons])
        console = Console(width=width, file=io.StringIO(), highlight=False, markup=False)
        console.print(_comparison_table(report, shared, labels, is_narrow=width < 110))
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        assert max(map(len, text.splitlines())) <= width
        for word in ("1.00 ms", "1.50 ms", "1.500", "1.497 … 1.503", "5+5", "regressed", "P(slower)", "launches"):
            assert word in text, text
        assert "…" not in text.replace(" … ", "")  # nothing is cut


def test_what_every_label_has_is_said_once() -> None:
    labels = ["bert/tiny torch cpu fp32 b1", "bert/tiny openvino cpu fp32 b1", "bert/base torch cpu fp32 b1"]
    shared, left = _split_labels(labels)
    assert (shared, left) == ("cpu fp32 b1", ["bert/tiny torch", "bert/tiny openvino", "bert/base torch"])
    assert _split_labels(labels[:1]) == ("", labels[:1])


def test_values_are_shown_in_units_that_read_well() -> None:
    shown = [
        format_value(value, unit)
        for value, unit in ((12.3e6, "ns"), (2**20, "B"), (149.2, "1/s"), (0.5, "1"), (None, "J"))
    ]
    assert shown == ["12.3 ms", "1.00 MiB", "149 /s", "0.500", "–"]
    assert format_value(2.5, "J") == "2.50 J"


# -- sides as they are written -----------------------------------------------------------------------------------


def test_sides_are_read_as_they_are_written() -> None:
    asked = read_sides(["engine=torch", "precision=bf16,batch=1,8"], [], [])
    assert [(one.label, dict(one.keys)) for one in asked.specs] == [
        ("engine=torch", {"engine": "torch"}), ("precision=bf16,batch=1,8", {"precision": "bf16", "batch": "1,8"}),
    ]  # fmt: skip
    beside = read_sides(["ref=main,engine=torch"], [], []).specs
    assert [(one.label, one.ref, dict(one.keys)) for one in beside] == [
        ("as it is", None, {}), ("ref=main,engine=torch", "main", {"engine": "torch"}),
    ]  # fmt: skip
    assert [(one.label, one.ref) for one in read_sides([], ["main"], []).specs] == [
        ("main", "main"),
        ("as it is", None),
    ]
    pythons = read_sides([], [], ["env-a", "env-a"]).specs
    assert [(one.label, one.python) for one in pythons] == [("env-a", Path("env-a")), ("env-a (2)", Path("env-a"))]
    assert read_sides(["tag:a=b", "baseline:x=y", "last"], [], []).stored == ("tag:a=b", "baseline:x=y", "last")
    with pytest.raises(UsageError, match="'last' is a stored run, and 'HEAD' would be launched"):
        read_sides(["last"], ["HEAD"], [])


def test_the_shell_is_offered_what_there_is(two: tuple[str, str], tmp_path: Path) -> None:
    class Context:
        params = {"store": str(tmp_path / "store")}  # noqa: RUF012  (only read)

    pin_baseline(str(tmp_path / "store"), "main", two[0], author="me")
    context: Any = Context()
    assert complete_run(context, "last") == ["last", "last~1"]
    assert complete_run(context, "base") == ["baseline:main"]
    assert complete_run(context, "tag:n") == ["tag:nightly"]
    assert complete_run(context, two[1][-8:]) == [two[1][-8:]]
    context.params = {"store": str(tmp_path / "absent")}
    assert complete_run(context, "last") == []
    assert complete_metric("latency") == ["latency_ns"]
    assert "engine" in complete_field("eng")


# -- real launches -----------------------------------------------------------------------------------------------


def test_flags_are_launched_in_turns(work: Here, here: Here) -> None:
    """Forty times the work is slower on any machine."""
    said = work("batch=1", "batch=40", "--launches", 5, "--json", "--note", "mine", "--fail-on-regression")
    assert (said.code, said.err) == (1, "")
    content = json.loads(said.out)
    assert content["is_interleaved"]
    assert content["varied"] == ["batch"]
    (one,) = content["comparisons"]
    assert (one["side"], one["change"], one["launches"]) == ("batch=40", Change.REGRESSED.value, 5)
    newest, first = Store.open().runs()
    assert [side["run_ids"] for side in content["sides"]] == [[first.run_id], [newest.run_id]]
    assert (first.note or "").startswith("mine")
    # Kept as two runs, they are compared later as what they are: launches that took turns.
    again = json.loads(here("compare", "last~1", "last", "--across", "batch", "--json").out)
    assert (again["is_interleaved"], again["comparisons"][0]["change"]) == (True, "regressed")


def test_a_dry_run_launches_nothing(work: Here) -> None:
    said = work("batch=1", "batch=2", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert "10 launches in turns" in said.out
    assert Store.open().runs() == []
    rows = json.loads(work("batch=1", "batch=2", "--dry-run", "--json").out)["launches"]
    assert [(row["side"], row["launches"]) for row in rows] == [("batch=1", 5), ("batch=2", 5)]


def test_a_side_that_fails_is_said(work: Here) -> None:
    said = work("batch=1", "batch=2", "--model", "work:broken", "--launches", 2)
    assert said.code == 4
    assert "batch=2: failed: " in said.out
    assert "no weights" in said.out


def test_two_commits_of_a_function_of_ones_own(here: Here, tmp_path: Path) -> None:
    """The second commit does forty times the work; launched again from the stored runs it still does."""
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
        command = ["git", *identity, *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    git("init", "-b", "main")
    for layers in (1, 40):
        folder.joinpath("work.py").write_text(WORK.format(layers=layers))
        git("add", "work.py")
        git("commit", "-m", f"{layers} layers")
    suite = tmp_path / "fast.yaml"
    suite.write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        said = here("compare", "--ref", "HEAD~1", "--ref", "HEAD", "--suite", suite, "--fail-on-regression", "--json")
        assert (said.code, said.err) == (1, "")
        (one,) = json.loads(said.out)["comparisons"]
        assert (one["side"], one["change"]) == ("HEAD", "regressed")
        said = here("compare", "last~1", "last", "--fresh", "--launches", 2, "--json")
        assert (said.code, said.err) == (0, "")
        (one,) = json.loads(said.out)["comparisons"]
        assert one["change"] == "inconclusive"  # of two launches there is no verdict
        assert one["ratio"] > 3
        commits = [run.git_commit for run in Store.open().runs()]
        assert commits[:2] == commits[2:]
        assert len(set(commits)) == 2
