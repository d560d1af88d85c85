"""How values show themselves in a notebook: they ask whoever knows, found by entry point, and no layer looks upward.

A value inherits ``Displayed``; what draws it registers in ``presenters`` (entry points ``assay.presenter``) and is
imported when the first value is shown, not before. May import: standard library and core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from assay.core.errors import AssayError
from assay.core.registry import Registry

Presenter = Callable[[object], Mapping[str, str] | None]
"""Takes a value, and returns what it looks like by media type; None for a value that it does not know."""

presenters: Registry[Presenter] = Registry("presenter")


def present(value: object) -> dict[str, str]:
    """Return what a value looks like, by media type. There always is ``text/plain``, if only its ``repr``.

    A presenter that fails is passed over: showing a value at a prompt must not end in a traceback.
    """
    for name in presenters.names():
        try:
            found = presenters.get(name)(value)
        except AssayError:
            continue
        if found:
            return {"text/plain": repr(value), **found}
    return {"text/plain": repr(value)}


class Displayed:
    """A value that Jupyter shows as a table and not as the text of its fields."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What IPython asks for (its ``display`` documentation). It filters what it does not want by itself."""
        del include, exclude
        return present(self)

    def _repr_html_(self) -> str | None:
        """The same for other programs that show HTML."""
        return present(self).get("text/html")
