"""The docs say what the program does: links, commands, options, metrics, tables and examples are held to the code.

Run as a script, this file writes the tables of docs/workloads.md from the registry.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.catalog.metrics import metrics
from assay.core.case import Case
from assay.core.records import LaunchRecord, ResultRecord
from assay.core.units import format_count
from assay.engines.base import engines
from assay.importers.pipeline import import_paths
from assay.recommend.base import Ground, rules
from assay.report.base import ReportRequest, renderers, report_kinds
from assay.report.build import build_report, render_report
from assay.runner.collect import CaseIdentity, summarise_case
from assay.runner.plan import PlannedCase
from assay.runner.protocol import Job, Measured
from assay.runner.record import record_launch
from assay.runner.suite_model import DEFAULT_LAUNCHES, load_suite
from assay.runner.supervise import LaunchOutcome
from assay.runner.timing import Timing
from assay.stats.summary import FEWEST_LAUNCHES_FOR_INTERVAL, PERCENTILE_MINIMUM_N
from assay.store import Store
from assay.workloads.base import Family, InputSpec, families
from assay.workloads.datasets.base import datasets
from assay.workloads.resolve import resolve_workload
from assay.workloads.trainables.base import trainables

ROOT = Path(__file__).parents[2]
LLM_PILOT = ROOT / ".." / "shared" / "data" / "llm_pilot"
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
KNOWN_ADDRESSES = (
    "https://keepachangelog.com/", "https://semver.org/", "https://github.com/", "s3://", "gs://", "az://", "postgresql://",
    "http://127.0.0.1:", "ray://", "https://docs.ray.io",
)  # fmt: skip
KNOWN_ROOTS = {
    "proc", "sys", "etc", "run", "dev", "models", "folder", "benchmarks", "assay", "srv", "opt", ".dockerenv", "SYS",
}  # fmt: skip
"""First parts of absolute paths that docs may name: the system's own, and invented ones of examples."""
SERVED = {
    "api", "live", "login", "logout", "metrics", "runs", "results", "series", "trends", "compare", "devices",
    "workloads", "engines", "matrix", "decide", "kpi", "store", "method", "search", "imports", "overview", "static",
    "check", "health", "web", "recommend", "suggest", "plan",
}  # fmt: skip
"""First parts of addresses that `assay serve` answers to, and of those under its `/api/v1`."""


def read_doc(name: str) -> str:
    return TEXTS[DOCS / name]


def blocks_of(text: str, language: str) -> list[str]:
    return [body for word, body in FENCE.findall(text) if word == language]


def without_code(text: str) -> str:
    return FENCE.sub("", text)


def section_of(text: str, heading: str) -> str:
    """The text under a heading, up to the next one of the same or a higher level."""
    lines = text.splitlines()
    level = len(heading) - len(heading.lstrip("#"))
    start = lines.index(heading) + 1
    stops = (index for index, line in enumerate(lines) if index >= start and re.match(rf"#{{1,{level}}} ", line))
    return "\n".join(lines[start : next(stops, len(lines))])


def first_cells(text: str) -> list[str]:
    """Every name in backquotes in the first cell of a table's rows."""
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


# -- links, addresses, paths -----------------------------------------------------------------------------------


