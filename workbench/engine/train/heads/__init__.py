"""The heads that can be trained, one module each."""

from __future__ import annotations

from workbench.engine.train.heads.causal_lm import CausalLM
from workbench.engine.train.heads.chat import Chat
from workbench.engine.train.heads.fit import fitting_task, remarks
from workbench.engine.train.heads.head import Head, Option, Role
from workbench.engine.train.heads.image_classification import ImageClassification
from workbench.engine.train.heads.loss import divides_by_items
from workbench.engine.train.heads.masked_lm import MaskedLM
from workbench.engine.train.heads.question_answering import QuestionAnswering
from workbench.engine.train.heads.seq2seq import Seq2Seq
from workbench.engine.train.heads.sequence_classification import (
    MultiLabelClassification,
    TextClassification,
    TextRegression,
)
from workbench.engine.train.heads.token_classification import TokenClassification

#: By the task they are for.
HEADS: dict[str, Head] = {
    head.task: head
    for head in (
        TextClassification(),
        MultiLabelClassification(),
        TextRegression(),
        TokenClassification(),
        Chat(),
        CausalLM(),
        MaskedLM(),
        QuestionAnswering(),
        Seq2Seq(),
        ImageClassification(),
    )
}

__all__ = ["HEADS", "Head", "Option", "Role", "divides_by_items", "fitting_task", "remarks"]
