"""Generation on the torch engine: the tokens are those that transformers' own ``generate`` chooses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.generation import GenerationSession, load_generation, plan_generation
from assay.workloads.base import find_workload
from assay.workloads.generation import GENERATING_FAMILIES, check_generation, count_prompt_tokens
from assay.workloads.torch_build import build_torch_model

NEW_TOKENS = 6
BATCH = 2


def make_request(family: str, precision: Precision = Precision.FP32, batch: int = BATCH, **shape: int) -> LoadRequest:
    workload = find_workload(f"{family}/tiny")
    if not shape and "seq" in workload.family.default_shape:
        shape = {"seq": 8}
    resolved = workload.resolve_shape(shape)
    return LoadRequest(workload, "cpu", precision, batch, resolved, threads=1, seed=0)


@pytest.fixture
def open_generation(settings: None) -> Iterator[Any]:  # noqa: ARG001  (puts back what the engine sets)
    opened: list[GenerationSession] = []

    def load(family: str, *, new_tokens: int = NEW_TOKENS, **request: Any) -> GenerationSession:
        opened.append(load_generation("torch", make_request(family, **request), new_tokens=new_tokens))
        return opened[-1]

    yield load
    for generation in reversed(opened):
        generation.session.unload()


def generate(generation: GenerationSession) -> np.ndarray:
    assert generation.session.read_outputs is not None
    (tokens,) = generation.session.read_outputs(generation.session.infer())
    return tokens


@pytest.mark.parametrize("family", GENERATING_FAMILIES)
def test_tokens_are_those_of_transformers_own_loop(family: str, open_generation: Any, torch: Any) -> None:
    from transformers import GenerationConfig, GenerationMixin

    request = make_request(family)
    tokens = generate(open_generation(family))
    assert tokens.shape == (BATCH, NEW_TOKENS)

    built = build_torch_model(request.workload, dtype="float32", batch=BATCH, shape=request.shape, seed=0)
    inputs = {name: value for name, value in built.inputs.items() if name != "decoder_input_ids"}
    start = getattr(built.module.config, "decoder_start_token_id", None)
    config = GenerationConfig(
        do_sample=False,
        min_new_tokens=NEW_TOKENS,
        max_new_tokens=NEW_TOKENS,
        use_cache=True,
        pad_token_id=0,
        eos_token_id=None,
        decoder_start_token_id=start,
    )
    # Whisper's own generate adds prompts and timestamps around the loop; the loop is the mixin's.
    built.module.generation_config = config
    with torch.inference_mode():
        expected = GenerationMixin.generate(built.module, **inputs, generation_config=config)
    np.testing.assert_array_equal(tokens, expected[:, -NEW_TOKENS:].numpy())


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_the_cache_changes_nothing(family: str, open_generation: Any, torch: Any) -> None:
    tokens = generate(open_generation(family))
    request = make_request(family)
    built = build_torch_model(request.workload, dtype="float32", batch=BATCH, shape=request.shape, seed=0)
    text = torch.cat([built.inputs["input_ids"], torch.from_numpy(tokens)], dim=1)
    with torch.inference_mode():
        logits = built.module(input_ids=text, attention_mask=torch.ones_like(text)).logits
    # What each position predicts, without any cache, is the token that was chosen there.
    np.testing.assert_array_equal(logits[:, 7 : 7 + NEW_TOKENS].argmax(-1).numpy(), tokens)
    assert len(np.unique(tokens)) > 2


def test_steps_make_one_token_each_and_generations_repeat(open_generation: Any) -> None:
    generation = open_generation("qwen2")
    state = generation.prefill()
    for made in range(1, NEW_TOKENS):
        assert state.read_tokens().shape == (BATCH, made)
        state = generation.decode(state)
    np.testing.assert_array_equal(state.read_tokens(), generate(generation))
    np.testing.assert_array_equal(generate(generation), generate(generation))
    assert generation.prompt_tokens == 8


def test_a_single_token_is_the_prefill_alone(open_generation: Any) -> None:
    np.testing.assert_array_equal(
        generate(open_generation("t5", new_tokens=1)), generate(open_generation("t5", new_tokens=3))[:, :1]
    )


def test_half_precision_generates_and_says_so(open_generation: Any) -> None:
    generation = open_generation("llama", precision=Precision.BF16)
    assert generate(generation).shape == (BATCH, NEW_TOKENS)
    assert generation.session.effective_precision == "bf16"
    assert generation.session.facts["decoding"].startswith("greedy")


# --- what is refused, without importing torch -----------------------------------------------------------------


def test_families_that_write_no_text_are_refused_by_naming_those_that_do() -> None:
    with pytest.raises(UnsupportedError, match=r"bert/tiny cannot generate text\. Families that can: llama, .*whisper"):
        plan_generation("torch", make_request("bert"), new_tokens=4)


def test_other_engines_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"'onnxruntime' cannot generate text\. Engines that can: torch"):
        plan_generation("onnxruntime", make_request("llama"), new_tokens=4)


@pytest.mark.parametrize(
    ("family", "shape", "most"),
    [("llama", {"seq": 2000}, 48), ("llava", {"seq": 4000}, 32), ("whisper", {"target": 8}, 447)],
)
def test_a_text_longer_than_the_model_has_positions_is_refused(family: str, shape: dict[str, int], most: int) -> None:
    workload = find_workload(f"{family}/tiny")
    check_generation(workload, shape=shape, new_tokens=most)
    with pytest.raises(UnsupportedError, match=f"at most {most} new tokens"):
        check_generation(workload, shape=shape, new_tokens=most + 1)


def test_no_tokens_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="Expected at least 1"):
        plan_generation("torch", make_request("t5"), new_tokens=0)


def test_prompts_are_counted_with_their_images() -> None:
    counted = {family: count_prompt_tokens(find_workload(f"{family}/tiny"), {}) for family in GENERATING_FAMILIES}
    assert counted == {"llama": 128, "llava": 96, "llava_next": 120, "qwen2": 128, "t5": 128, "whisper": None}


def test_planning_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from assay.workloads.base import find_workload\n"
        "from assay.workloads.generation import check_generation\n"
        "check_generation(find_workload('llama/tiny'), shape={'seq': 8}, new_tokens=4)\n"
        "import assay.engines.generation, assay.runner.generate_summary, assay.runner.serving_mode\n"
        "assert not {'torch', 'transformers', 'mlperf_loadgen'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
