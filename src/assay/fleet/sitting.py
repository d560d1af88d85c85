"""Begin a fleet run, or go on with one: the ledger, the engine and the store brought together.

May import: core, store, runner, fleet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import UsageError
from assay.core.ids import new_id
from assay.fleet.backend import Backend, Target, read_target, require
from assay.fleet.drive import SYSTEM_CLOCK, Clock, End, Kept, Policy, drive
from assay.fleet.execute import find_runs, write_order
from assay.fleet.ledger import Ledger, LedgerState
from assay.fleet.plan import Needs, plan_fleet
from assay.fleet.values import FleetCase, Node, Order, Outcome
from assay.store import Store
from assay.store.address import is_remote

if TYPE_CHECKING:
    from assay.runner.plan import Machine
    from assay.runner.suite_model import Suite

Listener = Callable[[Ledger], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a fleet run is asked to be: the suite, the engine, how it goes on when something breaks."""

    suite: Suite
    target: Target
    policy: Policy = field(default_factory=Policy)
    needs: Needs = field(default_factory=Needs)
    options: Mapping[str, Any] = field(default_factory=dict)
    """The engine's own: ``parallel`` of Slurm, ``local`` (arguments of ``ray.init``) of ``ray://local``."""


@dataclass(frozen=True, slots=True)
class Sat:
    """How a sitting ended, and where the ledger stands."""

    end: End
    state: LedgerState
    ledger: str


def begin_fleet(
    asked: Asked,
    machine: Machine,
    store: Store,
    *,
    clock: Clock = SYSTEM_CLOCK,
    listener: Listener = lambda _: None,
) -> Sat:
    """Plan a fleet run and carry it out.

    Raises UsageError, SuiteError, StoreError, and BackendLostError where the engine cannot be reached.
    """
    from assay.runner.suite_model import suite_to_dict

    require(asked.target)
    store.check_writable()
    fleet_id, suite = new_id(), suite_to_dict(asked.suite)
    first = _connect(asked.target, store.location, fleet_id, suite, asked.options)
    try:
        cases = plan_fleet(asked.suite, machine, first.nodes(), store, asked.needs)
        _refuse_hopeless(cases, first.nodes())
        header = {
            "fleet_id": fleet_id, "on": asked.target.text, "store": store.location, "suite": suite,
            "retries": asked.policy.retries, "options": dict(asked.options),
        }  # fmt: skip
        ledger = Ledger.begin(store.location, header, cases)
    except BaseException:
        first.close()
        raise
    with ledger:
        made = [first]
        return _sit(ledger, store.location, asked, lambda connect: made.pop() if made else connect(), clock, listener)


def _refuse_hopeless(cases: Sequence[FleetCase], nodes: Sequence[Node]) -> None:
    """Raise UsageError where no node could run any of the cases; some that must wait for a node are no mistake."""
    if any(node.could_run(case.resources) for case in cases for node in nodes):
        return
    wanted = sorted({f"{one.resources.count} x {one.resources.accelerator or one.resources.kind}" for one in cases})
    there = sorted({f"{one.name}: {one.devices} x {one.accelerator or one.kind}" for one in nodes})
    raise UsageError(
        f"No node has what the cases need: {', '.join(wanted) or 'nothing'}; there are {len(nodes)} nodes "
        f"({', '.join(there[:5])}).",
        hint="--device, --accelerator and --memory-gib say what is needed; without the last it is estimated.",
    )


def resume_fleet(
    store: Store, ref: str, *, target: Target | None = None, policy: Policy | None = None,
    clock: Clock = SYSTEM_CLOCK, listener: Listener = lambda _: None,
) -> Sat:  # fmt: skip
    """Go on with a fleet run: the cases without an answer. Raises NotFoundError, UsageError, StoreError."""
    from assay.runner.suite_model import build_suite

    with Ledger.reopen(store.location, ref) as ledger:
        header = ledger.state.header
        asked = Asked(
            build_suite(header["suite"]), target or read_target(header["on"]),
            policy or Policy(retries=header["retries"]), options=header.get("options", {}),
        )  # fmt: skip
        require(asked.target)
        ledger.driver("resumed", on=asked.target.text)
        return _sit(ledger, store.location, asked, lambda connect: connect(), clock, listener)


def _sit(
    ledger: Ledger, location: str, asked: Asked, choose: Callable[[Callable[[], Backend]], Backend],
    clock: Clock, listener: Listener,
) -> Sat:  # fmt: skip
    state = ledger.state
    end = drive(
        ledger,
        lambda: choose(lambda: _connect(asked.target, location, state.fleet_id, state.header["suite"], asked.options)),
        find_kept=lambda: {key: Kept(*found) for key, found in find_runs(location, state.fleet_id).items()},
        policy=asked.policy,
        clock=clock,
        listener=listener,
    )
    if any(one.outcome is Outcome.LOST for made in state.attempts.values() for one in made) and not is_remote(location):
        Store.open(location).recover()  # what workers that were killed had measured, as interrupted runs
    return Sat(end, state, str(ledger.path))


def _connect(
    target: Target, location: str, fleet_id: str, suite: Mapping[str, Any], options: Mapping[str, Any]
) -> Backend:
    def write(order: Order) -> dict[str, Any]:
        return write_order(order, fleet_id=fleet_id, location=location, suite=suite)

    if target.engine == "ray":
        from assay.fleet.ray_backend import RayBackend

        return RayBackend(target.where, write, local=options.get("local"))
    from assay.fleet.slurm_backend import SlurmBackend

    return SlurmBackend(target.where, write, parallel=int(options.get("parallel", 4)), folder=_log_folder(location))


def _log_folder(location: str) -> str:
    from assay.fleet.ledger import FOLDER
    from assay.store.spool import state_folder

    return str(state_folder(location) / FOLDER / "slurm")


def is_complete(state: LedgerState) -> bool:
    """Whether every case has an answer."""
    return not state.unfinished()


__all__ = ["Asked", "Sat", "begin_fleet", "is_complete", "resume_fleet"]
