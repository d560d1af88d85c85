"""`shader_cache=warm`: one profile at one address, from launch to launch."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.core.absence import Unavailable
from assay.core.errors import EngineError, UsageError
from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.web import launch
from assay.engines.web.assets import find_runtime
from assay.engines.web.backends import WEBGPU
from assay.engines.web.browsers import find_browser
from assay.engines.web.profile import KEPT_PORT, PORT_VARIABLE, KeptOrigin, kept_origin, note_launch
from assay.workloads.base import find_workload


def test_a_profile_remembers_its_port(tmp_path: Path) -> None:
    assert kept_origin(tmp_path / "absent", {}) == KeptOrigin(KEPT_PORT, 0)
    note_launch(tmp_path, KeptOrigin(9001, 0))
    note_launch(tmp_path, kept_origin(tmp_path, {}))
    assert kept_origin(tmp_path, {}) == KeptOrigin(9001, 2)
    assert kept_origin(tmp_path, {PORT_VARIABLE: "9001"}) == KeptOrigin(9001, 2)
    assert kept_origin(tmp_path, {PORT_VARIABLE: "9002"}) == KeptOrigin(9002, 0), "where nothing was compiled yet"


@pytest.mark.parametrize("note", ["", "[]", '{"port": 8436}', '{"port": 0, "launches": 1}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, note: str) -> None:
    (tmp_path / "assay-origin.json").write_text(note)
    assert kept_origin(tmp_path, {}) == KeptOrigin(KEPT_PORT, 0)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http"])
def test_a_port_must_be_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=f"{PORT_VARIABLE} is {text!r}; expected a port"):
        kept_origin(tmp_path, {PORT_VARIABLE: text})


def bind_below(holder: socket.socket) -> None:
    """Take a port below those that systems hand out by themselves: of those, somebody else may take it in between."""
    while True:
        with contextlib.suppress(OSError):
            holder.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return


@pytest.fixture
def warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LoadRequest, Path, socket.socket]]:
    """A warm case, its profile, and a socket that has its port."""
    for found in (find_runtime(), find_browser()):
        if isinstance(found, Unavailable):
            pytest.skip(f"no browser: {found}")
    monkeypatch.setattr(launch, "kept_folder", lambda _name: tmp_path / "profile")
    workload = find_workload("bert/tiny")
    shape = workload.resolve_shape({})
    options = {"shader_cache": "warm"}
    with socket.socket() as holder:
        bind_below(holder)
        monkeypatch.setenv(PORT_VARIABLE, str(holder.getsockname()[1]))
        request = LoadRequest(workload, "webgpu", Precision.FP32, 1, shape, threads=1, seed=0, options=options)
        yield request, tmp_path / "profile", holder


def test_warm_launches_have_one_profile_at_one_address(warm: tuple[LoadRequest, Path, socket.socket]) -> None:
    request, profile, holder = warm
    port = holder.getsockname()[1]
    holder.close()
    seen = []
    for _ in range(2):
        with launch.open_launch(request, WEBGPU) as page:
            assert page.url.startswith(f"http://127.0.0.1:{port}/")
            seen.append(page.facts[launch.SHADER_LAUNCHES])
    assert seen == ["0", "1"], "the first of them is as cold as any"
    assert json.loads((profile / "assay-origin.json").read_text()) == {"port": port, "launches": 2}


def test_a_port_that_somebody_has_makes_no_cold_launch_of_a_warm_one(
    warm: tuple[LoadRequest, Path, socket.socket],
) -> None:
    request, profile, holder = warm
    holder.listen()
    with pytest.raises(EngineError, match=rf"port is in use\. Warm launches need one address.*set {PORT_VARIABLE}"):
        launch.open_launch(request, WEBGPU)
    assert not (profile / "assay-origin.json").exists()
