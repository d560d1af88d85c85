"""A case: one fully specified measurement, and its stable identity.

The hash of a case is the part of the series key that does not depend on the machine, so two results with the
same ``case_id`` measured the same thing. May import: standard library and core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.ids import content_hash
from assay.core.words import Mode, Precision

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Case:
    """Workload x engine x device x mode x precision x batch x shape x options.

    ``shape`` names the free dimensions of the inputs (``seq``, ``image``, ``seconds``); ``options`` holds what
    else changes the computation or how it is run (``threads``). Both are sorted pairs, so equal cases compare
    and hash equal whatever order they were written in.
    """

    workload: str
    engine: str
    device: str
    mode: Mode = Mode.INFERENCE
    precision: Precision = Precision.FP32
    batch: int = 1
    shape: tuple[tuple[str, int], ...] = ()
    options: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def make(
        cls,
        *,
        workload: str,
        engine: str,
        device: str,
        mode: str = Mode.INFERENCE,
        precision: str = Precision.FP32,
        batch: int = 1,
        shape: Mapping[str, int] | None = None,
        options: Mapping[str, Scalar] | None = None,
    ) -> Case:
        """Build a case from plain values, sorting what has no order."""
        return cls(
            workload=workload,
            engine=engine,
            device=device,
            mode=Mode(mode),
            precision=Precision(precision),
            batch=batch,
            shape=tuple(sorted((shape or {}).items())),
            options=tuple(sorted((name, _plain(value)) for name, value in (options or {}).items())),
        )

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Case:
        """Read back what :meth:`to_dict` wrote."""
        return cls.make(**content)

    def to_dict(self) -> dict[str, Any]:
        """Return the case as JSON-able plain values."""
        return {
            "workload": self.workload,
            "engine": self.engine,
            "device": self.device,
            "mode": self.mode.value,
            "precision": self.precision.value,
            "batch": self.batch,
            "shape": dict(self.shape),
            "options": dict(self.options),
        }

    @property
    def case_id(self) -> str:
        """Hash of the content: 16 hexadecimal digits."""
        return content_hash(self.to_dict())

    @property
    def family(self) -> str:
        """The part of the workload name before the size."""
        return self.workload.partition("/")[0]

    @property
    def label(self) -> str:
        """Short text for progress lines and logs: ``bert/base torch cpu fp32 b8 seq128``."""
        shape = "".join(f" {name}{size}" for name, size in self.shape)
        options = "".join(f" {name}={value}" for name, value in self.options)
        mode = "" if self.mode is Mode.INFERENCE else f" {self.mode}"
        return f"{self.workload} {self.engine} {self.device}{mode} {self.precision} b{self.batch}{shape}{options}"


@dataclass(frozen=True, slots=True)
class ForeignCase:
    """What an imported row says that it measured: as much as its source tells, None for the rest.

    Words are the source's own (``amp``, ``Q4_K_M``, ``NVIDIA H100-SXM-80GB``), brought to one spelling where that is
    certain. ``options`` holds what else tells rows of the source apart (``scenario``, ``accelerators``).
    """

    workload: str
    engine: str | None = None
    device: str | None = None
    mode: Mode = Mode.INFERENCE
    precision: str | None = None
    batch: int | None = None
    shape: tuple[tuple[str, int], ...] = ()
    options: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def make(
        cls,
        *,
        workload: str,
        engine: str | None = None,
        device: str | None = None,
        mode: str = Mode.INFERENCE,
        precision: str | None = None,
        batch: int | None = None,
        shape: Mapping[str, int] | None = None,
        options: Mapping[str, Scalar | None] | None = None,
    ) -> ForeignCase:
        """Build a case from plain values, sorting what has no order; options that are None are not known."""
        return cls(
            workload=workload,
            engine=engine,
            device=device,
            mode=Mode(mode),
            precision=precision,
            batch=batch,
            shape=tuple(sorted((shape or {}).items())),
            options=tuple(
                sorted((name, _plain(value)) for name, value in (options or {}).items() if value is not None)
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the case as JSON-able plain values."""
        return {
            "workload": self.workload,
            "engine": self.engine,
            "device": self.device,
            "mode": self.mode.value,
            "precision": self.precision,
            "batch": self.batch,
            "shape": dict(self.shape),
            "options": dict(self.options),
        }

    @property
    def case_id(self) -> str:
        """Hash of the content: 16 hexadecimal digits, never that of a measured case."""
        return content_hash(["foreign", self.to_dict()])

    @property
    def family(self) -> str:
        """The part of the workload name before the size."""
        return self.workload.partition("/")[0]

    @property
    def label(self) -> str:
        """Short text, as of a measured case, without what is not known."""
        mode = None if self.mode is Mode.INFERENCE else self.mode.value
        batch = None if self.batch is None else f"b{self.batch}"
        words = [self.workload, self.engine, self.device, mode, self.precision, batch]
        words += [f"{name}{size}" for name, size in self.shape]
        words += [f"{name}={value}" for name, value in self.options]
        return " ".join(word for word in words if word)


AnyCase = Case | ForeignCase


def _plain(value: Scalar) -> Scalar:
    """Write a whole number one way: 2.0 equals 2 in Python, so both must have one hash."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def series_id(case_id: str, hardware_class: str) -> str:
    """Identify one line on a trend plot: the same case on the same kind of hardware.

    Software versions are left out on purpose: a driver or library update starts a new *segment* of a series
    (METHOD 6), it does not start a new series.
    """
    return content_hash([case_id, hardware_class])
