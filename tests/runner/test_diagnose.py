"""The diagnosis: of this machine for real, and of what this machine does not have with pieces put in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.core.records import SCHEMA_VERSION
from assay.probes.devices import Device, detect_devices
from assay.runner import diagnose as module
from assay.runner.diagnose import Finding, diagnose
from assay.store import Store
from assay.store.location import MARKER

LEVELS = {"ok", "note", "warning", "missing", "error"}
ANSWER = {"version": "2.13.0", "cuda": False, "rocm": False, "mps": False, "xpu": False, "blas": "MKL", "onednn": True}


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch and transformers answer at once that they work."""
    monkeypatch.setattr(module, "_ask_torch", lambda: ANSWER)
    monkeypatch.setattr(module, "_run_python", lambda _code: ("", None))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in {"torch", "transformers"} else None)


def of(findings: list[Finding], area: str) -> list[Finding]:
    return [finding for finding in findings if finding.area == area]


def test_this_machine_can_be_diagnosed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASK_TRANSFORMERS", "import transformers")  # not its models, which take six seconds
    findings = diagnose(str(tmp_path / "store"))
    assert [finding.area for finding in findings] == sorted(
        (finding.area for finding in findings), key=["hardware", "engines", "energy", "timing", "store"].index
    )
    assert {finding.level for finding in findings} <= LEVELS
    assert of(findings, "hardware")[0].what.startswith("cpu: ")
    (store,) = [one for one in of(findings, "store") if one.level == "ok"]
    assert store.what == f"{tmp_path / 'store'}: 0 runs, writable"


@pytest.mark.usefixtures("no_processes")
def test_a_gpu_that_pytorch_cannot_use_is_a_warning_with_advice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    devices = (Device("cpu", "cpu", "some CPU", None), Device("cuda:0", "cuda", "some GPU", 80 * 1024**3))
    monkeypatch.setattr(module, "detect_devices", lambda: devices)
    (warning,) = [one for one in of(diagnose(str(tmp_path)), "hardware") if one.level == "warning"]
    assert warning.what == "cuda:0: some GPU, 80.0 GiB: PyTorch cannot use it"
    assert warning.advice == "install a PyTorch built for cuda, and the driver"
    monkeypatch.setattr(module, "_ask_torch", lambda: ANSWER | {"cuda": True})
    assert [one.what for one in of(diagnose(str(tmp_path)), "hardware") if one.level == "ok"] == [
        "cpu: some CPU",
        "cuda:0: some GPU, 80.0 GiB",
    ]


def test_a_pytorch_that_is_not_there_is_missing_and_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    findings = of(diagnose(str(tmp_path)), "engines")
    assert Finding("engines", "missing", "torch: PyTorch is not installed", "pip install 'assay[torch]'") in findings
    assert {finding.level for finding in findings} == {"missing"}
    assert all(finding.advice for finding in findings)


@pytest.mark.usefixtures("no_processes")
def test_a_broken_pytorch_is_an_error_with_its_last_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_ask_torch", lambda: {"error": "ImportError: libcudart.so.12: no such file"})
    (finding,) = [one for one in of(diagnose(str(tmp_path)), "engines") if one.what.startswith("torch:")]
    assert (finding.level, finding.advice) == ("error", "reinstall torch")
    assert finding.what.endswith("cannot be imported: ImportError: libcudart.so.12: no such file")


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize(
    ("torchvision", "advice"),
    [(True, "pip uninstall torchvision (assay does not need it)"), (False, "pip install -U transformers")],
)
def test_transformers_that_cannot_be_imported_is_an_error_that_names_the_culprit(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    torchvision: bool,  # noqa: FBT001  (a parameter of pytest's)
    advice: str,
) -> None:
    installed = {"torch", "transformers", *(["torchvision"] if torchvision else [])}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr(module, "_run_python", lambda _code: ("", "RuntimeError: operator torchvision::nms"))
    errors = [one for one in of(diagnose(str(tmp_path)), "engines") if one.level == "error"]
    (error,) = [one for one in errors if one.what.startswith("transformers")]
    assert error.what == "transformers' models cannot be imported: RuntimeError: operator torchvision::nms"
    assert error.advice == advice


@pytest.mark.usefixtures("no_processes")
def test_a_store_that_cannot_be_used_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    (finding,) = of(diagnose(str(file / "store")), "store")
    assert finding.level == "error"
    assert finding.what == f"No store could be made in {file / 'store'}: a part of the path is a file."
    assert finding.advice == "Choose another folder with --store or ASSAY_STORE."


@pytest.mark.usefixtures("no_processes")
def test_a_store_of_a_newer_assay_is_a_finding(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    Path(store.location, MARKER).write_text(json.dumps({"format": "assay-store", "schema_version": 99}))
    (finding,) = of(diagnose(store.location), "store")
    assert f"was written by assay schema 99; this assay reads up to {SCHEMA_VERSION}." in finding.what


@pytest.mark.usefixtures("no_processes")
def test_a_store_whose_tables_cannot_be_read_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from assay.core.errors import StoreError

    def fail(_store: Store) -> Any:
        raise StoreError("The table runs is damaged.", hint="assay store check")

    monkeypatch.setattr(Store, "runs", fail)
    assert of(diagnose(str(tmp_path / "store")), "store") == [
        Finding("store", "error", "The table runs is damaged.", "assay store check")
    ]


@pytest.mark.usefixtures("no_processes")
def test_runs_of_dead_processes_are_a_warning(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    store.check_writable()
    Path(store.location, "journal", "01a20000-0000-7000-8000-000000000000.jsonl").write_text("")
    (warning,) = [one for one in of(diagnose(store.location), "store") if one.level == "warning"]
    assert warning == Finding("store", "warning", "1 run(s) of processes that are gone", "assay store recover")


@pytest.mark.usefixtures("no_processes")
def test_what_bends_timings_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_load_average", lambda: 1.7)
    busy = Finding("timing", "warning", "the machine is busy (load 1.7)", "stop other work before measuring")
    assert busy in of(diagnose(str(tmp_path)), "timing")
    monkeypatch.setattr(module, "_load_average", lambda: 0.1)
    assert Finding("timing", "ok", "the machine is quiet (load 0.1)") in of(diagnose(str(tmp_path)), "timing")


def test_code_asked_in_a_process_of_its_own() -> None:
    assert module._run_python("print('a warning'); print('the answer')") == ("the answer", None)
    assert module._run_python("raise ValueError('broken')") == ("", "ValueError: broken")
    assert module._run_python("import sys; sys.exit(3)") == ("", "exit code 3")
    assert module._run_python("pass") == ("", None)


def test_a_process_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASK_TORCH_S", 0.2)
    assert module._run_python("import time; time.sleep(60)") == ("", "no answer within 0.2 s")


@pytest.mark.usefixtures("no_processes")
def test_a_device_without_a_meter_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    absent = {"rapl": Unavailable("no RAPL counter", "modprobe intel_rapl_msr")}
    monkeypatch.setattr(module, "choose_sources", lambda _device: ([], absent))
    findings = of(diagnose(str(tmp_path)), "energy")
    assert [(one.level, one.what, one.advice) for one in findings] == [
        ("missing", f"{device.name}: rapl: no RAPL counter", "modprobe intel_rapl_msr") for device in detect_devices()
    ]
