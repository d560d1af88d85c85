"""Where a value of a suite stands that came from flags: at the flag. May import: the suite reader."""

from __future__ import annotations

from dataclasses import dataclass

from assay.runner.suite_yaml import DataPath, Positions

_FLAGS = {
    "launches": "--launches",
    "launch_limit_s": "--launch-limit",
    "seed": "--seed",
    "min_time_s": "--min-time",
    "max_time_s": "--max-time",
}
_DIMENSIONS_WITH_FLAGS = ("seq", "image")


@dataclass(frozen=True, slots=True)
class FlagPositions(Positions):
    """Positions of a suite made from flags: ``cases[0].shape.seq`` is ``--seq``."""

    path: str = "command line"
    names_places: bool = False

    def locate(self, where: DataPath, *, at_key: bool = False) -> str:
        """The flag that a value came from; ``command line`` where none is to blame."""
        del at_key  # a flag has one place
        match where:
            case ("cases", _, "shape", str(dimension), *_):
                return f"--{dimension}" if dimension in _DIMENSIONS_WITH_FLAGS else "--shape"
            case ("cases", _, str(key), *_):
                return f"--{key}"
            case (*_, str(key)) if key in _FLAGS:
                return _FLAGS[key]
            case _:
                return self.path

    def describe(self, message: str, where: DataPath, *, at_key: bool = False) -> str:
        """Put the flag before a message."""
        return f"{self.locate(where, at_key=at_key)}: {message}"
