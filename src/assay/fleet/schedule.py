"""Which case next, on which free node, and whether a case is tried once more. Pure: no clock, no engine.

Longest first: the rule of Graham (1969, "Bounds on multiprocessing timing anomalies") ends within 4/3 of the best
order where any node can run any case. Cases that need the same are in one queue, so that a decision looks at the head
of each queue and never at all cases. May import: fleet.values.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from assay.fleet.values import Ended, FleetCase, Node, Order, Outcome, Resources

LOSSES_TO_SET_ASIDE = 3
"""Attempts that a node loses one after the other before it gets no more."""


_Entry = tuple[float, int, FleetCase]
"""Expected seconds, negative so that the longest is first; a number that keeps order; the case."""


@dataclass(slots=True)
class _Place:
    """What is going on at a node."""

    node: Node
    busy: dict[str, Resources] = field(default_factory=dict)
    lost_in_a_row: int = 0

    def has_room(self, wanted: Resources) -> bool:
        if not self.node.could_run(wanted):
            return False
        if wanted.owns_node:
            return not self.busy
        if any(one.owns_node for one in self.busy.values()):
            return False
        taken = sum(one.count for one in self.busy.values())
        return taken + wanted.count <= self.node.devices


class Scheduler:
    """The state of a fleet run's decisions.

    ``attempts_made`` are those of earlier sittings, by case id, and go on being numbered; ``failures`` are those among
    them that count against the retries.
    """

    def __init__(
        self,
        cases: Iterable[FleetCase],
        *,
        retries: int,
        attempts_made: Mapping[str, int] | None = None,
        failures: Mapping[str, int] | None = None,
    ) -> None:
        self._queues: dict[Resources, list[_Entry]] = {}
        self._places: dict[str, _Place] = {}
        self._open: set[str] = set()
        """Nodes where something may have changed since nothing was found for them; the others need no look."""
        self._running: dict[str, Order] = {}
        self._made: dict[str, int] = dict(attempts_made or {})
        self._failures: dict[str, int] = dict(failures or {})
        self._left_behind: dict[str, str] = {}
        self._retries = retries
        self._sequence = 0
        self.given_up: dict[str, FleetCase] = {}
        for case in cases:
            self._push(case)

    @property
    def running(self) -> Mapping[str, Order]:
        """Attempts that were handed out, by key."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many cases are in the queues."""
        return sum(map(len, self._queues.values()))

    @property
    def is_over(self) -> bool:
        """True where nothing waits and nothing goes on."""
        return not self._running and not self.waiting

    @property
    def set_aside(self) -> tuple[str, ...]:
        """Names of the nodes that lost too much in a row."""
        return tuple(one.node.name for one in self._places.values() if one.lost_in_a_row >= LOSSES_TO_SET_ASIDE)

    def see_nodes(self, nodes: Iterable[Node]) -> list[Order]:
        """Take note of which nodes there are; return the attempts that were on nodes that are gone."""
        there = {node.node_id: node for node in nodes}
        for node_id, node in there.items():
            if node_id in self._places:
                self._places[node_id].node = node
            else:
                self._places[node_id] = _Place(node)
                self._open.add(node_id)
        gone = [node_id for node_id in self._places if node_id not in there]
        for node_id in gone:
            del self._places[node_id]
            self._open.discard(node_id)
        return [order for order in self._running.values() if order.node.node_id not in self._places]

    def hopeless(self) -> list[FleetCase]:
        """Return the waiting cases that no node could run, were it free."""
        nodes = [place.node for place in self._places.values()]
        return [
            case for wanted, queue in self._queues.items() if not any(node.could_run(wanted) for node in nodes)
            for _, _, case in queue
        ]  # fmt: skip

    def assign(self) -> list[Order]:
        """Hand out as much as there is room for, longest first."""
        orders: list[Order] = []
        # Accelerators last: a case on the CPU takes a whole node, and should have one without any where there is one.
        for node_id in sorted(self._open, key=lambda one: (self._places[one].node.devices, one)):
            place = self._places[node_id]
            while place.lost_in_a_row < LOSSES_TO_SET_ASIDE and (found := self._pick(place)) is not None:
                orders.append(self._hand_out(found, place))
        self._open.clear()
        return orders

    def end(self, ended: Ended) -> bool:
        """Take note of an end. Returns True where the case is to be tried once more.

        An end that was told already, or of an attempt of an earlier sitting, changes nothing.
        """
        order = self._running.pop(ended.key, None)
        if order is None:
            return False
        place = self._places.get(order.node.node_id)
        if place is not None:
            place.busy.pop(ended.key, None)
            self._open.add(order.node.node_id)
            place.lost_in_a_row = place.lost_in_a_row + 1 if ended.outcome is Outcome.LOST else 0
        if ended.is_final:
            return False
        case_id = order.case.case_id
        self._failures[case_id] = self._failures.get(case_id, 0) + 1
        if self._failures[case_id] > self._retries:
            self.given_up[case_id] = order.case
            return False
        self._left_behind[case_id] = order.node.node_id
        self._push(order.case)
        return True

    def _pick(self, place: _Place) -> FleetCase | None:
        """Take the longest case that this node has room for."""
        best: _Entry | None = None
        best_queue: list[_Entry] = []
        for wanted, queue in self._queues.items():
            if not queue or not place.has_room(wanted):
                continue
            entry = self._first_for(place, queue)
            if entry is not None and (best is None or entry[:2] < best[:2]):
                best, best_queue = entry, queue
        if best is None:
            return None
        if best is best_queue[0]:
            return heapq.heappop(best_queue)[2]
        best_queue.remove(best)
        heapq.heapify(best_queue)
        return best[2]

    def _first_for(self, place: _Place, queue: list[_Entry]) -> _Entry | None:
        """Return the head of a queue, past cases that this node just lost and another could have."""
        if not self._is_left_behind(queue[0][2], place):
            return queue[0]
        others = (entry for entry in queue if not self._is_left_behind(entry[2], place))
        return min(others, default=None, key=lambda entry: entry[:2])

    def _is_left_behind(self, case: FleetCase, place: _Place) -> bool:
        if self._left_behind.get(case.case_id) != place.node.node_id:
            return False
        return any(one is not place and one.node.could_run(case.resources) for one in self._free_places())

    def _free_places(self) -> list[_Place]:
        return [one for one in self._places.values() if one.lost_in_a_row < LOSSES_TO_SET_ASIDE]

    def _hand_out(self, case: FleetCase, place: _Place) -> Order:
        number = self._made.get(case.case_id, 0) + 1
        self._made[case.case_id] = number
        order = Order(case, number, place.node)
        place.busy[order.key] = case.resources
        self._running[order.key] = order
        return order

    def _push(self, case: FleetCase) -> None:
        self._sequence += 1
        queue = self._queues.setdefault(case.resources, [])
        heapq.heappush(queue, (-case.expected_s, self._sequence, case))
        self._open.update(self._places)
