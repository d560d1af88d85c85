"""Boosted trees as arrays: learned with LightGBM where it is installed, answered with numpy alone.

Two evaluators give the same bits. Few rows walk down all trees at once, level by level. Many rows are answered by
bit planes: each distinct comparison is made once for all rows and kept as bits; a tree is then logic on 64 rows a
word (after Lucchese et al. 2015, SIGIR, "QuickScorer", and Ye et al. 2018, KDD, "RapidScorer", turned round: their
bits are leaves, these are rows). Both add leaves in the order of the trees. May import: core; numpy and lightgbm
inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_Step = tuple[int, int, int, tuple[int, ...], int, tuple[int, ...]]

MOST_LEAVES = 64
"""Leaves of a tree, at most: their numbers are told by six planes of bits."""
_FEW_ROWS = 1000
"""Rows up to which walking is quicker than making the planes."""
_CHUNK = 1 << 15
"""Rows whose planes are made together: they stay in the cache of a core."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees over ``features`` columns. A row goes left where its feature is <= the threshold.

    ``pair_feature``, ``pair_threshold`` (pairs,) are the distinct comparisons; ``pair`` (trees, nodes) says which one
    a node makes; ``left``, ``right`` (trees, nodes) are a node's number where >= 0, else leaf -1 - number;
    ``leaves`` (trees, nodes + 1) are what leaves add, float32. A tree without a node has -1 on both sides of node 0.
    ``walk`` is the same for walking: feature, threshold, children and value of every place.
    """

    features: int
    pair_feature: Array
    pair_threshold: Array
    pair: Array
    left: Array
    right: Array
    leaves: Array
    offset: float
    walk: tuple[Array, ...]
    depth: int
    kept_steps: list[list[list[_Step]]] = field(default_factory=list, repr=False, compare=False)
    """The trees as steps, once many rows were asked of."""

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return int(self.pair.shape[0])

    def predict(self, rows: Array) -> Array:
        """Return (n,) sums for ``rows`` (n, features), finite. Raises ValueError for another width."""
        import numpy as np

        rows = np.asarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.features:  # noqa: PLR2004  (rows and columns)
            raise ValueError(f"got rows {rows.shape}; expected (n, {self.features})")
        return predict_walking(self, rows) if len(rows) <= _FEW_ROWS else predict_by_planes(self, rows)

    def arrays(self, prefix: str = "") -> dict[str, Array]:
        """Return what ``read_forest`` reads, under names that start with ``prefix``."""
        import numpy as np

        kept = {
            "pair_feature": self.pair_feature.astype(np.int16),
            "pair_threshold": self.pair_threshold,
            "pair": self.pair.astype(np.uint16),
            "left": self.left.astype(np.int8),
            "right": self.right.astype(np.int8),
            "leaves": self.leaves,
            "shape": np.array([self.features, self.offset]),
        }
        return {prefix + name: values for name, values in kept.items()}


def predict_walking(forest: Forest, rows: Array) -> Array:
    """Answer few rows: every row stands in every tree, and takes one step down at a time."""
    import numpy as np

    feature, threshold, child, value, roots = forest.walk
    total = np.empty(len(rows))
    for place, row in enumerate(rows):
        at = roots
        for _ in range(forest.depth):
            at = child.take(2 * at + (row.take(feature.take(at)) > threshold.take(at)))
        # A running sum adds in the order of the trees, as the planes do; a plain sum would add in pairs.
        total[place] = np.add.accumulate(value.take(at))[-1]
    return total + forest.offset


def predict_by_planes(forest: Forest, rows: Array) -> Array:
    """Answer many rows: comparisons as bits of 64 rows a word, leaves by logic on the words."""
    import numpy as np

    total = np.empty(len(rows))
    if not forest.kept_steps:
        forest.kept_steps.append(_steps_of(forest))  # two threads may both find them: they are the same
    steps = forest.kept_steps[0]
    for start in range(0, len(rows), _CHUNK):
        total[start : start + _CHUNK] = _answer_chunk(forest, steps, rows[start : start + _CHUNK])
    return total + forest.offset


def _answer_chunk(forest: Forest, steps: list[list[_Step]], rows: Array) -> Array:
    import numpy as np

    count = len(rows)
    words = -(-count // 64)
    columns = np.zeros((forest.features, words * 64))
    columns[:, :count] = rows.T
    planes = np.empty((len(forest.pair_feature), words), dtype=np.uint64)
    for place, (feature, threshold) in enumerate(
        zip(forest.pair_feature.tolist(), forest.pair_threshold.tolist(), strict=True)
    ):
        planes[place] = np.packbits(columns[feature] > threshold, bitorder="little").view(np.uint64)
    total = np.zeros(words * 64)
    bits = max(1, int(forest.leaves.shape[1] - 1).bit_length())
    numbers = np.empty((bits, words), dtype=np.uint64)
    for own, leaves in zip(steps, forest.leaves.astype(np.float64), strict=True):
        _number_leaves(own, planes, numbers)
        flat = np.unpackbits(numbers.view(np.uint8), axis=1, bitorder="little")
        at = flat[0]
        for bit in range(1, bits):
            at |= flat[bit] << bit
        total += leaves.take(at)
    return total[:count]


def _steps_of(forest: Forest) -> list[list[_Step]]:
    """Return each tree as steps: node, comparison, then for right and left: the child (below 0 for a leaf) and bits.

    The bits are those of leaf numbers that all leaves below a child have and not all below its parent: they are set
    once for all of them.
    """
    steps: list[list[_Step]] = []
    for pairs, lefts, rights in zip(forest.pair.tolist(), forest.left.tolist(), forest.right.tolist(), strict=True):
        if lefts[0] == rights[0]:
            steps.append([])  # a tree that is one leaf, number 0
            continue
        shared = [-1] * len(pairs)  # bits that all leaves below a node have
        for node in range(len(pairs) - 1, -1, -1):  # children stand behind their parents
            shared[node] = _bits_of(lefts[node], shared) & _bits_of(rights[node], shared)
        shared[0] = 0
        own: list[_Step] = []
        waiting = [0]
        while waiting:
            node = waiting.pop()
            ends = []
            for child in (rights[node], lefts[node]):
                bits = _bits_of(child, shared) & ~shared[node]
                ends.append((child, tuple(bit for bit in range(6) if bits >> bit & 1)))
                if child >= 0:
                    waiting.append(child)
            own.append((node, pairs[node], *ends[0], *ends[1]))
        steps.append(own)
    return steps


def _bits_of(child: int, shared: list[int]) -> int:
    return shared[child] if child >= 0 else -1 - child


def _number_leaves(steps: list[_Step], planes: Array, numbers: Array) -> None:
    """Write the planes of the number of the leaf that each row ends in, (bits, words)."""
    import numpy as np

    numbers[:] = 0
    here = {0: np.full(planes.shape[1], np.iinfo(np.uint64).max, dtype=np.uint64)}
    for node, pair, right, right_bits, left, left_bits in steps:
        at = here.pop(node)
        to_right = at & planes[pair]
        for bit in right_bits:
            numbers[bit] |= to_right
        if right >= 0:
            here[right] = to_right
        if left >= 0 or left_bits:
            at ^= to_right
            for bit in left_bits:
                numbers[bit] |= at
            if left >= 0:
                here[left] = at


def learn_forest(rows: Array, target: Array, *, weight: Array | None = None, rounds: int, **settings: Any) -> Forest:
    """Learn with LightGBM from ``rows`` (n, features) and ``target`` (n,), finite; ``settings`` are LightGBM's.

    Raises AssayError where LightGBM is not installed.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise AssayError(
            "Learning needs LightGBM, which is not installed. Answering does not.",
            hint="Run: pip install 'assay[predict]'",
        ) from error
    fixed = {
        "num_threads": 1, "verbose": -1, "deterministic": True, "force_row_wise": True, "use_missing": False,
        "num_leaves": 31,
    }  # fmt: skip
    booster = lightgbm.train({**fixed, **settings}, lightgbm.Dataset(rows, target, weight=weight), rounds)
    return forest_of(booster.dump_model(), rows.shape[1])


