"""Reading published latencies as examples, and learning from them.

A latency is not larger with fewer users: a spike among fewer users than a smaller latency has is noise of the
measurement, and is learned as what came after it. Held-out values are scored as they were published. May import: core,
predict, stats; numpy inside functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.core.case import Scalar
from assay.core.errors import AssayError
from assay.predict.base import DataUse, ExampleSource, Gathered
from assay.predict.llm.shapes import PREFIX, LlmShape
from assay.predict.serving.model import ServingModel
from assay.predict.serving.pilot import FOLDER, LICENCE, Llm, PilotData, Setup, read_pilot
from assay.predict.serving.protocol import Curve
from assay.predict.serving.terms import (
    BETWEEN,
    ENGINE,
    FIRST,
    METRICS,
    WORDS,
    Replica,
    describe_replica,
    make_terms,
    number_rows,
    reference_of,
)
from assay.predict.system.process import Process, fit_process, leave_out
from assay.predict.values import Conditions, Example, Question, Situation
from assay.stats.conformal import Calibration, calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

FEWEST = 60
_NS_PER_MS = 1e6
_FEWEST_GROUPS = 3


def gather_serving(source: ExampleSource) -> Gathered:
    """Read published latencies. Empty where no folder has them; raises AssayError for a broken file."""
    folder = source.find(FOLDER)
    if folder is None:
        return Gathered((), (), (f"no folder {FOLDER} was given",))
    data = read_pilot(folder)
    examples = tuple(list_examples(data, data.curves))
    return Gathered(examples, (DataUse(FOLDER, len(examples), data.sha256, LICENCE),))


def list_examples(data: PilotData, curves: Sequence[Curve]) -> Iterator[Example]:
    """Return an example of each metric and number of users. The first token's is per token of the prompt."""
    for curve in curves:
        llm, setup = data.llms[curve.model], data.setups[curve.setup]
        groups = {"model": llm.name, "device": setup.device.name, "setup": setup.name, "kind": llm.kind}
        for users, first, between in zip(curve.users, curve.nttft_ms, curve.itl_ms, strict=True):
            place = f"{FOLDER}: {llm.name}, {setup.name}, {users} users"
            held = groups | {"users": str(users)}
            yield Example(ask(llm, setup, users, FIRST), first * _NS_PER_MS, held, place)
            yield Example(ask(llm, setup, users, BETWEEN), between * _NS_PER_MS, held, place)


def ask(llm: Llm | LlmShape, setup: Setup, users: float, metric: str) -> Question:
    """The question for a latency of a replica, of a prompt of one token where it is the first's."""
    options: dict[str, Scalar] = {"users": users, "prompt_tokens": 1}
    if isinstance(llm, Llm):
        options |= {
            "parameters": llm.parameters, "layers": llm.layers, "is_encoder_decoder": llm.is_encoder_decoder,
            "has_flash_attention": llm.has_flash_attention, "cache_share": llm.cache_share,
        }  # fmt: skip
    conditions = Conditions(
        ENGINE, "fp16", mode="serving", devices=setup.devices, options=tuple(sorted(options.items()))
    )
    if isinstance(llm, Llm):
        return Question(PREFIX + llm.name, llm.kind, setup.device, conditions, metric)
    return Question(llm.name, "decoder", setup.device, conditions, metric, decoder=llm)


def fit_serving(gathered: Gathered, seed: int) -> ServingModel:
    """Learn. Raises AssayError where there is too little."""
    import numpy as np

    told: dict[str, list[tuple[Replica, Example]]] = defaultdict(list)
    for one in gathered.examples:
        replica = describe_replica(one.question)
        if not isinstance(replica, Unavailable):
            told[one.question.metric].append((replica, one))
    count = min(len(told[metric]) for metric in METRICS)
    if count < FEWEST or len(told[FIRST]) != len(told[BETWEEN]):
        raise AssayError(
            f"{count} published replicas can be learned from; expected at least {FEWEST}, with both latencies.",
            hint=f"Give the folder {FOLDER} with --data.",
        )
    replicas = [replica for replica, _ in told[FIRST]]
    names = {
        name: {word: place for place, word in enumerate(dict.fromkeys(one.words[name] for one in replicas))}
        for name in WORDS
    }
    rows = number_rows(replicas, names)
    labels = tuple(f"{one.words['pair']}, {4 ** one.columns['users']:.0f} users" for one in replicas)
    processes, calibrations = {}, {}
    for metric in METRICS:
        logs = np.array([np.log(one.value / (told_.prompt_tokens or 1.0)) for told_, one in told[metric]])
        if metric == BETWEEN:
            logs = np.array([np.log(one.value) for _, one in told[metric]])
        values = _rising(logs, rows.words["pair"], rows.columns["users"]) - rows.columns[reference_of(metric)]
        try:
            processes[metric] = fit_process(make_terms(metric), rows, values, np.ones(rows.n), seed)
        except np.linalg.LinAlgError as error:
            raise AssayError(
                f"Nothing can be learned from {rows.n} latencies: they leave no noise to tell apart from the rest.",
                hint="Latencies as they were measured are never that smooth.",
            ) from error
        calibrations[metric] = _calibrate(processes[metric], replicas)
    return ServingModel(processes, names, labels, calibrations)


def _rising(logs: Floats, pairs: Floats, users: Floats) -> Floats:
    """Each latency, or a smaller one that the same replica had with more users."""
    import numpy as np

    found = logs.copy()
    for pair in np.unique(pairs):
        own = np.flatnonzero(pairs == pair)
        order = own[np.argsort(users[own], kind="stable")]
        found[order] = np.minimum.accumulate(found[order][::-1])[::-1]
    return found


def _calibrate(process: Process, told: Sequence[Replica]) -> dict[Situation, Calibration]:
    held = {
        Situation.KNOWN: [one.words["pair"] for one in told],
        Situation.UNSEEN_MODEL: [one.words["model"] for one in told],
        Situation.UNSEEN_DEVICE: [one.words["device"] for one in told],
    }
    found = {}
    for situation, groups in held.items():
        if len(set(groups)) >= _FEWEST_GROUPS:
            errors, sds = leave_out(process, groups)
            found[situation] = calibrate(errors, groups, sds)
    return found
