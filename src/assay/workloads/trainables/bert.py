"""How BERT is trained: a head on its pooler tells the class of a text, as it is fine-tuned on GLUE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Size
from assay.workloads.datasets.base import Batch, DataTask
from assay.workloads.trainables.base import Head, Trainable, trainables
from assay.workloads.trainables.losses import classify, read_scores
from assay.workloads.trainables.patterns import draw_texts

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_OPINIONS = 2
"""Classes of the own task: two, as in SST-2."""

_FIRST_WORD = 1000
"""Before it the vocabulary of google-bert/bert-base-uncased has marks and unused places."""


def build(size: Size, head: Head | None) -> nn.Module:
    """The encoder, its pooler, dropout and a linear layer (Devlin et al. 2018, arXiv:1810.04805, section 4.1).

    The vocabulary and the 512 positions are the published ones; only a data set that needs more of them gets more.
    """
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertForSequenceClassification

    config = BertConfig(**size.config, num_labels=_OPINIONS if head is None else head.classes)
    if head is not None:
        config.vocab_size = max(config.vocab_size, head.shape.get("vocab", 0))
        config.max_position_embeddings = max(config.max_position_embeddings, head.shape.get("seq", 0))
    return BertForSequenceClassification(config)


def make_batch(size: Size, batch: int, shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    """Make texts in which three quarters of the words say the class.

    There is no [CLS] in front: the pooled place holds a word of the class. Behind [CLS] all that there is to learn from
    comes through attention, and bert/base without pretraining was still at ln 2 after 30 steps.
    """
    import numpy as np

    labels = generator.integers(_OPINIONS, size=batch, dtype=np.int64)
    words = draw_texts(labels, shape["seq"], _FIRST_WORD, size.constants["vocab"], generator)
    return {"input_ids": words, "attention_mask": np.ones_like(words), "labels": labels}


def forward(model: Any, batch: Mapping[str, Any]) -> Any:
    """Class scores of every text."""
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])


trainables.add(
    "bert",
    Trainable(
        family="bert",
        objective="text classification: cross-entropy of the class, from the pooled first token",
        build=build,
        make_batch=make_batch,
        forward=forward,
        loss=classify,
        head=("classifier", "bert.pooler"),
        lora=("query", "value"),
        learning_rate=3e-4,
        tasks=(DataTask.TEXTS,),
        scores=read_scores,
        separates_loss=True,
        pool=4,
        steps_to_learn=30,
    ),
)
