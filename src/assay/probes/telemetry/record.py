"""Record telemetry where the hardware is, to be replayed where it is not.

May import: standard library and core.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.probes.nvidia import load_nvml
from assay.probes.telemetry.amd import load_amdsmi, open_amd
from assay.probes.telemetry.base import Source, Telemetry
from assay.probes.telemetry.nvml import open_nvml
from assay.probes.telemetry.replay import RawTrace, save_raw
from assay.probes.telemetry.sampler import Sampler

_OWNER: Final = ("UUID", "Uuid", "uuid", "Serial", "serial", "bdf", "PciInfo")
"""Answers to these identify the owner's device, and are never kept."""


class RecordingLibrary:
    """Stands before pynvml or amdsmi and writes down every question and answer, for :class:`RawTrace`.

    Answers that are structures are kept as their public fields, errors as ``{"error": code}``.
    """

    def __init__(self, library: Any, kind: str, *, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._library, self._kind, self._clock = library, kind, clock
        self._begin_ns = clock()
        self._answers: dict[str, tuple[list[float], list[Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        """Pass everything on; functions that read a device are written down."""
        member = getattr(self._library, name)
        if isinstance(member, type) or not callable(member) or not name.startswith(("nvmlDeviceGet", "amdsmi_get_")):
            return member

        if any(word in name for word in _OWNER):
            return member

        def ask(*arguments: Any) -> Any:
            try:
                answer = member(*arguments)
            except Exception as error:
                code = getattr(error, "value", getattr(error, "err_code", None))
                self._keep(name, arguments, {"error": code if isinstance(code, int) else 999})
                raise
            self._keep(name, arguments, _to_plain(answer))
            return answer

        return ask

    def to_trace(self, note: str) -> RawTrace:
        """Return what was written down so far."""
        answers = {question: (tuple(times), tuple(values)) for question, (times, values) in self._answers.items()}
        return RawTrace(self._kind, constructed=False, note=note, answers=answers)

    def _keep(self, name: str, arguments: Sequence[Any], answer: Any) -> None:
        if answer is not None:
            # The first argument is the handle; enumeration members are known by their name.
            rest = [str(getattr(argument, "name", argument)) for argument in arguments[1:]]
            times, values = self._answers.setdefault("/".join([name, *rest]), ([], []))
            times.append((self._clock() - self._begin_ns) / 1e9)
            values.append(answer)


def record_trace(
    sources: Sequence[Source], seconds: float, path: Path, *, wait: Callable[[float], None] = time.sleep
) -> Telemetry:
    """Sample open ``sources`` for ``seconds`` and keep the readings as JSON in ``path``; returns them too.

    :func:`record_raw` keeps what the vendor's library itself answered; :func:`load_recorded` reads this back.
    """
    sampler = Sampler(sources)
    sampler.start()
    try:
        wait(seconds)
    finally:
        telemetry = sampler.stop()
    path.write_text(json.dumps(telemetry.to_dict()) + "\n", encoding="utf-8")
    return telemetry


def record_raw(
    device: str, seconds: float, path: Path, *, note: str, wait: Callable[[float], None] = time.sleep
) -> Telemetry:
    """Record what the vendor's library answers about ``device`` (``cuda:0``, ``rocm:0``), for replays elsewhere.

    ``note`` should say which machine it was and what it did meanwhile. Raises AssayError where the library or the
    device is not there.
    """
    recorders: list[RecordingLibrary] = []

    def watch(library: Any, kind: str) -> Any:
        if library is None or isinstance(library, Unavailable):
            return library
        recorders.append(RecordingLibrary(library, kind))
        return recorders[0]

    source: Source | Unavailable = Unavailable("only cuda and rocm devices have a library whose answers can be kept")
    if device.startswith("cuda"):
        source = open_nvml(device, nvml=lambda: watch(load_nvml(), "nvml"))
    elif device.startswith("rocm"):
        source = open_amd(device, load=lambda: watch(load_amdsmi(), "amdsmi"))
    if isinstance(source, Unavailable):
        raise AssayError(f"Nothing can be recorded of {device}: {source.reason}.", hint=source.install_hint)
    sampler = Sampler([source])
    sampler.start()
    try:
        wait(seconds)
    finally:
        telemetry = sampler.stop()
        source.close()
    save_raw(recorders[0].to_trace(note), path)
    return telemetry


def load_recorded(path: Path) -> Telemetry:
    """Read what :func:`record_trace` kept."""
    return Telemetry.from_dict(json.loads(path.read_text(encoding="utf-8")))


def _to_plain(answer: Any) -> Any:
    """A JSON-able copy: numbers and texts as they are, lists of processes as their length, structures by field."""
    if isinstance(answer, (bool, int, float, str)):
        return answer
    if isinstance(answer, bytes):
        return answer.decode(errors="replace")
    if isinstance(answer, dict):
        return {str(key): _to_plain(value) for key, value in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [None] * len(answer)  # whose processes they are is nobody's business
    fields = [name for name, *_ in getattr(answer, "_fields_", ())] or list(getattr(answer, "__dict__", ()))
    return {name: _to_plain(getattr(answer, name)) for name in fields} or None