def anchors_of(text: str) -> set[str]:
    """Anchors as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(TEXTS[page])):
        if target.startswith(KNOWN_ADDRESSES):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors_of(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert not broken


def test_the_index_names_every_page() -> None:
    linked = set(re.findall(r"^\| \[[\w.-]+\]\(([\w.-]+)\)", read_doc("README.md"), re.MULTILINE))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_place_of_one_machine_or_a_host(page: Path) -> None:
    text = TEXTS[page]
    addresses = re.findall(r"\w+://[^\s)>\"'`]+", text)
    assert [address for address in addresses if not address.startswith(KNOWN_ADDRESSES)] == []
    roots = re.findall(r"(?<![\w.~/*>)\]}:-])/([\w.]+)/?", re.sub(r"\w+://\S+", "", text))
    assert {root for root in roots if root not in KNOWN_ROOTS and root.partition(".")[0] not in SERVED} == set()


# -- the command line ------------------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    """Every visible command by its full name, groups without options left out."""
    import typer.main

    from assay.cli.main import app

    found: dict[str, Any] = {}

    def walk(command: Any, name: str) -> None:
        children = getattr(command, "commands", {})
        if name == "assay" or not children or command.invoke_without_command:
            found[name] = command
        for word, child in children.items():
            if not child.hidden:
                walk(child, f"{name} {word}")

    walk(typer.main.get_command(app), "assay")
    return found


COMMANDS = commands()


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert sorted(re.findall(r"^## `(assay[^`]*)`$", read_doc("cli.md"), re.MULTILINE)) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_row_and_every_row_an_option(name: str) -> None:
    section = section_of(read_doc("cli.md"), f"## `{name}`")
    options = [text for one in COMMANDS[name].params if one.param_type_name == "option" for text in one.opts]
    assert sorted(first_cells(section)) == sorted(options)
    arguments = [one.metavar or one.name.upper() for one in COMMANDS[name].params if one.param_type_name == "argument"]
    assert re.findall(r"The argument `([^`]+)`", section) == arguments
    assert any(line.startswith(name) for block in blocks_of(section, "console") for line in block.splitlines())


def shown_commands() -> list[str]:
    lines = [line for text in TEXTS.values() for block in blocks_of(text, "console") for line in block.splitlines()]
    spans = [span for text in TEXTS.values() for span in re.findall(r"`(assay [a-z][^`]*)`", without_code(text))]
    return sorted({line.removeprefix("$ ") for line in lines + spans if re.match(r"(\$ )?assay ", line)})


@pytest.mark.parametrize("line", shown_commands())
def test_commands_that_are_shown_exist_with_their_options(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0].partition(" | ")[0])
    known = {**COMMANDS, "assay bench": COMMANDS["assay run"]}
    groups = {name.rpartition(" ")[0] for name in known}
    name = next((" ".join(words[:count]) for count in (4, 3, 2) if " ".join(words[:count]) in known), "assay")
    if words[1:] and name == "assay" and not words[1].startswith("-"):
        assert " ".join(words[:2]) in groups
    options = {text for one in known[name].params for text in (*one.opts, *one.secondary_opts)} | {"-h", "--help"}
    own = words[: words.index("--")] if "--" in words else words  # what is behind is handed on
    assert {word.partition("=")[0] for word in own if word.startswith("-")} <= options


def test_the_exit_codes_are_those_of_the_program() -> None:
    from assay.analysis import values
    from assay.cli import doctor, fleet, main, run, store

    rows = set(re.findall(r"^\| (\d+) \|", section_of(read_doc("cli.md"), "## Exit codes"), re.MULTILINE))
    codes = {
        value
        for module in (main, run, store, doctor, fleet, values)
        for name, value in vars(module).items()
        if name.startswith("EXIT_")
    }
    assert rows == {str(code) for code in codes}


# -- metrics, launches, method ---------------------------------------------------------------------------------


def test_every_metric_has_its_unit_and_direction() -> None:
    builtin = {name for name in metrics.names() if metrics.get(name).source == "docs/method.md"}
    section = section_of(read_doc("measuring.md"), "## The numbers of a result")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (\w+) \|", section, re.MULTILINE)
    assert {name for name, _, _ in rows} == builtin
    for name, unit, direction in rows:
        assert direction == metrics.get(name).direction.value
        assert unit == metrics.get(name).unit or name == "throughput_per_s"  # whose unit is the family's
    assert all(f"`{name}`" in read_doc("method.md") for name in builtin)


def test_every_field_of_a_launch_is_explained() -> None:
    section = section_of(read_doc("measuring.md"), "## The fields of a launch").partition("\n### ")[0]
    assert sorted(first_cells(section)) == sorted(field.name for field in fields(LaunchRecord))


def test_the_numbers_of_the_method_are_those_of_the_code() -> None:
    text, timing = read_doc("method.md"), Timing()
    stops = {
        "min_samples": timing.min_samples,
        "min_time_s": timing.min_time_s,
        "target_ci": 100 * timing.target_ci,
        "max_time_s": timing.max_time_s,
    }
    for key, value in stops.items():
        assert re.search(rf"^\|[^|]+\| {value:g}\b[^|]*\| `{key}` \|$", text, re.MULTILINE), key
    assert (
        f"Default: {DEFAULT_LAUNCHES} launches. The shipped suite `quick` makes {load_suite('quick').launches}." in text
    )
    assert f"p90 needs {PERCENTILE_MINIMUM_N[90]} samples, p95 {PERCENTILE_MINIMUM_N[95]}, p99" in text
    assert f"Null below {FEWEST_LAUNCHES_FOR_INTERVAL} launches" in text


MLPERF_MINIMUM_N = {90: 64, 95: 130, 99: 662}


@pytest.mark.parametrize("rank", PERCENTILE_MINIMUM_N)
@pytest.mark.parametrize(("level", "minimum"), [(0.95, PERCENTILE_MINIMUM_N), (0.99, MLPERF_MINIMUM_N)])
def test_the_guards_of_percentiles_follow_the_rule_that_is_written(
    rank: int, level: float, minimum: dict[int, int]
) -> None:
    def at_most_one_above(n: int) -> float:
        share = rank / 100
        return float(share**n + n * (1 - share) * share ** (n - 1))

    fewest = minimum[rank]
    assert at_most_one_above(fewest) <= 1 - level < at_most_one_above(fewest - 1)


def test_the_coverages_are_those_of_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    simulation = importlib.import_module("interval_coverage")
    table = read_doc("method.md").partition("<!-- coverage table -->")[2].partition("<!-- end")[0]
    written = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.strip().splitlines()[2:]]
    trials = 400
    measured = list(simulation.measure_coverage(trials=trials))
    assert len(written) == len(measured)
    for cells, row in zip(written, measured, strict=True):
        assert cells[:3] == [row.noise, str(row.launches), row.target]
        for text, share in ((cells[3], row.of_student), (cells[5], row.of_bootstrap)):
            expected = float(text.removesuffix(" %")) / 100
            assert abs(share - expected) <= 4 * math.sqrt(expected * (1 - expected) / trials)


# -- dependencies ----------------------------------------------------------------------------------------------


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~ ;]", requirement)[0] for requirement in requirements}


def test_every_dependency_is_explained_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = read_doc("dependencies.md")
    assert set(first_cells(section_of(text, "## Required"))) == names_of(project["project"]["dependencies"])
    extras = project["project"]["optional-dependencies"]
    rows = set(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section_of(text, "## Extras"), re.MULTILINE))
    assert rows == {(extra, name) for extra, needed in extras.items() for name in names_of(needed)}
    tools = names_of([*project["dependency-groups"]["dev"], *project["build-system"]["requires"]])
    assert set(first_cells(section_of(text, "## Development"))) == tools


# -- workloads -------------------------------------------------------------------------------------------------


def builtin_families() -> list[Family]:
    """Those that this package declares: other packages and other tests may register more."""
    declared = importlib.metadata.distribution("assay").entry_points.select(group="assay.workload")
    return [families.get(name) for name in sorted(declared.names)]


def render_families() -> str:
    lines = [
        "| family | task | inputs | unit | default shape | batches | source |",
        "|---|---|---|---|---|---|---|",
    ]
    for family in builtin_families():
        shape = ", ".join(f"{name} {size}" for name, size in family.default_shape.items()) or "fixed"
        inputs = ", ".join(_input_text(spec) for spec in family.inputs)
        batches = ", ".join(map(str, family.default_batches))
        cells = (f"`{family.name}`", family.task, inputs, family.unit.value, shape, batches, family.reference)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _input_text(spec: InputSpec) -> str:
    dims = " x ".join(str(dim).replace("*", " · ").replace("+", " + ") for dim in spec.dims)
    return f"`{spec.name}` ({dims})"


def render_sizes() -> str:
    lines = ["| workload | tier | parameters | published | shape of its own | source |", "|---|---|---|---|---|---|"]
    for family in builtin_families():
        for label, size in family.sizes.items():
            shape = ", ".join(f"{name} {value}" for name, value in (size.shape or {}).items())
            exact = "" if size.parameters is None else f"{size.parameters:,}".replace(",", " ")
            published = format_count(size.published) if size.published else ""
            cells = (f"`{family.name}/{label}`", size.tier.value, exact, published, shape, size.source)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {"families": render_families, "sizes": render_sizes}


def fill_tables(text: str) -> str:
    for name, render in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{render()}\n{end}{rest.partition(end)[2]}"
    return text


def test_the_tables_of_workloads_are_those_of_the_registry() -> None:
    text = read_doc("workloads.md")
    assert text == fill_tables(text), "refresh with: python tests/docs/test_docs.py"


# -- examples --------------------------------------------------------------------------------------------------


def measure(
    workload: str, engine: str, *, shape: Mapping[str, int] | None = None, **more: Any
) -> tuple[LaunchRecord, ResultRecord]:
    """One launch by the worker's own code, in this process, with the shortest windows."""
    from assay.runner.child import Speaker
    from assay.runner.worker import run_job

    case = Case.make(workload=workload, engine=engine, device="cpu", shape=shape, **more)
    timing = Timing(min_time_s=0.01, max_time_s=0.05, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.05)
    job = Job(case, dict(shape or {}), 1, 0, timing, 0)
    with Path(os.devnull).open("wb") as nowhere:
        measured: Measured = run_job(job, Speaker(nowhere.fileno()), 1)
    launch = record_launch(LaunchOutcome(measured, datetime.now(UTC), 1, 0.0), 0, run_id="run", result_id="result")
    planned = PlannedCase(case, resolve_workload(workload), job.threads)
    identity = CaseIdentity("result", "run", "any", 1)
    return launch, summarise_case(identity, planned, [launch], now=datetime.now(UTC), parameters=measured.parameters)


