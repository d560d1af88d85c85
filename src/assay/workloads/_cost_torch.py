"""Watch a model run on the meta device and count what it would compute and move. Imports torch: import it lazily.

The meta device knows shapes and no values. What a model asks of values (how many image tokens, is every mask one) is
answered from **shadows**: tensors that follow from the integer inputs and from constants alone are computed beside,
on the host, so that control flow goes the way it goes in a real call. May import: core, workloads; torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from assay.core.errors import UnsupportedError
from assay.workloads._cost_memory_torch import LiveMemory, SavedMemory, storage_of
from assay.workloads.cost_count import OpCost

_LARGEST_SHADOW = 1 << 20
"""Elements: masks and positions of any usual call, while a large mask costs no second."""

_CONTRACTIONS = frozenset({"mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot", "addbmm"})
_BATCHED = frozenset({"bmm", "baddbmm", "addbmm"})
_GROUPED = frozenset({"_grouped_mm"})
"""Products of many matrices, each with rows of its own: the experts of a mixture."""
_SECOND = frozenset({"addmm", "baddbmm", "addmv", "addbmm"})
"""Those whose first argument is what the product is added to."""
_NORMS = ("native_layer_norm", "native_batch_norm", "_native_batch_norm", "native_group_norm", "_fused_rms_norm",
          "cudnn_batch_norm", "miopen_batch_norm", "batch_norm")  # fmt: skip
_GATHERS = frozenset({"embedding", "index", "index_select", "gather", "take", "_unsafe_index", "embedding_bag"})
_SOFTMAX = frozenset({"_softmax", "_log_softmax", "_safe_softmax"})
_COPIES = frozenset({"clone", "copy_", "_to_copy", "cat", "stack", "constant_pad_nd", "fill_", "zero_", "repeat",
                     "arange", "zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "scalar_tensor",
                     "new_zeros", "new_ones", "new_full", "eye", "linspace"})  # fmt: skip
_CLASSES = {_CONTRACTIONS: "matmul", _SOFTMAX: "softmax", _GATHERS: "gather", _COPIES: "copy"}
_OVERWRITES = frozenset({"copy_", "fill_", "zero_"})
"""In-place operations that do not read what they replace."""
_FREE = frozenset({"_unsafe_view", "_reshape_alias", "lift_fresh", "empty", "empty_like", "empty_strided",
                   "new_empty", "new_empty_strided", "empty_permuted", "set_", "resize_"})  # fmt: skip
_NAMESPACES = frozenset({"aten", "prims", "prim"})
_REDUCTIONS = frozenset({"mean", "sum", "amax", "amin", "var", "var_mean", "std", "max", "min", "prod", "logsumexp"})
_MOVES = frozenset({"roll", "flip", "pixel_shuffle", "pixel_unshuffle", "index_put", "index_put_", "scatter",
                    "scatter_", "slice_scatter", "select_scatter", "masked_scatter", "im2col"})  # fmt: skip
_FINER = {"convolution": "conv", "normalisation": "norm", "pooling": "pool"}
"""Names of `by_op_class` that the finer classes call otherwise."""


class CostCounter(TorchDispatchMode):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
    """Counts every operation that is dispatched while it is entered.

    ``by_class`` has the sums; ``touched`` the elements read of each weight, by its storage; ``uncounted`` the
    operations of other libraries, whose arithmetic is not known; ``guesses`` how often a value was asked for
    that only real weights could give. ``work`` has the sums by the finer classes that predictions tell apart, and
    ``work_weights`` the elements read there that are weights, tables looked up in not among them.
    ``live`` follows what is in memory at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_class: dict[str, OpCost] = defaultdict(OpCost)
        self.work: dict[str, OpCost] = defaultdict(OpCost)
        self.work_weights: dict[str, int] = defaultdict(int)
        self.live = LiveMemory()
        self.touched: dict[int, int] = defaultdict(int)
        self.uncounted: set[str] = set()
        self.guesses = 0
        self._weights: dict[int, int] = {}
        self._shadows: Any = WeakTensorKeyDictionary()
        self._stale: set[int] = set()

    def watch_weights(self, tensors: Iterable[torch.Tensor]) -> None:
        """Take these for weights: what is read of them counts apart."""
        for tensor in tensors:
            self._weights[storage_of(tensor)] = tensor.untyped_storage().nbytes() // tensor.element_size()

    def start(self) -> None:
        """Forget what building the model dispatched."""
        self.by_class.clear()
        self.work.clear()
        self.work_weights.clear()
        self.live = LiveMemory()

    def add_shadow(self, tensor: torch.Tensor, value: torch.Tensor) -> None:
        """Say what a meta tensor holds."""
        self._shadows[tensor] = value

    def weight_elements(self) -> int:
        """Elements of weights that are read at least once, tables by the rows that are looked up."""
        return sum(min(read, self._weights[storage]) for storage, read in self.touched.items())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run one operation on shapes, its shadow beside it, and count it."""
        given = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, given)) if isinstance(leaf, torch.Tensor)]
        is_ours = any(one.device.type == "meta" for one in tensors) or _is_meta(given.get("device"))
        if not is_ours:
            return func(*args, **given)
        name = func.overloadpacket.__name__
        if name == "_local_scalar_dense":
            return self._answer(args[0])
        known = self._can_follow(func, name, tensors)
        try:
            output = _multiply_groups(args) if name in _GROUPED else func(*args, **given)
        except (NotImplementedError, RuntimeError):
            if not known:
                raise
            output = self._materialise(self._follow(func, args, given), given)
        else:
            self._keep_shadow(func, args, given, output, known=known)
        self._count(func, name, tensors, args, output)
        for one in tree_leaves(output):
            if isinstance(one, torch.Tensor) and storage_of(one) not in self._weights:
                self.live.follow(one)
        return output

    def count_attention(self, query: Any, key: Any, value: Any, mask: Any) -> Any:
        """Count scaled dot-product attention as the one operation that it is on real devices; return its shape."""
        tensors = [one for one in (query, key, value, mask) if isinstance(one, torch.Tensor)]
        # Fused kernels lay positions before heads, so that joining the heads again is no copy.
        *front, heads, length, _ = query.shape
        is_learning = torch.is_grad_enabled() and any(one.requires_grad for one in (query, key, value))
        size = (*front, length, heads, value.shape[-1])
        output = torch.empty(*size, device="meta", dtype=query.dtype, requires_grad=is_learning)
        output = output.transpose(-2, -3)
        name = "_scaled_dot_product"
        self._add("attention", "attention", name, tensors, (query, key, value), [output])
        self.live.follow(output)
        return output

    # -- values ------------------------------------------------------------------------------------------------

    def _shadow_of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        if tensor.device.type != "meta":
            return tensor
        value: torch.Tensor | None = self._shadows.get(tensor)
        return None if value is None or value.untyped_storage().data_ptr() in self._stale else value

    def _can_follow(self, func: Any, name: str, tensors: list[torch.Tensor]) -> bool:
        if name in _FREE and not tensors:
            return False  # memory with nothing in it
        if name.startswith(("empty", "new_empty")) or torch.Tag.nondeterministic_seeded in func.tags:
            return False
        return all(self._shadow_of(one) is not None for one in tensors)

    def _follow(self, func: Any, args: Any, given: Any) -> Any:
        def swap(leaf: Any) -> Any:
            if isinstance(leaf, torch.Tensor):
                return self._shadow_of(leaf)
            return torch.device("cpu") if _is_meta(leaf) else leaf

        return func(*tree_map(swap, args), **tree_map(swap, given))

    def _keep_shadow(self, func: Any, args: Any, given: Any, output: Any, *, known: bool) -> None:
        outputs = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
        if known and sum(one.numel() for one in outputs) <= _LARGEST_SHADOW:
            values = [leaf for leaf in tree_leaves(self._follow(func, args, given)) if isinstance(leaf, torch.Tensor)]
            for one, value in zip(outputs, values, strict=True):
                if one.device.type == "meta":
                    self._shadows[one] = value
            return
        for changed in _written(func, args):
            value = self._shadows.get(changed)
            if value is not None:  # it now holds what is not known, and so does whatever shares its memory
                self._stale.add(value.untyped_storage().data_ptr())

    def _materialise(self, value: Any, given: Mapping[str, Any]) -> Any:
        """Give what only values could tell (how many are not zero) its shape, or hand out the value itself."""

        def convert(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor) or str(given.get("device", "meta")) == "cpu":
                return leaf
            shape = torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device="meta")
            self._shadows[shape] = leaf
            return shape

        return tree_map(convert, value)

    def _answer(self, tensor: torch.Tensor) -> Any:
        """A number out of a tensor: the true one, else what lets a check pass."""
        value = self._shadow_of(tensor)
        if value is not None:
            return value.item()
        self.guesses += 1
        if tensor.dtype == torch.bool:
            return True
        return 1.0 if tensor.is_floating_point() else 1

    # -- counting ----------------------------------------------------------------------------------------------

    def _count(self, func: Any, name: str, tensors: list[torch.Tensor], args: Any, output: Any) -> None:
        if func.namespace not in _NAMESPACES:
            self.uncounted.add(str(func))
        if name in _FREE or _is_view(func):
            return
        outputs = [one for one in tree_leaves(output) if isinstance(one, torch.Tensor) and one.device.type == "meta"]
        if not outputs and not tensors:
            return
        op_class = _classify(func, name)
        self._add(op_class, _classify_finer(op_class, name, args), name, tensors, args, outputs)

    def _add(
        self,
        op_class: str,
        finer: str,
        name: str,
        tensors: list[torch.Tensor],
        args: Any,
        outputs: list[torch.Tensor],
    ) -> None:
        reads = list(self._reads(name, tensors, args, outputs))
        cost = OpCost(
            flops=count_flops(name, args, outputs),
            kernels=1,
            elements_read=sum(count for one, count in reads if one.is_floating_point()),
            elements_written=sum(one.numel() for one in outputs if one.is_floating_point()),
            other_bytes_read=sum(count * one.element_size() for one, count in reads if not one.is_floating_point()),
            other_bytes_written=sum(_bytes(one) for one in outputs if not one.is_floating_point()),
        )
        self.by_class[op_class] += cost
        self.work[finer] += cost
        if finer != "gather":
            self.work_weights[finer] += sum(
                count for one, count in reads if one.is_floating_point() and storage_of(one) in self._weights
            )

    def _reads(
        self, name: str, tensors: list[torch.Tensor], args: Any, outputs: list[torch.Tensor]
    ) -> Iterator[tuple[torch.Tensor, int]]:
        """Each tensor read, once, and how many of its elements."""
        skipped = args[0] if name in _OVERWRITES and args else None
        for one in {id(one): one for one in tensors if one.device.type == "meta" or one.ndim}.values():
            if one is skipped:
                continue
            if one.device.type != "meta":  # a weight that the module keeps where no parameter or buffer is
                self.watch_weights([one])
            count = distinct_elements(one)
            if name in _GROUPED and one.ndim > 2 and tensors:  # noqa: PLR2004  (no more experts than rows are read)
                count = min(one.shape[0], tensors[0].shape[-2]) * prod(one.shape[1:])
            if name in _GATHERS and tensors and one is tensors[0] and outputs:
                count = min(count, outputs[0].numel())
            storage = storage_of(one)
            if storage in self._weights:
                self.touched[storage] += count
            yield one, count


class AttentionAsOne(TorchFunctionMode):  # type: ignore[misc]  # same
    """Hands `scaled_dot_product_attention` to the counter.

    On the meta device it falls apart into products and a softmax; every real device has a fused kernel for it.
    """

    def __init__(self, counter: CostCounter, saved: SavedMemory | None = None) -> None:
        super().__init__()
        self._counter = counter
        self._saved = saved

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Pass everything else on."""
        given = dict(kwargs or {})
        if func is torch.nn.functional.scaled_dot_product_attention:
            names = ("query", "key", "value", "attn_mask")
            found = {**dict(zip(names, args, strict=False)), **given}
            query, key, value = (found[name] for name in names[:3])
            if query.device.type == "meta" and query.ndim > 2:  # noqa: PLR2004  (without heads there is no fusing)
                output = self._counter.count_attention(query, key, value, found.get("attn_mask"))
                if self._saved is not None:
                    for one in (query, key, value, output):
                        self._saved.keep(one)
                return output
        return func(*args, **given)


