"""Recipe ``reference-tokens``: what float32 eager on the CPU writes, greedily, from the prompts of a generation case.

May import: core, workloads, artefacts; torch and numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.artefacts.base import BuildRequest, Recipe, recipes
from assay.artefacts.reference import REFERENCE, build_eager, write_reference
from assay.workloads.generation import open_decoder

REFERENCE_TOKENS = f"{REFERENCE}-tokens"


def _build(wanted: BuildRequest) -> Mapping[str, str]:
    import torch

    module, inputs = build_eager(wanted)
    new_tokens = int(dict(wanted.request.options)["new_tokens"])
    with torch.inference_mode():
        decoder = open_decoder(wanted.workload, module, inputs)
        state = decoder.prefill()
        for _ in range(new_tokens - 1):
            state = decoder.decode(state)
        write_reference(wanted.folder, [state.read_tokens()])
    return {"new_tokens": str(new_tokens), "torch": str(torch.__version__)}


recipes.add(
    REFERENCE_TOKENS,
    Recipe(
        name=REFERENCE_TOKENS,
        version=1,
        description="tokens that the float32 eager model writes on the CPU",
        build=_build,
        packages=("torch", "transformers"),
        install_hint="pip install 'assay[torch]'",
    ),
)
