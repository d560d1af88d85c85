"""What answers how long an exchange takes: terms learned of links, and intervals of tested errors.

May import: core, predict, stats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.predict.base import Payload
from assay.predict.collectives import (
    LARGE_BYTES,
    Collective,
    LinkKind,
    LinkTerms,
    MeasuredLink,
    count_traffic,
    find_link,
    time_exchange,
    time_measured,
)
from assay.predict.values import (
    LEVELS,
    Abstention,
    Answer,
    DeviceProfile,
    Interval,
    Layer,
    Prediction,
    Question,
    Situation,
)
from assay.stats.conformal import Calibration

METRIC = "all_reduce_bytes_per_s"
UNLEARNED = LinkTerms(0.0, 0.0, {})
"""A link without latency that reaches all of its sheet's bandwidth."""


@dataclass(frozen=True, slots=True)
class ExchangeTime:
    """The time of an exchange in ns, with intervals where they were tested, and what it rests on."""

    value_ns: float
    intervals: tuple[Interval, ...]
    reason: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectivesModel:
    """Terms by kind of link, and errors: of ``small`` and ``large`` messages on devices left out, of a probed ``link``.

    Without terms (nothing was learned) a link is taken at its sheet's full bandwidth, and it says so.
    """

    terms: Mapping[LinkKind, LinkTerms] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()

    def exchange(
        self, device: DeviceProfile, collective: Collective, size_bytes: float, ranks: int,
        measured: Mapping[tuple[str, int], MeasuredLink] | None = None,
    ) -> ExchangeTime | Unavailable:  # fmt: skip
        """Return the time of one exchange: by this link's own measured times, else by the sheet's link."""
        if ranks == 1:
            return ExchangeTime(0.0, (), "one device exchanges nothing")
        own = (measured or {}).get((device.name, ranks)) or (measured or {}).get((device.hw_id or "", ranks))
        if own is not None:
            value = time_measured(own, collective, size_bytes)
            return ExchangeTime(value, self._bounds(value, "link"), f"all-reduces measured here ({own.origin})")
        link = find_link(device, ranks)
        if isinstance(link, Unavailable):
            return link
        terms = self.terms.get(link.kind)
        value = time_exchange(terms or UNLEARNED, link, collective, size_bytes, ranks)
        flags = list(link.notes)
        if terms is None:
            flags.append(f"nothing was learned of a link of the kind {link.kind}: its full bandwidth is taken")
        if device.vendor and device.vendor not in self.seen:
            flags.append(f"no exchange between devices of {device.vendor} was published")
        held = () if terms is None else self._bounds(value, "large" if size_bytes >= LARGE_BYTES else "small")
        rate = link.bytes_per_s / 1e9
        return ExchangeTime(value, held, f"{link.origin}, {rate:.4g} GB/s a direction", tuple(flags))

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions of the bus bandwidth of an all-reduce; its option ``bytes`` is the size of the message."""
        return [self._answer_one(one) for one in questions]

    def payload(self) -> Payload:
        """What ``load_collectives`` reads."""
        terms = {
            kind.value: {"latency_ns": one.latency_ns, "per_rank_ns": one.per_rank_ns, "shares": dict(one.shares)}
            for kind, one in self.terms.items()
        }
        held = {
            name: {"scores": list(one.scores), "weights": list(one.weights), "groups": one.groups}
            for name, one in self.calibrations.items()
        }
        return Payload({"terms": terms, "calibrations": held, "seen": sorted(self.seen)})

    def _answer_one(self, question: Question) -> Answer:
        size, ranks = dict(question.conditions.options).get("bytes"), question.conditions.devices
        if question.metric != METRIC or not isinstance(size, int | float) or size <= 0 or ranks < 2:  # noqa: PLR2004
            reason = f"the predictor of exchanges tells {METRIC} of a message (option bytes) between two or more"
            return Abstention(question.metric, reason)
        found = self.exchange(question.device, Collective.ALL_REDUCE, float(size), ranks)
        if isinstance(found, Unavailable):
            return Abstention(question.metric, found.reason, (found.install_hint,) if found.install_hint else ())
        moved = count_traffic(Collective.ALL_REDUCE, ranks) * float(size) * 1e9
        bounds = tuple(Interval(one.level, moved / one.hi, moved / one.lo) for one in found.intervals)
        held = self.calibrations.get("large" if size >= LARGE_BYTES else "small")
        return Prediction(
            METRIC, moved / found.value_ns, "B/s", bounds, Layer.LEARNED, (found.reason,), (),
            Situation.UNSEEN_DEVICE, 0 if held is None else held.n, 0 if held is None else held.groups,
            flags=found.flags, would_change=("assay run --suite distributed on these devices",),
        )  # fmt: skip

    def _bounds(self, value: float, name: str) -> tuple[Interval, ...]:
        held = self.calibrations.get(name)
        widths = [] if held is None else [(level, held.half_width(level)) for level in LEVELS]
        return tuple(
            Interval(level, value * math.exp(-half), value * math.exp(half))
            for level, half in widths
            if math.isfinite(half)
        )


def load_collectives(payload: Payload) -> CollectivesModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    try:
        meta = payload.meta
        terms = {
            LinkKind(kind): LinkTerms(
                float(one["latency_ns"]), float(one["per_rank_ns"]),
                {Collective(name).value: float(share) for name, share in one["shares"].items()},
            )
            for kind, one in meta["terms"].items()
        }  # fmt: skip
        held = {
            str(name): Calibration(tuple(one["scores"]), tuple(one["weights"]), int(one["groups"]))
            for name, one in meta["calibrations"].items()
        }
        return CollectivesModel(terms, held, frozenset(str(one) for one in meta["seen"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AssayError(
            f"What was learned of exchanges cannot be read: {type(error).__name__}: {error}.",
            hint="Learn it again: assay predict train --kind collectives",
        ) from error
