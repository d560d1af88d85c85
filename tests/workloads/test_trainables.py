"""Every family learns its own task, on models small enough for a test."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import WorkloadError
from assay.workloads.base import Size, Workload, families, find_workload
from assay.workloads.datasets.base import DataTask
from assay.workloads.trainables.base import Head, Trainable, trainables

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'assay[torch]'")
pytest.importorskip("transformers", reason="training needs transformers: pip install 'assay[torch]'")

PAGE = Path(__file__).parents[2] / "docs" / "training-objectives.md"
FAMILIES = tuple(name for name in trainables.names() if families.get(name).is_general)
LEARNED = 0.9
"""What the last tenth of the losses must be below, as a share of the first tenth: the rule of docs/training.md."""

BATCHES = {"clip": 4, "clap": 4, "xclip": 4, "bert": 8}
SHAPES: dict[str, dict[str, int]] = {
    "bert": {"seq": 16},
    "clap": {"seq": 8},
    "clip": {"seq": 8},
    "detr": {"image": 64},
    "llama": {"seq": 16},
    "qwen2": {"seq": 16},
    "resnet": {"image": 64},
    "t5": {"seq": 8, "target": 8},
    "unet": {"image": 32},
    "wav2vec2": {"seconds": 1},
    "xclip": {"seq": 8},
}


pytestmark = pytest.mark.usefixtures("one_thread")


def shrink(name: str) -> Size:
    """The tiny size, with less of what a test would wait for: pixels, frames, words and the width behind them."""
    size = find_workload(name).size
    config, constants = dict(size.config), dict(size.constants)
    match name:
        case "vit":
            config.update(image_size=64, num_hidden_layers=4)
        case "clip" | "xclip":
            config["vision"] = {**config["vision"], "image_size": 64}
        case "clap":
            audio = {"spec_size": 128, "window_size": 4, "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 4, 8]}
            config["audio_config"] = {
                **config["audio_config"], **audio, "patch_embeds_hidden_size": 16, "hidden_size": 128
            }  # fmt: skip
            config["text_config"] = {**config["text_config"], "vocab_size": 64}
            constants.update(frames=101)
        case "whisper":
            heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
            tokens = {"pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 2}
            config.update(
                heads | tokens,
                vocab_size=1008,
                d_model=256,
                max_source_positions=100,
                encoder_layers=2,
                decoder_layers=2,
            )
            constants.update(frames=200)
        case "wav2vec2":
            config.update(num_hidden_layers=2, conv_dim=(64,) * 7)
        case "llama" | "qwen2":
            config.update(vocab_size=256, hidden_size=192, num_attention_heads=6, num_hidden_layers=2, head_dim=32)
        case "t5":
            config.update(vocab_size=512)
        case "bert":
            config.update(vocab_size=1080)
            constants.update(vocab=1080)
    return dataclasses.replace(size, config=config, constants=constants)


def make_pool(name: str, *, count: int, seed: int = 0) -> list[dict[str, Any]]:
    trainable, size = trainables.get(name), shrink(name)
    shape = Workload(name, families.get(name), size).resolve_shape(SHAPES.get(name, {}))
    generator = np.random.default_rng(seed)
    made = [trainable.make_batch(size, BATCHES.get(name, 2), shape, generator) for _ in range(count)]
    return [{field: torch.from_numpy(array) for field, array in batch.items()} for batch in made]


def build(name: str, head: Head | None = None) -> Any:
    torch.manual_seed(0)
    return trainables.get(name).build(shrink(name), head).train()


def train(trainable: Trainable, model: Any, pool: list[dict[str, Any]], steps: int) -> list[float]:
    """A plain loop of AdamW; the losses of its steps."""
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=trainable.learning_rate
    )
    losses = []
    for step in range(steps):
        batch = pool[step % len(pool)]
        optimizer.zero_grad()
        loss = trainable.loss(trainable.forward(model, batch), batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def ratio(losses: list[float]) -> float:
    tenth = max(4, len(losses) // 10)
    return statistics.median(losses[-tenth:]) / statistics.median(losses[:tenth])


# -- learning --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_learns_within_its_steps(name: str) -> None:
    trainable = trainables.get(name)
    losses = train(trainable, build(name), make_pool(name, count=trainable.pool), trainable.steps_to_learn)
    assert all(np.isfinite(losses))
    assert ratio(losses) < LEARNED, losses


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_seed_gives_the_same_losses(name: str) -> None:
    pool = make_pool(name, count=1)
    first, again = (train(trainables.get(name), build(name), pool, 2) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", FAMILIES)
def test_every_trained_parameter_gets_a_gradient(name: str) -> None:
    # DistributedDataParallel waits for each of them.
    trainable, model, (batch,) = trainables.get(name), build(name), make_pool(name, count=1)
    trainable.loss(trainable.forward(model, batch), batch).backward()
    trained = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert [key for key, parameter in trained.items() if parameter.grad is None] == []
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in trained.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_under_autocast_the_loss_is_still_float32(name: str) -> None:
    trainable, model, (batch,) = trainables.get(name), build(name), make_pool(name, count=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = trainable.forward(model, batch)
    loss = trainable.loss(outputs, batch)
    assert (loss.dtype, loss.ndim) == (torch.float32, 0)
    assert bool(torch.isfinite(loss))


@pytest.mark.parametrize("name", FAMILIES)
def test_batches_come_from_the_generator_alone(name: str) -> None:
    (first,), (again,), (other,) = (make_pool(name, count=1, seed=seed) for seed in (3, 3, 4))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[field], again[field]) for field in first)
    assert not all(torch.equal(first[field], other[field]) for field in first)
    assert {tensor.dtype for tensor in first.values()} <= {torch.float32, torch.int64}
    assert {len(tensor) for tensor in first.values()} == {BATCHES.get(name, 2)}


# -- names of layers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_the_head_and_the_adapted_layers_are_there_in_every_size(name: str) -> None:
    trainable = trainables.get(name)
    for size in families.get(name).sizes.values():
        with torch.device("meta"):
            model = trainable.build(size, None)
        heads = [
            key for key, _ in model.named_parameters() if key.startswith(tuple(f"{one}." for one in trainable.head))
        ]
        heads += [key for key, _ in model.named_parameters() if key in trainable.head]
        assert heads
        linear = [key for key, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
        for end in trainable.lora:
            assert any(key.endswith(f".{end}") for key in linear), end


def test_what_is_not_reached_is_not_trained() -> None:
    llava, following = build("llava"), build("llava_next")
    assert not any(parameter.requires_grad for parameter in llava.model.vision_tower.parameters())
    layers = following.model.vision_tower.encoder.layers
    assert [any(parameter.requires_grad for parameter in layer.parameters()) for layer in layers] == [True, True, False]
    for name, model in (("llava", llava), ("llava_next", following)):
        ends = tuple(f".{end}" for end in trainables.get(name).lora)
        assert all("language_model" in key for key, _ in model.named_modules() if key.endswith(ends))


def test_attention_of_t5_is_scaled_once() -> None:
    # The initial query weights hold 1/sqrt(d_kv); the family's factor would be a second one.
    from transformers.models.t5.modeling_t5 import T5Attention

    scales = {module.scaling for module in build("t5").modules() if isinstance(module, T5Attention)}
    assert scales == {1.0}


def test_listing_imports_no_framework() -> None:
    code = (
        "import sys; from assay.workloads.trainables.base import trainables; "
        f"[trainables.get(name) for name in {FAMILIES!r}]; "
        "print(sorted({'torch', 'transformers', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


# -- heads for data sets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (32, 3), (96, 3)])
@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_images_of_any_size_and_colour_are_classified(name: str, side: int, channels: int) -> None:
    trainable = trainables.get(name)
    model = build(name, Head(10, {"image": side, "channels": channels}))
    batch = {"pixel_values": torch.randn(2, channels, side, side), "labels": torch.tensor([0, 9])}
    outputs = trainable.forward(model, batch)
    assert trainable.scores is not None
    assert trainable.scores(outputs, batch).shape == (2, 10)
    trainable.loss(outputs, batch).backward()


def test_a_small_image_keeps_its_pixels_in_the_stem_of_resnet() -> None:
    model = build("resnet", Head(10, {"image": 32}))
    assert model.resnet.embedder(torch.zeros(1, 3, 32, 32)).shape[-2:] == (32, 32)
    published = build("resnet", Head(10, {"image": 224}))
    assert published.resnet.embedder(torch.zeros(1, 3, 224, 224)).shape[-2:] == (56, 56)


def test_patches_of_vit_fit_the_image() -> None:
    from assay.workloads.trainables.vit import choose_patch

    chosen = {side: choose_patch(side, 16) for side in (8, 16, 28, 32, 64, 96, 128, 144, 224)}
    assert chosen == {8: 2, 16: 2, 28: 4, 32: 4, 64: 8, 96: 12, 128: 16, 144: 16, 224: 16}


def test_unet_and_bert_take_the_classes_and_words_of_a_data_set() -> None:
    unet = trainables.get("unet")
    model = build("unet", Head(5, {"image": 32, "channels": 1}))
    batch = {"pixel_values": torch.randn(2, 1, 32, 32), "labels": torch.zeros(2, 32, 32, dtype=torch.int64)}
    scores = unet.forward(model, batch)
    assert unet.scores is not None
    assert unet.scores(scores, batch).shape == (2, 5, 32, 32)
    bert, size = trainables.get("bert"), find_workload("bert").size
    asked: tuple[dict[str, int], ...] = ({"seq": 600, "vocab": 40_000}, {"seq": 32, "vocab": 2_000})
    configs = [bert.build(size, Head(3, shape)).config for shape in asked]
    sizes = [(config.vocab_size, config.max_position_embeddings, config.num_labels) for config in configs]
    assert sizes == [(40_000, 600, 3), (30_522, 512, 3)]


def test_what_can_be_learned_is_said() -> None:
    able = {name: trainables.get(name).tasks for name in FAMILIES if trainables.get(name).tasks}
    assert able == {
        "bert": (DataTask.TEXTS,),
        "resnet": (DataTask.IMAGES,),
        "unet": (DataTask.SEGMENTATION,),
        "vit": (DataTask.IMAGES,),
    }
    assert all(trainables.get(name).scores is not None for name in able)


def test_handwritten_digits_are_told_apart_better_than_by_chance() -> None:
    sklearn = pytest.importorskip(
        "sklearn.datasets", reason="digits come with scikit-learn: pip install 'assay[training]'"
    )
    digits = sklearn.load_digits()
    pixels = torch.from_numpy((digits.images / 8 - 1).astype(np.float32))[:, None].expand(-1, 3, -1, -1)
    labels = torch.from_numpy(digits.target.astype(np.int64))
    order = np.random.default_rng(0).permutation(len(labels))
    rows, unseen = torch.from_numpy(order[:640].reshape(20, 32)), torch.from_numpy(order[-200:])
    trainable, model = trainables.get("resnet"), build("resnet", Head(10, {"image": 8, "channels": 3}))
    train(trainable, model, [{"pixel_values": pixels[row], "labels": labels[row]} for row in rows], 20)
    batch = {"pixel_values": pixels[unseen], "labels": labels[unseen]}
    assert trainable.scores is not None
    with torch.no_grad():
        found = trainable.scores(trainable.forward(model.eval(), batch), batch).argmax(dim=1)
    assert (found == batch["labels"]).float().mean() > 0.3


# -- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clip", "clap", "xclip"])
def test_a_contrast_needs_something_to_differ_from(name: str) -> None:
    size = find_workload(name).size
    with pytest.raises(WorkloadError, match="has no others"):
        trainables.get(name).make_batch(size, 1, {"seq": 8}, np.random.default_rng(0))


def test_batch_norm_needs_two_values() -> None:
    resnet = trainables.get("resnet")
    size = find_workload("resnet").size
    with pytest.raises(WorkloadError, match="no variance"):
        resnet.make_batch(size, 1, {"image": 32}, np.random.default_rng(0))
    assert resnet.make_batch(size, 1, {"image": 33}, np.random.default_rng(0))["labels"].shape == (1,)


# -- the page --------------------------------------------------------------------------------------------------


def fill_page(text: str) -> str:
    """Write the tables of the page anew from the registry."""
    for mark, lines in (("objectives", objective_rows()), ("settings", setting_rows())):
        begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        before, rest = text.split(begin)
        text = before + begin + "".join(f"{line}\n" for line in lines) + end + rest.partition(end)[2]
    return text


def objective_rows() -> Iterator[str]:
    yield "| family | what is minimised | its own task | data sets |"
    yield "|---|---|---|---|"
    for name in trainables.names():
        trainable = trainables.get(name)
        task = (trainable.make_batch.__doc__ or "").partition(". ")[0].partition("\n")[0].strip().rstrip(".")
        task = task.removeprefix("Make ")
        task = task[:1].upper() + task[1:]
        tasks = ", ".join(trainable.tasks)
        yield f"| `{name}` | {trainable.objective} | {task} | {tasks} |"


def setting_rows() -> Iterator[str]:
    yield "| family | rate of AdamW | batches | steps | head | adapters beside |"
    yield "|---|---|---|---|---|---|"
    for name in trainables.names():
        trainable = trainables.get(name)
        head, lora = (", ".join(f"`{one}`" for one in names) for names in (trainable.head, trainable.lora))
        settings = f"{trainable.learning_rate:g} | {trainable.pool} | {trainable.steps_to_learn}"
        yield f"| `{name}` | {settings} | {head} | {lora} |"


def test_the_tables_of_the_page_are_those_of_the_registry() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == fill_page(text), "refresh with: python tests/workloads/test_trainables.py"


if __name__ == "__main__":
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
