"""How long to warm up and to sample: the settings of METHOD 2, as one value. May import: standard library."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Windows and limits of one launch. The defaults are METHOD.md's; a suite may shorten them and then says so."""

    min_time_s: float = 2.0
    max_time_s: float = 20.0
    min_samples: int = 30
    target_ci: float = 0.01
    warmup_min_s: float = 0.5
    warmup_max_s: float = 10.0
    warmup_max_calls: int = 100

    @property
    def is_shortened(self) -> bool:
        """True where any window is below the method's default, which every table then says."""
        default = Timing()
        return (
            self.min_time_s < default.min_time_s
            or self.max_time_s < default.max_time_s
            or self.min_samples < default.min_samples
            or self.target_ci > default.target_ci
            or self.warmup_min_s < default.warmup_min_s
        )

    def to_dict(self) -> dict[str, float | int]:
        """Plain values, for the job of a worker and the configuration of a run."""
        return asdict(self)
