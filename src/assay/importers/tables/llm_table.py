"""Tables of language model speeds in a Markdown text: a device a row, tokens per second in the cells.

Two forms are read: a column for each model (``8B Q4_K_M``), where the sentence above says whether tokens are made or a
prompt is read; and columns named ``tg 512`` (tokens made) and ``pp 512`` (prompt), as llama.cpp's people write them.
Tables of anything else are passed over with a note. No run is behind such numbers that could be looked at, so every
row is marked. May import: core, catalog, importers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assay.core.case import ForeignCase
from assay.core.words import Mark, Mode, Status
from assay.importers.base import ImportedRow, ImportFileError, Item, Note, RowError, importers
from assay.importers.numbers import Numbers
from assay.importers.source import Source
from assay.importers.tables.cells import refuse, split_devices, take_row
from assay.importers.tables.llama_bench import is_llama_bench_table
from assay.importers.tables.markdown import MarkdownTable, read_tables

_UNIT = re.compile(r"\b(tok(en)?s?\s*/\s*s(ec(ond)?)?|tokens per second|t/s)\b", re.IGNORECASE)
_GENERATION = re.compile(r"generat|decod|\btg\b", re.IGNORECASE)
_PROMPT = re.compile(r"prompt|prefill|\bpp\b", re.IGNORECASE)
_COLUMN = re.compile(r"^(tg|pp)\s*(\d+)$", re.IGNORECASE)
_MODEL_COLUMN = re.compile(r"\b\d+(\.\d+)?B\b", re.IGNORECASE)
_TOKENS = re.compile(r"\b(\d+) tokens\b")
_QUANTISATION = re.compile(r"^(I?Q\d\w*|B?F16|F32|FP16|FP8|INT[48]|AWQ\w*|GPTQ\w*)$", re.IGNORECASE)
_FAMILY = re.compile(
    r"\b(code ?llama|tinyllama|llama|qwen|mistral|mixtral|gemma|phi|falcon|deepseek|gpt-oss|gpt)"
    r"(?:[ -]?\d+(?:\.\d+)?)?\b",
    re.IGNORECASE,
)
_ENGINES = ("llama.cpp", "vLLM", "TensorRT-LLM", "ExLlamaV2", "MLX", "SGLang")
_DEVICES = frozenset({"gpu", "gpus", "device", "hardware", "chip", "machine", "accelerator"})
_MODELS = frozenset({"model", "llm"})
_TIMES_COUNT = re.compile(r"^(.+?)\s*[*×]\s*(\d+)$")
_OUT_OF_MEMORY = frozenset({"oom", "out of memory"})
_UNVERIFIED = "a table in a document; no run is behind it that could be looked at"


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of speeds: what its cells count, for which model, with how many tokens (None: it does not say)."""

    title: str
    index: int
    makes_tokens: bool
    tokens: int | None
    model: str | None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a table keeps what."""

    table: MarkdownTable
    device: int
    model: int | None
    columns: tuple[_Column, ...]
    family: str | None
    engine: str | None


@dataclass(frozen=True, slots=True)
class _Cell:
    """One speed, with what its row says."""

    layout: _Layout
    column: _Column
    device: str
    model: str
    text: str


class LlmTable:
    """Speeds of language models in a Markdown text."""

    name = "llm-table"
    title = "tables of language model speeds in tokens/s (Markdown)"

    def recognise(self, source: Source) -> bool:
        """True where a Markdown table has a device a row and speeds in tokens per second."""
        head = source.head_text
        if source.mapping is not None or "|" not in head or _UNIT.search(head) is None:
            return False
        tables = list(read_tables(head))
        if any(is_llama_bench_table(table) for table in tables):
            return False
        return any(_lay_out(table, head) is not None for table in tables)

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each cell of speed. Raises ImportFileError for a text without such a table."""
        text = source.text()
        found = False
        for table in read_tables(text):
            layout = _lay_out(table, text)
            if layout is None:
                yield Note(f"The table at line {table.line} ({', '.join(table.header)}) has no speeds; not imported.")
                continue
            found = True
            yield from _read_table(layout)
        if not found:
            raise ImportFileError(
                f"{source.name} has no table of speeds in tokens/s by device.",
                hint="Expected a first column of devices and columns such as 'tg 512' or '8B Q4_K_M'.",
            )


def _lay_out(table: MarkdownTable, text: str) -> _Layout | None:
    folded = [title.casefold() for title in table.header]
    device = next((index for index, title in enumerate(folded) if title in _DEVICES), None)
    model = next((index for index, title in enumerate(folded) if title in _MODELS), None)
    if device is None or _UNIT.search(text) is None:
        return None
    columns = _find_columns(table, device) if model is None else _find_tests(table)
    if not columns:
        return None
    return _Layout(table, device, model, columns, _find_family(table), _find_engine(text))


