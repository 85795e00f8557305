"""The heads that can be trained, one module each."""

from __future__ import annotations

from workbench.engine.train.heads.causal_lm import CausalLM
from workbench.engine.train.heads.head import Head, Role
from workbench.engine.train.heads.sequence_classification import SequenceClassification

#: By the task they are for.
HEADS: dict[str, Head] = {head.task: head for head in (SequenceClassification(), CausalLM())}

__all__ = ["HEADS", "Head", "Role"]
