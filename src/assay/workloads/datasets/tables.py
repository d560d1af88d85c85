"""Texts with a class each, from CSV, TSV or JSON lines; SST-2 in GLUE's own files is one of them.

``csv:PLACE`` is a file (``.csv``, ``.tsv``, ``.jsonl``; ``.gz`` after them is fine), or a folder with ``train.*`` and
``test.*`` (or ``dev``, ``valid``, ``validation``). Settings: ``?text=COLUMN&label=COLUMN``. Of a single file a fifth is
for testing, by the hash of the text, so that a text that is there twice is on one side only. A ``vocab.txt`` beside the
file makes WordPiece ids, else words are hashed. ``sst2:FOLDER`` is GLUE's folder: train.tsv and dev.tsv, as the labels
of test.tsv are kept secret. May import: core, workloads.datasets; numpy inside functions.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetInfo, DatasetRequest, DatasetSource, DataTask, datasets
from assay.workloads.datasets.checksums import check_files
from assay.workloads.datasets.folders import is_for_testing
from assay.workloads.datasets.places import Place, read_place
from assay.workloads.datasets.tokens import (
    DEFAULT_VOCAB,
    HashingTokenizer,
    Tokenizer,
    encode_texts,
    read_vocabulary,
)

_SEQ = 64
_ENDS = (".csv", ".tsv", ".jsonl")
_TEXT_COLUMNS = ("text", "sentence", "review", "content")
_LABEL_COLUMNS = ("label", "class", "target", "sentiment")
_TEST_NAMES = ("test", "dev", "valid", "validation")
_MOST_CLASSES = 10_000
_LARGEST_FIELD = 1 << 24


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and their labels as they were written."""

    texts: Sequence[str]
    labels: Sequence[str]

    def keep(self, marks: Sequence[bool]) -> Labelled:
        """Return those that are marked."""
        chosen = [number for number, mark in enumerate(marks) if mark]
        return Labelled([self.texts[one] for one in chosen], [self.labels[one] for one in chosen])


def open_table(request: DatasetRequest) -> Dataset:
    """Open texts of the user's: ``seq`` (64) and ``vocab`` (30 522) can be chosen. Raises WorkloadError."""
    name = "csv"
    place = read_place(name, request.where, ("text", "label"), example=f"{name}:reviews.csv?text=review&label=stars")
    path = Path(place.text).expanduser()
    if path.is_dir():
        files = [_find_table(path, ("train",)), _find_table(path, _TEST_NAMES)]
        train, test = (read_table(file, place) for file in files)
        notes: tuple[str, ...] = ()
    else:
        files = [path]
        whole = read_table(path, place)
        marks = [is_for_testing(text) for text in whole.texts]
        train, test = whole.keep([not mark for mark in marks]), whole.keep(marks)
        notes = ("no split was given: a fifth is for testing, by the hash of the text",)
    root = path if path.is_dir() else path.parent
    checked = check_files(root, files)
    found = make_text_dataset(
        name, train, test, request, vocabulary=root / "vocab.txt", source=path.name, checksum=checked.checksum
    )
    return _with_notes(found, (*checked.notes, *notes))


def open_sst2(request: DatasetRequest) -> Dataset:
    """Open SST-2 as GLUE has it; ``seq`` (64) can be chosen. Raises WorkloadError."""
    name = "sst2"
    place = read_place(name, request.where, (), example=f"{name}:/data/SST-2")
    folder = Path(place.text).expanduser()
    folder = folder / "SST-2" if (folder / "SST-2").is_dir() else folder
    files = [folder / "train.tsv", folder / "dev.tsv"]
    for file in files:
        if not file.is_file():
            raise WorkloadError(
                f"SST-2 is not complete: there is no {file}.",
                hint="It can be had from gluebenchmark.com/tasks; without a network: sst2-synthetic, of its shape.",
            )
    columns = Place("", {"text": "sentence", "label": "label"})
    train, test = (read_table(file, columns) for file in files)
    odd = sorted({*train.labels, *test.labels} - {"0", "1"})
    if odd:
        raise WorkloadError(f"SST-2 has labels 0 and 1; {folder} also has {odd[0]!r}.")
    checked = check_files(folder, files)
    found = make_text_dataset(
        name,
        train,
        test,
        request,
        vocabulary=folder / "vocab.txt",
        source="Socher et al. 2013, Stanford Sentiment Treebank; GLUE, arXiv:1804.07461",
        checksum=checked.checksum,
        labels=("negative", "positive"),
    )
    return _with_notes(found, (*checked.notes, "test: GLUE's dev.tsv, as the labels of its test.tsv are not public"))


def make_text_dataset(
    name: str,
    train: Labelled,
    test: Labelled,
    request: DatasetRequest,
    *,
    vocabulary: Path | None,
    source: str,
    checksum: str | None,
    labels: tuple[str, ...] = (),
) -> Dataset:
    """Encode two splits of texts. Raises WorkloadError for an empty one, or a class that only the test split has."""
    from assay.workloads.datasets.arrays import limit_samples

    if not train.texts or not test.texts:
        raise WorkloadError(f"{source} has {len(train.texts)} texts to train with and {len(test.texts)} to test with.")
    classes = _order_classes(set(train.labels), source)
    strange = sorted(set(test.labels) - set(classes))
    if strange:
        raise WorkloadError(f"The test split of {source} has the class {strange[0]!r}, which the training split lacks.")
    kept = limit_samples(len(train.texts), request.limit, seed=request.seed)
    if not isinstance(kept, slice):
        chosen = set(kept.tolist())
        train = train.keep([number in chosen for number in range(len(train.texts))])
    has_vocabulary = vocabulary is not None and vocabulary.is_file()
    tokenizer: Tokenizer = (
        read_vocabulary(vocabulary)
        if vocabulary is not None and has_vocabulary
        else HashingTokenizer(request.shape.get("vocab", DEFAULT_VOCAB))
    )
    number_of = {label: number for number, label in enumerate(classes)}
    seq = request.shape.get("seq", _SEQ)
    made = [
        encode_texts(part.texts, [number_of[label] for label in part.labels], tokenizer, seq) for part in (train, test)
    ]
    info = DatasetInfo(
        name=name,
        task=DataTask.TEXTS,
        classes=len(classes),
        train_samples=len(made[0]),
        test_samples=len(made[1]),
        shape={"seq": seq},
        is_synthetic=False,
        source=source,
        checksum=checksum,
        vocab=tokenizer.vocab,
        labels=labels or classes,
        notes=("ids: WordPiece of vocab.txt" if has_vocabulary else "ids: words hashed by CRC-32",),
    )
    return Dataset(info, made[0], made[1])