def _find_tests(table: MarkdownTable) -> tuple[_Column, ...]:
    """Columns named by the test."""
    matches = [(index, title, _COLUMN.match(title)) for index, title in enumerate(table.header)]
    return tuple(
        _Column(title, index, match[1].casefold() == "tg", int(match[2]), None)
        for index, title, match in matches
        if match is not None
    )


def _find_columns(table: MarkdownTable, device: int) -> tuple[_Column, ...]:
    """Columns named by the model; only where what is above says which of the two speeds they hold."""
    said = table.sentence or (table.headings[-1] if table.headings else "")
    generation, prompt = _GENERATION.search(said) is not None, _PROMPT.search(said) is not None
    if _UNIT.search(said) is None or generation == prompt:
        return ()
    tokens = _TOKENS.search(said)
    count = int(tokens[1]) if tokens else None
    others = [(index, title) for index, title in enumerate(table.header) if index != device]
    return tuple(
        _Column(title, index, generation, count, title) for index, title in others if _MODEL_COLUMN.search(title)
    )


def _find_family(table: MarkdownTable) -> str | None:
    """The family that the sentence above names, or else the nearest heading."""
    for said in (table.sentence, *reversed(table.headings)):
        if match := _FAMILY.search(said):
            return match[0]
    return None


def _find_engine(text: str) -> str | None:
    named = [
        engine for engine in _ENGINES if re.search(rf"(?<![\w-]){re.escape(engine)}(?![\w-])", text, re.IGNORECASE)
    ]
    return named[0] if len(named) == 1 else None


def _read_table(layout: _Layout) -> Iterator[Item]:
    device = ""
    for line, cells in layout.table.rows:
        whole = " | ".join(cells)
        if len(cells) != len(layout.table.header):
            error = RowError(f"{len(cells)} cells, expected {len(layout.table.header)}.")
            yield refuse(f"line {line}", error, whole)
            continue
        # A device is named once for the rows of its models.
        device = cells[layout.device] or device
        model = "" if layout.model is None else cells[layout.model]
        if not device or (layout.model is not None and not model):
            yield refuse(f"line {line}", RowError("The row names no device or no model."), whole)
            continue
        for column in layout.columns:
            if cells[column.index]:
                cell = _Cell(layout, column, device, column.model or model, cells[column.index])
                yield take_row(f"line {line}, column {column.title}", cell, _build)


def _build(place: str, cell: _Cell) -> ImportedRow:
    metric = "decode_tokens_per_s" if cell.column.makes_tokens else "prefill_tokens_per_s"
    numbers = Numbers()
    status, reason = Status.OK, None
    if cell.text.casefold() in _OUT_OF_MEMORY:
        status, reason = Status.OOM, f"the source says {cell.text}"
        numbers.add(metric, None, field=cell.column.title, unit="1/s", note=reason)
    elif numbers.add(metric, cell.text, field=cell.column.title, unit="1/s") is None:
        status, reason = Status.SKIPPED, f"the source gives no speed ({cell.text!r})"
    return ImportedRow(
        place,
        _case(cell),
        status,
        reason,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={
            "device": cell.device,
            "model": cell.model,
            cell.column.title: cell.text,
            "heading": cell.layout.table.headings[-1] if cell.layout.table.headings else None,
            "sentence": cell.layout.table.sentence or None,
        },
        unit_of_work="token",
        marks={Mark.UNVERIFIED: _UNVERIFIED},
    )


def _case(cell: _Cell) -> ForeignCase:
    device, accelerators = _split_count(cell.device)
    model, _, last = cell.model.rpartition(" ")
    quantised = bool(model) and _QUANTISATION.match(last) is not None
    size = model if quantised else cell.model
    named = _FAMILY.search(size) is not None or cell.layout.family is None
    tokens = cell.column.tokens
    return ForeignCase.make(
        workload=size if named else f"{cell.layout.family} {size}",
        engine=cell.layout.engine,
        device=device,
        mode=Mode.GENERATION,
        precision=last if quantised else None,
        shape={} if cell.column.makes_tokens or tokens is None else {"seq": tokens},
        options={"accelerators": accelerators, "new_tokens": tokens if cell.column.makes_tokens else None},
    )


def _split_count(text: str) -> tuple[str, int | None]:
    """``3090 24GB * 2`` and ``2 x 3090 24GB`` -> (``3090 24GB``, 2)."""
    match = _TIMES_COUNT.match(text)
    return (match[1], int(match[2])) if match else split_devices(text)


importers.add(LlmTable.name, LlmTable())
