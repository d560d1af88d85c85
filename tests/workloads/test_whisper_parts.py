"""Whisper's encoder and decoder apart do together what the whole model does, also for clips shorter than its window."""

from __future__ import annotations

from typing import Any

import pytest

import assay.workloads.families.whisper_parts
from assay.core.errors import WorkloadError
from assay.workloads.base import families, find_workload
from assay.workloads.export import make_exportable
from assay.workloads.torch_build import TorchModel

torch = pytest.importorskip("torch", reason="building workloads needs torch: pip install 'assay[torch]'")
pytest.importorskip("transformers", reason="building workloads needs transformers: pip install 'assay[torch]'")

assert assay.workloads.families.whisper_parts  # registers families of its own

SMALLEST = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "encoder_layers": 2, "decoder_layers": 2,
            "encoder_attention_heads": 2, "decoder_attention_heads": 2, "vocab_size": 60, "max_source_positions": 1500,
            "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3}  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


def _build(family: str) -> Any:
    import dataclasses

    size = find_workload(family).size
    torch.manual_seed(0)
    return families.get(family).build(dataclasses.replace(size, config={**size.config, **SMALLEST})).eval()


@pytest.fixture(scope="module")
def whole() -> Any:
    return _build("whisper")


@pytest.fixture(scope="module")
def encoder(whole: Any) -> Any:
    model = _build("whisper-encoder")
    model.load_state_dict(whole.model.encoder.state_dict())
    return model


@pytest.fixture(scope="module")
def decoder(whole: Any) -> Any:
    model = _build("whisper-decoder")
    model.model.decoder.load_state_dict(whole.model.decoder.state_dict())
    return model


def _encode(encoder: Any, features: Any) -> Any:
    with torch.inference_mode():
        return families.get("whisper-encoder").forward(encoder, {"input_features": features})["last_hidden_state"]


def test_both_parts_one_after_another_are_the_whole(whole: Any, encoder: Any, decoder: Any) -> None:
    features, tokens = torch.randn(2, 80, 3000), torch.randint(0, 60, (2, 5))
    hidden = _encode(encoder, features)
    with torch.inference_mode():
        inputs = {"decoder_input_ids": tokens, "encoder_hidden_states": hidden}
        logits = families.get("whisper-decoder").forward(decoder, inputs).logits
        expected = whole(input_features=features, decoder_input_ids=tokens)
    assert torch.allclose(hidden, expected.encoder_last_hidden_state, atol=1e-6)
    assert torch.allclose(logits, expected.logits, atol=1e-5)


def test_the_encoder_is_the_librarys_own_at_thirty_seconds(encoder: Any) -> None:
    features = torch.randn(1, 80, 3000)
    with torch.inference_mode():
        expected = encoder(features).last_hidden_state
    assert torch.equal(_encode(encoder, features), expected)


@pytest.mark.parametrize("seconds", [1, 7])
def test_a_shorter_clip_has_fewer_positions(encoder: Any, seconds: int) -> None:
    assert _encode(encoder, torch.randn(1, 80, 100 * seconds)).shape == (1, 50 * seconds, 32)


def test_a_clip_beyond_the_window_is_refused(encoder: Any) -> None:
    with pytest.raises(WorkloadError, match=r"positions for 30 s, and seconds=31 was asked for") as caught:
        _encode(encoder, torch.randn(1, 80, 3100))
    assert "windows" in str(caught.value.hint)


def test_parts_are_there_by_name_and_not_among_all_families() -> None:
    for name, unit, units in (("whisper-encoder", "s audio", 60.0), ("whisper-decoder", "token", 16.0)):
        workload = find_workload(f"{name}/tiny")
        assert not workload.family.is_general, "whisper itself stands for them in a survey"
        assert workload.family.unit.value == unit
        assert workload.units_per_call(2, workload.resolve_shape({})) == units


@pytest.mark.parametrize("label", ["tiny", "base", "small"])
def test_parts_add_up_to_the_whole(label: str) -> None:
    parts = [find_workload(f"whisper-{part}/{label}").size.parameters or 0 for part in ("encoder", "decoder")]
    assert sum(parts) == find_workload(f"whisper/{label}").size.parameters
    for part, count in zip(("encoder", "decoder"), parts, strict=True):
        workload = find_workload(f"whisper-{part}/{label}")
        with torch.device("meta"):
            model = workload.family.build(workload.size)
        assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_the_encoder_exports_with_the_clips_own_length(encoder: Any) -> None:
    built = TorchModel(encoder, {"input_features": torch.randn(1, 80, 200)})
    made = make_exportable(find_workload("whisper-encoder"), built, batch=1)
    assert made.input_names == ("input_features",)
    assert made.output_names == ("output_0_last_hidden_state",)
    assert made.batch_axes == (0,)
    with torch.inference_mode():
        assert made.module(*made.inputs)[0].shape == (1, 100, 32)
