"""Run in another environment's Python: say what it is, and which cases of a suite it could run.

Started as ``python -m assay.trials.inside``: one JSON object from standard input, one to standard output. It must do
with the packages of a worker, so no pydantic and no yaml. May import: core, probes, runner.plan.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import assay
from assay.core.errors import AssayError
from assay.core.words import Mode, Precision
from assay.probes.devices import Device
from assay.probes.software import collect_python
from assay.runner.plan import Machine, Plan, make_plan
from assay.runner.suite_model import CaseMatrix, Suite
from assay.runner.suite_yaml import Positions


def main() -> None:
    """Answer one question."""
    answer_to = os.dup(1)
    os.dup2(2, 1)  # whatever an extension prints when it is imported is no part of the answer
    question = json.loads(sys.stdin.read())
    os.write(answer_to, json.dumps(answer(question)).encode())


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this environment is, which assay it imports and its plan, or ``error`` in words."""
    try:
        plan = make_plan(read_suite(question["suite"], question["source"]), read_machine(question["machine"]))
    except AssayError as error:
        return {"error": error.message}
    return {"python": collect_python(), "assay": str(Path(assay.__file__).parent), "cases": _describe(plan)}


def read_suite(content: Mapping[str, Any], source: str) -> Suite:
    """Read what ``suite_to_dict`` wrote, which was checked already, as far as planning needs it."""
    cases = tuple(
        CaseMatrix(
            models=tuple(entry["model"]),
            engines=tuple(entry["engine"]),
            devices=tuple(entry["device"]),
            modes=tuple(map(Mode, entry["mode"])),
            precisions=tuple(map(Precision, entry["precision"])),
            batches=tuple(entry["batch"]) if "batch" in entry else None,
            shape=tuple(sorted((name, tuple(sizes)) for name, sizes in entry.get("shape", {}).items())),
            threads=tuple(entry["threads"]) if "threads" in entry else None,
            options=tuple(sorted((name, tuple(values)) for name, values in entry.get("options", {}).items())),
        )
        for entry in content["cases"]
    )
    return Suite(name=content["name"], cases=cases, seed=content["seed"], positions=Positions(source))


def read_machine(content: Mapping[str, Any]) -> Machine:
    """Read the machine as the supervisor found it: there is but one."""
    return Machine(**{**content, "devices": tuple(Device(**device) for device in content["devices"])})


def _describe(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "case": planned.case.to_dict(),
            "threads": planned.threads,
            "obstacle": planned.obstacle
            and {"status": planned.obstacle.status, "reason": planned.obstacle.reason, "key": planned.obstacle.key},
        }
        for planned in plan.cases
    ]


if __name__ == "__main__":
    main()
