"""Vibration of a rolling bearing with a fault, generated from geometry and speed.

Real recordings of faults cannot be shipped, and a stand-in that only looks like noise would teach nothing. This one has
what diagnosis rests on: impacts at the rate that geometry gives, each ringing a resonance of the housing, stronger in
the load zone, with slip, under noise. May import: core; numpy inside functions.

Sources: Randall and Antoni 2011, "Rolling element bearing diagnostics: a tutorial", Mechanical Systems and Signal
Processing 25(2), 485-520 (rates: equations 1 to 4; slip and modulation: section 2); McFadden and Smith 1984, "Model for
the vibration produced by a single point defect in a rolling element bearing", Journal of Sound and Vibration 96(1),
69-82 (impulses weighted by the load of the zone, exciting a decaying resonance).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from assay.core.errors import WorkloadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Fault(StrEnum):
    """Where the defect is. The order gives the label: healthy is 0."""

    HEALTHY = "healthy"
    INNER = "inner race"
    OUTER = "outer race"
    BALL = "ball"
    CAGE = "cage"

    @property
    def label(self) -> int:
        """The class, from 0."""
        return list(Fault).index(self)


@dataclass(frozen=True, slots=True)
class BearingGeometry:
    """A rolling bearing. Diameters in any unit, the same for both; the angle in degrees.

    The outer race stands still and the inner turns with the shaft, as is usual.
    """

    balls: int
    ball_diameter: float
    pitch_diameter: float
    contact_angle_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.balls < 1 or not 0 < self.ball_diameter < self.pitch_diameter or not -90 < self.contact_angle_deg < 90:  # noqa: PLR2004  (a right angle carries no radial load)
            raise WorkloadError(
                f"No bearing has {self.balls} balls of {self.ball_diameter} on a pitch circle of {self.pitch_diameter} "
                f"at {self.contact_angle_deg} degrees.",
                hint="Expected at least one ball, 0 < ball diameter < pitch diameter, and an angle below 90 degrees.",
            )

    def defect_frequencies(self, shaft_hz: float) -> DefectFrequencies:
        """Rates at a shaft speed, without slip (Randall and Antoni 2011, equations 1 to 4)."""
        ratio = self.ball_diameter / self.pitch_diameter * math.cos(math.radians(self.contact_angle_deg))
        return DefectFrequencies(
            bpfo_hz=self.balls / 2 * shaft_hz * (1 - ratio),
            bpfi_hz=self.balls / 2 * shaft_hz * (1 + ratio),
            bsf_hz=self.pitch_diameter / (2 * self.ball_diameter) * shaft_hz * (1 - ratio**2),
            ftf_hz=shaft_hz / 2 * (1 - ratio),
        )


@dataclass(frozen=True, slots=True)
class DefectFrequencies:
    """Ball pass frequency of the outer and of the inner race, ball spin frequency, cage (fundamental train) frequency.

    A defect on a ball strikes both races, so it is heard at twice the spin frequency.
    """

    bpfo_hz: float
    bpfi_hz: float
    bsf_hz: float
    ftf_hz: float

    def of(self, fault: Fault) -> float | None:
        """Impacts in a second, None for a healthy bearing."""
        return {
            Fault.OUTER: self.bpfo_hz,
            Fault.INNER: self.bpfi_hz,
            Fault.BALL: 2 * self.bsf_hz,
            Fault.CAGE: self.ftf_hz,
        }.get(fault)


SKF_6205 = BearingGeometry(balls=9, ball_diameter=0.3126, pitch_diameter=1.537)
"""6205-2RS JEM SKF, the drive-end bearing of the Case Western Reserve University rig; inches, from its web page."""


@dataclass(frozen=True, slots=True)
class SignalPlan:
    """What to generate. ``length`` counts samples of each channel.

    ``severity`` scales impacts: their peak in multiples of the deviation of the noise, before the load zone. ``slip``
    is the deviation of the interval between impacts as a share of it (1 to 2 % is usual: Randall and Antoni 2011).
    ``damping`` is the damping ratio of the resonance. Channels are sensors at other places: each hears the same impacts
    through a path of its own (gain, resonance, delay) under noise of its own.
    """

    length: int
    channels: int = 1
    fault: Fault = Fault.HEALTHY
    geometry: BearingGeometry = SKF_6205
    shaft_hz: float = 1772 / 60
    sample_rate_hz: float = 12_000.0
    severity: float = 6.0
    resonance_hz: float = 3_000.0
    damping: float = 0.06
    slip: float = 0.01
    noise: float = 1.0
    shaft_amplitude: float = 0.5

    def __post_init__(self) -> None:
        if self.length < 1 or self.channels < 1:
            raise WorkloadError(
                f"A signal of {self.length} samples x {self.channels} channels; expected 1 or more each."
            )
        if not 0 < self.resonance_hz < self.sample_rate_hz / 2:
            raise WorkloadError(
                f"A resonance at {self.resonance_hz:g} Hz cannot be sampled at {self.sample_rate_hz:g} Hz.",
                hint="Expected it above 0 and below half the sample rate.",
            )
        if self.shaft_hz <= 0 or not 0 < self.damping < 1 or min(self.severity, self.slip, self.noise) < 0:
            raise WorkloadError(
                f"shaft_hz={self.shaft_hz}, damping={self.damping}, severity={self.severity}, slip={self.slip}, "
                f"noise={self.noise}: expected shaft_hz above 0, damping between 0 and 1, the others 0 or more."
            )


CWRU_SHAFT_HZ = (1797 / 60, 1772 / 60, 1750 / 60, 1730 / 60)
"""Speeds of the Case Western Reserve University rig under 0, 1, 2 and 3 horsepower."""


def draw_recording(length: int, channels: int, fault: Fault, generator: np.random.Generator) -> SignalPlan:
    """Draw another recording of one rig: its four speeds, a severity, and what mounting a bearing anew changes.

    All that is drawn has the same distribution for each fault, so that nothing but the impacts tells which it is.
    """
    return SignalPlan(
        length=length,
        channels=channels,
        fault=fault,
        shaft_hz=float(generator.choice(CWRU_SHAFT_HZ)),
        severity=float(generator.uniform(4, 9)),
        resonance_hz=float(generator.uniform(2_700, 3_300)),
        shaft_amplitude=float(generator.uniform(0.3, 0.7)),
    )


def draw_machine(length: int, channels: int, fault: Fault, generator: np.random.Generator) -> SignalPlan:
    """Draw another machine: any housing, any unbalance. Its windows are easily told from those of others."""
    return dataclasses.replace(
        draw_recording(length, channels, fault, generator),
        resonance_hz=float(generator.uniform(800, 5_500)),
        shaft_amplitude=float(generator.uniform(0, 2)),
    )


def generate_signal(plan: SignalPlan, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return float32 (length, channels); the same state of ``generator`` gives the same bytes.

    Impacts come at the rate of the fault, with slip; those of a race or ball that turns are weighted by the load zone
    as it passes through it. Beneath lie the first three harmonics of the shaft (unbalance, misalignment) and white
    noise.
    """
    import numpy as np

    times_s = np.arange(plan.length) / plan.sample_rate_hz
    shaft_phases = generator.uniform(0, 2 * np.pi, 3)
    harmonics = 1 / np.arange(1, 4)
    shaft = plan.shaft_amplitude * sum(
        gain * np.sin(2 * np.pi * (order + 1) * plan.shaft_hz * times_s + phase)
        for order, (gain, phase) in enumerate(zip(harmonics, shaft_phases, strict=True))
    )
    impacts_s, weights = _place_impacts(plan, generator)
    signal = np.empty((plan.length, plan.channels), dtype=np.float32)
    for channel in range(plan.channels):
        # The first sensor sits on the bearing; those further away hear it weaker, later and through another structure.
        gain = 1.0 if channel == 0 else generator.uniform(0.4, 0.9)
        resonance_hz = plan.resonance_hz * (1.0 if channel == 0 else generator.uniform(0.8, 1.1))
        delay_s = 0.0 if channel == 0 else generator.uniform(0, 5e-4)
        ringing = _ring(
            plan, impacts_s + delay_s, weights * gain * plan.severity, min(resonance_hz, 0.49 * plan.sample_rate_hz)
        )
        noise = plan.noise * generator.standard_normal(plan.length)
        signal[:, channel] = gain * shaft + ringing + noise
    return signal


