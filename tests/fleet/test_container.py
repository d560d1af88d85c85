"""The files of ``container/`` say what they should; no image is built here."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

CONTAINER = Path(__file__).parents[2] / "container"


def test_the_job_runs_a_fleet_and_keeps_its_ledger() -> None:
    job, claim = yaml.safe_load_all((CONTAINER / "job.yaml").read_text(encoding="utf-8"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert job["kind"] == "Job"
    assert container["args"][:2] == ["fleet", "run"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_an_image_ends_as_an_ordinary_user(name: str) -> None:
    lines = (CONTAINER / name).read_text(encoding="utf-8").splitlines()
    words = [line.split(maxsplit=1) for line in lines if line and not line.startswith(("#", " "))]
    assert words[0][0] in {"FROM", "ARG"}
    assert [word[1] for word in words if word[0] == "USER"] == ["assay"]
    assert words[-2:] == [["ENTRYPOINT", '["assay"]'], ["CMD", '["doctor"]']]
    assert any("fleet]" in line for line in lines), "nodes need the extra"
    assert ".git" in (CONTAINER / f"{name}.dockerignore").read_text(encoding="utf-8").split()
