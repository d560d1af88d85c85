"""What an encoder has learned, asked by the simplest classifier there is: a linear one on its frozen outputs.

Linear evaluation is how representations are judged since van den Oord et al. 2018 (arXiv:1807.03748, section 3) and
Chen et al. 2020 (arXiv:2002.05709, section 4). The classifier is ridge regression to one-hot classes, solved exactly:
no step size, no seed, so that two encoders differ by their outputs alone. May import: core; numpy and torch inside
functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Encode = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]
"""Windows (n, channels, size) -> features (n, features)."""
Samples = Mapping[str, "NDArray[Any]"]
"""``signal`` (n, channels, size) and ``labels`` (n), as a split's ``take`` gives them."""

RIDGE = 1e-2
"""Penalty on the weights, as a share of the number of samples; features have a deviation of 1."""


def probe_accuracy(encode: Encode, train: Samples, test: Samples) -> float:
    """Fit on ``train``, return the share of right answers on ``test``, from 0 to 1.

    The samples must not overlap; whoever cut the windows sees to that. Raises WorkloadError where there is nothing to
    tell apart or features are not finite.
    """
    import numpy as np

    classes = np.unique(train["labels"])
    if len(classes) < 2 or len(test["labels"]) == 0:  # noqa: PLR2004  (a choice needs two)
        raise WorkloadError(
            f"A probe of {len(classes)} classes on {len(test['labels'])} test samples shows nothing.",
            hint="Give it at least two classes to learn and one sample to answer.",
        )
    known, asked = (np.asarray(encode(one["signal"]), dtype=np.float64) for one in (train, test))
    if not (np.isfinite(known).all() and np.isfinite(asked).all()):
        raise WorkloadError(
            "The encoder's features are not finite.", hint="Training diverged: lower the learning rate."
        )
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    deviation[deviation < 1e-12] = 1.0  # noqa: PLR2004  (a constant feature says nothing, and stays 0)
    known, asked = (np.hstack(((one - mean) / deviation, np.ones((len(one), 1)))) for one in (known, asked))
    one_hot = (train["labels"][:, None] == classes).astype(np.float64)
    penalty = RIDGE * len(known) * np.eye(known.shape[1])
    penalty[-1, -1] = 0  # the intercept is not to be small
    weights = np.linalg.lstsq(known.T @ known + penalty, known.T @ one_hot, rcond=None)[0]
    answers = classes[(asked @ weights).argmax(axis=1)]
    return float((answers == test["labels"]).mean())


def chance_accuracy(labels: NDArray[np.integer]) -> float:
    """Accuracy of always answering the most frequent class of ``labels``."""
    import numpy as np

    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def encoder_of(module: Any, batch: int = 256) -> Encode:
    """Wrap a torch module that has ``encode``: evaluation mode, no gradients, on the device it is on.

    The module is put back into the mode that it was in.
    """

    def encode(signal: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        device = next(module.parameters()).device
        was_training = module.training
        module.eval()
        try:
            with torch.inference_mode():
                parts = [
                    module.encode(torch.from_numpy(signal[start : start + batch]).to(device)).float().cpu()
                    for start in range(0, len(signal), batch)
                ]
        finally:
            module.train(was_training)
        features: NDArray[np.float32] = torch.cat(parts).numpy()
        return features

    return encode
