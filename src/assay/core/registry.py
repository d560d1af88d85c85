"""Extensions: one file + one decorator + one entry-point group ``assay.<kind>``.

A registry knows the *names* of its entries from package metadata alone, and imports the module behind a name
only when that name is asked for; listing engines does not import torch. May import: standard library and core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from assay.core.errors import AssayError, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Generic[T]):
    """Named extensions of one kind (``engine``, ``workload``, ...)."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._loaded: dict[str, T] = {}
        self._declared: dict[str, EntryPoint] | None = None

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate the extension: ``@engines.register("torch")``. The last registration of a name wins."""

        def add(extension: T) -> T:
            self._loaded[name] = extension
            return extension

        return add

    def add(self, name: str, extension: T) -> T:
        """Register a value that is not the target of a decorator."""
        self._loaded[name] = extension
        return extension

    def names(self) -> tuple[str, ...]:
        """Return every name, sorted, importing nothing."""
        return tuple(sorted(self._entry_points().keys() | self._loaded.keys()))

    def get(self, name: str) -> T:
        """Return the extension, importing its module on first use.

        Raises UnknownNameError for a name nobody declared, AssayError where the module behind it is broken.
        """
        if name in self._loaded:
            return self._loaded[name]
        declared = self._entry_points().get(name)
        if declared is None:
            raise UnknownNameError(self.kind, name, self.names())
        try:
            declared.load()
        except Exception as error:
            raise AssayError(
                f"The {self.kind} {name!r} ({declared.value}) could not be imported: {type(error).__name__}: {error}."
            ) from error
        if name not in self._loaded:
            raise AssayError(
                f"{declared.value} is declared as {self.kind} {name!r} but registers no such name.",
                hint=f"Decorate it with the {self.kind} registry's register({name!r}).",
            )
        return self._loaded[name]

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._declared is None:
            from importlib.metadata import entry_points  # 30 ms that most commands need not pay

            self._declared = {point.name: point for point in entry_points(group=f"assay.{self.kind}")}
        return self._declared
