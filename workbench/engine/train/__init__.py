"""Fine-tuning with transformers' own Trainer: rows of data in, a new checkpoint out."""

from __future__ import annotations

from workbench.engine.train.heads import HEADS, Head, Role
from workbench.engine.train.recommended import recommended
from workbench.engine.train.run import fine_tune
from workbench.engine.train.settings import training_arguments, training_threads
from workbench.engine.train.wishes import Saved, Wishes

__all__ = [
    "HEADS",
    "Head",
    "Role",
    "Saved",
    "Wishes",
    "fine_tune",
    "recommended",
    "training_arguments",
    "training_threads",
]