def forest_of(dump: Mapping[str, Any], features: int) -> Forest:
    """Take a model as LightGBM dumps it. Raises ValueError for trees that are larger or split otherwise."""
    import numpy as np

    trees = [_flatten(one["tree_structure"]) for one in dump["tree_info"]]
    most = max(1, *(len(nodes) for nodes, _ in trees))
    if most >= MOST_LEAVES:
        raise ValueError(f"got a tree of {most + 1} leaves; expected at most {MOST_LEAVES}")
    distinct = sorted({(node[0], node[1]) for nodes, _ in trees for node in nodes}) or [(0, 0.0)]
    number = {pair: place for place, pair in enumerate(distinct)}
    pair = np.zeros((len(trees), most), dtype=np.int64)
    left, right = np.full_like(pair, -1), np.full_like(pair, -1)
    leaves = np.zeros((len(trees), most + 1), dtype=np.float32)
    for tree, (nodes, values) in enumerate(trees):
        leaves[tree, : len(values)] = values
        for place, (feature, threshold, to_left, to_right) in enumerate(nodes):
            pair[tree, place] = number[feature, threshold]
            left[tree, place], right[tree, place] = to_left, to_right
    feature_of = np.array([one[0] for one in distinct], dtype=np.int64)
    threshold_of = np.array([one[1] for one in distinct], dtype=np.float64)
    return _make(features, feature_of, threshold_of, pair, left, right, leaves, 0.0)


