"""Data sets of the user's: files that are composed here, whole and broken."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.datasets import cifar10, custom
from assay.workloads.datasets.base import DataTask, datasets
from assay.workloads.datasets.check import Level, check_dataset
from assay.workloads.datasets.checksums import check_files
from assay.workloads.datasets.pictures import read_mask, read_picture
from assay.workloads.datasets.resolve import open_reference

FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
SAMPLES = 8


def _write_ppm(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, _ = pixels.shape
    path.write_bytes(b"P6\n# drawn\n%d %d\n255\n" % (width, height) + pixels.tobytes())


def _has_faults(dataset: Any) -> bool:
    return any(one.level is Level.FAULT for one in check_dataset(dataset))


# -- CIFAR-10 ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_cifar(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray[Any, Any], list[int]]]:
    """Contents of the six files, a few samples each; the reader is told to expect that few."""
    monkeypatch.setattr(cifar10, "BATCH_SAMPLES", SAMPLES)
    random = np.random.default_rng(0)
    return {
        name: (random.integers(0, 256, (SAMPLES, 3072), np.uint8), random.integers(0, 10, SAMPLES).tolist())
        for name in FILES
    }


def _binary(part: tuple[np.ndarray[Any, Any], list[int]]) -> bytes:
    return np.concatenate([np.array(part[1], np.uint8)[:, None], part[0]], axis=1).tobytes()


def _pickled(part: tuple[np.ndarray[Any, Any], list[int]]) -> bytes:
    return pickle.dumps({b"data": part[0], b"labels": part[1], b"batch_label": b"one"}, protocol=2)


def test_both_versions_of_cifar10_hold_the_same(
    tmp_path: Path, small_cifar: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, end, write in (("cifar-10-batches-bin", ".bin", _binary), ("cifar-10-batches-py", "", _pickled)):
        (tmp_path / folder).mkdir()
        for name, part in small_cifar.items():
            (tmp_path / folder / f"{name}{end}").write_bytes(write(part))
    known = {name: hashlib.md5(_pickled(part), usedforsecurity=False).hexdigest() for name, part in small_cifar.items()}
    monkeypatch.setattr(cifar10, "PICKLE_MD5", known)
    binary = open_reference(f"cifar10:{tmp_path / 'cifar-10-batches-bin'}")
    pickled = open_reference(f"cifar10:{tmp_path / 'cifar-10-batches-py'}")
    assert (binary.info.train_samples, binary.info.test_samples) == (40, 8)
    assert binary.info.checksum != pickled.info.checksum
    for one, other in ((binary.train, pickled.train), (binary.test, pickled.test)):
        for field, array in one.take(range(len(one))).items():
            assert np.array_equal(array, other.take(range(len(other)))[field])
    assert binary.test.take([3])["labels"].tolist() == [small_cifar["test_batch"][1][3]]
    red = small_cifar["test_batch"][0][3, :1024].reshape(32, 32)
    assert np.allclose((binary.test.take([3])["pixel_values"][0, 0] + 1) * 127.5, red, atol=1e-3)


def test_cifar10_is_read_from_its_archive(tmp_path: Path, small_cifar: dict[str, Any]) -> None:
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, part in small_cifar.items():
            content = _binary(part)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert open_reference(f"cifar10:{path}").info.train_samples == 40
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(WorkloadError, match=r"could not be read as an archive|holds no CIFAR-10|not complete"):
        open_reference(f"cifar10:{path}")


def test_what_is_wrong_with_cifar10_is_said(tmp_path: Path, small_cifar: dict[str, Any]) -> None:
    with pytest.raises(WorkloadError, match=r"There is no CIFAR-10 in .*cifar10-synthetic"):
        open_reference(f"cifar10:{tmp_path}")
    (tmp_path / "test_batch.bin").write_bytes(_binary(small_cifar["test_batch"]))
    with pytest.raises(WorkloadError, match=r"not complete: .*data_batch_1\.bin"):
        open_reference(f"cifar10:{tmp_path}")
    for name, part in small_cifar.items():
        (tmp_path / f"{name}.bin").write_bytes(_binary(part))
    (tmp_path / "data_batch_3.bin").write_bytes(b"short")
    with pytest.raises(WorkloadError, match="has 5 bytes, expected 24584"):
        open_reference(f"cifar10:{tmp_path}")


class _Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("touch /nonexistent/evil",)


def test_a_pickle_that_is_not_the_published_one_is_not_opened(
    tmp_path: Path, small_cifar: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, part in small_cifar.items():
        (tmp_path / name).write_bytes(_pickled(part))
    with pytest.raises(WorkloadError, match=r"not the published file: MD5 .*expected c99cafc1"):
        open_reference(f"cifar10:{tmp_path}")
    # Even where its checksum were right, it could call nothing.
    evil = pickle.dumps({b"data": _Evil(), b"labels": [1]}, protocol=2)
    (tmp_path / "data_batch_1").write_bytes(evil)
    md5 = hashlib.md5(evil, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(cifar10, "PICKLE_MD5", {**cifar10.PICKLE_MD5, "data_batch_1": md5})
    with pytest.raises(WorkloadError, match=r"names (posix|nt)\.system"):
        open_reference(f"cifar10:{tmp_path}")


# -- texts -------------------------------------------------------------------------------------------------------


def test_sst2_is_read_as_glue_has_it(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text('sentence\tlabel\na "lone mark\t0\nlovely film \t1\n', encoding="utf-8")
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\ndull\t0\n", encoding="utf-8")
    opened = open_reference(f"sst2:{tmp_path}", shape={"seq": 8})
    assert (opened.info.train_samples, opened.info.test_samples) == (2, 1)
    assert opened.info.labels == ("negative", "positive")
    assert opened.train.take([0, 1])["labels"].tolist() == [0, 1]
    assert opened.train.take([0])["attention_mask"].sum() == 6
    lines = "".join(
        f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in ("dev.tsv", "train.tsv")
    )
    assert opened.info.checksum == hashlib.sha256(lines.encode()).hexdigest()
    (tmp_path / "dev.tsv").unlink()
    with pytest.raises(WorkloadError, match=r"there is no .*dev\.tsv.*sst2-synthetic"):
        open_reference(f"sst2:{tmp_path}")


def test_tables_of_all_kinds_hold_the_same(tmp_path: Path) -> None:
    rows = [(f"review number {number}, fine", str(number % 3)) for number in range(60)]
    (tmp_path / "a.csv").write_text(
        "stars,body\n" + "".join(f'{label},"{text}"\n' for text, label in rows), encoding="utf-8"
    )
    (tmp_path / "a.tsv").write_text("stars\tbody\n" + "".join(f"{label}\t{text}\n" for text, label in rows))
    content = "".join(json.dumps({"body": text, "stars": int(label)}) + "\n" for text, label in rows)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    opened = [
        open_reference(f"csv:{tmp_path / name}?text=body&label=stars") for name in ("a.csv", "a.tsv", "a.jsonl.gz")
    ]
    first = opened[0]
    assert first.info.train_samples + first.info.test_samples == 60
    assert first.info.labels == ("0", "1", "2")
    assert not _has_faults(first)
    for other in opened[1:]:
        for field, array in first.train.take(range(len(first.train))).items():
            assert np.array_equal(array, other.train.take(range(len(other.train)))[field])


def test_a_text_that_is_there_twice_is_on_one_side_only(tmp_path: Path) -> None:
    rows = "".join(f"text {number % 20},{number % 2}\n" for number in range(100))
    (tmp_path / "a.csv").write_text("text,label\n" + rows, encoding="utf-8")
    opened = open_reference(f"csv:{tmp_path / 'a.csv'}")
    assert not any("also in the training" in one.text for one in check_dataset(opened))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,1\nb,\n", "line 3: the column 'label' is empty"),
        ("text,label\na,1,2\n", "line 2: 3 fields, expected 2"),
        ("words,mark\na,1\n", "no column for the text"),
        ("text,label\n", "0 texts to train with"),
    ],
)
def test_bad_tables_are_refused_with_the_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(WorkloadError, match=message):
        open_reference(f"csv:{tmp_path / 'a.csv'}")


def test_bad_json_lines_are_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": 1}\n[1]\n', encoding="utf-8")
    with pytest.raises(WorkloadError, match="line 2: expected an object, got list"):
        open_reference(f"csv:{tmp_path / 'a.jsonl'}")
    with pytest.raises(WorkloadError, match="ends in none of"):
        open_reference(f"csv:{tmp_path / 'a.xml'}")


# -- pictures ----------------------------------------------------------------------------------------------------


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for part in ("train", "val"):
        for kind in ("rose", "daisy"):
            for number in range(3):
                pixels = random.integers(0, 256, (12, 16, 3), np.uint8)
                _write_ppm(tmp_path / part / kind / f"{number}.ppm", pixels)
    np.save(tmp_path / "train" / "rose" / "grey.npy", random.integers(0, 256, (9, 9), np.uint8))
    return tmp_path


def test_a_folder_of_pictures_is_read(flowers: Path) -> None:
    opened = open_reference(f"image-folder:{flowers}")
    assert opened.info.labels == ("daisy", "rose")
    assert (opened.info.train_samples, opened.info.test_samples) == (7, 6)
    assert opened.info.shape == {"image": 12, "channels": 3}
    assert opened.train.take([6, 0])["labels"].tolist() == [1, 0]
    assert not _has_faults(opened)
    grey = open_reference(f"image-folder:{flowers}", shape={"image": 8, "channels": 1}, limit=4)
    assert len(grey.train) == 4
    assert grey.train.take([0])["pixel_values"].shape == (1, 1, 8, 8)


def test_a_folder_without_splits_is_divided_by_name(flowers: Path) -> None:
    opened = open_reference(f"image-folder:{flowers / 'train'}", shape={"image": 4, "channels": 3})
    assert opened.info.train_samples + opened.info.test_samples == 7
    assert any("a fifth is for testing" in note for note in opened.info.notes)


def test_files_that_are_not_as_listed_are_refused(flowers: Path) -> None:
    files = sorted(flowers.rglob("*.ppm"))
    lines = [f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.relative_to(flowers).as_posix()}" for one in files]
    (flowers / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert open_reference(f"image-folder:{flowers}").info.checksum
    files[0].write_bytes(files[0].read_bytes() + b"x")
    with pytest.raises(WorkloadError, match="is not the file it should be"):
        open_reference(f"image-folder:{flowers}")
    (flowers / "SHA256SUMS").write_text("rubbish\n", encoding="utf-8")
    with pytest.raises(WorkloadError, match="line 1: expected a SHA-256"):
        check_files(flowers, files)


def test_what_is_wrong_with_a_folder_is_said(flowers: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="is not there"):
        open_reference(f"image-folder:{tmp_path / 'nowhere'}")
    (flowers / "val" / "tulip").mkdir()
    with pytest.raises(WorkloadError, match="different classes: tulip"):
        open_reference(f"image-folder:{flowers}")
    (flowers / "train" / "tulip").mkdir()
    with pytest.raises(WorkloadError, match=r"There are no pictures in .*tulip"):
        open_reference(f"image-folder:{flowers}")


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    random = np.random.default_rng(0)
    for number in range(20):
        _write_ppm(tmp_path / "images" / f"{number}.ppm", random.integers(0, 256, (8, 8, 3), np.uint8))
        np.save(tmp_path / "masks" / f"{number}.npy", random.integers(0, 3, (8, 8), np.uint8))
    return tmp_path


def test_a_folder_with_masks_is_read(cells: Path) -> None:
    opened = open_reference(f"segmentation-folder:{cells}")
    assert (opened.info.task, opened.info.classes) == (DataTask.SEGMENTATION, 3)
    assert opened.info.train_samples + opened.info.test_samples == 20
    assert not _has_faults(opened)
    assert open_reference(f"segmentation-folder:{cells}?classes=5").info.classes == 5
    few = open_reference(f"segmentation-folder:{cells}?classes=2")
    with pytest.raises(WorkloadError, match="holds the value 2; expected classes below 2"):
        few.train.take(range(len(few.train)))
    (cells / "masks" / "3.npy").unlink()
    with pytest.raises(WorkloadError, match="'3' has no mask"):
        open_reference(f"segmentation-folder:{cells}")


def test_png_is_read_through_pillow(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="PNG needs Pillow")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), np.moveaxis(pixels, -1, 0))
    palette = image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="L").convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").shape == (2, 2)
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(WorkloadError, match="could not be read as a picture"):
        read_picture(tmp_path / "broken.png")


def test_pictures_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6\n4 4\n255\nshort")
    with pytest.raises(WorkloadError, match="is cut off"):
        read_picture(tmp_path / "a.ppm")
    np.save(tmp_path / "a.npy", np.zeros((2, 2), np.float32))
    with pytest.raises(WorkloadError, match="float32"):
        read_picture(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(WorkloadError, match="could not be read"):
        read_picture(tmp_path / "b.npy")


# -- code of the user's, and the hub -----------------------------------------------------------------------------


def test_the_template_works_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.workloads.datasets.template import render_dataset_template

    (tmp_path / "my_pictures_8391.py").write_text(render_dataset_template("my_pictures_8391"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert datasets.get("python").open is custom.open_custom
    opened = open_reference("python:my_pictures_8391:open_mine", limit=30)
    assert not _has_faults(opened)
    assert opened.info.train_samples == 30
    with pytest.raises(UnknownNameError, match="open_mine"):
        open_reference("python:my_pictures_8391:open_min")
    with pytest.raises(WorkloadError, match="could not be imported"):
        open_reference("python:no_such_module_8391:make")
    with pytest.raises(WorkloadError, match="does not name a factory"):
        open_reference("python:my_pictures_8391")
    (tmp_path / "wrong_8391.py").write_text("def make(request):\n    return [request]\n", encoding="utf-8")
    with pytest.raises(WorkloadError, match="returned list; expected a Dataset"):
        open_reference("python:wrong_8391:make")


def test_the_hub_s_library_reads_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets", reason="the hub needs datasets: pip install 'assay[hub]'")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)
    folder = tmp_path / "reviews"
    folder.mkdir()
    for name, count in (("train", 12), ("test", 6)):
        rows = "".join(f"{name} text {number},{number % 2}\n" for number in range(count))
        (folder / f"{name}.csv").write_text("text,label\n" + rows, encoding="utf-8")
    opened = open_reference(f"hub:{folder}")
    assert (opened.info.train_samples, opened.info.test_samples, opened.info.classes) == (12, 6, 2)
    assert opened.info.checksum
    assert not _has_faults(opened)
    with pytest.raises(WorkloadError, match="no split 'validation'"):
        open_reference(f"hub:{folder}?test=validation")
    with pytest.raises(WorkloadError, match=r"could not be loaded.*stand-in"):
        open_reference("hub:nobody/no-such-data-8391")


def test_a_package_in_use_is_not_taken_for_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import colorsys  # noqa: F401  (in use, as a package of the trainer would be)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "colorsys.py").write_text("def make(request): return None\n")
    with pytest.raises(
        WorkloadError, match="'python:colorsys:make' cannot be imported: 'colorsys' is a package in use"
    ):
        open_reference("python:colorsys:make")
