"""Rows of a table of operations of timm's models as graphs, in the classes that counting here gives.

The table counts a multiply-add as two, at batch 1, in bytes of fp32, on tensors without values, where attention falls
apart into products, softmax and the scaling of queries and keys. Real devices have one operation for it, and so has
`assay.predict.graphs`; a row is put together again. May import: predict.values; standard library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from assay.predict.values import GraphProfile, OpWork

COLUMNS = {
    "conv": "conv", "pw": "pointwise_conv", "gconv": "grouped_conv", "dw": "depthwise_conv", "mm": "matmul",
    "bmm": "batched_matmul", "sdpa": "attention", "norm": "norm", "softmax": "softmax", "copy": "copy", "pool": "pool",
    "ew": "elementwise",
}  # fmt: skip
"""Columns of the table, by the class that they are here."""
_WEIGHTED = ("conv", "pointwise_conv", "grouped_conv", "depthwise_conv", "matmul")
_BYTES = 4.0
_EAGER = re.compile(
    r"^(swin|swinv2|levit|efficientformer|xcit|cait|coat_|convit|edgenext|crossvit|mvitv2|gcvit|bat_|botnet|halonet"
    r"|sebotnet|lambda|eca_bot|eca_hal|lamhalo|halo2bot|efficientvit_m\d|nextvit|tnt|volo|mobilevitv2|visformer)"
)
"""Families of timm 1.0 whose attention is written out (biases or talking heads between its steps), and runs so."""


def from_timm_row(row: Mapping[str, str | float | None], *, fused: bool = True) -> GraphProfile:
    """Return the graph of one sample of a row of ``timm_op_features.csv``.

    ``fused=False`` leaves attention in its parts, as PyTorch before 2.0 ran it. Raises ValueError for a row that was
    not counted (``ok`` is 0). Weights are spread over classes by their share of the arithmetic: a row has only their
    sum. That is exact for one class, within 0.6 % for ResNet-50, and matters at small batches only.
    """
    if str(row.get("ok")).split(".")[0] != "1":
        raise ValueError(f"got a row that was not counted: {row.get('model')}")
    work = {}
    for column, name in COLUMNS.items():
        count, flops, moved = (_number(row.get(f"{column}_{what}")) for what in "nfb")
        if count:
            work[name] = OpWork(count=count, flops=flops, elements=moved / _BYTES)
    model = str(row["model"])
    if fused and not _EAGER.match(model):
        work = fuse_attention(work)
    parameters = _number(row.get("params"))
    image = int(_number(row.get("img_size")))
    return GraphProfile(
        workload=model,
        family=family_of(model),
        work=_spread_weights(work, parameters),
        shape=(("image", image),),
        parameters=parameters,
        weight_elements=parameters,
        edge_elements=3.0 * image * image,
        units_per_call=1.0,
        unit_of_work="sample",
        source="timm table",
    )


def family_of(model: str) -> str:
    """The family of a model of timm: its name up to the first underscore, without a version's or size's digits.

    ``resnet50d`` and ``resnet101`` are ``resnet``; ``vit_base_patch16_224`` is ``vit``; a prefix that says whose
    weights those are (``tf_``) is none of it.
    """
    name = model.partition(".")[0].removeprefix("tf_")
    first = name.partition("_")[0]
    return re.sub(r"(?<=[a-z])\d.*$", "", first) or first


def fuse_attention(work: Mapping[str, OpWork]) -> dict[str, OpWork]:
    """Put attention together again where every softmax has two products: the scaling and copies go with it.

    Products read and write queries, keys, values, the outcome, and the scores twice, softmax the scores twice; so what
    the products move less what softmax moves is what fused attention moves. Scaling reads and writes queries and
    keys, once each; the outcome is laid out anew once.
    """
    products, softmax = work.get("batched_matmul"), work.get("softmax")
    if products is None or softmax is None or products.count != 2 * softmax.count:
        return dict(work)
    moved = products.elements - softmax.elements
    if moved <= 0:
        return dict(work)
    made = {name: one for name, one in work.items() if name not in ("batched_matmul", "softmax")}
    made["attention"] = OpWork(count=softmax.count, flops=products.flops, elements=moved)
    _take(made, "elementwise", 2 * softmax.count, moved)
    _take(made, "copy", softmax.count, moved / 2)
    return made


def _take(work: dict[str, OpWork], name: str, count: float, elements: float) -> None:
    """Take operations out of a class that has them all."""
    known = work.get(name)
    if known is None or known.count < count or known.elements < elements:
        return
    left = replace(known, count=known.count - count, elements=known.elements - elements)
    if left.count:
        work[name] = left
    else:
        del work[name]


def _spread_weights(work: Mapping[str, OpWork], parameters: float) -> dict[str, OpWork]:
    """Give each class its part of the weights, by arithmetic, never more than it moves."""
    spread = dict(work)
    left = parameters
    single = spread.get("matmul")
    if single is not None and single.count == 1:  # the classifier meets one vector a sample
        own = min(single.flops / 2, left)
        spread["matmul"] = replace(single, weight_elements=own)
        left -= own
    names = [name for name in _WEIGHTED if name in spread and not spread[name].weight_elements]
    total = sum(spread[name].flops for name in names)
    for name in names:
        part = min(left * spread[name].flops / total, spread[name].elements) if total else 0.0
        spread[name] = replace(spread[name], weight_elements=part)
    return spread


def _number(value: str | float | None) -> float:
    return float(value) if value not in (None, "") else 0.0
