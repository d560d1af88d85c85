"""The one error tree.

Every message says what went wrong, what was got, what was expected and what to do about it. Library code
raises; only the CLI prints and exits. May import: standard library.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AssayError(Exception):
    """Base of everything assay raises on purpose. ``hint`` is the one thing to do next."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class UsageError(AssayError):
    """The request itself is wrong: a flag, a name, a combination. The CLI exits 2."""


class UnknownNameError(UsageError):
    """A name that is in no registry; carries the nearest valid ones."""

    def __init__(self, kind: str, got: str, valid: Iterable[str], *, hint: str | None = None) -> None:
        self.kind = kind
        self.got = got
        self.valid = tuple(sorted(valid))
        self.nearest = nearest_names(got, self.valid)
        if self.nearest:
            advice = f"Did you mean {join_or(self.nearest)}?"
        elif self.valid:
            shown = ", ".join(self.valid[:20]) + (", ..." if len(self.valid) > 20 else "")  # noqa: PLR2004
            advice = f"Expected one of: {shown}."
        else:
            advice = "None is installed."
        super().__init__(f"Unknown {kind} {got!r}. {advice}", hint=hint)

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, tuple[str, ...]], dict[str, object]]:
        """Pickle by what it was made of, so that it survives the way back from a pool's process."""
        return type(self), (self.kind, self.got, self.valid), self.__dict__


class SuiteError(UsageError):
    """A suite file that cannot be used; the message carries file, line and column."""


class WorkloadError(AssayError):
    """A workload could not be described, built or fed."""


class EngineError(AssayError):
    """An engine could not load or execute a workload."""


class UnsupportedError(EngineError):
    """The combination asked for cannot exist here (precision on a device, engine for a workload)."""


class StoreError(AssayError):
    """The store could not be opened, read or written."""


class StoreVersionError(StoreError):
    """The store was written by a newer assay than this one can read."""


class NotFoundError(AssayError):
    """A run, result or snapshot that is not in the store."""


def nearest_names(got: str, valid: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """Return up to ``limit`` valid names close to ``got``, closest first."""
    by_folded = {name.casefold(): name for name in valid}
    hits = difflib.get_close_matches(got.casefold(), by_folded, n=limit, cutoff=0.6)
    return tuple(by_folded[hit] for hit in hits)


def join_or(names: Iterable[str]) -> str:
    """``['a', 'b', 'c']`` -> ``'a', 'b' or 'c'`` with quotes, for messages."""
    quoted = [repr(name) for name in names]
    if len(quoted) <= 1:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
