"""Generation sessions: a model that writes text, token by token, on the torch engine.

May import: core, workloads, engines; torch inside functions.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from assay.core.errors import UnsupportedError
from assay.engines.base import LoadRequest, Session
from assay.workloads.generation import Generation, check_generation, count_prompt_tokens, open_decoder

GENERATING_ENGINES = ("torch",)


@dataclass(frozen=True, slots=True)
class GenerationSession:
    """A loaded model with its prompts in place.

    ``prefill`` reads the prompts and chooses the first token of each; ``decode`` chooses the next one, and changes
    what it is given. Neither waits for the device: ``session.synchronize`` does, where it is not None. ``session``
    is the model as every other session is: its ``infer`` makes one whole generation (waiting only at its end),
    ``read_outputs`` turns what that returned into one array of token ids, (batch, new_tokens).
    ``prompt_tokens`` is None where the prompt is not made of tokens (sound).
    """

    prefill: Callable[[], Generation]
    decode: Callable[[Generation], Generation]
    new_tokens: int
    batch: int
    prompt_tokens: int | None
    session: Session


def plan_generation(engine_name: str, request: LoadRequest, *, new_tokens: int) -> None:
    """Refuse, while planning, what cannot be generated. Raises UnsupportedError; imports no framework."""
    if engine_name not in GENERATING_ENGINES:
        raise UnsupportedError(
            f"The engine {engine_name!r} cannot generate text.",
            hint=f"Engines that can: {', '.join(GENERATING_ENGINES)}.",
        )
    check_generation(request.workload, shape=request.shape, new_tokens=new_tokens)


def load_generation(engine_name: str, request: LoadRequest, *, new_tokens: int) -> GenerationSession:
    """Build the model, place it with the workload's own inputs as prompts, ready to make ``new_tokens`` tokens each.

    Raises UnsupportedError, WorkloadError or EngineError.
    """
    import torch

    from assay.engines.torch_common import load_model, open_session

    plan_generation(engine_name, request, new_tokens=new_tokens)
    loaded = load_model("PyTorch eager", request)
    decoder = open_decoder(request.workload, loaded.module, loaded.inputs)
    guard = contextlib.ExitStack()
    # Entered once for the whole session: entering it for each step would be timed with the step.
    guard.enter_context(torch.inference_mode())

    def generate() -> Generation:
        state = decoder.prefill()
        for _ in range(new_tokens - 1):
            state = decoder.decode(state)
        return state

    opened = open_session(loaded, generate, guard=guard, facts={"decoding": "greedy, dynamic cache"})
    return GenerationSession(
        prefill=decoder.prefill,
        decode=decoder.decode,
        new_tokens=new_tokens,
        batch=request.batch,
        prompt_tokens=count_prompt_tokens(request.workload, request.shape),
        session=dataclasses.replace(opened, read_outputs=lambda state: (state.read_tokens(),)),
    )