def read_table(path: Path, place: Place) -> Labelled:
    """Read one file. Raises WorkloadError with the line for a row that cannot be used."""
    kind = _kind(path)
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkloadError(f"{path} is not UTF-8: {error}.") from error
    except (OSError, EOFError) as error:
        raise WorkloadError(f"{path} could not be read: {error}.", hint=f"Expected {', '.join(_ENDS)}.") from error
    texts, labels = [], []
    rows = _read_json_lines(path, content) if kind == ".jsonl" else _read_separated(path, content, kind)
    columns: tuple[str, str] | None = None
    for line, row in rows:
        columns = columns or (
            _choose_column(path, place, "text", _TEXT_COLUMNS, row),
            _choose_column(path, place, "label", _LABEL_COLUMNS, row),
        )
        text, label = row.get(columns[0]), row.get(columns[1])
        if text is None or label is None or not label.strip():
            lacks = columns[0] if text is None else columns[1]
            raise WorkloadError(f"{path}, line {line}: the column {lacks!r} is empty.")
        texts.append(text)
        labels.append(label.strip())
    return Labelled(texts, labels)


def _kind(path: Path) -> str:
    suffixes = [one.lower() for one in path.suffixes if one.lower() != ".gz"]
    if not suffixes or suffixes[-1] not in _ENDS:
        raise WorkloadError(f"{path} ends in none of {', '.join(_ENDS)} (.gz may follow).")
    return suffixes[-1]


def _find_table(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        for end in _ENDS:
            for packed in ("", ".gz"):
                if (folder / f"{name}{end}{packed}").is_file():
                    return folder / f"{name}{end}{packed}"
    expected = " or ".join(names)
    raise WorkloadError(f"{folder} has no file called {expected} that ends in {', '.join(_ENDS)}.")


def _read_separated(path: Path, content: str, kind: str) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    # Fields of TSV are not quoted (GLUE's have lone quotation marks in them); those of CSV may be.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if kind == ".tsv" else csv.QUOTE_MINIMAL
    csv.field_size_limit(_LARGEST_FIELD)
    reader = csv.DictReader(
        io.StringIO(content, newline=""), delimiter="\t" if kind == ".tsv" else ",", quoting=quoting
    )
    try:
        for row in reader:
            if None in row:
                raise WorkloadError(
                    f"{path}, line {reader.line_num}: {len(row) - 1 + len(row[None])} fields, "
                    f"expected {len(reader.fieldnames or ())}."
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise WorkloadError(f"{path}, line {reader.line_num}: {error}.") from error


def _read_json_lines(path: Path, content: str) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise WorkloadError(f"{path}, line {number}: no JSON: {error}.") from error
        if not isinstance(row, dict):
            raise WorkloadError(f"{path}, line {number}: expected an object, got {type(row).__name__}.")
        yield number, {name: None if value is None else str(value) for name, value in row.items()}


def _choose_column(path: Path, place: Place, role: str, usual: Sequence[str], row: Mapping[str, str | None]) -> str:
    asked = place.settings.get(role)
    found = asked if asked in row else None if asked else next((name for name in usual if name in row), None)
    if found is None:
        what = f"no column {asked!r}" if asked else f"no column for the {role} that is called {' or '.join(usual)}"
        raise WorkloadError(f"{path} has {what}; it has {', '.join(row)}.", hint=f"Name it: ?{role}=COLUMN")
    return found


def _order_classes(labels: set[str], source: str) -> tuple[str, ...]:
    """Order by number where all are numbers, else by name."""
    if len(labels) > _MOST_CLASSES:
        raise WorkloadError(f"The labels of {source} have {len(labels)} different values: that is no classification.")
    try:
        return tuple(sorted(labels, key=lambda one: (float(one), one)))
    except ValueError:
        return tuple(sorted(labels))


def _with_notes(found: Dataset, notes: tuple[str, ...]) -> Dataset:
    from dataclasses import replace

    return replace(found, info=replace(found.info, notes=(*found.info.notes, *notes)))


datasets.add(
    "csv",
    DatasetSource(
        name="csv",
        summary="texts of yours with a class each, from .csv, .tsv or .jsonl",
        task=DataTask.TEXTS,
        is_synthetic=False,
        open=open_table,
        takes_place="required",
        shape={"seq": _SEQ},
    ),
)
datasets.add(
    "sst2",
    DatasetSource(
        name="sst2",
        summary="SST-2 from GLUE's folder: 67 349 + 872 sentences, positive or negative",
        task=DataTask.TEXTS,
        is_synthetic=False,
        open=open_sst2,
        takes_place="required",
        shape={"seq": _SEQ},
    ),
)
