"""What a suite is, once read: frozen values that the planner expands to cases.

A suite comes from a YAML file (``load_suite``, ``parse_suite``) or from command-line flags (``build_suite``); all
three hold the same rules and report every fault at once, with its place. May import: core and, inside functions,
the suite modules beside this one (those import yaml and pydantic, which costs 100 ms and more).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from assay.catalog.targets import Target, parse_target, target_to_content
from assay.core.case import Scalar
from assay.core.errors import SuiteError, UnknownNameError
from assay.core.words import Mode, Precision
from assay.runner.suite_yaml import MAX_BYTES, Positions, load_yaml, refuse_large
from assay.runner.timing import Timing

DEFAULT_LAUNCHES = 5
DEFAULT_LAUNCH_LIMIT_S = 600.0
DEFAULT_SEED = 0
DEFAULT_ENGINE = "torch"
DEFAULT_DEVICE = "auto"


@dataclass(frozen=True, slots=True)
class CaseMatrix:
    """One entry of ``cases``: the product of its lists, each in the order written, none of them empty.

    ``models`` are ``family/size`` names (``families``, ``tiers`` and ``max_size`` are already expanded) or
    references that the planner resolves: ``hf:...``, a folder, ``module:function``. ``devices`` may hold ``auto``.
    ``batches`` None means each workload's own default batches; ``threads`` None means the planner's choice.
    ``shape`` has one ``(dimension, sizes)`` pair for each dimension given, sorted by name, each of which at least one
    of the models has (a reference may have any); a model varies the dimensions that it has. ``options`` has one
    ``(name, values)`` pair for each option given, sorted by name. ``is_quick`` is False for an entry that
    `assay.runner.quick` leaves out.
    """

    models: tuple[str, ...]
    engines: tuple[str, ...] = (DEFAULT_ENGINE,)
    devices: tuple[str, ...] = (DEFAULT_DEVICE,)
    modes: tuple[Mode, ...] = (Mode.INFERENCE,)
    precisions: tuple[Precision, ...] = (Precision.FP32,)
    batches: tuple[int, ...] | None = None
    shape: tuple[tuple[str, tuple[int, ...]], ...] = ()
    threads: tuple[int, ...] | None = None
    options: tuple[tuple[str, tuple[Scalar, ...]], ...] = ()
    is_quick: bool = True

    @property
    def combinations(self) -> int:
        """How many cases the lists span, counting omitted batches and threads as one."""
        spans = (self.models, self.engines, self.devices, self.modes, self.precisions)
        return math.prod(
            [*map(len, spans), len(self.batches or (0,)), len(self.threads or (0,))]
            + [len(values) for _, values in (*self.shape, *self.options)]
        )


@dataclass(frozen=True, slots=True)
class Suite:
    """A validated suite. ``cases[i]`` is the i-th entry of the file; ``launch_limit_s`` is in seconds.

    ``entry_numbers`` are the places in the file of what is left of its entries, empty where all are. Equality ignores
    where the suite came from.
    """

    name: str
    cases: tuple[CaseMatrix, ...]
    description: str = ""
    version: int = 1
    launches: int = DEFAULT_LAUNCHES
    timing: Timing = field(default_factory=Timing)
    launch_limit_s: float = DEFAULT_LAUNCH_LIMIT_S
    seed: int = DEFAULT_SEED
    energy: bool = False
    targets: tuple[Target, ...] = ()
    positions: Positions = field(default_factory=lambda: Positions("command line"), compare=False, repr=False)
    entry_numbers: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def position_of(self, matrix_index: int, key: str, item: int | str | None = None) -> str:
        """Say where a case key was written, as ``file:line:column``: in the entry, else under ``defaults``.

        ``key`` is the file's word (``precision``, ``device``, ``shape``); ``item`` narrows it to one element of its
        list or one dimension of ``shape``. A key written nowhere gives the place of the entry, and a suite that
        came from no file gives the name of its source.
        """
        tail = () if item is None else (item,)
        matrix_index = self.entry_numbers[matrix_index] if self.entry_numbers else matrix_index
        for path in (("cases", matrix_index, key), ("defaults", key)):
            if path in self.positions.values:
                return self.positions.locate((*path, *tail))
        return self.positions.locate(("cases", matrix_index, key, *tail))


def suite_names() -> tuple[str, ...]:
    """Names of the suites that come with assay, sorted."""
    folder = files("assay.runner").joinpath("suites")
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_suite(ref: str | Path) -> Suite:
    """Read a suite: the name of a shipped one, or the path of a YAML file (a shipped name wins).

    Raises UnknownNameError for a name that is neither, SuiteError for a file that cannot be read or used.
    """
    names = suite_names()
    if isinstance(ref, str) and ref in names:
        text = files("assay.runner").joinpath("suites", f"{ref}.yaml").read_text(encoding="utf-8")
        return parse_suite(text, path=f"{ref}.yaml")
    path = Path(ref)
    is_name = isinstance(ref, str) and path.name == ref and path.suffix not in (".yaml", ".yml")
    if is_name and not path.is_file():
        raise UnknownNameError("suite", str(ref), names, hint="A file is given by its path, ending in .yaml.")
    return parse_suite(_read_text(path), path=str(path))


def parse_suite(text: str, *, path: str = "suite.yaml") -> Suite:
    """Read the text of a suite file; ``path`` is its name in messages. Raises SuiteError listing every fault."""
    content, positions = load_yaml(text, path=path)
    return build_suite(content, positions=positions)


def build_suite(content: Any, *, positions: Positions | None = None) -> Suite:
    """Make a suite from plain values in the form of the file (flags go through here). Raises SuiteError."""
    from assay.runner.suite_check import check_content

    where = positions or Positions("command line")
    checked, matrices = check_content(content, where)
    return Suite(
        name=checked.name,
        cases=matrices,
        description=checked.description,
        version=checked.version,
        launches=checked.launches,
        timing=Timing(**checked.timing.model_dump()),
        launch_limit_s=checked.launch_limit_s,
        seed=checked.seed,
        energy=checked.energy,
        targets=tuple(map(parse_target, checked.targets)),
        positions=where,
    )


def suite_to_dict(suite: Suite) -> dict[str, Any]:
    """Return the suite as JSON-able plain values in the form of the file; ``build_suite`` reads them back."""
    return {
        "name": suite.name,
        "description": suite.description,
        "version": suite.version,
        "launches": suite.launches,
        "timing": suite.timing.to_dict(),
        "launch_limit_s": suite.launch_limit_s,
        "seed": suite.seed,
        "energy": suite.energy,
        **({"targets": [target_to_content(target) for target in suite.targets]} if suite.targets else {}),
        "cases": [_matrix_to_dict(matrix) for matrix in suite.cases],
    }


def suite_json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a suite file, for editors that complete and check as one types."""
    from assay.runner.suite_schema import make_json_schema

    return make_json_schema()