def read_forest(arrays: Mapping[str, Array], prefix: str = "") -> Forest:
    """Read what ``Forest.arrays`` gave. Raises ValueError or KeyError where it is not sound."""
    import numpy as np

    feature, threshold, pair, left, right, leaves, shape = (
        np.asarray(arrays[prefix + name])
        for name in ("pair_feature", "pair_threshold", "pair", "left", "right", "leaves", "shape")
    )
    features = int(shape[0])
    sound = (
        pair.ndim == 2 and pair.shape == left.shape == right.shape and 0 < pair.shape[1] < MOST_LEAVES  # noqa: PLR2004
        and leaves.shape == (len(pair), pair.shape[1] + 1) and len(feature) == len(threshold) > 0
        and feature.min() >= 0 and feature.max() < features and int(pair.max(initial=0)) < len(feature)
        and np.isfinite(threshold).all() and np.isfinite(leaves).all() and np.isfinite(shape).all()
    )  # fmt: skip
    if not sound:
        raise ValueError("got arrays that are no forest: sizes or numbers do not fit together")
    wide = (one.astype(np.int64) for one in (feature, pair, left, right))
    wide_feature, wide_pair, wide_left, wide_right = wide
    # A child stands behind its parent and a leaf exists: so no walk goes round in circles or out of the arrays.
    own = np.arange(pair.shape[1])[None, :]
    for child in (wide_left, wide_right):
        if ((child >= 0) & (child <= own)).any() or (child >= pair.shape[1]).any() or (child < -leaves.shape[1]).any():
            raise ValueError("got a tree whose nodes are out of order")
    return _make(
        features, wide_feature, threshold.astype(np.float64), wide_pair, wide_left, wide_right,
        leaves.astype(np.float32), float(shape[1]),
    )  # fmt: skip


def _flatten(root: Mapping[str, Any]) -> tuple[list[tuple[int, float, int, int]], list[float]]:
    """Number the nodes of a tree in the order they are met, parents first: (feature, threshold, left, right)."""
    nodes: list[tuple[int, float, int, int]] = []
    leaves: list[float] = []

    def take(one: Mapping[str, Any]) -> int:
        if "split_feature" not in one:
            leaves.append(float(one["leaf_value"]))
            return -len(leaves)
        if one["decision_type"] != "<=":
            raise ValueError(f"got a split by {one['decision_type']!r}; expected '<='")
        place = len(nodes)
        nodes.append((0, 0.0, 0, 0))
        left, right = take(one["left_child"]), take(one["right_child"])
        nodes[place] = (int(one["split_feature"]), float(one["threshold"]), left, right)
        return place

    take(root)
    return nodes, leaves


def _make(
    features: int, feature: Array, threshold: Array, pair: Array, left: Array, right: Array, leaves: Array,
    offset: float,
) -> Forest:  # fmt: skip
    import numpy as np

    trees, nodes = pair.shape
    size = 2 * nodes + 1  # places of a tree: its nodes, then its leaves, which lead to themselves
    base = size * np.arange(trees)[:, None]
    places = np.arange(trees * size).reshape(trees, size)
    walk_feature, walk_threshold = np.zeros((trees, size), dtype=np.int64), np.zeros((trees, size))
    walk_feature[:, :nodes], walk_threshold[:, :nodes] = feature[pair], threshold[pair]
    child = np.stack([places, places], axis=2)
    for side, to in enumerate((left, right)):
        child[:, :nodes, side] = base + np.where(to >= 0, to, nodes - 1 - to)
    value = np.zeros((trees, size))
    value[:, nodes:] = leaves
    walk = (walk_feature.ravel(), walk_threshold.ravel(), child.ravel(), value.ravel(), base.ravel())
    return Forest(features, feature, threshold, pair, left, right, leaves, offset, walk, _depth(left, right))


def _depth(left: Array, right: Array) -> int:
    """Steps to the lowest leaf of any tree. Parents stand before their children."""
    import numpy as np

    trees, nodes = left.shape
    steps = np.zeros((trees, nodes), dtype=np.int64)
    rows = np.arange(trees)
    steps[:, 0] = 1
    for node in range(nodes):
        for to in (left[:, node], right[:, node]):
            inner = to > node
            steps[rows[inner], to[inner]] = steps[rows[inner], node] + 1
    return int(steps.max(initial=1))