def count_flops(name: str, args: Any, outputs: list[torch.Tensor]) -> int:
    """Floating point operations of a contraction, a multiplication and an addition counting as two; 0 for the rest.

    Matrix products: 2 x output elements x contracted length. Convolution: 2 x output elements x (input channels of a
    group x kernel elements), for a transposed one with the input's elements. Attention: both of its products, over
    all positions, masked or not, as dense kernels compute them.
    """
    if name in _CONTRACTIONS:
        left = args[1] if name in _SECOND else args[0]
        batch = left.shape[0] if name == "addbmm" else 1
        return 2 * batch * int(outputs[0].numel()) * int(left.shape[-1])
    if name in {"convolution", "_convolution", "convolution_overrideable", "cudnn_convolution", "mkldnn_convolution"}:
        source, weight = args[0], args[1]
        is_transposed = len(args) > 6 and args[6] is True  # noqa: PLR2004  (its place in aten::convolution)
        return 2 * int((source if is_transposed else outputs[0]).numel()) * int(prod(weight.shape[1:]))
    if name in _GROUPED:
        return 2 * int(outputs[0].numel()) * int(args[0].shape[-1])
    if name.startswith("_scaled_dot_product"):
        query, key, value = args[0], args[1], args[2]
        return 2 * int(prod(query.shape[:-1])) * int(key.shape[-2]) * int(query.shape[-1] + value.shape[-1])
    return 0