def _place_impacts(plan: SignalPlan, generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times in seconds and weights from 0 to 1."""
    import numpy as np

    frequencies = plan.geometry.defect_frequencies(plan.shaft_hz)
    rate_hz = frequencies.of(plan.fault)
    phase = generator.uniform(0, 2 * np.pi)
    first = generator.uniform(0, 1)
    if rate_hz is None:
        return np.empty(0), np.empty(0)
    count = math.ceil(plan.length / plan.sample_rate_hz * rate_hz * 1.2) + 2
    # Slip adds up: the phase wanders, which is why harmonics of a bearing smear and those of gears do not.
    intervals = np.maximum(0.1, 1 + plan.slip * generator.standard_normal(count)) / rate_hz
    times_s = first / rate_hz + np.cumsum(intervals) - intervals[0]
    times_s = times_s[times_s < plan.length / plan.sample_rate_hz]
    turning_hz = {Fault.INNER: plan.shaft_hz, Fault.BALL: frequencies.ftf_hz}.get(plan.fault)
    if turning_hz is None:  # a defect of the race that stands still, or of the cage, is not carried through the zone
        return times_s, np.ones(len(times_s))
    zone = 0.5 * (1 + np.cos(2 * np.pi * turning_hz * times_s + phase))
    return times_s, 0.15 + 0.85 * zone  # clearance leaves some contact outside the load zone


def _ring(
    plan: SignalPlan, impacts_s: NDArray[np.float64], weights: NDArray[np.float64], resonance_hz: float
) -> NDArray[np.float64]:
    """Sum the decaying oscillations that the impacts start, each at its exact time between samples."""
    import numpy as np

    decay_per_s = 2 * np.pi * plan.damping * resonance_hz
    kept = math.ceil(6 / decay_per_s * plan.sample_rate_hz)  # until 0.25 % of the peak
    padded = np.zeros(plan.length + kept + 1)
    start = np.ceil(impacts_s * plan.sample_rate_hz).astype(np.int64)
    offsets = np.arange(kept)
    since_s = (start[:, None] + offsets) / plan.sample_rate_hz - impacts_s[:, None]
    rings = weights[:, None] * np.exp(-decay_per_s * since_s) * np.sin(2 * np.pi * resonance_hz * since_s)
    positions = np.minimum(start[:, None] + offsets, len(padded) - 1)
    np.add.at(padded, positions, rings)
    return padded[: plan.length]