def _matrix_to_dict(matrix: CaseMatrix) -> dict[str, Any]:
    content: dict[str, Any] = {
        "model": list(matrix.models),
        "engine": list(matrix.engines),
        "device": list(matrix.devices),
        "mode": [mode.value for mode in matrix.modes],
        "precision": [precision.value for precision in matrix.precisions],
    }
    # Omitted and given are different requests, so what was omitted stays out.
    optional: Mapping[str, Any] = {
        "batch": matrix.batches and list(matrix.batches),
        "shape": {name: list(sizes) for name, sizes in matrix.shape},
        "threads": matrix.threads and list(matrix.threads),
        "options": {name: list(values) for name, values in matrix.options},
    }
    content |= {key: value for key, value in optional.items() if value}
    return content if matrix.is_quick else content | {"quick": False}


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            # One byte more than allowed: enough to tell, and an endless file ends here too.
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SuiteError(
            f"Suite file {str(path)!r} cannot be read: {reason}.",
            hint=f"Give the path of a YAML file, or one of the shipped suites: {', '.join(suite_names())}.",
        ) from error
    refuse_large(len(content), str(path))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise SuiteError(
            f"{path}:{line}:{column}: got a byte that is not UTF-8 (0x{content[error.start]:02x}).",
            hint="Save the file as UTF-8.",
        ) from error
