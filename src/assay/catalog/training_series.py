"""Names of the curves that a training leaves as series of samples, for what writes and what draws them.

May import: nothing.
"""

from __future__ import annotations

LOSS = "loss"
"""The loss of every step, in order."""
EVAL_STEP, EVAL_WALL, EVAL_ACCURACY, EVAL_LOSS = "eval_step", "eval_wall", "eval_accuracy", "eval_loss"
"""One value an evaluation, the untrained model's first: steps so far, ns since the first step began (the evaluation
included), accuracy and test loss."""
BILLIONTH = "1e-9"
"""Unit of losses and accuracies: series are whole numbers, so these are kept times 1e9."""
EACH_STEP, EACH_EVALUATION = (LOSS,), (EVAL_STEP, EVAL_WALL, EVAL_ACCURACY, EVAL_LOSS)