def distinct_elements(tensor: torch.Tensor) -> int:
    """Elements in memory behind a tensor: one that was expanded counts once."""
    return prod(size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride != 0)


def move_to_meta(value: Any, counter: CostCounter) -> Any:
    """Move every tensor of an input to the meta device; integers and booleans keep their values as shadows."""
    if isinstance(value, torch.Tensor):
        moved = value.to("meta")
        counter.live.follow(moved)
        if not value.is_floating_point() and value.numel() <= _LARGEST_SHADOW:
            counter.add_shadow(moved, value.cpu())
        return moved
    if isinstance(value, Mapping):
        return {name: move_to_meta(one, counter) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(move_to_meta(one, counter) for one in value)
    return value


def explain_failure(error: Exception, name: str) -> UnsupportedError:
    """Say why a model could not be counted."""
    first = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return UnsupportedError(
        f"The cost of {name} could not be counted: on tensors without values it fails with {first}",
        hint="A model whose course depends on its values, or that keeps tensors outside its parameters and buffers, "
        "has no cost that can be told beforehand.",
    )


def _classify(func: Any, name: str) -> str:
    for names, word in _CLASSES.items():
        if name in names:
            return word
    for part, word in (("convolution", "convolution"), ("_scaled_dot_product", "attention"), ("pool", "pooling")):
        if part in name:
            return word
    if name.startswith(_NORMS):
        return "normalisation"
    return "elementwise" if torch.Tag.pointwise in func.tags else "other"


def _classify_finer(op_class: str, name: str, args: Any) -> str:
    """The class as predictions tell it: convolutions by kernel and groups, products by whether there are many."""
    if op_class == "convolution":
        return _classify_convolution(args)
    if name in _BATCHED or name in _GROUPED:
        return "batched_matmul"
    if name == "linalg_vector_norm":
        return "norm"
    if name in _REDUCTIONS:
        return "pool"
    return "copy" if name in _MOVES else _FINER.get(op_class, op_class)


def _classify_convolution(args: Any) -> str:
    weight, groups = args[1], args[8] if len(args) > 8 else 1  # noqa: PLR2004  (its place in aten::convolution)
    if groups > 1:
        return "depthwise_conv" if groups == args[0].shape[1] else "grouped_conv"
    return "pointwise_conv" if prod(weight.shape[2:]) == 1 else "conv"


def _multiply_groups(args: Any) -> torch.Tensor:
    """The shape of a product of groups of rows, (rows, k) x (groups, k, n); meta knows it in one precision only."""
    rows, weight = args[0], args[1]
    return torch.empty(*rows.shape[:-1], weight.shape[-1], device="meta", dtype=rows.dtype)


def _is_view(func: Any) -> bool:
    """True where every result shares its memory with an argument, and nothing is written."""
    returns = func._schema.returns  # noqa: SLF001  (an operation has no other description)
    return bool(returns) and all(one.alias_info is not None and not one.alias_info.is_write for one in returns)


def _written(func: Any, args: Any) -> Iterator[torch.Tensor]:
    for argument, value in zip(func._schema.arguments, args, strict=False):  # noqa: SLF001
        if argument.alias_info is not None and argument.alias_info.is_write and isinstance(value, torch.Tensor):
            yield value


def _is_meta(value: Any) -> bool:
    return isinstance(value, (torch.device, str)) and str(value).startswith("meta")


def _bytes(tensor: torch.Tensor) -> int:
    return int(tensor.numel()) * int(tensor.element_size())
