"""Doubles of the vendors' libraries and of the kernel's files, which answer from a raw trace.

They stand where the real reader is injected into a source, and nowhere else. May import: standard library and core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from assay.probes.telemetry.replay import RawTrace, ReplayClock


class ReplayedNvmlError(Exception):
    """Stands for ``pynvml.NVMLError``: ``value`` is the code."""

    def __init__(self, value: int) -> None:
        names = {3: "Not Supported", 13: "Function Not Found", 15: "GPU is lost", 999: "Unknown Error"}
        super().__init__(names.get(value, f"NVML error {value}"))
        self.value = value


class ReplayNvml:
    """Answers as the module pynvml does, from a raw trace. Board i of ``boards`` is handle ``i``.

    A function that the trace does not know is missing from the module, as from an old pynvml. ``slices`` gives the
    UUIDs of MIG slices of board 0; their questions are recorded with the prefix ``mig:``.
    """

    NVMLError = ReplayedNvmlError

    def __init__(
        self,
        trace: RawTrace,
        clock: ReplayClock,
        *,
        boards: Sequence[tuple[str, str]] = (("NVIDIA Replay", "GPU-00000000-0000-0000-0000-000000000000"),),
        slices: Sequence[str] = (),
    ) -> None:
        self._trace, self._clock, self._boards, self._slices = trace, clock, tuple(boards), tuple(slices)
        self.is_open = False

    def nvmlInit(self) -> None:  # noqa: N802  (NVML's names, here and below)
        """Open."""
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        """Close."""
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        """Count the boards."""
        return len(self._boards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        """Return a board's handle."""
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        """Return a board's name."""
        return self._boards[handle][0]

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        """Return a board's UUID."""
        return self._boards[handle][1]

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:  # noqa: N802
        """Return (current, pending)."""
        is_on = int(bool(self._slices) and handle == 0)
        return [is_on, is_on]

    def nvmlDeviceGetMaxMigDeviceCount(self, _handle: int) -> int:  # noqa: N802
        """Return how many slices a board can have."""
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, _handle: int, index: int) -> str:  # noqa: N802
        """Return a slice's handle."""
        if index >= len(self._slices):
            raise ReplayedNvmlError(6)
        return self._slices[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        """Find a slice."""
        if uuid not in self._slices:
            raise ReplayedNvmlError(6)
        return uuid

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, _handle: str) -> int:  # noqa: N802
        """Return the board of a slice."""
        return 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Every other function comes from the trace, as ``name`` or ``name/argument``, for a slice ``mig:name``."""
        if not any(question.removeprefix("mig:").partition("/")[0] == name for question in self._trace.answers):
            raise AttributeError(name)

        def answer(handle: int | str, *arguments: int) -> Any:
            question = "/".join([name, *map(str, arguments)])
            if isinstance(handle, str):
                question = f"mig:{question}"
            if question not in self._trace.answers:
                raise ReplayedNvmlError(3)
            value = self._trace.at(question, self._clock() / 1e9)
            if isinstance(value, dict) and "error" in value:
                raise ReplayedNvmlError(value["error"])
            return SimpleNamespace(**value) if isinstance(value, dict) else value

        return answer


class ReplayedAmdError(Exception):
    """Stands for ``amdsmi.AmdSmiException``: ``err_code`` is the status."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Error code:\n\t{code} | replayed")
        self.err_code = code


class ReplayAmdsmi:
    """Answers as the module amdsmi does, from a raw trace, for one GPU or several that are alike."""

    AmdSmiException = ReplayedAmdError
    AmdSmiMemoryType = SimpleNamespace(VRAM="VRAM")
    AmdSmiClkType = SimpleNamespace(SYS="SYS", MEM="MEM")
    AmdSmiTemperatureType = SimpleNamespace(HOTSPOT="HOTSPOT", EDGE="EDGE")
    AmdSmiTemperatureMetric = SimpleNamespace(CURRENT="CURRENT")

    def __init__(self, trace: RawTrace, clock: ReplayClock, *, count: int = 1) -> None:
        self._trace, self._clock, self._count = trace, clock, count

    def amdsmi_init(self) -> None:
        """Open."""

    def amdsmi_shut_down(self) -> None:
        """Close."""

    def amdsmi_get_processor_handles(self) -> list[int]:
        """Return the GPUs' handles."""
        return list(range(self._count))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Every other function comes from the trace, as ``name`` or ``name/argument``."""
        if not name.startswith("amdsmi_"):
            raise AttributeError(name)

        def answer(_handle: int, *arguments: Any) -> Any:
            question = "/".join([name, *map(str, arguments)])
            if question not in self._trace.answers:
                raise ReplayedAmdError(2)
            value = self._trace.at(question, self._clock() / 1e9)
            if isinstance(value, dict) and "error" in value:
                raise ReplayedAmdError(value["error"])
            return value

        return answer


@dataclass(frozen=True, slots=True)
class ReplayFiles:
    """Files of /proc and /sys from a raw trace: a question is a path from ``root`` on."""

    trace: RawTrace
    clock: ReplayClock
    root: Path

    def read(self, path: Path) -> str:
        """Read as ``Path.read_text`` does. Raises FileNotFoundError, PermissionError (``{"error": 13}``), OSError."""
        question = path.relative_to(self.root).as_posix()
        if question not in self.trace.answers:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        value = self.trace.at(question, self.clock() / 1e9)
        if isinstance(value, dict):
            raise OSError(value["error"], "Permission denied" if value["error"] == 13 else "I/O error", str(path))  # noqa: PLR2004
        return str(value)

    def read_or_none(self, path: Path) -> str | None:
        """Read as ``probes.files.read_text`` does."""
        try:
            return self.read(path)
        except OSError:
            return None

    def read_int(self, path: Path) -> int | None:
        """Read as ``probes.files.read_int`` does."""
        text = self.read_or_none(path)
        return int(text) if text is not None and text.lstrip("-").isdigit() else None


@dataclass(slots=True)
class ReplayDocuments:
    """The stream of powermetrics from a raw trace: the question ``documents``, each handed over when its time came."""

    trace: RawTrace
    clock: ReplayClock
    is_closed: bool = False
    _given: int = field(default=0)

    def drain(self) -> list[tuple[int, bytes]]:
        """Return what arrived since the last call."""
        times, documents = self.trace.answers["documents"]
        found = []
        while self._given < len(times) and times[self._given] * 1e9 <= self.clock():
            found.append((round(times[self._given] * 1e9), str(documents[self._given]).encode()))
            self._given += 1
        return found

    def close(self) -> None:
        """Note that it was ended."""
        self.is_closed = True