@pytest.fixture(scope="module")
def extras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package of docs/extending.md, installed for this module; the registries are restored after it."""
    folder = tmp_path_factory.mktemp("site")
    text = read_doc("extending.md")
    for body in blocks_of(text, "python"):
        file = folder / body.splitlines()[0].removeprefix("# ")
        file.parent.mkdir(exist_ok=True)
        file.write_text(body, encoding="utf-8")
    (toml,) = blocks_of(text, "toml")
    project = tomllib.loads(toml)["project"]
    info = folder / "assay_extras-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8")
    groups = [
        f"[{group}]\n" + "\n".join(f"{name} = {module}" for name, module in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        registries: tuple[Any, ...] = (
            engines, families, trainables, datasets, metrics, rules, report_kinds, renderers,
        )  # fmt: skip
        for registry in registries:
            patch.setattr(registry, "_declared", None)
            patch.setattr(registry, "_loaded", dict(registry._loaded))
        yield
        own = {name for points in project["entry-points"].values() for name in points}
        loaded = [{name: one for name, one in registry._loaded.items() if name not in own} for registry in registries]
    for registry, known in zip(registries, loaded, strict=True):
        registry._loaded |= known  # what was imported meanwhile registers no second time
    for name in [name for name in sys.modules if name.partition(".")[0] == "assay_extras"]:
        del sys.modules[name]


@pytest.mark.usefixtures("extras")
def test_the_package_of_extending_is_found_and_measured() -> None:
    assert "torch-autocast" in engines.names()
    assert "mlp" in families.names()
    for engine in ("torch", "torch-autocast"):
        launch, result = measure("mlp/tiny", engine, precision="bf16", batch=2)
        assert (launch.effective_precision, result.status.value, result.parameters) == ("bf16", "ok", 131_584)
        assert result.metric("latency_ns") is not None


@pytest.mark.usefixtures("extras")
def test_the_trainable_and_the_data_set_of_extending_are_learned() -> None:
    launch, result = measure("mlp/tiny", "torch", mode="training", batch=64)
    assert result.status.value == "ok"
    assert launch.engine_facts["objective"].startswith("which of four features")
    options = {"dataset": "stripes", "target": 0.8, "epochs": 4}
    launch, result = measure("resnet/tiny", "torch", mode="training", batch=32, shape={"image": 16}, options=options)
    reached = result.metric("time_to_train_ns")
    assert reached is not None
    assert reached.value is not None
    assert launch.engine_facts["dataset_kind"] == "synthetic"


@pytest.mark.usefixtures("extras")
def test_the_metric_of_extending_can_be_derived() -> None:
    assert metrics.get("latency_per_parameter_ns").direction.value == "lower"
    module: Any = importlib.import_module("assay_extras.metrics")
    _, result = measure("mlp/tiny", "torch")
    latency, derived = result.metric("latency_ns"), module.latency_per_parameter(result)
    assert latency is not None
    assert latency.value is not None
    assert derived.value == latency.value / 131_584


@pytest.mark.usefixtures("extras")
def test_the_rule_of_extending_gives_advice() -> None:
    assert "small-model" in rules.names()
    _, result = measure("mlp/tiny", "torch")
    [advice] = rules.get("small-model")(Ground((result,), (result,)))
    assert advice.because == "the model has only 131584 parameters"


@pytest.mark.usefixtures("extras")
def test_the_report_and_the_format_of_extending_work_with_all_others(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    import_paths(store, [ROOT / "tests" / "importers" / "seeds" / "timm"])
    report = build_report(store, "sizes", ReportRequest())
    (table,) = report.tables()
    assert table.rows
    assert render_report(report, "titles").decode().splitlines() == ["Sizes", "Parameters"]
    assert b"Parameters" in render_report(report, "html")


def test_the_model_of_measuring_is_measured_and_every_reading_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (body,) = blocks_of(read_doc("measuring.md"), "python")
    (tmp_path / body.splitlines()[0].removeprefix("# ")).write_text(body, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    launch, result = measure("my_model:make", "torch", batch=8)
    assert (result.status.value, result.units_per_call) == ("ok", 8.0)
    text, environment = read_doc("measuring.md"), read_doc("environment.md")
    explained = {name: set(first_cells(section_of(text, f"### `{name}`"))) for name in (
        "costs_ns", "memory_bytes", "witnesses", "samples")}  # fmt: skip
    assert set(launch.costs_ns) == explained["costs_ns"]
    assert set(launch.memory_bytes) <= explained["memory_bytes"]
    known = explained["witnesses"] | set(first_cells(section_of(environment, "## Witnesses of noise")))
    assert set(launch.witnesses) <= known
    assert {series.name for series in launch.samples} <= explained["samples"]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| \w+ \| ([^|]+) \|", text, re.MULTILINE)
    statistics = {(name, stat) for name, stats in rows for stat in re.findall(r"`(\w+)`", stats)}
    assert {(metric.name, metric.stat) for metric in result.metrics} <= statistics


TESTED_ALONE = {"api.md", "extending.md", "importing.md", "measuring.md", "predict-serving.md", "rest-api.md"}


def test_python_of_other_pages_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))
    import_paths(Store.open(), [ROOT / "tests" / "importers" / "seeds" / "timm"])  # some pages ask for a run
    for page in PAGES:
        namespace: dict[str, Any] = {"__name__": "example"}
        bodies = [] if page.name in TESTED_ALONE else blocks_of(TEXTS[page], "python")
        for body in bodies:
            exec(compile(body, page.name, "exec"), namespace)  # noqa: S102  (our own docs)


@pytest.mark.skipif(not LLM_PILOT.is_dir(), reason="the published data of LLM-Pilot is not here")
def test_a_setup_is_chosen_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llm_pilot").symlink_to(LLM_PILOT.resolve())
    (body,) = blocks_of(read_doc("predict-serving.md"), "python")
    exec(compile(body, "predict-serving.md", "exec"), {"__name__": "example"})  # noqa: S102  (our own docs)
    assert "Choice(setup=" in capsys.readouterr().out


if __name__ == "__main__":
    page = DOCS / "workloads.md"
    page.write_text(fill_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
